"""Accounting: a million fills to positions and profit on one core, and ten million in the lake to a report by day.

Forty instruments, linear, inverse and spot, of two accounts and two strategies; positions flip and fees are paid in
settlement and base currency. The results are held against an independent sum of flows: cash and inventory of every
position at the same mark, without entries, lots or averages. The report over the lake is made by a process of its own,
whose memory is measured for one day and for ten; DuckDB adds up the same files, in integers, for what is not inverse.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.report import Measurement
from xetrade_core.accounting.days import results
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.duck import connect
from xetrade_core.lake.store import open_store
from xetrade_core.lake.trade_schemas import PLACES
from xetrade_core.lake.trades import StoredFill, write_fills
from xetrade_core.model.orders import Fill, Side
from xetrade_core.positions.book import Holder, PositionBook
from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.numbers import quanta, stream_context
from xetrade_core.positions.payout import Payout

FILLS = 1_000_000
DAYS = 10
DAY_NS = 86_400 * NS_PER_S
START_NS = 20_700 * DAY_NS
MARK = Decimal(50_000)
SYMBOLS = tuple(
    symbol for number in range(13) for symbol in (f"C{number}/USDT:USDT", f"C{number}/USD:C{number}", f"C{number}/USDT")
)


def run(quick: bool = False) -> list[Measurement]:
    """Seconds by method; `quick` takes a twentieth of the fills."""
    count = FILLS // 20 if quick else FILLS
    fills = list(made_fills(count))
    rows = [_measured(method, fills, quick) for method in LotMethod]
    del fills
    with tempfile.TemporaryDirectory(dir=os.environ.get("XETRADE_BENCH_DIR")) as folder:
        return [*rows, _lake_report(Path(folder), count)]


def _measured(method: LotMethod, fills: list[tuple[Fill, str]], quick: bool) -> Measurement:
    book = PositionBook(payout, method)
    began = time.perf_counter()
    with localcontext(stream_context()):
        for fill, strategy in fills:
            book.fill(fill, strategy)
        found = {holder: position.pnl(MARK) for holder, position in book.positions.items()}
    took = time.perf_counter() - began
    flows = _flows(fills)  # each result is the sum of three numbers that are rounded to the last of 28 places
    equal = all(abs(quanta(result.net_pnl or Decimal(0)) - flows[holder]) <= 2 for holder, result in found.items())
    return Measurement(
        f"{len(fills):,} fills to {len(found)} positions and their profit, {method.value}",
        took,
        "s",
        "under 20 s, equal to the flows",
        equal and took < (1 if quick else 20),
        note="" if equal else "the results differ from cash and inventory",
    )


def _flows(fills: list[tuple[Fill, str]]) -> dict[Holder, int]:
    """The net result of every position from its flows alone, in quanta: no entry, no lot, no average."""
    cash: dict[Holder, Decimal] = {}
    units: dict[Holder, Decimal] = {}
    with localcontext(stream_context()):
        for fill, strategy in fills:
            holder = Holder(fill.venue, fill.account, fill.symbol, strategy)
            base, _, settle = fill.symbol.partition("/")[0], *fill.symbol.partition(":")[1:]
            signed, fee = fill.amount * fill.side.sign, fill.fee or Decimal(0)
            paid = _worth(fill.symbol, signed, fill.price)
            if fill.fee_currency == base != settle:
                paid += fee * fill.price if settle else 0
                signed -= 0 if settle else fee
            else:
                paid += fee
            cash[holder] = cash.get(holder, Decimal(0)) - paid
            units[holder] = units.get(holder, Decimal(0)) + signed
        return {holder: quanta(cash[holder] + _worth(holder.symbol, units[holder], MARK)) for holder in cash}


def _worth(symbol: str, quantity: Decimal, price: Decimal) -> Decimal:
    """Linear: 0.01 base currency a contract; inverse: 10 quote currency a contract; spot: coins."""
    if symbol.endswith(":USDT"):
        return quantity * price / 100
    return -10 * quantity / price if ":" in symbol else quantity * price


def _lake_report(root: Path, a_day: int) -> Measurement:
    """The report by day of `DAYS` days, each of `a_day` fills: its time, and its memory beside that of one day's."""
    store = open_store(root)
    for day in range(DAYS):
        rows = [
            StoredFill(fill, strategy, payout(fill.venue, fill.symbol).multiplier)
            for fill, strategy in made_fills(a_day, day * a_day, DAY_NS // a_day)
        ]
        write_fills(store, "binance", START_NS + day * DAY_NS, rows)
    one, whole = _reported(root, 1), _reported(root, DAYS)
    # each position's result is the sum of parts that are rounded to the last of 18 places
    equal = abs(whole["net"] - _summed(root)) <= 8 * len(SYMBOLS)
    return Measurement(
        f"report by day over {DAYS * a_day:,} fills in the lake",
        whole["seconds"],
        "s",
        "equal to DuckDB's sums, memory within 50 MB of a tenth of the fills'",
        equal and whole["peak_mb"] - one["peak_mb"] < 50,
        note=f"{whole['rows']:,} rows; peak memory {whole['peak_mb']:.0f} MB, of {a_day:,} fills "
        f"{one['peak_mb']:.0f} MB{'' if equal else '; the sums differ'}",
    )


def _reported(root: Path, days: int) -> dict[str, Any]:
    """What `worker` says, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.positions", str(root), str(days)]
    said: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said


def worker(root: str, days: int) -> None:
    """Make the report over the first `days` days, and print what it took and what it came to (in units of 1e-18)."""
    began, rows, net = time.perf_counter(), 0, 0
    for row in results(open_store(root), "binance", lambda *_: MARK, START_NS + days * DAY_NS):
        rows += 1
        net += 0 if payout("binance", row.holder.symbol).inverse else quanta(row.net or Decimal(0), PLACES)
    # not getrusage's: that is the parent's where the parent was larger
    status = Path("/proc/self/status").read_text().splitlines()
    peak_mb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    print(json.dumps({"seconds": time.perf_counter() - began, "rows": rows, "net": net, "peak_mb": peak_mb}))


def _summed(root: Path) -> int:
    """The net of everything linear and spot at the mark as DuckDB adds it up, in units of 1e-18.

    All numbers are integers there: prices in cents, amounts in thousandths, fees in millionths.
    """
    query = """
        WITH trades AS (
            SELECT symbol LIKE '%:%' AS linear, fee_currency = split_part(symbol, '/', 1) AS in_base,
                (price * 100)::HUGEINT AS p, (CASE side WHEN 'buy' THEN amount ELSE -amount END * 1000)::HUGEINT AS q,
                (fee * 1000000)::HUGEINT AS f
            FROM fills WHERE symbol LIKE '%USDT')
        SELECT linear, sum(q * p), sum(q), sum(CASE WHEN in_base THEN 0 ELSE f END),
            sum(CASE WHEN in_base THEN f * p ELSE 0 END), sum(CASE WHEN in_base THEN f ELSE 0 END)
        FROM trades GROUP BY linear"""
    net = Fraction(0)
    for linear, cash, units, fees, priced, coins in connect(open_store(root)).execute(query).fetchall():
        size = Fraction(1, 100 if linear else 1)
        held = Fraction(int(units), 1000) - (0 if linear else Fraction(int(coins), 10**6))
        paid = Fraction(int(fees), 10**6) + (Fraction(int(priced), 10**8) if linear else 0)
        net += size * (held * Fraction(MARK) - Fraction(int(cash), 10**5)) - paid
    return int(net * 10**PLACES)


@cache
def payout(venue: str, symbol: str) -> Payout:
    """What the instrument pays: contracts of 0.01 base currency, or of 10 quote currency where inverse."""
    size = Decimal("0.01") if symbol.endswith(":USDT") else Decimal(10) if ":" in symbol else Decimal(1)
    return Payout.of_symbol(symbol, size)


def made_fills(count: int, start: int = 0, step_ns: int = 10_000_000) -> Iterator[tuple[Fill, str]]:
    """Fills of a made-up desk, the same for the same numbers, from number `start` on."""
    rng = random.Random(start)
    for index in range(start, start + count):
        symbol = SYMBOLS[rng.randrange(len(SYMBOLS))]
        base = symbol.split("/")[0]
        fill = Fill(
            venue="binance",
            account="main" if rng.random() < 0.5 else "second",
            symbol=symbol,
            trade_id=str(index),
            side=Side.BUY if rng.random() < 0.5 else Side.SELL,
            price=Decimal(rng.randrange(4_000_000, 6_000_000)).scaleb(-2),
            amount=Decimal(rng.randrange(1, 9999)).scaleb(-3),
            received_ns=START_NS + index * step_ns,
            exchange_ns=START_NS + index * step_ns,
            fee=Decimal(rng.randrange(-99, 999)).scaleb(-6),
            fee_currency=base if symbol.endswith(f":{base}") or rng.random() < 0.3 else "USDT",
        )
        yield fill, "maker" if rng.random() < 0.5 else "taker"


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2]))
