"""Websocket feeds against the simulated venues: in sync, equal to the truth, and back in sync after every fault."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.feeds.harness import SYMBOLS, VENUES, check_truth, quick, running
from tests.support.sim import Sim
from xetrade_core.clock import SystemClock
from xetrade_core.errors import ConfigError, UnknownSymbol, UnknownVenue, VenueUnavailable
from xetrade_core.feeds.factory import open_feed
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.model.book_events import GapCause
from xetrade_core.venues.registry import venues
from xetrade_core.venues.venue import VenueStatus


def test_every_venue_of_the_registry_is_put_to_these_tests() -> None:
    assert set(VENUES) == {each.id for each in venues() if each.status is VenueStatus.LIVE}


@pytest.mark.parametrize("venue", VENUES)
async def test_a_feed_syncs_and_equals_the_true_book_at_its_sequence(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        await run.lasting(1.0)
        status = run.feed.status()
    await check_truth(run, sim)
    assert run.sink.gaps == []
    assert {event.symbol for event in run.sink.syncs} == set(SYMBOLS[venue])
    assert run.sink.stamps == sorted(run.sink.stamps), "frames are shown in the order of their receive time"
    assert (status.connections, status.connections_wanted, status.reconnects, status.dropped) == (1, 1, 0, 0)
    assert [row.synced for row in status.symbols] == [True, True]


@pytest.mark.parametrize(
    ("kind", "venue"),
    [("lost", venue) for venue in VENUES]
    + [(kind, venue) for kind in ("reordered", "garbled") for venue in ("binance", "okx")],
)
async def test_a_spoiled_frame_opens_a_gap_of_that_symbol_alone_and_heals(sim: Sim, venue: str, kind: str) -> None:
    spoiled, other = SYMBOLS[venue]
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        await run.lasting(0.4)  # past the join, so that the last sequence is a message's and not the snapshot's
        sim.inject(kind=kind, venue=venue, symbol=spoiled, count=1)
        await run.until(lambda: bool(run.sink.gaps))
        await run.synced()
        await run.lasting(0.5)
    gap = run.sink.gaps[0]
    assert {each.symbol for each in run.sink.gaps} == {spoiled}
    assert gap.cause in (GapCause.SEQUENCE, GapCause.MALFORMED, GapCause.CROSSED)
    injected = sim.injected(kind)[-1]
    if gap.cause is GapCause.SEQUENCE:
        assert gap.last_sequence == injected["previous_id"]
    assert run.feed.books.sequencers[other].epoch == 1
    await check_truth(run, sim)


@pytest.mark.parametrize("venue", VENUES)
async def test_a_doubled_frame_changes_nothing(sim: Sim, venue: str) -> None:
    symbol = SYMBOLS[venue][0]
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        before = run.feed.books.sequencers[symbol].ignored_count
        sim.inject(kind="doubled", venue=venue, symbol=symbol, count=3)
        await run.until(lambda: run.feed.books.sequencers[symbol].ignored_count >= before + 3)
    assert run.sink.gaps == []
    await check_truth(run, sim, at_least=1)


@pytest.mark.parametrize(
    ("venue", "variant"), [("binance", "close"), ("binance", "abort"), ("binanceusdm", "abort"), ("okx", "close")]
)
async def test_a_disconnect_is_a_gap_of_all_its_symbols_and_heals(sim: Sim, venue: str, variant: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        sim.inject(kind="disconnect", venue=venue, variant=variant)
        await run.until(lambda: len(run.sink.gaps) == 2)
        await run.synced()
        await run.lasting(0.3)
        assert run.feed.status().reconnects == 1
    assert {(gap.symbol, gap.cause) for gap in run.sink.gaps} == {(s, GapCause.DISCONNECT) for s in SYMBOLS[venue]}
    assert run.sink.losses == [(SYMBOLS[venue], GapCause.DISCONNECT)]
    await check_truth(run, sim)


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_a_half_open_socket_is_found_and_replaced(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        sim.inject(kind="half_open", venue=venue)
        await run.until(lambda: len(run.sink.gaps) == 2)
        await run.synced()
        await run.lasting(0.3)
    assert {gap.cause for gap in run.sink.gaps} == {GapCause.STALLED}
    await check_truth(run, sim)


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_a_quiet_but_living_connection_is_kept_and_its_symbols_show_as_stale(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue, staleness_limit_s=0.5)) as run:
        await run.synced()
        sim.inject(kind="stall", venue=venue, variant="resume", for_=2.0)
        await run.until(lambda: set(run.feed.status().stale) == set(SYMBOLS[venue]))
        await run.lasting(1.8)
        await run.until(lambda: not run.feed.status().stale)
        assert run.feed.status().reconnects == 0
    assert run.sink.gaps == []
    await check_truth(run, sim)


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


@pytest.mark.parametrize("venue", ["binance", "okx"])
async def test_maintenance_ends_and_the_feed_comes_back_with_the_new_numbering(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        sim.inject(kind="maintenance", venue=venue, for_=1.0)
        await run.until(lambda: len(run.sink.gaps) >= 2)
        await run.synced()
        run.samples.clear()  # the truth of before the restart is another numbering
        await run.lasting(1.0)
    assert {gap.cause for gap in run.sink.gaps} == {GapCause.DISCONNECT}
    await check_truth(run, sim)


@pytest.mark.parametrize("venue", VENUES)
async def test_a_restarted_numbering_is_found_on_the_running_connection(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        sim.inject(kind="sequence_reset", venue=venue)
        epochs = {symbol: row.epoch for symbol, row in run.feed.books.sequencers.items()}
        await asyncio.sleep(0.5)
        run.samples.clear()
        if venue != "okx":  # OKX links the new numbering to the old: no gap
            await run.until(lambda: all(r.epoch > epochs[s] for s, r in run.feed.books.sequencers.items()))
        await run.synced()
        run.samples.clear()
        await run.lasting(0.5)
    await check_truth(run, sim)


@pytest.mark.parametrize("venue", ["binance", "binanceusdm", "okx"])
async def test_rotation_overlaps_so_that_no_symbol_is_ever_out_of_sync(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue, rotation_s=0.5, symbols_per_connection=1)) as run:
        await run.synced()
        run.unsynced.clear()
        await run.until(lambda: run.feed.status().rotations >= 4, within_s=20)
        status = run.feed.status()
    assert run.unsynced == set()
    assert run.sink.gaps == []
    assert run.sink.losses == []
    assert (status.connections, status.reconnects) == (2, 0)
    assert {row.epoch for row in run.feed.books.sequencers.values()} == {1}
    await check_truth(run, sim, at_least=20)


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
