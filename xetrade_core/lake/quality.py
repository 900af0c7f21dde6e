"""The completeness record: from the rows and the gap ledger of one symbol's hour to numbers that say what is proven.

Pure arithmetic. Every grid time of the window is in exactly one state: synced, unsynced or missing; each that is not
synced is explained by at most one gap of the ledger. `complete` means that none is left over. A gap whose cause is
`unexplained` (compaction's own finding) explains nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.lake.layout import hour_start
from xetrade_core.lake.levels import Levels
from xetrade_core.lake.schemas import L2_QUALITY
from xetrade_core.model.book_events import GapCause

MISSING, UNSYNCED, SYNCED = 0, 1, 2

ABSENCES = frozenset(
    {GapCause.STOPPED, GapCause.RECORDER_DOWN, GapCause.RECORDER_LATE, GapCause.CLOCK_STEP, GapCause.OVERFLOW}
)
"""Causes that explain missing rows; the others explain rows that are there and out of sync."""

_CAUSES = tuple(GapCause)
_NO_CAUSE = -1


@dataclass(frozen=True, slots=True)
class Grid:
    """The grid times of a window: multiples of `interval_ns` with start_ns <= t < end_ns."""

    start_ns: int
    end_ns: int
    interval_ns: int

    def __post_init__(self) -> None:
        if self.interval_ns <= 0:
            raise ConfigError.of("interval_ns", self.interval_ns, "give a positive number of nanoseconds")
        if self.end_ns < self.start_ns:
            raise ConfigError.of("window", (self.start_ns, self.end_ns), "the end must not be before the start")

    @property
    def first_index(self) -> int:
        return -(-self.start_ns // self.interval_ns)

    def __len__(self) -> int:
        return max(0, -(-self.end_ns // self.interval_ns) - self.first_index)

    def time(self, position: int) -> int:
        """The grid time at `position`, in ns."""
        return (self.first_index + position) * self.interval_ns

    def ceil(self, ns: int) -> int:
        """The position of the first grid time >= ns, clipped to the window."""
        return min(max(-(-ns // self.interval_ns) - self.first_index, 0), len(self))


@dataclass(frozen=True, slots=True)
class Coverage:
    """Each grid time's state (MISSING, UNSYNCED, SYNCED) and the cause that explains it (place in GapCause, or -1)."""

    grid: Grid
    state: np.ndarray  # int8, shape (grid,)
    cause: np.ndarray  # int8, shape (grid,)

    def count(self, mask: np.ndarray) -> int:
        return int(np.count_nonzero(mask))

    @property
    def explained(self) -> np.ndarray:
        """bool, shape (grid,): covered by a gap with a known cause."""
        return np.asarray((self.cause != _NO_CAUSE) & (self.cause != _CAUSES.index(GapCause.UNEXPLAINED)))

    def unexplained_runs(self) -> list[tuple[int, int, bool]]:
        """Maximal runs of grid times that nothing explains: (from_ns, to_ns exclusive, whether rows are missing)."""
        open_state = np.where(self.explained | (self.state == SYNCED), _NO_CAUSE, self.state)
        edges = np.flatnonzero(np.diff(open_state, prepend=_NO_CAUSE, append=_NO_CAUSE))
        return [
            (self.grid.time(int(low)), self.grid.time(int(high)), bool(open_state[low] == MISSING))
            for low, high in pairwise(edges)
            if open_state[low] != _NO_CAUSE
        ]


