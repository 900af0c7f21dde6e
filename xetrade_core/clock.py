"""Time as an argument: what reads or waits on a clock takes one of these, so that tests own time.

All wall times are integer nanoseconds since the Unix epoch, UTC. Monotonic times are integer nanoseconds of an
arbitrary origin and only their differences mean anything.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Wall clock, monotonic clock and sleep of one place."""

    def wall_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC; may step back or forth."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back; for durations and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's monotonic time."""
        ...


class SystemClock:
    """The machine's own clocks."""

    wall_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until told: for tests and replays. Sleeping moves it forward at once."""

    def __init__(self, wall_ns: int = 0) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = 0

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        elapsed = round(seconds * NS_PER_S)
        self._wall_ns += elapsed
        self._monotonic_ns += elapsed

    def step_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as an administrator or NTP does."""
        self._wall_ns += round(seconds * NS_PER_S)
