"""Acceptance cards 1 to 8, data side: a venue's feed against its simulated double. See docs/adding-a-venue.md."""

from __future__ import annotations

import asyncio

from tests.feeds.harness import SYMBOLS, check_truth, quick, running, unhurried
from tests.support.sim import Sim
from tests.venues.deck import card
from xetrade_core.model.book_events import GapCause
from xetrade_core.simvenue.venue import restart_is_chained


@card(1, "in sync, and equal to the true book at the same sequence id")
async def test_a_feed_syncs_and_equals_the_true_book_at_its_sequence(sim: Sim, venue: str) -> None:
    async with running(venue, unhurried(sim, venue)) as run:
        await run.synced()
        await run.lasting(1.0)
        status = run.feed.status()
    await check_truth(run, sim)
    assert run.sink.gaps == []
    assert {event.symbol for event in run.sink.syncs} == set(SYMBOLS[venue])
    assert run.sink.stamps == sorted(run.sink.stamps), "frames are shown in the order of their receive time"
    assert status.connections == status.connections_wanted == len(run.feed.lines)
    assert (status.reconnects, status.dropped) == (0, 0)
    assert [row.synced for row in status.symbols] == [True, True]


async def _spoil(sim: Sim, venue: str, kind: str) -> None:
    spoiled, other = SYMBOLS[venue]
    async with running(venue, unhurried(sim, venue)) as run:
        await run.synced()
        await run.lasting(0.4)  # past the join, so that the last sequence is a message's and not the snapshot's
        sim.inject(kind=kind, venue=venue, symbol=spoiled, count=1)
        await run.until(lambda: bool(run.sink.gaps))
        await run.synced()
        await run.lasting(0.5)
    gap = run.sink.gaps[0]
    assert {each.symbol for each in run.sink.gaps} == {spoiled}
    assert gap.cause in (GapCause.SEQUENCE, GapCause.MALFORMED, GapCause.CROSSED)
    injected = [row for row in sim.injected(kind) if row["venue"] == venue][-1]
    if gap.cause is GapCause.SEQUENCE:
        assert gap.last_sequence == injected["previous_id"]
    assert run.feed.books.sequencers[other].epoch == 1
    await check_truth(run, sim)


@card(2, "a lost, reordered or garbled frame is a gap of that symbol alone, with the right ids, and heals")
async def test_a_lost_frame_opens_a_gap_of_that_symbol_alone_and_heals(sim: Sim, venue: str) -> None:
    await _spoil(sim, venue, "lost")


@card(2, "a lost, reordered or garbled frame is a gap of that symbol alone, with the right ids, and heals")
async def test_a_reordered_frame_opens_a_gap_of_that_symbol_alone_and_heals(sim: Sim, venue: str) -> None:
    await _spoil(sim, venue, "reordered")


@card(2, "a lost, reordered or garbled frame is a gap of that symbol alone, with the right ids, and heals")
async def test_a_garbled_frame_opens_a_gap_of_that_symbol_alone_and_heals(sim: Sim, venue: str) -> None:
    await _spoil(sim, venue, "garbled")


@card(3, "a doubled frame changes nothing")
async def test_a_doubled_frame_changes_nothing(sim: Sim, venue: str) -> None:
    symbol = SYMBOLS[venue][0]
    async with running(venue, unhurried(sim, venue)) as run:
        await run.synced()
        before = run.feed.books.sequencers[symbol].ignored_count
        sim.inject(kind="doubled", venue=venue, symbol=symbol, count=3)
        await run.until(lambda: run.feed.books.sequencers[symbol].ignored_count >= before + 3)
    assert run.sink.gaps == []
    await check_truth(run, sim, at_least=1)