@dataclass(frozen=True, slots=True)
class QualityRecord:
    """One row of `l2_quality`; the columns are described in its schema. Times are UTC nanoseconds."""

    timestamp: int
    exchange: str
    symbol: str
    from_timestamp: int
    to_timestamp: int
    interval_s: float
    depth: int
    expected: int
    captured: int
    synced: int
    unsynced: int
    unsynced_explained: int
    missing: int
    missing_explained: int
    unexplained: int
    synced_share: float
    complete: bool
    stale: int
    crossed: int
    duplicates: int
    rejected: int
    gaps: int
    resyncs: int
    refused: int
    updates: int
    causes: dict[str, float]
    skew_ms_p50: float | None
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    latency_ms_p99: float | None
    latency_ms_max: float | None
    bytes_per_snapshot: float | None
    segments: int = 0
    sources: tuple[str, ...] = field(default=(), repr=False)
    sessions: tuple[dict[str, Any], ...] = ()
    computed_timestamp: int = 0

    @property
    def hour(self) -> int:
        """Start of the hour; `timestamp` by another name (the path of the file has a column `hour` of its own)."""
        return self.timestamp

    def to_table(self) -> pa.Table:
        """The record as a table of one row."""
        values = asdict(self) | {name: json.dumps(getattr(self, name)) for name in _JSON}
        columns = [
            pa.array([values[column.name]], _plain(column.type)).cast(column.type) for column in L2_QUALITY.columns
        ]
        return pa.table(columns, schema=L2_QUALITY.schema)

    @classmethod
    def from_table(cls, table: pa.Table) -> QualityRecord:
        """The inverse of `to_table`."""
        names = [one.name for one in fields(cls)]
        values = {name: table.column(name).cast(_plain(table.column(name).type))[0].as_py() for name in names}
        values |= {name: json.loads(values[name]) for name in _JSON}
        return cls(**(values | {"sources": tuple(values["sources"]), "sessions": tuple(values["sessions"])}))


_JSON = ("causes", "sources", "sessions")


def hour_quality(
    snapshots: pa.Table,
    gaps: pa.Table,
    *,
    exchange: str,
    symbol: str,
    window_start_ns: int,
    window_end_ns: int,
    interval_ns: int,
    duplicates: int = 0,
    rejected: int = 0,
    file_bytes: int | None = None,
    computed_ns: int = 0,
) -> QualityRecord:
    """The record of one symbol's window; `snapshots` and `gaps` are its rows of `l2_snapshots` and `l2_gaps`, in any
    order.

    Rows outside the window or off its grid are not counted. `file_bytes` is the size of the file that holds
    `snapshots`.
    """
    covered = coverage(snapshots, gaps, Grid(window_start_ns, window_end_ns, interval_ns))
    state, explained = covered.state, covered.explained
    expected = len(covered.grid)
    synced = covered.count(state == SYNCED)
    on_grid = _on_grid(snapshots, covered.grid)
    rows = snapshots.filter(pa.array(on_grid)) if not on_grid.all() else snapshots
    unexplained = covered.count((state != SYNCED) & ~explained)
    return QualityRecord(
        timestamp=hour_start(window_start_ns),
        exchange=exchange,
        symbol=symbol,
        from_timestamp=window_start_ns,
        to_timestamp=window_end_ns,
        interval_s=interval_ns / NS_PER_S,
        expected=expected,
        captured=covered.count(state != MISSING),
        synced=synced,
        unsynced=covered.count(state == UNSYNCED),
        unsynced_explained=covered.count((state == UNSYNCED) & explained),
        missing=covered.count(state == MISSING),
        missing_explained=covered.count((state == MISSING) & explained),
        unexplained=unexplained,
        synced_share=synced / expected if expected else 1.0,
        complete=unexplained == 0,
        duplicates=duplicates,
        rejected=rejected,
        gaps=len(set(gaps.column("gap_id").to_pylist())),
        resyncs=len(gaps) - gaps.column("resync_ms").null_count,
        causes=_seconds_by_cause(covered),
        bytes_per_snapshot=file_bytes / len(snapshots) if file_bytes is not None and len(snapshots) else None,
        computed_timestamp=computed_ns,
        **_row_numbers(rows),
        **_delays(rows),
    )


def coverage(snapshots: pa.Table, gaps: pa.Table, grid: Grid) -> Coverage:
    """The state of every grid time and what explains it. Where several gaps cover one, the earliest does."""
    state = np.full(len(grid), MISSING, dtype=np.int8)
    kept = _on_grid(snapshots, grid)
    positions = _nanoseconds(snapshots, "timestamp")[kept] // grid.interval_ns - grid.first_index
    synced = snapshots.column("synced").to_numpy()[kept].astype(bool)
    state[positions[~synced]] = UNSYNCED
    state[positions[synced]] = SYNCED
    cause = np.full(len(grid), _NO_CAUSE, dtype=np.int8)
    for low, high, why in _spans(gaps, grid, state):
        span = slice(low, high)
        free = (cause[span] == _NO_CAUSE) & (state[span] != SYNCED)
        cause[span][free] = _CAUSES.index(why)
    return Coverage(grid, state, cause)


