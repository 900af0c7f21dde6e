"""Positions watched: 500 of them at an update a second, and how soon a fill is seen.

The positions are of an order store on disk: contracts of a simulated Binance USD-M, held by many strategies, at marks
asked through unmodified ccxt. Processor time is of the whole process that watches: listening to the store and to the
account's private stream, asking the venue for marks and positions, and making each update a line of JSON.

A fill is timed from the venue's own time of the trade, which is on the same machine, to the update that has it: so what
the simulated venue takes to tell of it is in it. Out of the store, from its commit.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from benchmarks.report import Measurement
from benchmarks.simulated import simulated
from xetrade_core.cli.output import plain
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.streams import Statement, open_stream
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.marks import MarkSource
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Fill, Intent, Order, OrderState, OrderType, Side
from xetrade_core.monitor.accounts import AccountSource
from xetrade_core.monitor.ledger import FillLedger
from xetrade_core.monitor.pace import Pace
from xetrade_core.monitor.watch import Watch
from xetrade_core.trading import records
from xetrade_core.trading.execution import OrderRef
from xetrade_core.trading.schema import FILLS, ORDERS
from xetrade_core.trading.store import OrderStore
from xetrade_core.venues.ccxt_markets import moved_urls
from xetrade_core.venues.clients import ClientOptions, open_market_data

POSITIONS = 500
VENUE = "binanceusdm"
KEY = ("sim-main-key", "sim-main-secret")
SYMBOLS = ("BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT")
START_NS = 1_790_000_000 * NS_PER_S


def run(quick: bool = False) -> list[Measurement]:
    """All measurements; `quick` watches for 5 s instead of 30, and 5 fills instead of 100."""
    named = ", ".join(f'"{symbol}"' for symbol in SYMBOLS)
    with (
        simulated(f"seed = 1\n[venues.{VENUE}]\nsymbols = [{named}]\n[venues.{VENUE}.accounts.main]\n") as venues,
        tempfile.TemporaryDirectory() as root,
    ):
        store = OrderStore(Path(root, "orders.db"))
        _fill_store(store)
        urls, fills = venues[VENUE], 5 if quick else 100
        try:
            return [
                asyncio.run(_cost(store, urls, 5 if quick else 30)),
                *asyncio.run(_latency(store, urls, fills, _told_by_the_venue)),
                *asyncio.run(_latency(store, urls, fills, _committed)),
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
        connection.execute(insert(ORDERS), [records.order_row(seq, order) for seq, (order, _) in enumerate(pairs, 1)])
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


@dataclass(frozen=True, slots=True)
class Watching:
    """A watch whose account is followed, and when the fills that it has yet to show happened (wall clock, ns)."""

    watch: Watch
    store: OrderStore
    bare: Any
    happened: list[int]


@asynccontextmanager
async def _watching(store: OrderStore, urls: dict[str, str], pace: Pace) -> AsyncIterator[Watching]:
    clock, rng = SystemClock(), random.Random(3)
    options = ClientOptions(rest_url=urls["rest"])
    client = open_execution(VENUE, "main", Credentials(*KEY), options, clock, rng)
    happened: list[int] = []

    async def tell(said: Statement) -> None:
        if isinstance(said, Fill):
            happened.append(said.exchange_ns or 0)
            watch.hear(said)

    async def working() -> list[OrderRef]:
        return []

    async with MarkSource(_access(urls["rest"])) as marks:
        watch = Watch(FillLedger(store), marks, pace, clock, AccountSource({(VENUE, "main"): client}, clock))
        async with open_stream(VENUE, "main", client, tell, working, clock, rng, ws_url=urls["ws"]) as stream:
            await stream.live(30)
            yield Watching(watch, store, _bare(urls["rest"]), happened)
    await client.close()


def _bare(url: str) -> Any:
    """ccxt alone, which trades on the account."""
    import ccxt

    found = ccxt.binanceusdm({"apiKey": KEY[0], "secret": KEY[1], "enableRateLimit": False})
    found.urls["api"] = moved_urls(found.urls["api"], url)
    found.load_markets()
    return found


async def _cost(store: OrderStore, urls: dict[str, str], updates: int) -> Measurement:
    """Processor time of watching, beside the time that passed; the first update, which opens everything, apart."""
    rows = 0
    async with _watching(store, urls, Pace(interval_s=1.0, max_updates=updates + 1)) as watching:
        async for update in watching.watch.updates(asyncio.Event()):
            rows += len(json.dumps(plain(update.positions)))
            if update.number == 1:
                began, cpu = time.perf_counter(), time.process_time()
                assert len(update.positions) == POSITIONS
        cores = (time.process_time() - cpu) / (time.perf_counter() - began)
    return Measurement(
        f"{POSITIONS} positions, an update a second, {updates} s", cores, "cores", "under 0.25 cores", cores < 0.25
    )


Happen = Callable[[Watching, int], None]
"""Makes a fill happen; runs on a thread."""


def _told_by_the_venue(watching: Watching, number: int) -> None:
    """A trade of the account, of which its private stream tells, and nobody else."""
    watching.bare.create_order(SYMBOLS[0], "market", "buy" if number % 2 else "sell", 0.01)


_told_by_the_venue.what = "from a fill on the venue, told by its private stream"  # type: ignore[attr-defined]


def _committed(watching: Watching, number: int) -> None:
    """A fill that another process has put into the store."""
    one = _fill(SYMBOLS[0], f"late{number}", Decimal("0.01"), Decimal(100), time.time_ns(), None)
    _commit(watching.store, one)
    watching.happened.append(time.time_ns())


_committed.what = "from a fill in the store"  # type: ignore[attr-defined]


async def _latency(store: OrderStore, urls: dict[str, str], fills: int, happen: Happen) -> list[Measurement]:
    """From a fill to the update that has it; fills come at any moment."""
    rng, took = random.Random(2), []

    async def fill(number: int) -> None:
        await asyncio.sleep(rng.uniform(0.1, 0.2))
        await asyncio.to_thread(happen, watching, number)

    async with _watching(store, urls, Pace(interval_s=60.0)) as watching:
        stop, coming = asyncio.Event(), None
        async for update in watching.watch.updates(stop):
            if update.fills and watching.happened:
                took.append((time.time_ns() - min(watching.happened)) / 1e6)
            watching.happened.clear()
            if len(took) >= fills:
                stop.set()
            elif coming is None or coming.done():
                coming = asyncio.create_task(fill(update.number))
        if coming is not None:
            await coming
    what = f"{happen.what} to the monitor, among {POSITIONS} positions"  # type: ignore[attr-defined]
    shares = {"p50": statistics.median(took), "p99": sorted(took)[int(len(took) * 0.99)]}
    return [Measurement(f"{what}, {name}", found, "ms", "under 100 ms", found < 100) for name, found in shares.items()]


def _commit(store: OrderStore, fill: Fill) -> None:
    store.do(lambda transaction: transaction.add_fill(fill, fill.received_ns, Source.STREAM))
