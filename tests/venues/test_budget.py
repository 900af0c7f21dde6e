"""The rate budget: never over its limit in any window, priorities first, silent when told to be."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import ConfigError
from xetrade_core.venues.budget import Priority, WeightBudget
from xetrade_core.venues.venue import RateRule


class Unhurried(ManualClock):
    """Sleeps a moment of real time before it moves on, so that others can queue up behind the one that waits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.01)
        self.advance(seconds)


def budget_of(limit: int, window_s: float = 60.0, headroom: float = 0.0) -> tuple[WeightBudget, ManualClock]:
    clock = ManualClock()
    return WeightBudget(RateRule(limit, window_s), clock, headroom=headroom), clock


@settings(max_examples=150, deadline=None)
@given(
    limit=st.integers(20, 100),
    window_s=st.sampled_from([1.0, 2.0, 60.0]),
    calls=st.lists(st.tuples(st.integers(1, 20), st.sampled_from(list(Priority)), st.floats(0, 30)), max_size=60),
    observed=st.integers(0, 60),
)
def test_no_window_ever_carries_more_than_the_limit(
    limit: int, window_s: float, calls: list[tuple[int, Priority, float]], observed: int
) -> None:
    spent: list[tuple[int, int]] = []

    async def run() -> None:
        budget, clock = budget_of(limit, window_s)
        budget.observe(min(observed, limit))
        spent.append((0, min(observed, limit)))

        async def call(weight: int, priority: Priority) -> None:
            await budget.acquire(weight, priority)
            spent.append((clock.monotonic_ns(), weight))

        tasks = []
        for weight, priority, pause_s in calls:
            tasks.append(asyncio.ensure_future(call(weight, priority)))
            await asyncio.sleep(0)
            clock.advance(pause_s)
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert len(spent) == len(calls) + 1, "everyone is served in the end"
    window_ns = round(window_s * NS_PER_S)
    for start, _ in spent:
        assert sum(weight for at, weight in spent if start <= at < start + window_ns) <= limit


async def test_what_fits_goes_at_once_and_what_does_not_waits_until_the_oldest_has_left_the_window() -> None:
    budget, clock = budget_of(10)
    await budget.acquire(4)
    clock.advance(10)
    await budget.acquire(6)
    assert (clock.monotonic_ns(), budget.used()) == (10 * NS_PER_S, 10)
    await budget.acquire(4)
    assert clock.monotonic_ns() == 60 * NS_PER_S
    await budget.acquire(1)
    assert clock.monotonic_ns() == 70 * NS_PER_S


async def test_the_headroom_is_never_spent() -> None:
    budget, _ = budget_of(6000, headroom=0.2)
    assert budget.limit == 4800


async def test_waiting_callers_are_served_by_priority_then_in_order() -> None:
    budget = WeightBudget(RateRule(1, 1.0), Unhurried(), headroom=0.0)
    await budget.acquire(1)
    served: list[str] = []

    async def call(name: str, priority: Priority) -> None:
        await budget.acquire(1, priority)
        served.append(name)

    names = [("refresh", Priority.REFRESH), ("first", Priority.START), ("second", Priority.START)]
    tasks = [asyncio.ensure_future(call(name, priority)) for name, priority in names]
    tasks.append(asyncio.ensure_future(call("resync", Priority.RESYNC)))
    await asyncio.gather(*tasks)
    assert served == ["resync", "first", "second", "refresh"]


async def test_a_caller_that_gives_up_leaves_its_place_to_the_next() -> None:
    clock = Unhurried()
    budget = WeightBudget(RateRule(1, 1.0), clock, headroom=0.0)
    await budget.acquire(1)
    first, second = (asyncio.ensure_future(budget.acquire(1)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled() or first.done()
    assert budget.waiting == 0


async def test_a_pause_stops_everyone_until_the_stated_time_and_a_shorter_one_does_not_cut_it() -> None:
    budget, clock = budget_of(100)
    budget.pause(120)
    budget.pause(5)
    assert budget.paused_s() == 120
    await budget.acquire(1, Priority.RESYNC)
    assert clock.monotonic_ns() == 120 * NS_PER_S
    assert budget.paused_s() == 0


async def test_the_venues_own_count_is_followed_when_it_is_higher() -> None:
    budget, clock = budget_of(100)
    await budget.acquire(10)
    budget.observe(5)
    assert budget.used() == 10
    budget.observe(95)
    assert budget.used() == 95
    await budget.acquire(10)
    assert clock.monotonic_ns() == 60 * NS_PER_S


async def test_a_call_that_can_never_fit_is_refused() -> None:
    budget, _ = budget_of(100, headroom=0.5)
    with pytest.raises(ConfigError, match=r"weight = 51 is not valid: at most 50"):
        await budget.acquire(51)
    with pytest.raises(ConfigError, match="headroom"):
        budget_of(100, headroom=1.0)
