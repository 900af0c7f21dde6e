"""What the gap ledger says once rows and records are laid side by side. Pure.

Two corrections. A session that ends says "nothing recorded from here to the end of my window", for all it knows;
where another session did record, that is not a gap, so such records are cut back to the seconds that have no row. And
seconds that no record explains get one: `recorder_down` where the sessions themselves show that none ran,
`unexplained` otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.lake.merge import SYNTHETIC_SESSION, merge_gaps
from xetrade_core.lake.quality import MISSING, UNSYNCED, Coverage, Grid
from xetrade_core.lake.schemas import L2_GAPS
from xetrade_core.model.book_events import GapCause
from xetrade_core.model.instruments import symbol_slug

_SESSION_ABSENCES = (GapCause.STOPPED.value, GapCause.RECORDER_DOWN.value)


@dataclass(frozen=True, slots=True)
class Presence:
    """That a session recorded a symbol: grid times of its first and last row."""

    id: str
    first: int
    last: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def join_presences(presences: Sequence[Presence]) -> list[Presence]:
    """One presence a session, in order of time."""
    joined: dict[str, Presence] = {}
    for one in presences:
        known = joined.get(one.id)
        if known is not None:
            one = Presence(one.id, min(one.first, known.first), max(one.last, known.last))
        joined[one.id] = one
    return sorted(joined.values(), key=lambda one: (one.first, one.id))


def recorded_gaps(gaps: pa.Table) -> pa.Table:
    """The records that sessions made, without compaction's own."""
    return gaps.filter(pc.not_equal(gaps.column("session"), SYNTHETIC_SESSION))


def cut_to_missing(gaps: pa.Table, covered: Coverage) -> pa.Table:
    """`gaps` with every session's absence cut back to the grid times that have no row; the pieces keep its gap_id.

    `covered` must span the whole hour. A record that covers no grid time at all stays as it is.
    """
    plain = gaps.set_column(3, "from_timestamp", gaps.column("from_timestamp").cast(pa.int64()))
    plain = plain.set_column(4, "to_timestamp", plain.column("to_timestamp").cast(pa.int64()))
    rows: list[dict[str, Any]] = []
    for row in plain.to_pylist():
        rows += _missing_pieces(row, covered) if row["cause"] in _SESSION_ABSENCES else [row]
    return merge_gaps([pa.Table.from_pylist(rows, plain.schema).cast(L2_GAPS.schema)])


def found_gaps(covered: Coverage, presences: Sequence[Presence], exchange: str, symbol: str) -> pa.Table:
    """Records for what no gap explains, one for each run of missing or of unsynced grid times."""
    rows = []
    for from_ns, to_ns, missing in covered.unexplained_runs():
        cause = _cause_of_absence(from_ns, to_ns, presences) if missing else GapCause.UNEXPLAINED
        rows.append(
            {
                "gap_id": f"{SYNTHETIC_SESSION}-{symbol_slug(symbol)}-{from_ns}",
                "exchange": exchange,
                "symbol": symbol,
                "from_timestamp": from_ns,
                "to_timestamp": to_ns,
                "cause": cause.value,
                "detail": "no row and no record of a gap" if missing else "out of sync without a record of a gap",
                "session": SYNTHETIC_SESSION,
            }
        )
    return pa.Table.from_pylist(rows, L2_GAPS.schema)


def hour_coverage_state(snapshots_ns: np.ndarray, grid: Grid) -> Coverage:
    """Which grid times have no row; those that have one all count as UNSYNCED. For `cut_to_missing`."""
    state = np.full(len(grid), MISSING, dtype=np.int8)
    positions = snapshots_ns // grid.interval_ns - grid.first_index
    on_grid = (snapshots_ns % grid.interval_ns == 0) & (positions >= 0) & (positions < len(grid))
    state[positions[on_grid]] = UNSYNCED
    return Coverage(grid, state, np.full(len(grid), -1, dtype=np.int8))


def _cause_of_absence(from_ns: int, to_ns: int, presences: Sequence[Presence]) -> GapCause:
    """`recorder_down` between two sessions; one on both sides should have rows.

    After the last one it is for the ledger to say: whoever ended it, it or its recovery, has left a record.
    """
    before = [one for one in presences if one.first < from_ns]
    after = [one for one in presences if one.last >= to_ns]
    if any(one.first < from_ns and one.last >= to_ns for one in presences):
        return GapCause.UNEXPLAINED
    return GapCause.RECORDER_DOWN if before and after else GapCause.UNEXPLAINED


def _missing_pieces(row: dict[str, Any], covered: Coverage) -> list[dict[str, Any]]:
    grid = covered.grid
    low = grid.ceil(row["from_timestamp"])
    high = len(grid) if row["to_timestamp"] is None else grid.ceil(row["to_timestamp"])
    if low >= high:
        return [row]
    missing = covered.state[low:high] == MISSING
    edges = np.flatnonzero(np.diff(missing, prepend=False, append=False)) + low
    pieces = []
    for start, end in list(pairwise(edges))[::2]:
        piece = dict(row)
        if start > low:
            piece["from_timestamp"] = grid.time(int(start))
        if end < high:
            piece["to_timestamp"] = grid.time(int(end))
        pieces.append(piece)
    return pieces
