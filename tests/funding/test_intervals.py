"""Intervals are found in the history alone, whatever rows are missing and however often they change."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.funding.intervals import NS_PER_HOUR as H
from xetrade_core.funding.intervals import grid_ns, infer_intervals

DAY = 24 * H
START = 20_000 * DAY


def times(*hours: float) -> list[int]:
    return [START + round(hour * H) for hour in hours]


def hours(intervals: tuple[int | None, ...]) -> list[float | None]:
    return [None if one is None else one / H for one in intervals]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Funding times of a few regimes, at least five periods each, and the interval of each."""
    at, found = START, [(START, 0)]
    lengths = draw(st.lists(st.sampled_from([1, 2, 4, 8, 24]), min_size=1, max_size=4))
    for length in lengths:
        at = -(-at // (24 * H)) * 24 * H if at % (length * H) else at  # a change is on the grid of both
        while found[-1][0] < at:  # the regime before goes on until the change
            found.append((found[-1][0] + found[-1][1], found[-1][1]))
        for _ in range(draw(st.integers(5, 12))):
            at += length * H
            found.append((at, length * H))
    found[0] = (START, found[1][1])
    return [at for at, _ in found], [interval for _, interval in found]


@given(histories())
def test_a_whole_history_tells_its_intervals(history: tuple[list[int], list[int]]) -> None:
    at, interval = history
    found = infer_intervals(at)
    assert list(found.interval_ns) == interval
    assert found.missing == ()


@settings(max_examples=300)
@given(histories(), st.integers(0, 2**32))
def test_lost_rows_are_named_and_change_no_interval(history: tuple[list[int], list[int]], seed: int) -> None:
    at, interval = history
    changes = [i for i in range(1, len(at)) if interval[i] != interval[i - 1]]
    rng, lost = random.Random(seed), set[int]()
    for index in range(2, len(at) - 3):
        near_change = any(abs(index - change) < 3 for change in changes)
        if not near_change and not any(index - other < 4 for other in lost) and rng.random() < 0.4:
            lost.add(index)
    kept = [i for i in range(len(at)) if i not in lost]
    found = infer_intervals([at[i] for i in kept])
    assert list(found.missing) == [at[i] for i in sorted(lost)]
    assert list(found.interval_ns) == [interval[i] for i in kept]


@pytest.mark.parametrize(
    ("at", "interval", "missing"),
    [
        ((0, 8, 16, 24, 28, 32, 36), [8, 8, 8, 8, 4, 4, 4], ()),
        ((0, 8, 16, 20, 28, 36, 44), [8, 8, 8, 4, 8, 8, 8], ()),  # one short period is real
        ((0, 4, 8, 12, 20, 24, 28, 32), [4] * 8, (16,)),  # one long step is a lost row
        ((0, 8, 16, 24, 36, 40, 44, 48), [8, 8, 8, 8, 4, 4, 4, 4], (32,)),  # lost at the change
        ((0, 4, 8, 12, 24, 32, 40, 48), [4, 4, 4, 4, 8, 8, 8, 8], (16,)),
        ((0, 4, 8, 12, 20, 28, 36), [4, 4, 4, 4, 8, 8, 8], ()),  # longer from here on
        ((0, 8, 16, 48, 56, 64), [8] * 6, (24, 32, 40)),
        ((0, 8, 16, 26, 34, 42), [8, 8, 8, None, 8, 8], ()),  # a row that is on no grid
    ],
)
def test_what_a_step_means(at: tuple[int, ...], interval: list[int | None], missing: tuple[int, ...]) -> None:
    found = infer_intervals(times(*at), 8 * H)
    assert hours(found.interval_ns) == interval
    assert list(found.missing) == times(*missing)


@pytest.mark.parametrize(
    ("at", "usual", "interval"),
    [
        ((), 8, []),
        ((0,), 8, [8]),
        ((0,), None, [None]),
        ((0, 8), None, [8, 8]),
        ((0, 16), 8, [8, 8]),  # the venue's usual interval: one row is lost
        ((0, 4), 8, [4, 4]),  # nothing lost can shorten a step
        ((0, 5), None, [None, None]),
    ],
)
def test_few_rows_are_settled_by_what_is_usual(at: tuple[int, ...], usual: int | None, interval: list[int]) -> None:
    assert hours(infer_intervals(times(*at), usual and usual * H).interval_ns) == interval


def test_times_that_do_not_increase_are_refused() -> None:
    with pytest.raises(ValueError, match="must increase"):
        infer_intervals(times(0, 8, 8))


@given(st.integers(0, 10**6), st.integers(-29_999_999_999, 29_999_999_999))
def test_a_stamp_within_half_a_minute_means_the_minute(minute: int, off_ns: int) -> None:
    assert grid_ns(minute * 60_000_000_000 + off_ns) == minute * 60_000_000_000
