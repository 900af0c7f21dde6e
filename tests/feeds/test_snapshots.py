"""REST snapshots: whatever goes wrong with them, the book comes into sync, within the budget, and only then counts."""

from __future__ import annotations

import time

import pytest

from tests.feeds.harness import Running, check_truth, quick, running
from tests.support.sim import Sim
from xetrade_core.clock import SystemClock
from xetrade_core.model.book_events import GapCause
from xetrade_core.venues.budget import Priority, WeightBudget
from xetrade_core.venues.venue import RateRule

VENUES = ("binance", "binanceusdm")


async def lose_a_frame(run: Running, sim: Sim) -> None:
    """Make the first symbol need a snapshot."""
    symbol = next(iter(run.feed.books.sequencers))
    sim.inject(kind="lost", venue=run.venue, symbol=symbol, count=1)
    await run.until(lambda: bool(run.sink.gaps))


@pytest.mark.parametrize("status", [429, 418])
async def test_a_rate_limit_stops_all_calls_until_the_stated_time_and_the_book_heals(sim: Sim, status: int) -> None:
    async with running("binance", quick(sim, "binance")) as run:
        await run.synced()
        sim.inject(kind="rate_limit", venue="binance", path="/depth", status=status, retry_after_s=2, count=1)
        await lose_a_frame(run, sim)
        await run.until(lambda: run.feed.status().budget_paused_s > 0)
        paused_s, since = run.feed.status().budget_paused_s, time.monotonic()
        calls = len(sim.injected("rate_limit"))
        await run.synced()
        waited_s = time.monotonic() - since
        await run.lasting(0.3)
    assert 1.5 < paused_s <= 2
    assert waited_s >= paused_s - 0.1
    assert len(sim.injected("rate_limit")) == calls
    await check_truth(run, sim)


@pytest.mark.parametrize(
    ("venue", "kind"),
    [("binance", "rest_error"), ("binance", "rest_empty"), ("binance", "rest_garbled"), ("binanceusdm", "rest_error")],
)
async def test_a_failing_snapshot_is_asked_for_again(sim: Sim, venue: str, kind: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        sim.inject(kind=kind, venue=venue, path="/depth", count=2)
        await lose_a_frame(run, sim)
        await run.synced()
        await run.lasting(0.3)
    assert [gap.cause for gap in run.sink.gaps] == [GapCause.SEQUENCE]
    await check_truth(run, sim, at_least=2)


@pytest.mark.parametrize("venue", VENUES)
async def test_a_snapshot_older_than_the_buffered_stream_is_asked_for_again(sim: Sim, venue: str) -> None:
    async with running(venue, quick(sim, venue)) as run:
        await run.synced()
        await run.lasting(0.5)
        sim.inject(kind="rest_stale", venue=venue, path="/depth", age_s=2.0, count=2)
        await lose_a_frame(run, sim)
        await run.synced()
        await run.lasting(0.3)
    assert len(sim.injected("rest_stale")) >= 2
    assert run.sink.gaps[0].cause is GapCause.SEQUENCE
    await check_truth(run, sim, at_least=2)


async def test_a_slow_snapshot_joins_the_stream_that_was_buffered_meanwhile(sim: Sim) -> None:
    async with running("binance", quick(sim, "binance")) as run:
        await run.synced()
        sim.inject(kind="rest_delay", venue="binance", path="/depth", delay_s=1.0, count=1)
        await lose_a_frame(run, sim)
        before = run.sink.counts["Buffered"]
        await run.synced()
        await run.lasting(0.3)
        assert run.sink.counts["Buffered"] >= before + 5
    assert len(run.sink.gaps) == 1
    await check_truth(run, sim)


async def test_a_snapshot_that_never_comes_is_given_up_and_asked_for_again(sim: Sim) -> None:
    async with running("binance", quick(sim, "binance", request_timeout_s=0.5)) as run:
        await run.synced()
        sim.inject(kind="rest_delay", venue="binance", path="/depth", delay_s=30.0, count=1)
        await lose_a_frame(run, sim)
        await run.synced()
    assert len(run.sink.gaps) == 1


async def test_a_snapshot_asked_for_on_a_connection_that_is_lost_meanwhile_is_never_joined(sim: Sim) -> None:
    async with running("binance", quick(sim, "binance")) as run:
        await run.synced()
        sim.inject(kind="rest_delay", venue="binance", path="/depth", delay_s=1.0, count=1)
        await lose_a_frame(run, sim)
        symbol = run.sink.gaps[0].symbol
        sim.inject(kind="refuse", venue="binance", for_=1.5)
        sim.inject(kind="disconnect", venue="binance")
        await run.until(lambda: bool(run.sink.losses))
        await run.lasting(1.2)
        assert not run.feed.books.sequencers[symbol].synced, "no stream, no sync"
        await run.synced()
    await check_truth(run, sim, at_least=1)


class _Ledger(WeightBudget):
    """A budget that notes what was spent when, and does not listen to the venue's count (other tests spend of it)."""

    def __init__(self) -> None:
        super().__init__(RateRule(120, 1.0), SystemClock(), headroom=0.5)  # two snapshots of 500 levels, at 25 each
        self.spent: list[tuple[float, int]] = []

    async def acquire(self, weight: int, priority: Priority = Priority.START, *, within_s: float | None = None) -> None:
        await super().acquire(weight, priority)
        self.spent.append((time.monotonic(), weight))

    def observe(self, used: int) -> None:
        return None


async def test_a_mass_resync_stays_within_the_budget(sim: Sim) -> None:
    budget = _Ledger()
    async with running("binance", quick(sim, "binance", budget=budget)) as run:
        for _ in range(2):
            await run.synced()
            gaps = len(run.sink.gaps)
            sim.inject(kind="disconnect", venue="binance")
            await run.until(lambda gaps=gaps: len(run.sink.gaps) >= gaps + 2)  # type: ignore[misc]
        await run.synced()
    assert len(budget.spent) >= 7, "the list of instruments, and two snapshots three times"
    for start, _ in budget.spent:
        assert sum(weight for at, weight in budget.spent if start <= at < start + 0.99) <= 60


async def test_a_book_shallower_than_the_sampled_depth_is_deepened_while_in_sync(sim: Sim) -> None:
    options = quick(sim, "binanceusdm", depth=200, snapshot_levels=50)
    async with running("binanceusdm", options) as run:
        await run.synced()
        sides = [side for row in run.feed.books.sequencers.values() for side in (row.book.bids, row.book.asks)]
        assert max(side.known_depth(200) for side in sides) < 200, "the first snapshot is too shallow on purpose"
        run.unsynced.clear()
        await run.until(lambda: min(side.known_depth(200) for side in sides) == 200)
        await run.lasting(0.5)
    assert run.unsynced == set()
    assert run.sink.gaps == []
    assert {row.epoch for row in run.feed.books.sequencers.values()} == {1}
    await check_truth(run, sim)
