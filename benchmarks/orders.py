"""What an order costs over bare ccxt, on the same simulated venue in the same run: placed and at once cancelled.

Ours is everything: the intent on the disk, risk checked and reserved, the venue's budget, the reply read from its raw
rows, every event stored. Bare is the same class of ccxt alone, with its rate limiter off, which keeps nothing. Both
sign, send and parse over loopback. Rounds take turns, so that a busy machine slows both, and each of ours is held
against the one of bare ccxt beside it: the ratio is the median of theirs.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.order_store import LIMITS
from benchmarks.report import Measurement
from benchmarks.simulated import simulated
from xetrade_core.capture.undisturbed import YOUNG_OF_ORDERS, undisturbed
from xetrade_core.clock import SystemClock
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.credentials import Credentials
from xetrade_core.model.orders import Side
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.journal import GroupCommit
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.requests import OrderRequest
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.ccxt_markets import moved_urls
from xetrade_core.venues.clients import ClientOptions, open_client
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import RateRule

VENUE, SYMBOL, PRICE, AMOUNT = "binance", "BTC/USDT", "30000", "0.001"
KEY, SECRET = "sim-main-key", "sim-main-secret"
CLIENTS = 200
SCENARIO = (
    f'seed = 3\n[venues.{VENUE}]\nsymbols = ["{SYMBOL}"]\ndepth = 50\nevents_per_s = 1\nweight_limit = 0\n'
    f"[venues.{VENUE}.accounts.main]\nkeys = [{{key = '{KEY}', secret = '{SECRET}'}}]\n"
)
Order = Callable[[int], Awaitable[float]]
"""Places and cancels the order of that index; seconds until it was placed."""


def run(quick: bool = False) -> list[Measurement]:
    """All measurements; `quick` takes one round."""
    with simulated(SCENARIO) as venues, tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(venues[VENUE]["rest"], Path(folder), rounds=1 if quick else 25))


async def _measure(url: str, folder: Path, rounds: int) -> list[Measurement]:
    clock, rng = SystemClock(), random.Random(1)
    ample = WeightBudget(RateRule(10**9, 3600), clock)  # ccxt counts a call as a share of the window
    options = ClientOptions(rest_url=url, budget=ample)
    data = open_client(VENUE, options, clock, rng)
    listed = {one.symbol: one for one in await data.instruments()}
    await data.close()
    execution = open_execution(VENUE, "main", Credentials(KEY, SECRET), options, clock, rng)
    store = OrderStore(folder / "orders.db", limits=LIMITS, marks=Marks(), clock=clock)
    journal = GroupCommit(store)
    account = TradingAccount(known_venue(VENUE), "main", execution, listed)
    bare = _bare(url)
    try:
        async with OrderService(store, journal, [account], clock=clock, rng=rng) as service:
            with undisturbed(YOUNG_OF_ORDERS):  # as a desk is that trades; good for both
                return await _compare(_ours(service), _theirs(bare), rounds)
    finally:
        await bare.close()
        await journal.close()
        await execution.close()
        store.close()


async def _compare(ours: Order, theirs: Order, rounds: int) -> list[Measurement]:
    alone: dict[str, list[float]] = {"ours": [], "bare": []}
    many: dict[str, list[float]] = {"ours": [], "bare": []}
    index = 0
    for turn in range(rounds + 1):
        for name, order in (("ours", ours), ("bare", theirs)):
            placed = [await order(index + one) for one in range(100)]
            index += 100
            began = time.perf_counter()
            await asyncio.gather(*(order(index + one) for one in range(CLIENTS)))
            rate = CLIENTS / (time.perf_counter() - began)
            index += CLIENTS
            if turn:  # the first round opens connections and loads markets
                alone[name] += placed
                many[name].append(rate)
    cost_ms = 1000 * (statistics.median(alone["ours"]) - statistics.median(alone["bare"]))
    ratio = statistics.median(one / other for one, other in zip(many["ours"], many["bare"], strict=True))
    usual = {name: statistics.median(rates) for name, rates in many.items()}
    return [
        Measurement(
            "placing an order, above bare ccxt, p50",
            cost_ms,
            "ms",
            "under 1.5 ms",
            cost_ms < 1.5,
            beside=f"bare ccxt: {1000 * statistics.median(alone['bare']):.2f} ms",
            note=f"one after the other, {len(alone['ours'])} orders each, SQLite",
        ),
        Measurement(
            f"orders placed and cancelled by {CLIENTS} clients at once",
            usual["ours"],
            "/s",
            "at least 0.7x",
            ratio >= 0.7,
            ratio,
            f"bare ccxt: {usual['bare']:,.0f}/s",
            note=f"the simulated venue has the other core; medians of {rounds} rounds that take turns",
        ),
    ]


def _ours(service: OrderService) -> Order:
    request = OrderRequest(
        venue=VENUE, account="main", symbol=SYMBOL, side=Side.BUY, amount=Decimal(AMOUNT), price=Decimal(PRICE)
    )

    async def order(index: int) -> float:
        began = time.perf_counter()
        placed = await service.place(request, key="bench", index=index)
        took = time.perf_counter() - began
        await service.cancel(placed.client_id)
        return took

    return order


def _theirs(bare: Any) -> Order:
    async def order(index: int) -> float:
        began = time.perf_counter()
        placed = await bare.create_order(SYMBOL, "limit", "buy", AMOUNT, PRICE, {"clientOrderId": f"bare-{index}"})
        took = time.perf_counter() - began
        await bare.cancel_order(placed["id"], SYMBOL)
        return took

    return order


def _bare(url: str) -> Any:
    import ccxt.async_support as ccxt

    exchange = ccxt.binance(
        {
            "apiKey": KEY,
            "secret": SECRET,
            "enableRateLimit": False,
            "has": {"fetchCurrencies": False},
            "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False},
        }
    )
    exchange.urls["api"] = moved_urls(exchange.urls["api"], url)
    return exchange
