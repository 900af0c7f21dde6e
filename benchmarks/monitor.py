"""Positions watched: 500 of them at an update a second, and how soon a fill is seen.

The positions are of an order store on disk: contracts of a simulated Binance USD-M, held by many strategies, at marks
asked through unmodified ccxt. Processor time is of the whole process that watches: looking into the store 20 times a
second, asking the venue for marks, and making each update a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from sqlalchemy import insert

from benchmarks.report import Measurement
from benchmarks.simulated import simulated
from xetrade_core.cli.output import plain
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.marks import MarkSource
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Fill, Intent, Order, OrderState, OrderType, Side
from xetrade_core.monitor.ledger import FillLedger
from xetrade_core.monitor.watch import Pace, Watch
from xetrade_core.trading import records
from xetrade_core.trading.schema import FILLS, ORDERS
from xetrade_core.trading.store import OrderStore
from xetrade_core.venues.clients import ClientOptions, open_market_data

POSITIONS = 500
VENUE = "binanceusdm"
SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT")
START_NS = 1_790_000_000 * NS_PER_S


def run(quick: bool = False) -> list[Measurement]:
    """Both measurements; `quick` watches for 5 s instead of 30, and 5 fills instead of 40."""
    named = ", ".join(f'"{symbol}"' for symbol in SYMBOLS)
    with (
        simulated(f"seed = 1\n[venues.{VENUE}]\nsymbols = [{named}]\n") as venues,
        tempfile.TemporaryDirectory() as root,
    ):
        store = OrderStore(Path(root, "orders.db"))
        _fill_store(store)
        access = _access(venues[VENUE]["rest"])
        try:
            return [
                asyncio.run(_cost(store, access, 5 if quick else 30)),
                asyncio.run(_latency(store, access, 5 if quick else 40)),
            ]
        finally:
            store.close()


def _access(url: str) -> Access:
    clock, rng = SystemClock(), random.Random(1)

    async def no_feed(venue: str, pair: str, depth: int) -> None:
        raise NotImplementedError

    return Access(lambda venue: open_market_data(venue, ClientOptions(rest_url=url), clock, rng), no_feed, clock)  # type: ignore[arg-type]


def _fill_store(store: OrderStore) -> None:
    """An order and a fill for each position."""
    pairs = [_traded(number) for number in range(POSITIONS)]
    with store.engine.begin() as connection:
        connection.execute(insert(ORDERS), [records.order_row(order) for order, _ in pairs])
        connection.execute(insert(FILLS), [records.fill_row(fill) for _, fill in pairs])


def _traded(number: int) -> tuple[Order, Fill]:
    amount, price = Decimal("0.01") * (number + 1), Decimal(100 + number)
    intent = Intent(
        client_id=f"bench{number}", venue=VENUE, account="main", symbol=SYMBOLS[number % len(SYMBOLS)], side=Side.BUY,
        type=OrderType.LIMIT, amount=amount, created_ns=START_NS, reserve_price=price, price=price,
        strategy=f"s{number}",
    )  # fmt: skip
    order = Order(
        intent=intent, state=OrderState.FILLED, version=1, amount=amount, reserve_price=price, updated_ns=START_NS
    )
    return order, _fill(intent.symbol, f"{number}", amount, price, START_NS + number, intent.client_id)


def _fill(symbol: str, trade_id: str, amount: Decimal, price: Decimal, at_ns: int, client_id: str | None) -> Fill:
    return Fill(
        venue=VENUE, account="main", symbol=symbol, trade_id=trade_id, side=Side.BUY, price=price,
        amount=amount, received_ns=at_ns, exchange_ns=at_ns, client_id=client_id,
    )  # fmt: skip


async def _cost(store: OrderStore, access: Access, updates: int) -> Measurement:
    """Processor time of watching, beside the time that passed; the first update, which opens everything, apart."""
    rows = 0
    async with MarkSource(access) as marks:
        watch = Watch(FillLedger(store), marks, Pace(interval_s=1.0, max_updates=updates + 1), SystemClock())
        async for update in watch.updates(asyncio.Event()):
            rows += len(json.dumps(plain(update.positions)))
            if update.number == 1:
                began, cpu = time.perf_counter(), time.process_time()
                assert len(update.positions) == POSITIONS
        cores = (time.process_time() - cpu) / (time.perf_counter() - began)
    return Measurement(
        f"{POSITIONS} positions, an update a second, {updates} s", cores, "cores", "under 0.25 cores", cores < 0.25
    )


async def _latency(store: OrderStore, access: Access, fills: int) -> Measurement:
    """From a fill's commit to the update that has it; fills come at any moment between two looks."""
    rng, took, committed = random.Random(2), [], []

    async def fill(number: int) -> None:
        await asyncio.sleep(rng.uniform(0.2, 0.3))
        one = _fill(SYMBOLS[0], f"late{number}", Decimal("0.01"), Decimal(100), time.time_ns(), None)
        await asyncio.to_thread(_commit, store, one)
        committed.append(time.perf_counter())

    async with MarkSource(access) as marks:
        watch = Watch(FillLedger(store), marks, Pace(interval_s=60.0, max_updates=fills + 1), SystemClock())
        async for update in watch.updates(asyncio.Event()):
            if update.number > 1:
                took.append(time.perf_counter() - committed[-1])
            coming = asyncio.ensure_future(fill(update.number))
        await coming
    p50, p99 = statistics.median(took) * 1000, sorted(took)[int(len(took) * 0.99)] * 1000
    return Measurement(
        f"from a fill in the store to the monitor, among {POSITIONS} positions, p50", p50, "ms", "under 100 ms",
        p50 < 100, note=f"p99 {p99:.0f} ms",
    )  # fmt: skip


def _commit(store: OrderStore, fill: Fill) -> None:
    store.do(lambda transaction: transaction.add_fill(fill, fill.received_ns, Source.STREAM))
