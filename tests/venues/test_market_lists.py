"""What a venue lists is fetched once a day for all, and stands in when the venue is down; stores may fail."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zstandard
from structlog.testing import capture_logs

from tests.support.sim import Sim, no_faults_left, sim_process  # noqa: F401
from xetrade_core.clock import NS_PER_S, Clock, ManualClock, SystemClock
from xetrade_core.errors import LakeUnavailable, UnknownSymbol, VenueUnavailable
from xetrade_core.lake.kept_lists import KeptLists
from xetrade_core.lake.store import open_store
from xetrade_core.venues.ccxt_client import CcxtMarketData
from xetrade_core.venues.clients import ClientOptions, open_client
from xetrade_core.venues.market_lists import MarketLists, MarketStore

NOON = 1_795_780_800 * NS_PER_S  # 2026-11-27 12:00 UTC
DAY_S = 86_400
MARKETS = [{"id": "BTCUSDT", "symbol": "BTC/USDT", "precision": {"price": 0.01}, "info": {"x": [None, True, "é"]}}]


class Away:
    """A store that does not answer."""

    def read(self, key: str) -> bytes | None:
        raise LakeUnavailable("away")

    def write(self, key: str, body: bytes) -> None:
        raise LakeUnavailable("away")

    def remove_before(self, prefix: str, key: str) -> None:
        raise LakeUnavailable("away")


class Slow(Away):
    """A store that hangs."""

    def read(self, key: str) -> bytes | None:
        time.sleep(0.3)
        return None


class Held(Away):
    """A store that answers when it is told to."""

    def __init__(self) -> None:
        self.answer, self.answered = threading.Event(), threading.Event()

    def read(self, key: str) -> bytes | None:
        self.answer.wait()
        self.answered.set()
        return None


class Shifted(SystemClock):
    """The machine's clock, with the wall so many days later."""

    def __init__(self, days: float) -> None:
        self._shift_ns = round(days * DAY_S) * NS_PER_S

    def wall_ns(self) -> int:
        return time.time_ns() + self._shift_ns


def kept_in(directory: Path, *, history: bool = True) -> KeptLists:
    return KeptLists(open_store(directory), history=history)


def lists_of(
    *stores: MarketStore, clock: Clock | None = None, host: str = "api.binance.com", patience_s: float = 3.0
) -> MarketLists:
    return MarketLists("binance", host, stores, clock or ManualClock(NOON), patience_s=patience_s)


# --- the lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_is_never_lost_however_near_the_answer_it_comes(turns: int) -> None:
    """Else what is being closed goes on, and asks a venue that hangs."""
    store = Held()
    reading = asyncio.create_task(lists_of(store).today())
    await asyncio.sleep(0.01)
    store.answer.set()
    store.answered.wait()
    time.sleep(0.01)  # noqa: ASYNC251 - the loop stands still until the thread has told of its answer
    for _ in range(turns):
        await asyncio.sleep(0)
    asked = reading.cancel()
    await asyncio.wait({reading})
    assert reading.cancelled() is asked


async def test_a_list_comes_back_as_it_was_with_the_time_at_which_the_venue_gave_it(tmp_path: Path) -> None:
    assert await lists_of(kept_in(tmp_path)).today() is None
    await lists_of(kept_in(tmp_path)).keep(MARKETS)
    found = await lists_of(kept_in(tmp_path), clock=ManualClock(NOON + 3600 * NS_PER_S)).today()
    assert found is not None
    assert (found.markets, found.listed_ns) == (MARKETS, NOON)
    assert (tmp_path / "markets/venue=binance/date=2026-11-27/api.binance.com.json.zst").is_file()


async def test_a_list_is_of_one_day_and_one_host(tmp_path: Path) -> None:
    await lists_of(kept_in(tmp_path)).keep(MARKETS)
    assert await lists_of(kept_in(tmp_path), clock=ManualClock(NOON + DAY_S * NS_PER_S)).today() is None
    assert await lists_of(kept_in(tmp_path), host="127.0.0.1:8080").today() is None


async def test_a_farther_store_teaches_the_nearer_one(tmp_path: Path) -> None:
    await lists_of(kept_in(tmp_path / "lake")).keep(MARKETS)
    assert await lists_of(kept_in(tmp_path / "own"), kept_in(tmp_path / "lake")).today() is not None
    assert await lists_of(kept_in(tmp_path / "own")).today() is not None


async def test_a_store_that_is_away_or_hangs_is_passed_over(tmp_path: Path) -> None:
    lists = lists_of(Away(), Slow(), kept_in(tmp_path), patience_s=0.1)
    with capture_logs() as logs:
        await lists.keep(MARKETS)
        assert await lists.today() is not None
    said = {row["error"] for row in logs}
    assert said >= {"away", "no answer within 0.1 s"}


async def test_for_a_venue_that_is_down_the_newest_of_the_week_stands_in(tmp_path: Path) -> None:
    await lists_of(kept_in(tmp_path)).keep(MARKETS)
    for days, known in ((0, True), (3, True), (7, True), (8, False)):
        clock = ManualClock(NOON + days * DAY_S * NS_PER_S)
        assert (await lists_of(kept_in(tmp_path), clock=clock).earlier() is not None) is known, days


