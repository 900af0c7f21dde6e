"""What can go wrong with a venue's REST side, against the simulated venue: the calls stop, stand in, come back."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.faults.venue_reader import venue_reader
from tests.support.sim import Sim, no_faults_left, sim_process  # noqa: F401
from xetrade_core.clock import SystemClock
from xetrade_core.errors import RateLimited, VenueUnavailable
from xetrade_core.venues.breaker import BreakerRules, BreakerState, CircuitOpen
from xetrade_core.venues.breaker_board import Scope, read_breakers
from xetrade_core.venues.budget import Sharing
from xetrade_core.venues.clients import ClientOptions, open_client, open_market_data
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.reads import Repeating
from xetrade_core.venues.resilient import FallbackMarketData, ReadRules

SYMBOL = "BTC/USDT"
ONCE = Repeating(attempts=1, deadline_s=5)
QUICK = BreakerRules(failures=3, open_s=0.3, cap_s=1.0)


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process("[venues.binance]\nsymbols = 2\n[venues.okx]\nsymbols = 2") as running:
        yield running


@asynccontextmanager
async def market_data(sim: Sim, state: Path, venue: str = "binance", **options: Any) -> AsyncIterator[MarketData]:
    chosen = ClientOptions(
        rest_url=sim.url(venue).rest,
        sharing=Sharing(directory=state),
        **{"reads": ReadRules(repeating=ONCE), "breakers": QUICK, **options},
    )
    data = open_market_data(venue, chosen, SystemClock(), random.Random(1))
    try:
        yield data
    finally:
        await data.close()


def known_breakers(sim: Sim, state: Path) -> dict[str, BreakerState]:
    path = Scope("binance", sim.url("binance").rest.partition("://")[2]).file(state / "breakers")
    return {endpoint: record.state for endpoint, record in read_breakers(path).items()}


@pytest.mark.parametrize("status", [429, 418])
async def test_a_limit_that_one_process_meets_stops_another_until_the_stated_time(
    sim: Sim, tmp_path: Path, status: int
) -> None:
    with venue_reader(tmp_path, "binance", sim.url("binance").rest, SYMBOL) as other:
        async with market_data(sim, tmp_path) as data:
            await data.book(SYMBOL, 5)
            assert (await asyncio.to_thread(other.read)).startswith("book")
            before = len(sim.injected("rate_limit"))
            sim.begin(kind="rate_limit", venue="binance", path="depth", status=status, retry_after_s=4, count=100)
            with pytest.raises(RateLimited, match="no calls for 4 s"):
                await data.book(SYMBOL, 5)
            said = await asyncio.to_thread(other.read)
            assert said.startswith("RateLimited"), said
            assert "which is too late" in said
            assert len(sim.injected("rate_limit")) == before + 1, "the other's call was not sent"
            sim.clear()
            await asyncio.sleep(2.2)
            assert (await asyncio.to_thread(other.read)).startswith("book"), "within its deadline it waits for the end"


async def test_a_new_process_is_silent_too_while_the_ban_lasts(sim: Sim, tmp_path: Path) -> None:
    async with market_data(sim, tmp_path, "okx") as data:
        await data.book(SYMBOL, 5)
        sim.begin(kind="rate_limit", venue="okx", path="books", retry_after_s=600)
        with pytest.raises(RateLimited):
            await data.book(SYMBOL, 5)
    async with market_data(sim, tmp_path, "okx") as data:
        with pytest.raises(RateLimited, match=r"allows no call for (600|59\d)\.\d s"):
            await data.book(SYMBOL, 5)


async def test_server_errors_open_the_breaker_and_recovery_closes_it(sim: Sim, tmp_path: Path) -> None:
    async with market_data(sim, tmp_path) as data:
        await data.book(SYMBOL, 5)
        fault = sim.begin(kind="rest_error", venue="binance", path="depth", status=503, count=1000)
        for _ in range(3):
            with pytest.raises(VenueUnavailable, match="503"):
                await data.book(SYMBOL, 5)
        with pytest.raises(CircuitOpen):
            await data.book(SYMBOL, 5)
        assert len(sim.injected("rest_error")) == 3, "nothing was sent while it is open"
        assert known_breakers(sim, tmp_path) == {"book": BreakerState.OPEN}
        assert await data.quotes([SYMBOL]), "the rest of the venue is asked as ever"
        await asyncio.sleep(0.35)
        with pytest.raises(VenueUnavailable, match="503"):
            await data.book(SYMBOL, 5)
        assert len(sim.injected("rest_error")) == 4, "one probe"
        sim.clear(fault)
        await asyncio.sleep(0.65)
        assert (await data.book(SYMBOL, 5)).bids
        assert known_breakers(sim, tmp_path) == {"book": BreakerState.CLOSED}


async def test_a_reply_that_was_cut_short_is_asked_for_again(sim: Sim, tmp_path: Path) -> None:
    async with market_data(sim, tmp_path, reads=ReadRules(repeating=Repeating(attempts=3, deadline_s=5))) as data:
        await data.book(SYMBOL, 5)
        before = len(sim.injected("rest_garbled"))
        sim.begin(kind="rest_garbled", venue="binance", path="depth", count=2)
        assert (await data.book(SYMBOL, 5)).bids
        assert len(sim.injected("rest_garbled")) == before + 2


async def test_a_slow_venue_is_given_up_at_the_deadline(sim: Sim, tmp_path: Path) -> None:
    slow = ReadRules(repeating=Repeating(attempts=5, deadline_s=0.6))
    async with market_data(sim, tmp_path, reads=slow) as data:
        await data.book(SYMBOL, 5)
        sim.begin(kind="rest_delay", venue="binance", path="depth", delay_s=5, count=100)
        began = asyncio.get_running_loop().time()
        with pytest.raises(VenueUnavailable):
            await data.book(SYMBOL, 5)
        assert asyncio.get_running_loop().time() - began < 1.5


async def test_a_venue_that_is_down_answers_from_memory_and_then_another_venue_does(sim: Sim, tmp_path: Path) -> None:
    stale = ReadRules(repeating=ONCE, max_stale_s=1.0)
    async with market_data(sim, tmp_path, reads=stale) as first, market_data(sim, tmp_path, "okx") as second:
        data = FallbackMarketData(first, second)
        fresh = await data.book(SYMBOL, 5)
        assert (fresh.venue, fresh.stale_s) == ("binance", None)
        sim.begin(kind="refuse", venue="binance", for_=20)
        kept = await data.book(SYMBOL, 5)
        assert (kept.venue, kept.bids) == ("binance", fresh.bids)
        assert kept.stale_s is not None
        assert 0 < kept.stale_s <= 1.0
        await asyncio.sleep(1.1)
        other = await data.book(SYMBOL, 5)
        assert (other.venue, other.stale_s) == ("okx", None)
        sim.clear()
        await asyncio.sleep(1.1)
        assert (await data.book(SYMBOL, 5)).venue == "binance"


CANARIES = ("KEYcanary0123456789", "SECRETcanary0123456789", "PASScanary0123456789")


@pytest.mark.parametrize("venue", ["binance", "okx"])
@pytest.mark.parametrize("trouble", ["rest_error", "rest_garbled", "refuse", "rate_limit", "rest_delay", "not there"])
async def test_keys_that_a_client_holds_are_in_no_error_and_no_log(
    sim: Sim, tmp_path: Path, venue: str, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    client: Any = open_client(
        venue, ClientOptions(rest_url=sim.url(venue).rest, request_timeout_s=0.3), SystemClock(), random.Random(1)
    )
    try:
        await client.instruments()
        exchange = client._exchange
        exchange.apiKey, exchange.secret, exchange.password = CANARIES
        if trouble != "not there":
            sim.begin(kind=trouble, venue=venue, **({"for_": 5} if trouble == "refuse" else {"count": 1}))
        with capture_logs() as logs, pytest.raises(Exception) as caught:
            await client._read("balance", exchange.fetch_balance)
        shown = "".join(traceback.format_exception(caught.value)) + str(logs) + caplog.text + repr(caught.value)
        assert not [canary for canary in CANARIES if canary in shown]
        assert "signature=" not in shown
    finally:
        await client.close()
