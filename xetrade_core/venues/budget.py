"""A rate budget: at most so much weight in any window of time, spent in order of priority.

Venues count calls by weight per IP and ban an address that goes on after being told to stop. So every call asks here
first. The budget keeps a *sliding* window (a venue that counts by fixed minutes allows no less), stays below the
venue's limit by a headroom, follows the venue's own count when that is higher (another process behind the same IP), and
falls silent until the stated time after a 429 or 418.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from enum import IntEnum
from itertools import count

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError
from xetrade_core.venues.venue import RateRule


class Priority(IntEnum):
    """Who goes first when the budget is short."""

    RESYNC = 0  # a book is out of sync: rows are being lost
    START = 1  # first snapshots and instrument lists
    REFRESH = 2  # deepening a book that is in sync


class WeightBudget:
    """Weight that may be spent in any `rule.window_s` seconds, in one process, by many waiting callers."""

    def __init__(self, rule: RateRule, clock: Clock, *, headroom: float = 0.2) -> None:
        """`headroom` is the share of the venue's limit that is left unused: for retries, clocks and other programs."""
        if not 0 <= headroom < 1:
            raise ConfigError.of("headroom", headroom, "a share of the venue's limit, at least 0 and below 1")
        self.limit = max(1, int(rule.limit * (1 - headroom)))
        self.rule = rule
        self._window_ns = round(rule.window_s * NS_PER_S)
        self._clock = clock
        self._spent: deque[tuple[int, int]] = deque()
        self._used = 0
        self._paused_until_ns = 0
        self._order = count()
        self._waiting: list[tuple[int, int, asyncio.Event]] = []

    async def acquire(self, weight: int, priority: Priority = Priority.START) -> None:
        """Return once `weight` may be spent, and count it as spent. Callers of one priority are served in order."""
        if weight > self.limit:
            raise ConfigError.of("weight", weight, f"at most {self.limit}, the whole budget of a window")
        ticket = (int(priority), next(self._order), asyncio.Event())
        heapq.heappush(self._waiting, ticket)
        try:
            while True:
                if self._waiting[0] is not ticket:
                    ticket[2].clear()
                    await ticket[2].wait()
                elif delay_ns := self._delay_ns(weight):
                    await self._clock.sleep(delay_ns / NS_PER_S)
                else:
                    self._spend(weight)
                    return
        finally:
            self._waiting.remove(ticket)
            heapq.heapify(self._waiting)
            if self._waiting:
                self._waiting[0][2].set()

    def pause(self, seconds: float) -> None:
        """Spend nothing for that long: the venue said so. A shorter pause never cuts a longer one."""
        until_ns = self._clock.monotonic_ns() + round(seconds * NS_PER_S)
        self._paused_until_ns = max(self._paused_until_ns, until_ns)

    def observe(self, used: int) -> None:
        """The venue counts `used` in its current window; what we did not know of is counted as spent now."""
        if (unknown := used - self.used()) > 0:
            self._spend(unknown)

    def used(self) -> int:
        """Weight spent in the window that ends now."""
        horizon = self._clock.monotonic_ns() - self._window_ns
        while self._spent and self._spent[0][0] <= horizon:
            self._used -= self._spent.popleft()[1]
        return self._used

    def paused_s(self) -> float:
        """Seconds until the venue may be called again; 0 when it may be now."""
        return max(0, self._paused_until_ns - self._clock.monotonic_ns()) / NS_PER_S

    @property
    def waiting(self) -> int:
        """Callers that wait for their turn."""
        return len(self._waiting)

    def _spend(self, weight: int) -> None:
        self._spent.append((self._clock.monotonic_ns(), weight))
        self._used += weight

    def _delay_ns(self, weight: int) -> int:
        """Nanoseconds to wait before `weight` fits; 0 when it fits now."""
        now = self._clock.monotonic_ns()
        if self._paused_until_ns > now:
            return self._paused_until_ns - now
        excess = self.used() + weight - self.limit
        if excess <= 0:
            return 0
        for spent_ns, spent in self._spent:
            excess -= spent
            if excess <= 0:
                return spent_ns + self._window_ns - now
        return self._window_ns
