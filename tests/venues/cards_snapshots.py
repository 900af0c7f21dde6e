"""Acceptance card 9, for venues whose snapshots come over REST: whatever goes wrong with them, only a good one counts.

What does not depend on the venue (budget, pauses, workers) is tested on one venue in tests/feeds/test_snapshots.py.
"""

from __future__ import annotations

from tests.feeds.harness import SYMBOLS, check_truth, quick, running
from tests.support.sim import Sim
from tests.venues.deck import card
from xetrade_core.model.book_events import GapCause
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import BookProtocol

BY_REST = tuple(name for name in SYMBOLS if known_venue(name).protocol is BookProtocol.REST_SNAPSHOT)
TITLE = "a failing, empty, garbled or stale snapshot is asked for again; a slow one joins the buffered stream"


async def _resync(sim: Sim, venue: str, kind: str, count: int = 2, **fault: object) -> None:
    path = (known_venue(venue).rest.snapshot_path or "").partition("{")[0]
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        await run.lasting(0.5)
        sim.inject(kind=kind, venue=venue, path=path, count=count, **fault)
        sim.inject(kind="lost", venue=venue, symbol=SYMBOLS[venue][0], count=1)
        await run.until(lambda: bool(run.sink.gaps))
        await run.synced()
        await run.lasting(0.3)
    assert len([row for row in sim.injected(kind) if row["venue"] == venue]) >= count
    assert [gap.cause for gap in run.sink.gaps] == [GapCause.SEQUENCE]
    await check_truth(run, sim, at_least=2)


@card(9, TITLE, BY_REST)
async def test_a_failing_snapshot_is_asked_for_again(sim: Sim, venue: str) -> None:
    await _resync(sim, venue, "rest_error")


@card(9, TITLE, BY_REST)
async def test_an_empty_snapshot_is_asked_for_again(sim: Sim, venue: str) -> None:
    await _resync(sim, venue, "rest_empty")


@card(9, TITLE, BY_REST)
async def test_a_garbled_snapshot_is_asked_for_again(sim: Sim, venue: str) -> None:
    await _resync(sim, venue, "rest_garbled")


@card(9, TITLE, BY_REST)
async def test_a_snapshot_older_than_the_buffered_stream_is_asked_for_again(sim: Sim, venue: str) -> None:
    await _resync(sim, venue, "rest_stale", age_s=2.0)


@card(9, TITLE, BY_REST)
async def test_a_slow_snapshot_joins_the_stream_that_was_buffered_meanwhile(sim: Sim, venue: str) -> None:
    await _resync(sim, venue, "rest_delay", count=1, delay_s=1.0)
