"""Simulated venues with a few perpetuals, clients of them, and a lake."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from tests.support.sim import Sim, sim_process
from xetrade_core.clock import SystemClock
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.breaker import BreakerRules
from xetrade_core.venues.clients import ClientOptions, open_market_data
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.reads import Repeating
from xetrade_core.venues.resilient import ReadRules

BTC, SOL = "BTC/USDT:USDT", "SOL/USDT:USDT"
SYMBOLS = {
    "binanceusdm": (BTC, SOL),
    "binancecoinm": ("BTC/USD:BTC",),
    "okx": (BTC, SOL),
    "bybit": (SOL, "BTC/USD:BTC"),
    "kucoinfutures": (SOL,),
    "deribit": ("BTC/USD:BTC",),
    "derive": ("BTC/USDC:USDC",),
}
QUICK = ReadRules(repeating=Repeating(backoff=Backoff(base_s=0.01, cap_s=0.1)))
NEVER_OPEN = BreakerRules(failures=1_000)  # what it asks to wait for is seconds of real time
Opener = Callable[[str], AbstractAsyncContextManager[MarketData]]


class HastyClock(SystemClock):
    """Real time, but who sleeps on it is woken early: waits between tries would make tests long."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


@pytest.fixture(scope="package")
def venues() -> Iterator[Sim]:
    scenario = "".join(f"[venues.{name}]\nsymbols = {list(symbols)}\n" for name, symbols in SYMBOLS.items())
    with sim_process(scenario) as running:
        yield running


@pytest.fixture
def sim(venues: Sim) -> Iterator[Sim]:
    """The venues, without what another test did to them."""
    yield venues
    venues.clear()
    for name, symbols in SYMBOLS.items():
        for symbol in symbols:
            venues.restore_funding(name, symbol)


@pytest.fixture
def client_of(sim: Sim) -> Opener:
    @asynccontextmanager
    async def opened(name: str) -> AsyncIterator[MarketData]:
        options = ClientOptions(rest_url=sim.url(name).rest, reads=QUICK, breakers=NEVER_OPEN)
        client = open_market_data(name, options, SystemClock(), random.Random(1))
        try:
            yield client
        finally:
            await client.close()

    return opened


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path / "lake")