async def _disconnect(sim: Sim, venue: str, variant: str) -> None:
    async with running(venue, unhurried(sim, venue)) as run:
        await run.synced()
        sim.inject(kind="disconnect", venue=venue, variant=variant)
        await run.until(lambda: len(run.sink.gaps) == 2)
        await run.synced()
        await run.lasting(0.3)
        assert run.feed.status().reconnects == len(run.feed.lines)
    assert {(gap.symbol, gap.cause) for gap in run.sink.gaps} == {(s, GapCause.DISCONNECT) for s in SYMBOLS[venue]}
    assert sorted(symbol for symbols, _ in run.sink.losses for symbol in symbols) == sorted(SYMBOLS[venue])
    assert {cause for _, cause in run.sink.losses} == {GapCause.DISCONNECT}
    await check_truth(run, sim)


@card(4, "a lost connection is a gap of all its symbols and heals")
async def test_a_close_is_a_gap_of_all_its_symbols_and_heals(sim: Sim, venue: str) -> None:
    await _disconnect(sim, venue, "close")


@card(4, "a lost connection is a gap of all its symbols and heals")
async def test_a_reset_connection_is_a_gap_of_all_its_symbols_and_heals(sim: Sim, venue: str) -> None:
    await _disconnect(sim, venue, "abort")


@card(5, "a half-open socket is found; a quiet one is kept")
async def test_a_half_open_socket_is_found_and_replaced(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        sim.inject(kind="half_open", venue=venue)
        await run.until(lambda: len(run.sink.gaps) == 2)
        await run.synced()
        await run.lasting(0.3)
    assert {gap.cause for gap in run.sink.gaps} == {GapCause.STALLED}
    await check_truth(run, sim)


@card(5, "a half-open socket is found; a quiet one is kept")
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


@card(6, "maintenance and restarted numbering are survived")
async def test_maintenance_ends_and_the_feed_comes_back_with_the_new_numbering(sim: Sim, venue: str) -> None:
    async with running(venue, unhurried(sim, venue)) as run:
        await run.synced()
        sim.inject(kind="maintenance", venue=venue, for_=1.0)
        await run.until(lambda: len(run.sink.gaps) >= 2)
        await run.synced()
        run.samples.clear()  # the truth of before the restart is another numbering
        await run.lasting(1.0)
    assert {gap.cause for gap in run.sink.gaps} == {GapCause.DISCONNECT}
    await check_truth(run, sim)


@card(6, "maintenance and restarted numbering are survived")
async def test_a_restarted_numbering_is_found_on_the_running_connection(sim: Sim, venue: str) -> None:
    async with running(venue, unhurried(sim, venue)) as run:
        await run.synced()
        epochs = {symbol: row.epoch for symbol, row in run.feed.books.sequencers.items()}
        sim.inject(kind="sequence_reset", venue=venue)
        await asyncio.sleep(0.5)
        run.samples.clear()
        if not restart_is_chained(venue):  # else the new numbering is linked to the old: no gap
            await run.until(lambda: all(r.epoch > epochs[s] for s, r in run.feed.books.sequencers.items()))
        await run.synced()
        run.samples.clear()
        await run.lasting(0.5)
    await check_truth(run, sim)


@card(7, "rotation without a moment out of sync")
async def test_rotation_overlaps_so_that_no_symbol_is_ever_out_of_sync(sim: Sim, venue: str) -> None:
    async with running(venue, unhurried(sim, venue, rotation_s=0.5, symbols_per_connection=1)) as run:
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


@card(8, "an instrument that the venue no longer lists leaves the others in sync")
async def test_an_unlisted_instrument_leaves_the_others_in_sync(sim: Sim, venue: str) -> None:
    async with running(venue, unhurried(sim, venue)) as run:
        gone, other = SYMBOLS[venue]
        for line in run.feed.lines:
            if gone in line.venue_ids:
                line.venue_ids[gone] = "NO-SUCH"  # delisted between the list and the subscription
        await run.until(lambda: run.feed.books.sequencers[other].synced)
        await run.lasting(0.5)
        status = {row.symbol: row for row in run.feed.status().symbols}
    assert (status[gone].synced, status[other].synced) == (False, True)
    assert all(line.reconnects == 0 for line in run.feed.lines if other in line.venue_ids)
