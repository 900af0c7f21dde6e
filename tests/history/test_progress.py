"""What a backfill has read survives it: rows once, and which time they cover."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.errors import SessionError
from xetrade_core.history.pages import FundingPage
from xetrade_core.history.progress import FundingProgress, uncovered
from xetrade_core.model.funding import FundingRate

NOW = 1_795_000_000_000_000_000
WEEK = 7 * 86_400 * 1_000_000_000


def page(start: int, end: int, *times: int, rate: float = 0.1) -> FundingPage:
    return FundingPage(tuple(FundingRate("okx", "S", at, rate, mark_price=5.0) for at in times), start, end)


def test_pages_are_there_for_the_next_process(tmp_path: Path) -> None:
    with FundingProgress(tmp_path, "okx", 0) as first:
        first.add("S", page(10, 20, 12, 15))
    with FundingProgress(tmp_path, "okx", 0) as second:
        assert second.open_spans("S", 0, 30) == [(0, 10), (20, 30)]
        assert second.open_spans("T", 0, 30) == [(0, 30)]
        second.add("S", page(15, 25, 15, 24, rate=0.2))  # a row again
        assert [(row.funding_ns, row.rate) for row in second.rates("S", 0, 24)] == [(12, 0.1), (15, 0.2)]
        assert second.count(["S", "T"]) == 3
        assert second.rates("S", 12, 13) == [FundingRate("okx", "S", 12, 0.1, None, 5.0, None)]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with (
        FundingProgress(tmp_path, "okx", 0),
        pytest.raises(SessionError, match="another backfill of okx is running"),
        FundingProgress(tmp_path, "okx", 0),
    ):
        pass
    with FundingProgress(tmp_path, "binanceusdm", 0), FundingProgress(tmp_path, "okx", 0):
        pass


def test_nothing_is_left_once_all_is_forgotten(tmp_path: Path) -> None:
    with FundingProgress(tmp_path, "okx", 0) as progress:
        progress.add("S", page(0, 5, 1))
        progress.forget(["S"])
    assert [path.name for path in tmp_path.iterdir()] == ["okx.lock"]


def test_what_is_too_old_is_not_gone_on_with(tmp_path: Path) -> None:
    with FundingProgress(tmp_path, "okx", 0) as progress:
        progress.add("S", page(0, 5, 1))
    changed_ns = (tmp_path / "okx.sqlite").stat().st_mtime_ns
    with FundingProgress(tmp_path, "okx", changed_ns + WEEK + 1) as later:
        assert later.open_spans("S", 0, 5) == [(0, 5)]


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "okx.sqlite").write_bytes(b"not a database, but long enough to be looked at as one" * 9)
    with pytest.raises(SessionError, match="delete it to begin the backfill anew"), FundingProgress(tmp_path, "okx", 0):
        pass
    (tmp_path / "okx.sqlite").unlink()
    with FundingProgress(tmp_path, "okx", 0):  # the lock was let go
        pass


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda pair: (min(pair), max(pair)))),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_what_is_left_is_exactly_what_no_span_covers(spans: list[tuple[int, int]], start: int, end: int) -> None:
    left = uncovered(sorted(spans), start, end)
    covered = {at for first, beyond in spans for at in range(first, beyond)}
    assert [at for first, beyond in left for at in range(first, beyond)] == [
        at for at in range(start, end) if at not in covered
    ]
    assert all(first < beyond for first, beyond in left)
