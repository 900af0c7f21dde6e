"""How far apart the fundings of one instrument are, found in its history: no venue states it for the past.

An interval holds for a stretch of fundings, then may be another. A time between two rows that is longer than its
neighbours' is no interval of its own: rows are missing in it. One that is shorter is always real, since missing rows
only lengthen. So the steps are grouped into runs of equal length; a run is taken for an interval if it is long enough
or shorter than both neighbours, and every other step is put together from the intervals around it, with as few missing
rows as will do.

A row's interval is that of the period it pays for, which ends at its own time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

NS_PER_HOUR = 3_600_000_000_000
NS_PER_MINUTE = 60_000_000_000
#: hours between fundings that venues have used
KNOWN_HOURS = (1, 2, 3, 4, 6, 8, 12, 24)
_KNOWN = frozenset(hours * NS_PER_HOUR for hours in KNOWN_HOURS)
_CONVINCING = 3  # equal steps in the middle of a history, one less at its ends


def grid_ns(stated_ns: int) -> int:
    """The funding time that a venue means: the nearest full minute. Venues stamp some milliseconds late."""
    return (stated_ns + NS_PER_MINUTE // 2) // NS_PER_MINUTE * NS_PER_MINUTE


@dataclass(frozen=True, slots=True)
class Intervals:
    """Of each time given the interval that ends then (ns), None where it cannot be known; and the times without a row.

    `missing` are funding times strictly between the first and the last time given, oldest first.
    """

    interval_ns: tuple[int | None, ...]
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    step_ns: int
    first: int  # index of its first step
    count: int


def infer_intervals(times_ns: Sequence[int], usual_ns: int | None = None) -> Intervals:
    """Intervals of one instrument's funding times on the grid: strictly increasing, any number of them.

    `usual_ns` is the venue's usual interval: it settles what too few rows leave open. The first row takes the interval
    of the second.
    """
    if len(times_ns) < 2:
        return Intervals((usual_ns,) * len(times_ns), ())
    steps = [later - earlier for earlier, later in pairwise(times_ns)]
    if any(step <= 0 for step in steps):
        raise ValueError("funding times must increase")
    runs = _runs(steps)
    certain = _certain(runs, usual_ns)
    found: list[int | None] = [None]
    missing: list[int] = []
    for index, run in enumerate(runs):
        if certain[index]:
            found += [run.step_ns] * run.count
            continue
        before = next((runs[i].step_ns for i in range(index - 1, -1, -1) if certain[i]), None)
        after = next((runs[i].step_ns for i in range(index + 1, len(runs)) if certain[i]), None)
        parts = _parts(run.step_ns, before or after or usual_ns, after or before or usual_ns)
        for at in range(run.first, run.first + run.count):
            found.append(parts[-1] if parts else None)
            time_ns = times_ns[at]
            for part in parts[:-1]:
                time_ns += part
                missing.append(time_ns)
    found[0] = found[1]
    return Intervals(tuple(found), tuple(missing))


def _runs(steps: Sequence[int]) -> list[_Run]:
    runs: list[_Run] = []
    at = 0
    for step, group in groupby(steps):
        count = sum(1 for _ in group)
        runs.append(_Run(step, at, count))
        at += count
    return runs


def _certain(runs: Sequence[_Run], usual_ns: int | None) -> list[bool]:
    """Which runs are intervals of the instrument, and not steps over missing rows."""
    certain = []
    for index, run in enumerate(runs):
        near = [runs[i].step_ns for i in (index - 1, index + 1) if 0 <= i < len(runs)]
        if not near:
            over_holes = usual_ns is not None and run.step_ns > usual_ns and run.step_ns % usual_ns == 0
            certain.append(run.step_ns in _KNOWN and (run.count >= _CONVINCING or not over_holes))
            continue
        enough = _CONVINCING if len(near) == 2 else _CONVINCING - 1
        shorter = all(run.step_ns < step for step in near)
        certain.append(run.step_ns in _KNOWN and (run.count >= enough or shorter))
    return certain


def _parts(step_ns: int, before_ns: int | None, after_ns: int | None) -> list[int]:
    """The step as some intervals of before, then some of after, as few as possible; empty where that cannot be."""
    if before_ns is None or after_ns is None:
        return []
    best: list[int] = []
    for first in range(step_ns // before_ns + 1):
        rest = step_ns - first * before_ns
        if rest % after_ns == 0:
            parts = [before_ns] * first + [after_ns] * (rest // after_ns)
            if not best or len(parts) < len(best):
                best = parts
    return best
