"""A venue's clock: the true offset always lies within what is stated, whatever the network does."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.clock import NS_PER_MS, NS_PER_S, ManualClock
from xetrade_core.errors import ConfigError, VenueUnavailable
from xetrade_core.venues.clock_offset import measure_offset


class FarClock:
    """A venue's clock, off by `offset_s`, told in whole units of `resolution_ns`, over a network with these delays."""

    def __init__(
        self, offset_s: float, delays_s: list[tuple[float, float]], resolution_ns: int = NS_PER_MS, step_s: float = 0.0
    ) -> None:
        self.clock = ManualClock(1_790_000_000 * NS_PER_S + 123_456_789)
        self.offset_ns = round(offset_s * NS_PER_S)
        self.delays_s = delays_s
        self.resolution_ns = resolution_ns
        self.step_s = step_s

    async def time_ns(self) -> int:
        there_s, back_s = self.delays_s.pop(0)
        self.clock.advance(there_s)
        told = self.clock.wall_ns() + self.offset_ns
        self.clock.advance(back_s)
        if self.step_s and len(self.delays_s) == 2:
            self.clock.step_wall(self.step_s)
            self.offset_ns -= round(self.step_s * NS_PER_S)
        return told - told % self.resolution_ns


delays = st.tuples(st.floats(0.0001, 2.0), st.floats(0.0001, 2.0))


@settings(max_examples=200, deadline=None)
@given(
    offset_s=st.floats(-30, 30),
    network=st.lists(delays, min_size=5, max_size=5),
    resolution_ns=st.sampled_from([1, NS_PER_MS, NS_PER_S]),
)
def test_the_true_offset_is_within_the_stated_uncertainty(
    offset_s: float, network: list[tuple[float, float]], resolution_ns: int
) -> None:
    venue = FarClock(offset_s, list(network), resolution_ns)
    found = asyncio.run(measure_offset(venue.time_ns, venue.clock))
    assert abs(found.offset_s - offset_s) <= found.uncertainty_s + 2e-9
    assert found.uncertainty_s <= (found.round_trip_s + found.resolution_s) / 2 + 2e-9
    assert (found.samples, found.stepped) == (5, False)


async def test_several_calls_know_more_than_the_quickest_one() -> None:
    venue = FarClock(0.25, [(0.010, 0.100), (0.100, 0.010), (0.2, 0.2)], resolution_ns=1)
    found = await measure_offset(venue.time_ns, venue.clock, samples=3)
    assert found.round_trip_s == pytest.approx(0.110)
    assert found.uncertainty_s == pytest.approx(0.010), "each call bounds one side"
    assert found.offset_s == pytest.approx(0.25)
    assert found.venue_ns(0) == pytest.approx(0.25 * NS_PER_S)


async def test_a_clock_told_in_seconds_is_known_better_than_to_a_second() -> None:
    venue = FarClock(3.3, [(0.005, 0.005)] * 5, resolution_ns=NS_PER_S)
    found = await measure_offset(venue.time_ns, venue.clock)
    assert found.resolution_s == 1
    assert found.uncertainty_s < 0.2
    assert abs(found.offset_s - 3.3) <= found.uncertainty_s


async def test_a_clock_that_was_set_meanwhile_is_noticed_and_the_best_call_counts() -> None:
    venue = FarClock(0.0, [(0.05, 0.05)] * 3 + [(0.001, 0.001)] * 2, step_s=-60.0)
    found = await measure_offset(venue.time_ns, venue.clock)
    assert found.stepped
    assert found.offset_s == pytest.approx(60, abs=0.002)
    assert found.uncertainty_s < 0.002


async def test_calls_that_fail_after_the_first_are_left_out() -> None:
    rng, answered = random.Random(3), 0
    venue = FarClock(1.0, [(0.01, 0.01)] * 9)

    async def flaky() -> int:
        nonlocal answered
        if answered == 2:
            raise VenueUnavailable("no answer")
        answered += 1
        venue.clock.advance(rng.random() / 10)
        return await venue.time_ns()

    assert (await measure_offset(flaky, venue.clock)).samples == 2
    with pytest.raises(VenueUnavailable):
        await measure_offset(flaky, venue.clock)
    with pytest.raises(ConfigError, match="samples = 0"):
        await measure_offset(flaky, venue.clock, samples=0)
