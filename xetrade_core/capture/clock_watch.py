"""A wall clock that goes back: waited out while the step is small, the end of the session where it is not.

Until the clock is past the grid times that are decided already, nothing can be sampled without recording a time twice.
For seconds that is the honest thing to do; for an hour it would be a recording that stands still and looks alive.
"""

from __future__ import annotations

from xetrade_core.capture.sampler import late_bound_ns
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ClockStepped
from xetrade_core.telemetry import alarm

WAIT_NS = 5 * NS_PER_S
"""How much further than the late bound the clock may be behind before the session gives up waiting for it."""


class ClockWatch:
    """Alarms once for each step back that costs samples, and raises where it is too large to be waited out."""

    def __init__(self, interval_ns: int, session_id: str) -> None:
        self._bound_ns = late_bound_ns(interval_ns)
        self._session_id = session_id
        self._alarmed = False

    def check(self, behind_ns: int) -> None:
        """Judge how far the clock is behind (`GridSampler.behind_ns`, the most of all samplers).

        Raises ClockStepped past the late bound plus `WAIT_NS`.
        """
        if behind_ns > self._bound_ns:
            too_far = behind_ns > self._bound_ns + WAIT_NS
            message = f"the wall clock stepped back by {behind_ns / NS_PER_S:,.1f} s"
            if not self._alarmed:
                self._alarmed = True
                what = "the session ends, start a new one" if too_far else "sampling waits for it"
                alarm("clock_step", f"{message}: {what}", session=self._session_id)
            if too_far:
                raise ClockStepped(f"{message}: start a new session, and let NTP slew the clock, not step it")
        elif behind_ns == 0:
            self._alarmed = False
