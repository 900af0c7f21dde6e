"""The best quote out of running feeds: the venues' own touch, without asking anybody."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.market_data.conftest import Reach
from tests.support.sim import AsyncSim, Sim
from xetrade_core.books.best import Exclusion
from xetrade_core.errors import UnknownVenue, VenueUnavailable
from xetrade_core.market_data.live import live_market

DEADLINE_S = 20.0
NOWHERE = "http://127.0.0.1:1"


async def test_the_live_best_follows_the_venues_and_drops_one_that_is_lost(sim: Sim, reach: Reach) -> None:
    async with live_market(reach(), ["binance", "okx"], "BTC-USDT", 10.0, DEADLINE_S) as market:
        assert await market.synced(DEADLINE_S)
        assert (market.symbol, market.failures) == ("BTC/USDT", ())
        seen = set()
        for _ in range(10):
            best = market.best(time.time_ns())
            assert [one.excluded for one in best.quotes] == [None, None]
            assert best.bid == max(one.bid for one in best.quotes if one.bid is not None)
            seen.add((best.bid, best.ask, best.bid_size, best.ask_size))
            await asyncio.sleep(0.1)
        assert len(seen) > 1
        fault = await AsyncSim(sim).inject(kind="refuse", venue="okx")
        await AsyncSim(sim).inject(kind="disconnect", venue="okx")
        deadline = time.monotonic() + 10
        while market.best(time.time_ns()).quotes[1].excluded is None and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        best = market.best(time.time_ns())
        assert (best.quotes[1].excluded, best.bid_venues) == (Exclusion.OUT_OF_SYNC, ("binance",))
        await asyncio.to_thread(sim.clear, fault)


async def test_a_venue_that_cannot_be_opened_is_named_and_the_others_run(reach: Reach) -> None:
    access = reach({"okx": NOWHERE})
    async with live_market(access, ["okx", "binance", "binanceusdm"], "BTC-USDT", 10.0, DEADLINE_S) as market:
        assert await market.synced(DEADLINE_S)
        assert market.best(time.time_ns()).bid_venues == ("binance",)
        assert [one.venue for one in market.failures] == ["okx", "binanceusdm"]
    with pytest.raises(VenueUnavailable):
        async with live_market(access, ["okx"], "BTC-USDT", 10.0, DEADLINE_S):
            pass


async def test_an_unknown_venue_is_refused(reach: Reach) -> None:
    with pytest.raises(UnknownVenue, match="nasdaq"):
        async with live_market(reach(), ["binance", "nasdaq"], "BTC-USDT", 10.0, DEADLINE_S):
            pass


async def test_a_book_that_does_not_come_into_sync_is_waited_for_only_so_long(reach: Reach) -> None:
    access = reach(ws={"okx": "ws://127.0.0.1:1"})
    async with live_market(access, ["okx", "binance"], "BTC-USDT", 10.0, DEADLINE_S) as market:
        assert not await market.synced(1.0)
        best = market.best(time.time_ns())
        assert [one.excluded for one in best.quotes] == [Exclusion.OUT_OF_SYNC, None]
        assert best.quotes[0].age_s is None
