"""Accounting: a million fills to positions and profit on one core, by each method of lots.

Forty instruments, linear, inverse and spot, of two accounts and two strategies; positions flip and fees are paid in
settlement and base currency. The results are held against an independent sum of flows: cash and inventory of every
position at the same mark, without entries, lots or averages.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from decimal import Decimal, localcontext
from functools import cache

from benchmarks.report import Measurement
from xetrade_core.clock import NS_PER_S
from xetrade_core.model.orders import Fill, Side
from xetrade_core.positions.book import Holder, PositionBook
from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.numbers import quanta, stream_context
from xetrade_core.positions.payout import Payout

FILLS = 1_000_000
START_NS = 1_790_000_000 * NS_PER_S
MARK = Decimal(50_000)
SYMBOLS = tuple(
    symbol for number in range(13) for symbol in (f"C{number}/USDT:USDT", f"C{number}/USD:C{number}", f"C{number}/USDT")
)


def run(quick: bool = False) -> list[Measurement]:
    """Seconds by method; `quick` takes a twentieth of the fills."""
    count = FILLS // 20 if quick else FILLS
    fills = list(made_fills(count))
    return [_measured(method, fills, quick) for method in LotMethod]


def _measured(method: LotMethod, fills: list[tuple[Fill, str]], quick: bool) -> Measurement:
    book = PositionBook(payout, method)
    began = time.perf_counter()
    with localcontext(stream_context()):
        for fill, strategy in fills:
            book.fill(fill, strategy)
        results = {holder: position.pnl(MARK) for holder, position in book.positions.items()}
    took = time.perf_counter() - began
    flows = _flows(fills)  # each result is the sum of three numbers that are rounded to the last of 28 places
    equal = all(abs(quanta(result.net_pnl or 0) - flows[holder]) <= 2 for holder, result in results.items())
    return Measurement(
        f"{len(fills):,} fills to {len(results)} positions and their profit, {method.value}",
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


@cache
def payout(venue: str, symbol: str) -> Payout:
    """What the instrument pays: contracts of 0.01 base currency, or of 10 quote currency where inverse."""
    size = Decimal("0.01") if symbol.endswith(":USDT") else Decimal(10) if ":" in symbol else Decimal(1)
    return Payout.of_symbol(symbol, size)


def made_fills(count: int, start: int = 0) -> Iterator[tuple[Fill, str]]:
    """Fills of a made-up desk, the same for the same numbers; one each 10 ms."""
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
            received_ns=START_NS + index * 10_000_000,
            fee=Decimal(rng.randrange(-99, 999)).scaleb(-6),
            fee_currency=base if symbol.endswith(f":{base}") or rng.random() < 0.3 else "USDT",
        )
        yield fill, "maker" if rng.random() < 0.5 else "taker"
