"""Overlapping writers: which row stands, and that merging again changes nothing."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.snapshots import HOUR, SYMBOL, VENUE, gap_rows, snapshot_rows
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake import parquet
from xetrade_core.lake.merge import MergedSnapshots, merge_gaps, merge_snapshots, rows_equal

writers = st.lists(
    st.tuples(st.lists(st.integers(0, 12), unique=True), st.lists(st.integers(0, 12), unique=True), st.integers(0, 2)),
    max_size=4,
)


def merge(*tables: pa.Table) -> MergedSnapshots:
    return merge_snapshots(tables, VENUE, SYMBOL)


def tables_of(recordings: list[tuple[list[int], list[int], int]]) -> list[pa.Table]:
    """One table a writer: its seconds, which of them were out of sync, and how far its sequences are ahead."""
    return [snapshot_rows(seconds, unsynced=lost, sequence_offset=offset) for seconds, lost, offset in recordings]


def seconds_of(table: pa.Table) -> list[int]:
    return [(ns - HOUR) // NS_PER_S for ns in table.column("timestamp").cast(pa.int64()).to_pylist()]


def test_rows_of_windows_that_hand_over_join() -> None:
    merged = merge(snapshot_rows(range(5, 10)), snapshot_rows(range(5)))
    assert seconds_of(merged.table) == list(range(10))
    assert merged.duplicates == 0


def test_a_synced_row_wins_over_an_unsynced_one() -> None:
    merged = merge(snapshot_rows([0, 1], unsynced=[0, 1]), snapshot_rows([1, 2]))
    assert merged.table.column("synced").to_pylist() == [False, True, True]
    assert merged.duplicates == 1


def test_of_two_synced_rows_the_higher_sequence_wins() -> None:
    merged = merge(snapshot_rows([0], sequence_offset=2), snapshot_rows([0], sequence_offset=1))
    assert merged.table.column("sequence").to_pylist() == [1002]
    assert merged.duplicates == 1


def test_of_equal_sequences_the_deeper_book_wins() -> None:
    merged = merge(snapshot_rows([0], depth=2), snapshot_rows([0], depth=5))
    assert len(merged.table.column("bid_price")[0]) == 5


def test_the_same_row_twice_is_one_row_and_no_duplicate() -> None:
    rows = snapshot_rows(range(6), unsynced=[2])
    assert merge(rows, rows, rows.slice(1, 2)) == merge(rows)


@settings(deadline=None)  # the machine may be busy
@given(writers)
def test_each_second_stands_once_in_order_and_synced_where_any_writer_was(
    recordings: list[tuple[list[int], list[int], int]],
) -> None:
    merged = merge(snapshot_rows([]), *tables_of(recordings)).table
    seen = {second for seconds, _, _ in recordings for second in seconds}
    assert seconds_of(merged) == sorted(seen)
    synced = {second for seconds, lost, _ in recordings for second in seconds if second not in lost}
    assert {
        second for second, ok in zip(seconds_of(merged), merged.column("synced").to_pylist(), strict=True) if ok
    } == synced


@settings(deadline=None)  # the machine may be busy
@given(writers, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_nor_grouping_matters(
    recordings: list[tuple[list[int], list[int], int]], rng: random.Random
) -> None:
    tables = [snapshot_rows([]), *tables_of(recordings)]
    whole = merge(*tables)
    shuffled = tables * 2
    rng.shuffle(shuffled)
    assert parquet.to_bytes(merge(*shuffled).table) == parquet.to_bytes(whole.table)
    half = len(tables) // 2
    grouped = merge(merge(snapshot_rows([]), *tables[:half]).table, merge(*tables[half:]).table)
    assert parquet.to_bytes(grouped.table) == parquet.to_bytes(whole.table)
    assert merge(whole.table, whole.table) == MergedSnapshots(whole.table, 0)


def test_rows_are_equal_only_to_the_last_level() -> None:
    left = snapshot_rows(range(4), unsynced=[3])
    changed: list[dict[str, Any]] = left.to_pylist()
    changed[1]["ask_size"] = [*changed[1]["ask_size"][:-1], 9.0]
    changed[2]["bid_price"] = changed[2]["bid_price"][:-1]
    right = pa.Table.from_pylist(changed, left.schema)
    assert rows_equal(left, right).tolist() == [True, False, False, True]
    assert rows_equal(left, left).all()


def test_a_gap_told_open_and_then_closed_is_one_closed_gap() -> None:
    opened = gap_rows({"start": 3, "end": None})
    closed = gap_rows({"start": 3, "end": 8, "resync_ms": 120.0})
    for order in ([opened, closed], [closed, opened], [closed, closed, opened]):
        merged = merge_gaps(order)
        assert merged.column("to_timestamp").cast(pa.int64()).to_pylist() == [HOUR + 8 * NS_PER_S]
        assert merged.column("resync_ms").to_pylist() == [120.0]


def test_gaps_keep_their_nanoseconds_and_order() -> None:
    rows = gap_rows({"start": 5, "end": 6}, {"start": 1, "end": 2})
    exact = rows.set_column(
        3, "from_timestamp", pa.array([HOUR + 5_000_000_001, HOUR + 7]).cast(rows.schema.field(3).type)
    )
    assert merge_gaps([exact]).column("from_timestamp").cast(pa.int64()).to_pylist() == [HOUR + 7, HOUR + 5_000_000_001]
