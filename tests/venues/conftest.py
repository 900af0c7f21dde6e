"""The simulated doubles of all venues, one process for all cards."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.feeds.harness import SCENARIO
from tests.support.sim import Sim, sim_process
from xetrade_core.clock import SystemClock
from xetrade_core.venues.clients import ClientOptions, open_market_data
from xetrade_core.venues.market_data import MarketData


@pytest.fixture(scope="package")
def sim_of_cards() -> Iterator[Sim]:
    with sim_process(SCENARIO) as sim:
        yield sim


@pytest.fixture
def sim(sim_of_cards: Sim) -> Iterator[Sim]:
    yield sim_of_cards
    sim_of_cards.clear()


@asynccontextmanager
async def client_of(sim: Sim, name: str) -> AsyncIterator[MarketData]:
    """A client of a simulated venue; closed when left."""
    client = open_market_data(name, ClientOptions(rest_url=sim.url(name).rest), SystemClock(), random.Random(1))
    try:
        yield client
    finally:
        await client.close()