def _spans(gaps: pa.Table, grid: Grid, state: np.ndarray) -> list[tuple[int, int, GapCause]]:
    """What each gap covers, as grid positions; the earliest gap first, compaction's own findings last."""
    starts = _nanoseconds(gaps, "from_timestamp")
    ends = [None if end is None else int(end) for end in gaps.column("to_timestamp").cast(pa.int64()).to_pylist()]
    causes = [GapCause(text) for text in gaps.column("cause").to_pylist()]
    names = gaps.column("gap_id").to_pylist()
    order = sorted(range(len(gaps)), key=lambda i: (causes[i] is GapCause.UNEXPLAINED, starts[i], names[i]))
    spans = []
    for i in order:
        low = grid.ceil(int(starts[i]))
        end = ends[i]
        high = grid.ceil(end) if end is not None else _open_end(low, causes[i], state)
        spans.append((low, high, causes[i]))
    return spans


def _open_end(low: int, cause: GapCause, state: np.ndarray) -> int:
    """Where a gap that was never closed ends: with the first row of the kind that its cause does not speak of."""
    others = state[low:] != (MISSING if cause in ABSENCES else UNSYNCED)
    return low + int(np.argmax(others)) if others.any() else len(state)


def _on_grid(snapshots: pa.Table, grid: Grid) -> np.ndarray:
    times = _nanoseconds(snapshots, "timestamp")
    inside = (times >= grid.start_ns) & (times < grid.end_ns) & (times % grid.interval_ns == 0)
    return np.asarray(inside)


def _row_numbers(rows: pa.Table) -> dict[str, Any]:
    """Counts over the window's rows."""
    bids, asks = Levels.of(rows, "bid_price"), Levels.of(rows, "ask_price")
    return {
        "depth": int(max(bids.lengths.max(initial=0), asks.lengths.max(initial=0))),
        "stale": int(np.count_nonzero(rows.column("stale").to_numpy())),
        "crossed": int(np.count_nonzero(bids.best() >= asks.best())),
        "refused": int(rows.column("refused_count").to_numpy().sum(dtype=np.int64)),
        "updates": int(rows.column("update_count").to_numpy().sum(dtype=np.int64)),
    }


def _delays(rows: pa.Table) -> dict[str, Any]:
    """Quantiles of received - exchange time, in ms. Negative where the recorder's clock is behind the venue's."""
    known = (
        rows.column("received_timestamp").is_valid().to_numpy()
        & rows.column("exchange_timestamp").is_valid().to_numpy()
    )
    received = rows.column("received_timestamp").cast(pa.int64()).fill_null(0).to_numpy()
    delay_ms = (received - rows.column("exchange_timestamp").cast(pa.int64()).fill_null(0).to_numpy()) / NS_PER_MS
    fresh = delay_ms[known & (rows.column("update_count").to_numpy() > 0)]
    p50, p95, p99, largest = _quantiles(fresh, (0.5, 0.95, 0.99, 1.0))
    (skew,) = _quantiles(delay_ms[known], (0.5,))
    return {
        "skew_ms_p50": skew,
        "latency_ms_p50": p50,
        "latency_ms_p95": p95,
        "latency_ms_p99": p99,
        "latency_ms_max": largest,
    }


def _quantiles(values: np.ndarray, at: Sequence[float]) -> list[float | None]:
    if not len(values):
        return [None] * len(at)
    return [round(float(value), 6) for value in np.quantile(values, at)]


def _seconds_by_cause(covered: Coverage) -> dict[str, float]:
    """Seconds not in sync by cause, `unexplained` where there is none; only causes that occur, in the order of
    GapCause.
    """
    out_of_sync = covered.state != SYNCED
    index = np.where(covered.cause == _NO_CAUSE, _CAUSES.index(GapCause.UNEXPLAINED), covered.cause)[out_of_sync]
    counts = np.bincount(index, minlength=len(_CAUSES))
    interval_s = covered.grid.interval_ns / NS_PER_S
    return {why.value: round(int(n) * interval_s, 9) for why, n in zip(_CAUSES, counts, strict=True) if n}


def _nanoseconds(table: pa.Table, column: str) -> np.ndarray:
    return np.asarray(table.column(column).cast(pa.int64()).to_numpy())


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type a column has as Python values: nanoseconds as integers (datetime has no nanoseconds), labels as text."""
    if pa.types.is_timestamp(kind):
        return pa.int64()
    return pa.string() if pa.types.is_dictionary(kind) else kind
