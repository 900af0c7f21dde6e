"""The wall-clock grid: which samples are due, which can no longer be taken honestly, and how late the taken ones were.

Grid times are the exact multiples of the interval since the Unix epoch. The row at grid time T shows the book after all
frames with `received_ns < T`; so whoever is about to apply a frame first calls `advance(received_ns)`, and a timer
does the same when nothing comes in.

A sample is never faked. One that is due for longer than `late_bound_ns` is skipped and named with its cause: the loop
stalled (the monotonic clock shows that the time really passed) or the wall clock jumped. After a step back of the
wall clock the grid times that were taken already are not taken again: the sampler just waits until the clock is past
them. How far it is behind them says `behind_ns`: a session does not wait out a large step (`clock_watch`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.model.book_events import GapCause

NEVER_NS = 2**63 - 1
"""`next_ns` of a sampler whose window is over."""

_LATENESS_KEPT = 4096


def late_bound_ns(interval_ns: int) -> int:
    """How late a sample may be taken: two intervals, but no less than one second and no more than five."""
    return max(NS_PER_S, min(2 * interval_ns, 5 * NS_PER_S))


def grid_at_or_after(ns: int, interval_ns: int) -> int:
    """The first grid time that is not before `ns`."""
    return -(-ns // interval_ns) * interval_ns


@dataclass(frozen=True, slots=True)
class Jitter:
    """How long after its grid time a sample was taken, over the last 4,096 samples (`max_ms`.

    Over all), in milliseconds.
    """

    p50_ms: float
    p99_ms: float
    max_ms: float


class GridSampler:
    """Calls `take(grid_ns)` for each due grid time and `skip(from_ns, to_ns, cause)` for a range that is too late.

    The window is [start_ns, end_ns); grid times are taken in order, each at most once. With `clock=None` (a replay)
    nothing is ever late: being idle is legitimate there, and the recording says what the live sampler skipped
    (`skip_to`).
    """

    __slots__ = (
        "_anchor_mono_ns",
        "_anchor_wall_ns",
        "_bound_ns",
        "_clock",
        "_end_ns",
        "_lateness",
        "_max_lateness_ns",
        "_opened_ns",
        "_skip",
        "_take",
        "_taken",
        "first_ns",
        "interval_ns",
        "next_ns",
    )

    def __init__(
        self,
        interval_ns: int,
        start_ns: int,
        end_ns: int | None,
        take: Callable[[int], None],
        skip: Callable[[int, int, GapCause], None],
        clock: Clock | None,
    ) -> None:
        self.interval_ns = interval_ns
        self.first_ns = grid_at_or_after(start_ns, interval_ns)
        self._end_ns = NEVER_NS if end_ns is None else end_ns
        self.next_ns = self.first_ns if self.first_ns < self._end_ns else NEVER_NS
        self._take = take
        self._skip = skip
        self._clock = clock
        self._bound_ns = late_bound_ns(interval_ns)
        self._opened_ns = self._anchor_wall_ns = clock.wall_ns() if clock else 0
        self._anchor_mono_ns = clock.monotonic_ns() if clock else 0
        self._lateness = np.zeros(_LATENESS_KEPT)
        self._max_lateness_ns = 0
        self._taken = 0

    @property
    def last_ns(self) -> int:
        """The last grid time that is decided (taken or skipped); one interval before the first if none is."""
        if self.next_ns < NEVER_NS:
            return self.next_ns - self.interval_ns
        return grid_at_or_after(self._end_ns, self.interval_ns) - self.interval_ns

    def advance(self, now_ns: int) -> None:
        """Take what is due at wall time `now_ns`; call it before anything received at `now_ns` is applied."""
        if now_ns >= self.next_ns:
            if self._clock is not None:
                self._skip_late(now_ns)
            while (tick := self.next_ns) <= now_ns:
                self._note_lateness(now_ns - tick)
                self._move_to(tick + self.interval_ns)
                self._take(tick)
        if self._clock is not None:
            self._anchor_wall_ns, self._anchor_mono_ns = now_ns, self._clock.monotonic_ns()

    def behind_ns(self, now_ns: int) -> int:
        """How far a wall clock that says `now_ns` has gone back behind the last decided grid time; 0 if it has not.

        Grid times are decided only once the clock has reached them. Before the first one (a window that has yet to
        begin) the clock is held against what it said when the sampler was made.
        """
        if self.next_ns == NEVER_NS:
            return 0
        reached_ns = self._opened_ns if self.next_ns == self.first_ns else self.last_ns
        return max(0, reached_ns - now_ns)

    def stop(self) -> None:
        """Take nothing more."""
        self._end_ns = min(self._end_ns, self.next_ns)
        self.next_ns = NEVER_NS

    def skip_to(self, to_ns: int, cause: GapCause) -> None:
        """Leave out every grid time before `to_ns`."""
        from_ns = self.next_ns
        to_ns = min(grid_at_or_after(to_ns, self.interval_ns), grid_at_or_after(self._end_ns, self.interval_ns))
        if from_ns < to_ns:
            self._move_to(to_ns)
            self._skip(from_ns, to_ns, cause)

    def jitter(self) -> Jitter | None:
        """None before the first sample."""
        if not self._taken:
            return None
        kept = self._lateness[: min(self._taken, _LATENESS_KEPT)]
        p50, p99 = np.quantile(kept, (0.5, 0.99)) / NS_PER_MS
        return Jitter(float(p50), float(p99), self._max_lateness_ns / NS_PER_MS)

    def _move_to(self, next_ns: int) -> None:
        self.next_ns = next_ns if next_ns < self._end_ns else NEVER_NS

    def _note_lateness(self, lateness_ns: int) -> None:
        self._lateness[self._taken % _LATENESS_KEPT] = lateness_ns
        self._taken += 1
        if lateness_ns > self._max_lateness_ns:
            self._max_lateness_ns = lateness_ns

    def _skip_late(self, now_ns: int) -> None:
        """Skip what is late past the bound, naming the stall, the jump, or first the one and then the other."""
        horizon_ns = now_ns - self._bound_ns
        if self.next_ns >= horizon_ns:
            return
        assert self._clock is not None
        passed_ns = self._clock.monotonic_ns() - self._anchor_mono_ns
        jumped_ns = (now_ns - self._anchor_wall_ns) - passed_ns
        if jumped_ns <= self._bound_ns:
            self.skip_to(horizon_ns, GapCause.RECORDER_LATE)
            return
        if passed_ns > self._bound_ns:
            self.skip_to(min(self._anchor_wall_ns + passed_ns, horizon_ns), GapCause.RECORDER_LATE)
        self.skip_to(horizon_ns, GapCause.CLOCK_STEP)
