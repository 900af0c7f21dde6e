"""The time of day within a test: what happens across a full hour, or midnight, of UTC lies in two partitions, and a
test that says nothing about that must not meet one by chance.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from xetrade_core.clock import NS_PER_S, SystemClock

_HOUR_NS = 3600 * NS_PER_S


class ClockNearTheHour(SystemClock):
    """The machine's clocks, the wall clock moved so that it reads `after_s` from a full hour now (before it, if that
    is negative), and less than an hour from what it is.
    """

    def __init__(self, after_s: float) -> None:
        now_ns = time.time_ns()
        self._offset_ns = now_ns // _HOUR_NS * _HOUR_NS + round(after_s * NS_PER_S) - now_ns

    def wall_ns(self) -> int:
        return time.time_ns() + self._offset_ns


def within_one_hour(needs_s: float, *, since_s: float = 0) -> datetime:
    """Wait, if need be, until this hour of UTC began `since_s` ago or longer and has `needs_s` left.

    The end of the hour that it is then. For what runs in processes of its own, on the machine's clock.
    """
    while True:
        now = datetime.now(UTC)
        begin = now.replace(minute=0, second=0, microsecond=0)
        end = begin + timedelta(hours=1)
        if (now - begin).total_seconds() < since_s:
            time.sleep(since_s - (now - begin).total_seconds())
        elif (end - now).total_seconds() < needs_s:
            time.sleep((end - now).total_seconds() + 0.1)
        else:
            return end


def within_one_day(needs_s: float) -> None:
    """Wait, if need be, until this day of UTC has `needs_s` left."""
    left_s = 86_400 - time.time() % 86_400
    if left_s < needs_s:
        time.sleep(left_s + 0.1)