async def test_the_machines_own_copy_keeps_the_newest_day_alone_and_the_lake_every_day(tmp_path: Path) -> None:
    own, lake = kept_in(tmp_path / "own", history=False), kept_in(tmp_path / "lake")
    for day in range(3):
        await lists_of(own, lake, clock=ManualClock(NOON + day * DAY_S * NS_PER_S)).keep(MARKETS)
    assert [path.name for path in (tmp_path / "own/markets/venue=binance").iterdir()] == ["date=2026-11-29"]
    assert len(list((tmp_path / "lake/markets/venue=binance").iterdir())) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"torn",
        zstandard.compress(b"{"),
        zstandard.compress(b'{"listed_ns": 1, "ccxt": "0.0.1", "markets": [{}]}'),
        zstandard.compress(b'{"listed_ns": 1, "ccxt": "4.5.90", "markets": []}'),
    ],
    ids=["empty", "torn", "no JSON", "another ccxt", "no markets"],
)
async def test_what_cannot_be_used_is_no_list_and_is_replaced(tmp_path: Path, body: bytes) -> None:
    store = kept_in(tmp_path)
    store.write("markets/venue=binance/date=2026-11-27/api.binance.com.json.zst", body)
    assert await lists_of(store).today() is None
    await lists_of(store).keep(MARKETS)
    assert await lists_of(store).today() is not None


async def test_of_two_that_keep_at_once_one_wins_and_both_go_on(tmp_path: Path) -> None:
    await asyncio.gather(*(lists_of(kept_in(tmp_path)).keep(MARKETS) for _ in range(8)))
    assert await lists_of(kept_in(tmp_path)).today() is not None


# --- the client -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process('[venues.binance]\nsymbols = ["BTC/USDT"]\n[venues.okx]\nsymbols = 2') as running:
        yield running


@asynccontextmanager
async def client_of(
    sim: Sim, stores: Sequence[MarketStore], venue: str = "binance", days: float = 0
) -> AsyncIterator[CcxtMarketData]:
    options = ClientOptions(rest_url=sim.url(venue).rest, lists=tuple(stores))
    client = open_client(venue, options, Shifted(days), random.Random(1))
    assert isinstance(client, CcxtMarketData)
    try:
        yield client
    finally:
        await client.close()


def calls_for_the_list(sim: Sim) -> int:
    """Every call for the list of markets, as the fault that delays it by nothing counts them."""
    return len(sim.injected("rest_delay"))


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_the_second_client_of_a_day_asks_for_no_list_and_reads_as_the_first(
    sim: Sim, tmp_path: Path, venue: str
) -> None:
    before = calls_for_the_list(sim)
    path = "exchangeInfo" if venue == "binance" else "public/instruments"
    sim.begin(kind="rest_delay", venue=venue, path=path, delay_s=0, count=1000)
    async with client_of(sim, [kept_in(tmp_path)], venue) as first:
        listed = await first.instruments()
        markets = first._exchange.markets
    asked = calls_for_the_list(sim)
    assert asked > before
    async with client_of(sim, [kept_in(tmp_path)], venue) as second:
        assert (await second.book("BTC/USDT", 5)).bids
        assert await second.instruments() == listed
        assert second._exchange.markets == markets
        assert second.listed_ns is not None
        assert calls_for_the_list(sim) == asked
        assert await second.instruments(fresh=True) == listed
        assert calls_for_the_list(sim) > asked
    asked = calls_for_the_list(sim)
    async with client_of(sim, [kept_in(tmp_path)], venue, days=1) as tomorrow:
        await tomorrow.instruments()
    assert calls_for_the_list(sim) > asked, "a list is renewed every day"


async def test_with_the_lake_away_a_client_works_all_the_same(sim: Sim) -> None:
    async with client_of(sim, [Away()]) as client:
        assert (await client.book("BTC/USDT", 5)).bids


async def test_while_the_list_cannot_be_had_yesterdays_stands_in_and_its_age_is_said(sim: Sim, tmp_path: Path) -> None:
    async with client_of(sim, [kept_in(tmp_path)]) as client:
        await client.instruments()
    sim.begin(kind="rest_error", venue="binance", path="exchangeInfo", count=1000)
    async with client_of(sim, [kept_in(tmp_path)], days=2) as client:
        with capture_logs() as logs:
            assert (await client.book("BTC/USDT", 5)).bids
        assert [(row["event"], row["age_s"]) for row in logs] == [("stale list of markets", 2 * DAY_S)]
        with pytest.raises(VenueUnavailable):
            await client.instruments(fresh=True)
    async with client_of(sim, [kept_in(tmp_path)], days=9) as client:
        with pytest.raises(VenueUnavailable):
            await client.book("BTC/USDT", 5)


async def test_a_symbol_that_is_new_since_the_list_was_kept_is_found(sim: Sim, tmp_path: Path) -> None:
    async with client_of(sim, [kept_in(tmp_path)]) as client:
        await client.instruments()
        older = [{**row, "id": "OLD", "symbol": "OLD/USDT"} for row in client._exchange.markets.values()]
        host = sim.url("binance").rest.partition("://")[2]
        await MarketLists("binance", host, [kept_in(tmp_path)], SystemClock()).keep(older)
    sim.begin(kind="rest_delay", venue="binance", path="exchangeInfo", delay_s=0, count=1000)
    async with client_of(sim, [kept_in(tmp_path)]) as client:
        asked = calls_for_the_list(sim)
        assert (await client.book("BTC/USDT", 5)).bids
        assert calls_for_the_list(sim) == asked + 1
        for _ in range(5):
            with pytest.raises(UnknownSymbol):
                await client.book("NONE/USDT", 5)
        assert calls_for_the_list(sim) == asked + 1, "what is unknown is looked for once a minute at most"


async def test_many_first_calls_at_once_ask_for_the_list_once(sim: Sim) -> None:
    sim.begin(kind="rest_delay", venue="binance", path="exchangeInfo", delay_s=0, count=1000)
    asked = calls_for_the_list(sim)
    async with client_of(sim, []) as client:
        await asyncio.gather(*(client.book("BTC/USDT", 5) for _ in range(20)))
    assert calls_for_the_list(sim) == asked + 1
