"""What was spent of a rate budget in the window that ends now, and until when nothing may be: the budget's memory.

`OwnSpending` is of one process and exact. `SharedSpending` (its own module) is of all processes of a machine.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from xetrade_core.clock import NS_PER_S, Clock


class Spending(Protocol):
    """Weights by time, and a pause. No method waits; all durations are nanoseconds of the clock's monotonic time."""

    def take(self, weight: int, ceiling: int) -> int:
        """Count `weight` as spent now and give 0, if the window then holds at most `ceiling`; else how long to wait."""
        ...

    def follow(self, used: int) -> None:
        """The venue counts `used`: what we did not know of is counted as spent now."""
        ...

    def used(self) -> int:
        """Weight spent in the window that ends now."""
        ...

    def pause(self, ns: int) -> None:
        """Spend nothing for that long; a shorter pause never cuts a longer one."""
        ...

    def paused_ns(self) -> int:
        """Time until the pause is over; 0 when there is none."""
        ...


class OwnSpending:
    """The spending of one process, each call by its own time."""

    def __init__(self, window_s: float, clock: Clock) -> None:
        self._window_ns = round(window_s * NS_PER_S)
        self._clock = clock
        self._spent: deque[tuple[int, int]] = deque()
        self._used = 0
        self._paused_until_ns = 0

    def take(self, weight: int, ceiling: int) -> int:
        """See Spending."""
        if paused_ns := self.paused_ns():
            return paused_ns
        now = self._clock.monotonic_ns()
        excess = self.used() + weight - ceiling
        if excess <= 0:
            self._add(weight)
            return 0
        for spent_ns, spent in self._spent:
            excess -= spent
            if excess <= 0:
                return spent_ns + self._window_ns - now
        return self._window_ns

    def follow(self, used: int) -> None:
        """See Spending."""
        if (unknown := used - self.used()) > 0:
            self._add(unknown)

    def used(self) -> int:
        """See Spending."""
        horizon = self._clock.monotonic_ns() - self._window_ns
        while self._spent and self._spent[0][0] <= horizon:
            self._used -= self._spent.popleft()[1]
        return self._used

    def pause(self, ns: int) -> None:
        """See Spending."""
        self._paused_until_ns = max(self._paused_until_ns, self._clock.monotonic_ns() + ns)

    def paused_ns(self) -> int:
        """See Spending."""
        return max(0, self._paused_until_ns - self._clock.monotonic_ns())

    def _add(self, weight: int) -> None:
        self._spent.append((self._clock.monotonic_ns(), weight))
        self._used += weight
