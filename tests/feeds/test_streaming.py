"""Websocket feeds against the simulated venues, where one venue stands for all; what each venue must show is in
tests/venues/cards_data.py."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.feeds.harness import SYMBOLS, check_truth, quick, running
from tests.support.sim import Sim
from xetrade_core.clock import SystemClock
from xetrade_core.errors import ConfigError, UnknownSymbol, UnknownVenue, VenueUnavailable
from xetrade_core.feeds.factory import open_feed
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.model.book_events import GapCause


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_a_connection_without_data_for_too_long_is_replaced_beside_its_running(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue, data_silence_limit_s=0.5)) as run:
        await run.synced()
        sim.inject(kind="stall", venue=venue, variant="drop", for_=2.0)
        await run.until(lambda: run.feed.status().rotations >= 1)
        await run.until(lambda: bool(run.sink.gaps), within_s=15)
        await run.synced()
        await run.lasting(0.3)
    assert {gap.cause for gap in run.sink.gaps} == {GapCause.SEQUENCE}
    await check_truth(run, sim)


async def test_a_rotation_that_holds_too_many_frames_is_given_up_and_the_old_connection_goes_on(sim: Sim) -> None:
    async with running("binance", quick(sim, "binance", rotation_s=0.3, held_frames_limit=1)) as run:
        await run.synced()
        await run.until(lambda: run.feed.status().dropped >= 1)
        status = run.feed.status()
        assert status.rotations == 0
        assert [row.synced for row in status.symbols] == [True, True]
    assert run.sink.gaps == []


async def test_the_death_of_the_old_connection_in_an_overlap_loses_nothing_if_the_new_one_carries_all(sim: Sim) -> None:
    async with running("okx", quick(sim, "okx", rotation_s=0.2, overlap_s=5.0)) as run:
        await run.synced()
        line = run.feed.lines[0]
        await run.until(lambda: line._ready())
        assert line.active is not None
        line.active.close()
        await run.until(lambda: line.rotations == 1)
        run.unsynced.clear()
        await run.lasting(0.4)
    assert run.sink.gaps == []
    assert run.unsynced == set()
    await check_truth(run, sim)


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_unreachable_for_a_while_is_a_gap_and_heals(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        sim.inject(kind="refuse", venue=venue, for_=1.0)
        sim.inject(kind="disconnect", venue=venue)
        await run.until(lambda: len(run.sink.gaps) == 2)
        await run.synced(within_s=20)
        assert run.feed.status().reconnects >= 2
    await check_truth(run, sim, at_least=1)


async def test_a_refused_subscription_leaves_the_other_symbols_in_sync(sim: Sim) -> None:
    async with running("okx", quick(sim, "okx")) as run:
        line = run.feed.lines[0]
        line.venue_ids["BTC/USDT"] = "NO-SUCH-PAIR"  # delisted between the list and the subscription
        await run.until(lambda: run.feed.books.sequencers["BTC/USDT:USDT"].synced)
        await run.until(lambda: run.feed.status().symbols[0].refused is not None)
        status = run.feed.status()
    assert "60018" in (status.symbols[0].refused or "")
    assert [row.synced for row in status.symbols] == [False, True]
    assert status.reconnects == 0


async def test_a_refused_stream_of_binance_does_not_take_the_whole_request_with_it(sim: Sim) -> None:
    async with running("binance", quick(sim, "binance")) as run:
        line = run.feed.lines[0]
        line.venue_ids["BTC/USDT"] = "NO SUCH"
        await run.until(lambda: run.feed.books.sequencers["ETH/USDT"].synced)
        status = run.feed.status()
    assert "unknown stream" in (status.symbols[0].refused or "")
    assert [row.synced for row in status.symbols] == [False, True]


class _Failing:
    """A sink with an error of its own in the tenth frame."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.frames = 0
        self.causes: list[GapCause] = []

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        self.frames += 1
        if self.frames == 10:
            raise self.error

    def events(self, events: tuple[object, ...]) -> None:
        return None

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause) -> None:
        self.causes.append(cause)


async def test_an_unknown_error_in_handling_a_frame_is_a_gap_and_never_the_end(sim: Sim) -> None:
    feed = await open_feed("okx", SYMBOLS["okx"], quick(sim, "okx"), SystemClock(), random.Random(1))
    sink = _Failing(ZeroDivisionError("a bug"))
    task = asyncio.create_task(feed.run(sink))
    try:
        async with asyncio.timeout(10):
            while sink.frames < 40 or not all(row.synced for row in feed.books.sequencers.values()):
                await asyncio.sleep(0.02)
        status = feed.status()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert status.handling_errors == 1
    assert status.reconnects == 0
    assert sink.causes == [GapCause.MALFORMED]
    assert {row.gap_count for row in feed.books.sequencers.values()} == {1}


async def test_an_error_on_purpose_from_the_sink_ends_the_feed_with_it(sim: Sim) -> None:
    feed = await open_feed("binance", SYMBOLS["binance"], quick(sim, "binance"), SystemClock(), random.Random(1))
    with pytest.raises(ConfigError, match="the disk is full"):
        async with asyncio.timeout(10):
            await feed.run(_Failing(ConfigError("the disk is full")))


async def test_opening_says_what_is_wrong_in_one_line(sim: Sim) -> None:
    options, clock, rng = quick(sim, "binance"), SystemClock(), random.Random(1)
    with pytest.raises(UnknownVenue, match=r"unknown venue 'binanse': known venues are .*binance, "):
        await open_feed("binanse", ["BTC/USDT"], options, clock, rng)
    with pytest.raises(UnknownSymbol, match=r"unknown symbol 'BTC/USDD' on binance: did you mean BTC/USDT"):
        await open_feed("binance", ["BTC/USDD"], options, clock, rng)
    with pytest.raises(ConfigError, match="no symbols"):
        await open_feed("binance", [], options, clock, rng)
    sim.inject(kind="maintenance", venue="binance", for_=2.0)
    await asyncio.sleep(0.1)
    with pytest.raises(VenueUnavailable, match="503"):
        await open_feed("binance", ["BTC/USDT"], options, clock, rng)
    with pytest.raises(ConfigError, match="depth = 0"):
        FeedOptions(depth=0)
