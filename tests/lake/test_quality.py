"""The completeness record against a naive count, second by second."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.snapshots import HOUR, SYMBOL, VENUE, gap_rows, snapshot_rows
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.lake import parquet
from xetrade_core.lake.quality import ABSENCES, QualityRecord, hour_quality
from xetrade_core.lake.schemas import L2_GAPS, L2_QUALITY
from xetrade_core.model.book_events import GapCause

MISSING, UNSYNCED, SYNCED = range(3)
WINDOW = 24

states = st.lists(st.sampled_from([MISSING, UNSYNCED, SYNCED]), min_size=WINDOW, max_size=WINDOW)
closed_gaps = st.builds(
    lambda start, length, cause: {"start": start, "end": start + length, "cause": cause.value},
    st.integers(-3, WINDOW),
    st.integers(0, WINDOW),
    st.sampled_from(GapCause),
)


def record(state: list[int], gaps: list[dict[str, Any]], **options: Any) -> QualityRecord:
    """The record of a window of one second a state."""
    present = [second for second, one in enumerate(state) if one != MISSING]
    unsynced = [second for second, one in enumerate(state) if one == UNSYNCED]
    numbered = [gap | {"gap_id": f"g-{i:03}"} for i, gap in enumerate(gaps)]
    return hour_quality(
        snapshot_rows(present, unsynced=unsynced),
        gap_rows(*numbered),
        exchange=VENUE,
        symbol=SYMBOL,
        window_start_ns=HOUR,
        window_end_ns=HOUR + len(state) * NS_PER_S,
        interval_ns=NS_PER_S,
        **options,
    )


@given(states, st.lists(closed_gaps, max_size=5))
def test_every_second_is_counted_once(state: list[int], gaps: list[dict[str, Any]]) -> None:
    got = record(state, gaps)
    explained = [
        any(gap["start"] <= second < gap["end"] and gap["cause"] != "unexplained" for gap in gaps)
        for second in range(WINDOW)
    ]
    assert got.expected == WINDOW
    assert got.synced == state.count(SYNCED)
    assert got.unsynced == state.count(UNSYNCED)
    assert got.missing == state.count(MISSING)
    assert got.missing_explained == sum(one == MISSING and why for one, why in zip(state, explained, strict=True))
    assert got.unsynced_explained == sum(one == UNSYNCED and why for one, why in zip(state, explained, strict=True))
    assert got.unexplained == sum(one != SYNCED and not why for one, why in zip(state, explained, strict=True))
    assert got.complete == (got.unexplained == 0)


@given(states, st.lists(closed_gaps, max_size=5))
def test_numbers_add_up_and_fit_their_schema(state: list[int], gaps: list[dict[str, Any]]) -> None:
    got = record(state, gaps)
    assert got.captured + got.missing == got.expected
    assert got.synced + got.unsynced == got.captured
    unexplained = got.unsynced - got.unsynced_explained + got.missing - got.missing_explained
    assert got.unexplained == unexplained
    assert sum(got.causes.values()) == pytest.approx(got.expected - got.synced)
    assert got.causes.get("unexplained", 0) == unexplained
    assert len(L2_QUALITY.validate(got.to_table()).rejected) == 0


@given(states, st.lists(closed_gaps, max_size=3))
def test_a_record_reads_back_from_its_file(state: list[int], gaps: list[dict[str, Any]]) -> None:
    got = record(state, gaps, duplicates=3, rejected=1, file_bytes=999, computed_ns=HOUR + 1)
    assert QualityRecord.from_table(parquet.from_bytes(parquet.to_bytes(got.to_table()), "q")) == got


@pytest.mark.parametrize("cause", [GapCause.DISCONNECT, GapCause.SEQUENCE])
def test_an_open_gap_of_the_book_ends_with_the_first_second_that_is_not_unsynced(cause: GapCause) -> None:
    state = [SYNCED] * 5 + [UNSYNCED] * 5 + [MISSING] * 5
    got = record(state, [{"start": 5, "end": None, "cause": cause.value}])
    assert (got.unsynced_explained, got.missing_explained, got.unexplained) == (5, 0, 5)


@pytest.mark.parametrize("cause", sorted(ABSENCES))
def test_an_open_absence_ends_with_the_next_row(cause: GapCause) -> None:
    state = [SYNCED] * 5 + [MISSING] * 5 + [UNSYNCED] * 2 + [MISSING] * 3
    got = record(state, [{"start": 5, "end": None, "cause": cause.value}])
    assert (got.missing_explained, got.unsynced_explained, got.unexplained) == (5, 0, 5)


def test_the_earliest_of_overlapping_gaps_is_the_cause() -> None:
    gaps = [{"start": 2, "end": 8, "cause": "sequence"}, {"start": 0, "end": 5, "cause": "disconnect"}]
    assert record([UNSYNCED] * 10, gaps).causes == {"disconnect": 5.0, "sequence": 3.0, "unexplained": 2.0}


def test_a_tenth_of_a_second_is_counted_in_seconds() -> None:
    tenth = NS_PER_S // 10
    got = hour_quality(
        snapshot_rows(range(7), interval_ns=tenth),
        L2_GAPS.empty(),
        exchange=VENUE,
        symbol=SYMBOL,
        window_start_ns=HOUR,
        window_end_ns=HOUR + NS_PER_S,
        interval_ns=tenth,
    )
    assert (got.expected, got.captured, got.causes) == (10, 7, {"unexplained": 0.3})


def test_rows_outside_the_window_or_off_the_grid_do_not_count() -> None:
    got = hour_quality(
        snapshot_rows([-1, 0, 1, 2, 3, 10]),
        L2_GAPS.empty(),
        exchange=VENUE,
        symbol=SYMBOL,
        window_start_ns=HOUR,
        window_end_ns=HOUR + 4 * NS_PER_S,
        interval_ns=2 * NS_PER_S,
    )
    assert (got.expected, got.captured, got.updates) == (2, 2, 20)


def test_latency_is_of_fresh_messages_and_may_be_negative() -> None:
    """The recorder of the Binance recordings was 1.27 s slow: its receive times lie before the venue's."""
    slow = snapshot_rows([0, 1, 2], received_timestamp=HOUR, exchange_timestamp=HOUR + 1_270_000_000)
    got = hour_quality(
        slow,
        L2_GAPS.empty(),
        exchange=VENUE,
        symbol=SYMBOL,
        window_start_ns=HOUR,
        window_end_ns=HOUR + 3 * NS_PER_S,
        interval_ns=NS_PER_S,
    )
    assert (got.skew_ms_p50, got.latency_ms_p50, got.latency_ms_max) == (-1270.0, -1270.0, -1270.0)


def test_an_empty_window_is_complete() -> None:
    got = record([], [])
    assert (got.expected, got.synced_share, got.complete, got.latency_ms_p50) == (0, 1.0, True, None)


def test_a_window_that_runs_backwards_is_refused() -> None:
    with pytest.raises(ConfigError, match="window"):
        hour_quality(
            snapshot_rows([0]),
            L2_GAPS.empty(),
            exchange=VENUE,
            symbol=SYMBOL,
            window_start_ns=HOUR,
            window_end_ns=HOUR - 1,
            interval_ns=NS_PER_S,
        )


def test_crossed_rows_would_be_counted() -> None:
    rows = snapshot_rows([0, 1], bid_price=[60_000.0], bid_size=[1.0], ask_price=[59_999.0], ask_size=[1.0])
    got = hour_quality(
        rows,
        L2_GAPS.empty(),
        exchange=VENUE,
        symbol=SYMBOL,
        window_start_ns=HOUR,
        window_end_ns=HOUR + 2 * NS_PER_S,
        interval_ns=NS_PER_S,
    )
    assert got.crossed == 2
