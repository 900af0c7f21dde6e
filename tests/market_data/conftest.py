"""The simulated venues of these tests, and how they are reached."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.feeds.harness import quick
from tests.support.sim import Sim, sim_process
from xetrade_core.clock import SystemClock
from xetrade_core.feeds.factory import open_feed
from xetrade_core.feeds.feed import Feed
from xetrade_core.market_data.access import Access
from xetrade_core.venues.clients import ClientOptions, open_market_data

SCENARIO = """
seed = 5
[venues.binance]
symbols = ["BTC/USDT", "ETH/USDT"]
[venues.okx]
symbols = ["BTC/USDT", "BTC/USDT:USDT"]
[venues.binanceusdm]
symbols = ["BTC/USDT:USDT"]
[venues.binancecoinm]
symbols = ["BTC/USD:BTC"]
[venues.bybit]
symbols = ["BTC/USDT:USDT"]
[venues.kucoinfutures]
symbols = ["BTC/USDT:USDT"]
[venues.derive]
symbols = ["BTC/USDC:USDC", "ETH/USDC:USDC"]
[venues.deribit]
symbols = ["BTC/USDC:USDC", "ETH/USDC:USDC"]
"""

Reach = Callable[..., Access]


@pytest.fixture(scope="package")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def reach(sim: Sim) -> Reach:
    """`Access` to the simulated venues; `rest` and `ws` put other hosts in a venue's place."""

    def make(rest: dict[str, str] | None = None, ws: dict[str, str] | None = None) -> Access:
        clock, rng = SystemClock(), random.Random(2)

        async def feed(venue: str, pair: str, depth: int) -> Feed:
            options = quick(sim, venue if venue in sim.venues else "binance", depth=depth)
            options = replace(
                options,
                rest_url=(rest or {}).get(venue, options.rest_url),
                ws_url=(ws or {}).get(venue, options.ws_url),
            )
            return await open_feed(venue, [pair], options, clock, rng)

        def client(venue: str):
            url = (rest or {}).get(venue) or (sim.url(venue).rest if venue in sim.venues else None)
            return open_market_data(venue, ClientOptions(rest_url=url), clock, rng)

        return Access(client, feed, clock)

    return make
