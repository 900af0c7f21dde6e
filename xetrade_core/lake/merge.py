"""Which row stands where several writers recorded the same second, and which record where a gap was told twice. Pure.

Both merges are idempotent and do not depend on the order of their input, so that compaction may be repeated at will.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.lake.levels import LEVEL_COLUMNS, Levels
from xetrade_core.lake.schemas import L2_GAPS, L2_SNAPSHOTS

SYNTHETIC_SESSION = "compaction"
"""The session of gap records that compaction made itself; each compaction makes them anew."""


_LABELS = ("exchange", "symbol")
_UNLABELLED = [name for name in L2_SNAPSHOTS.schema.names if name not in _LABELS]
_UNLABELLED_SCHEMA = pa.schema([L2_SNAPSHOTS.schema.field(name) for name in _UNLABELLED])


@dataclass(frozen=True, slots=True)
class MergedSnapshots:
    """`table`: one row a timestamp, in order. `duplicates`: contents that lost to another, each counted once."""

    table: pa.Table
    duplicates: int


def merge_snapshots(tables: Sequence[pa.Table], exchange: str, symbol: str) -> MergedSnapshots:
    """The rows of one symbol (labels not needed), one a timestamp. Synced wins over unsynced, then the higher
    sequence, then the rest of the row.

    Why the higher sequence: two recorders of one venue see the same stream, so it is the book that had heard more by
    then. The last ties (deeper book, then earlier receipt, then the numbers themselves) only make the choice
    repeatable. Identical rows are one row: merging a file that was merged before changes nothing and counts nothing.
    """
    rows = pa.concat_tables([table.select(_UNLABELLED).cast(_UNLABELLED_SCHEMA) for table in tables]).combine_chunks()
    order = np.lexsort(_preference(rows))
    times = _integers(rows, "timestamp")[order]
    first = np.diff(times, prepend=times[0] - 1 if len(times) else 0) != 0
    if first.all():
        in_order = bool((np.diff(order) == 1).all())
        return MergedSnapshots(_labelled(rows if in_order else rows.take(pa.array(order)), exchange, symbol), 0)
    winners = rows.take(pa.array(order[first]))
    # Identical rows lie next to each other in this order, so each content is counted once however often it came: the
    # row that a file took from a segment may meet that segment again after a crash.
    later = np.flatnonzero(~first)
    same = rows_equal(rows.take(pa.array(order[later])), rows.take(pa.array(order[later - 1])))
    return MergedSnapshots(_labelled(winners, exchange, symbol), int(np.count_nonzero(~same)))


def merge_gaps(tables: Sequence[pa.Table]) -> pa.Table:
    """The gap records of one symbol in order of time, one for each (gap_id, from_timestamp).

    Of several, a closed one rather than an open one, then the later end.
    """
    plain = pa.schema([one.with_type(_plain(one.type)).with_nullable(True) for one in L2_GAPS.schema])
    rows = [row for table in tables for row in table.select(plain.names).cast(plain).to_pylist()]
    best: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        key = (row["gap_id"], row["from_timestamp"])
        if key not in best or _rank(row) > _rank(best[key]):
            best[key] = row
    ordered = [best[key] for key in sorted(best, key=lambda key: (key[1], key[0]))]
    return pa.Table.from_pylist(ordered, plain).cast(L2_GAPS.schema)


def rows_equal(left: pa.Table, right: pa.Table) -> np.ndarray:
    """Which rows of two snapshot tables of equal length have the same content; bool, shape (rows,)."""
    same = np.ones(len(left), dtype=bool)
    for column in left.schema:
        if column.name in LEVEL_COLUMNS:
            same &= _levels_equal(Levels.of(left, column.name), Levels.of(right, column.name))
        elif column.name not in _LABELS:
            one, other = left.column(column.name), right.column(column.name)
            equal = pc.fill_null(pc.equal(one, other), False).to_numpy().astype(bool)
            same &= equal | (one.is_null().to_numpy() & other.is_null().to_numpy())
    return same


def _levels_equal(left: Levels, right: Levels) -> np.ndarray:
    same: np.ndarray = (left.lengths == right.lengths) & (left.null == right.null)
    # Only rows of equal length can be laid side by side.
    one, other = left.values[same[left.row_of]], right.values[same[right.row_of]]
    differing = left.row_of[same[left.row_of]][one != other]
    same[differing] = False
    return same


def _preference(rows: pa.Table) -> tuple[np.ndarray, ...]:
    """Sort keys for lexsort, the least important first, so that the best row of a timestamp comes first."""
    levels = [Levels.of(rows, name) for name in LEVEL_COLUMNS]
    content = [np.bincount(one.row_of, weights=one.values, minlength=len(rows)) for one in levels]
    known = [rows.column(name).is_null().to_numpy() for name in ("received_timestamp", "exchange_timestamp")]
    return (
        *content,
        -_integers(rows, "refused_count"),
        -_integers(rows, "update_count"),
        rows.column("stale").to_numpy(),
        _integers(rows, "exchange_timestamp"),
        known[1],
        _integers(rows, "received_timestamp"),
        known[0],
        -_integers(rows, "book_epoch"),
        -sum(one.lengths for one in levels),
        -_integers(rows, "sequence", null=-1),
        ~rows.column("synced").to_numpy().astype(bool),
        _integers(rows, "timestamp"),
    )


def _rank(row: dict[str, Any]) -> tuple[bool, int, bool, str]:
    """The order among records of the same gap: closed, later end, resynced; then any fixed order."""
    end = row["to_timestamp"]
    return (end is not None, end or 0, row["resync_ms"] is not None, repr(sorted(row.items())))


def _plain(kind: pa.DataType) -> pa.DataType:
    """Times as integers and labels as text: Python's own times have no nanoseconds."""
    if pa.types.is_timestamp(kind):
        return pa.int64()
    return pa.string() if pa.types.is_dictionary(kind) else kind


def _labelled(rows: pa.Table, exchange: str, symbol: str) -> pa.Table:
    """The rows with constant labels and the dataset's exact schema, whatever dictionaries they came with."""
    labels = {
        name: pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int32)), pa.array([value]))
        for name, value in (("exchange", exchange), ("symbol", symbol))
    }
    columns = [labels[name] if name in labels else rows.column(name) for name in L2_SNAPSHOTS.schema.names]
    return pa.table(columns, schema=L2_SNAPSHOTS.schema)


def _integers(rows: pa.Table, column: str, null: int = 0) -> np.ndarray:
    return np.asarray(rows.column(column).cast(pa.int64()).fill_null(null).to_numpy())
