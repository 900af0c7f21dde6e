"""How far a venue's clock is from ours: measured over several calls, with what the measurement cannot know.

A venue reads its clock at some moment between our request and its reply. So each call bounds the offset from both
sides, and all calls together bound it by what they have in common (Cristian's method, intersected). The middle of
that is the offset, half of it the uncertainty: no better than half the shortest round trip, unless the calls happen to
cut it from different sides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.errors import ConfigError, VenueUnavailable

_RESOLUTIONS_NS = (NS_PER_S, NS_PER_MS, 1000)  # of the venues' clocks: MAX tells seconds, others milliseconds
_COARSE_SPACING_S = 0.19  # spreads calls over a second, so that one of them falls near its end


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """What to add to our clock to get the venue's (positive: ours is behind), give or take `uncertainty_s`.

    `round_trip_s` is the shortest seen, `resolution_s` how finely the venue tells its time, `measured_ns` when it was
    measured by our clock (UTC). `stepped`: a clock was set meanwhile, so that only the best call counts.
    """

    offset_s: float
    uncertainty_s: float
    round_trip_s: float
    resolution_s: float
    samples: int
    measured_ns: int
    stepped: bool = False

    def venue_ns(self, our_ns: int) -> int:
        """The venue's time at a time of ours."""
        return our_ns + round(self.offset_s * NS_PER_S)


@dataclass(frozen=True, slots=True)
class _Sample:
    """Our wall clock at the request, the round trip, and what the venue said."""

    sent_ns: int
    round_trip_ns: int
    server_ns: int

    def bounds(self, resolution_ns: int) -> tuple[int, int]:
        """The least and the greatest offset that this call allows."""
        earliest = self.server_ns - (self.sent_ns + self.round_trip_ns)
        return earliest, self.server_ns + resolution_ns - self.sent_ns


async def measure_offset(
    server_time_ns: Callable[[], Awaitable[int]], clock: Clock, *, samples: int = 5
) -> ClockOffset:
    """The offset by that many calls, one after the other; those that fail are left out while one has succeeded.

    Raises VenueUnavailable, as the first call does.
    """
    if samples < 1:
        raise ConfigError.of("samples", samples, "at least 1")
    taken: list[_Sample] = []
    for number in range(samples):
        try:
            taken.append(await _sample(server_time_ns, clock))
        except VenueUnavailable:
            if not taken:
                raise
            break
        if number + 1 < samples and _resolution_ns(taken) == NS_PER_S:
            await clock.sleep(_COARSE_SPACING_S)
    return _combined(taken, clock.wall_ns())


async def _sample(server_time_ns: Callable[[], Awaitable[int]], clock: Clock) -> _Sample:
    sent_ns, began_ns = clock.wall_ns(), clock.monotonic_ns()
    server_ns = await server_time_ns()
    return _Sample(sent_ns, clock.monotonic_ns() - began_ns, server_ns)


def _resolution_ns(taken: list[_Sample]) -> int:
    """The coarsest unit that all times are whole multiples of: that is how finely the venue tells them."""
    return next((unit for unit in _RESOLUTIONS_NS if all(one.server_ns % unit == 0 for one in taken)), 1)


def _combined(taken: list[_Sample], measured_ns: int) -> ClockOffset:
    resolution_ns = _resolution_ns(taken)
    bounds = [one.bounds(resolution_ns) for one in taken]
    least, greatest = max(low for low, _ in bounds), min(high for _, high in bounds)
    stepped = least > greatest
    if stepped:
        least, greatest = min(bounds, key=lambda row: row[1] - row[0])
    return ClockOffset(
        offset_s=(least + greatest) / 2 / NS_PER_S,
        uncertainty_s=(greatest - least) / 2 / NS_PER_S,
        round_trip_s=min(one.round_trip_ns for one in taken) / NS_PER_S,
        resolution_s=resolution_ns / NS_PER_S,
        samples=len(taken),
        measured_ns=measured_ns,
        stepped=stepped,
    )
