"""Compaction: an hour's segments become one sorted, verified file a symbol, with its ledger and its completeness
record.

For each symbol, in this order: merge what the hour's file holds with what the segments hold, write it, read it back
and compare every row; the same for the gap ledger; then the quality record, which names the segments it counts. Only
when that is done for all symbols are the segments deleted.

* Killed anywhere, it is simply run again. Merging is idempotent, and a segment that the record already names is not
  counted twice.
* Run twice at once, nothing is lost: each file is replaced only if it is still the one that was merged
  (compare-and-swap), so every version holds all rows of the one before. The loser of a race merges again.
* Rows of overlapping writers: see `merge_snapshots` for which one stands. Refused rows go to `l2_snapshots_rejected`.
* A file that cannot be read is left alone and reported; the rest of the hour goes on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.clock import NS_PER_S, Clock, SystemClock
from xetrade_core.errors import ConfigError, LakeConflict, LakeError
from xetrade_core.lake import parquet
from xetrade_core.lake.absence import (
    Presence,
    cut_to_missing,
    found_gaps,
    hour_coverage_state,
    join_presences,
    recorded_gaps,
)
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.instrument_facts import part_facts, with_facts
from xetrade_core.lake.interval import IntervalRule
from xetrade_core.lake.layout import NS_PER_HOUR, hour_path, hour_start, part_key
from xetrade_core.lake.merge import merge_gaps, merge_snapshots
from xetrade_core.lake.quality import Grid, QualityRecord, coverage, hour_quality
from xetrade_core.lake.schemas import L2_GAP_SEGMENTS, L2_GAPS, L2_QUALITY, L2_SEGMENTS, L2_SNAPSHOTS
from xetrade_core.lake.spill import UNKNOWN_SYMBOL, Spill, SymbolRows
from xetrade_core.lake.store import ObjectStore

_ATTEMPTS = 8

Window = tuple[int, int]
"""start_ns and end_ns (exclusive) of the grid times that are expected."""


@dataclass(frozen=True, slots=True)
class SymbolReport:
    """What compaction did for one symbol. Sequences are the venue's ids of the first and last synced row, if any."""

    symbol: str
    rows: int
    rows_added: int
    first_ns: int | None
    last_ns: int | None
    first_sequence: int | None
    last_sequence: int | None
    quality: QualityRecord


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What compaction did. `unreadable` segments and foreign files are still in the lake; what was merged is gone."""

    venue: str
    hour_ns: int
    symbols: tuple[SymbolReport, ...]
    segments_merged: int
    unreadable: tuple[str, ...]
    duplicates: int
    rejected: int

    @property
    def complete(self) -> bool:
        """Whether every expected second is captured and synced, or explained, and every segment could be read."""
        return not self.unreadable and all(one.quality.complete for one in self.symbols)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A file as it is in the lake; `etag` and `table` are None where there is none."""

    etag: str | None
    table: pa.Table | None
    size: int


@dataclass(frozen=True, slots=True)
class _Job:
    """What is the same for all symbols of one compaction."""

    store: ObjectStore
    venue: str
    hour_ns: int
    rule: IntervalRule
    told_ns: frozenset[int | None]
    """The intervals that the hour's segments say."""
    window: Window | None
    observed: Window | None
    clock: Clock


def compact_hour(
    store: ObjectStore,
    venue: str,
    hour_start_ns: int,
    *,
    interval_ns: int | None = None,
    usual_interval_ns: int | None = None,
    expected: Iterable[str] = (),
    window: Window | None = None,
    clock: Clock | None = None,
) -> CompactionReport:
    """Merge the segments of one venue and hour; see the module.

    `expected` symbols get a record even if nothing was captured of them. `window` is what should have been captured
    (clipped to the hour); without it, for each symbol what was, from its first to its last row or gap record.
    Each symbol is judged by the interval that its segments and its record say. `interval_ns` may confirm it, and
    chooses where they say several; `usual_interval_ns` stands in where none says one. Temporary files take up to the
    hour's size. Segments are kept where it raises: `ConfigError` where `interval_ns` contradicts the files or is
    needed, `LakeError` where a file does not read back as written.
    """
    hour_ns = hour_start(hour_start_ns)
    if window is not None:
        window = max(window[0], hour_ns), min(window[1], hour_ns + NS_PER_HOUR)
        if window[0] > window[1]:
            raise ConfigError.of("window", window, f"give a window within {hour_path(hour_ns)}")
    rule = IntervalRule(interval_ns, usual_interval_ns)
    job = _Job(store, venue, hour_ns, rule, frozenset(), window, None, clock or SystemClock())
    with tempfile.TemporaryDirectory(prefix="xetrade-compact-") as folder:
        rows = Spill(store, L2_SEGMENTS, L2_SNAPSHOTS.rejected_name, venue, hour_ns, Path(folder))
        gaps = Spill(store, L2_GAP_SEGMENTS, L2_GAPS.rejected_name, venue, hour_ns, Path(folder))
        # Rows first: rows that came before their gap records would look unexplained, the other way round nothing does.
        rows.load()
        gaps.load()
        told_ns = frozenset(one.interval_ns for spill in (rows, gaps) for of in spill.by_symbol.values() for one in of)
        job = replace(job, told_ns=told_ns, observed=_span_of(rows))
        symbols = sorted({*expected, *rows.by_symbol, *gaps.by_symbol} - {UNKNOWN_SYMBOL})
        reports = tuple(_compact_symbol(job, symbol, rows, gaps) for symbol in symbols)
        unattributed = sum(one.rejected for one in rows.of(UNKNOWN_SYMBOL) + gaps.of(UNKNOWN_SYMBOL))
    for key in (*gaps.merged, *rows.merged):
        store.delete(key)
    return CompactionReport(
        venue=venue,
        hour_ns=hour_ns,
        symbols=reports,
        segments_merged=len(rows.merged),
        unreadable=tuple(rows.unreadable + gaps.unreadable),
        duplicates=sum(one.quality.duplicates for one in reports),
        rejected=sum(one.quality.rejected for one in reports) + unattributed,
    )


def _compact_symbol(job: _Job, symbol: str, rows: Spill, gaps: Spill) -> SymbolReport:
    """One symbol, again from the start whenever another compaction was quicker."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _merge_symbol(job, symbol, rows, gaps)
        except LakeConflict as error:
            if attempt == _ATTEMPTS:
                what = f"{symbol} of {job.venue} {hour_path(job.hour_ns)}"
                raise LakeError(f"cannot compact {what}, its segments are kept: {error}") from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _merge_symbol(job: _Job, symbol: str, row_spill: Spill, gap_spill: Spill) -> SymbolReport:
    record_file = _load(job, L2_QUALITY, symbol)
    part, ledger = _load(job, L2_SNAPSHOTS, symbol), _load(job, L2_GAPS, symbol)
    record = QualityRecord.from_table(record_file.table) if record_file.table is not None else None
    counted = _counted_sources(record, part)
    new_rows, new_gaps = row_spill.of(symbol, counted), gap_spill.of(symbol, counted)
    interval_ns = _interval_ns(job, symbol, record, [*row_spill.of(symbol), *gap_spill.of(symbol)])

    before = part.table if part.table is not None else L2_SNAPSHOTS.empty()
    merged = merge_snapshots([before, *(one.read() for one in new_rows)], job.venue, symbol)
    facts = next((one.facts for one in reversed(new_rows) if one.facts), part_facts(before.schema))
    part = _store(job, L2_SNAPSHOTS, symbol, part, with_facts(merged.table, facts))

    presences = _presences(record, new_rows)
    gap_table = merge_gaps(
        [recorded_gaps(ledger.table or L2_GAPS.empty()), *(_gap_rows(job, symbol, one) for one in new_gaps)]
    )
    window = job.window or _observed_window(job, interval_ns, record, merged.table, gap_table)
    times = merged.table.column("timestamp").cast(pa.int64()).to_numpy()
    hour_grid = Grid(job.hour_ns, job.hour_ns + NS_PER_HOUR, interval_ns)
    gap_table = cut_to_missing(gap_table, hour_coverage_state(times, hour_grid))
    covered = coverage(merged.table, gap_table, Grid(*window, interval_ns))
    presences = _with_earlier(job, symbol, presences, covered.unexplained_runs())
    gap_table = merge_gaps([gap_table, found_gaps(covered, presences, job.venue, symbol)])
    _store(job, L2_GAPS, symbol, ledger, gap_table)

    fresh = replace(
        hour_quality(
            merged.table,
            gap_table,
            exchange=job.venue,
            symbol=symbol,
            window_start_ns=window[0],
            window_end_ns=window[1],
            interval_ns=interval_ns,
            duplicates=merged.duplicates + (record.duplicates if record and counted else 0),
            rejected=sum(one.rejected for one in (*new_rows, *new_gaps))
            + (record.rejected if record and counted else 0),
            file_bytes=part.size or None,
            computed_ns=job.clock.wall_ns(),
        ),
        timestamp=job.hour_ns,
        segments=len(new_rows) + (record.segments if record and counted else 0),
        sources=tuple(sorted({*counted, *(one.source for one in (*new_rows, *new_gaps))})),
        sessions=tuple(one.as_dict() for one in presences),
    )
    if record is None or replace(record, computed_timestamp=fresh.computed_timestamp) != fresh:
        _swap(job.store, part_key(L2_QUALITY.name, job.venue, symbol, job.hour_ns), record_file, _record_bytes(fresh))
    return _report(symbol, merged.table, len(merged.table) - len(before), fresh)


def _counted_sources(record: QualityRecord | None, part: _Stored) -> tuple[str, ...]:
    """The segments that the hour's file holds already. None, if the file has less than its record says: then merge
    all again.
    """
    if record is None:
        return ()
    held = len(part.table) if part.table is not None else 0
    return record.sources if held >= record.captured else ()


def _interval_ns(job: _Job, symbol: str, record: QualityRecord | None, segments: Sequence[SymbolRows]) -> int:
    """By which the symbol's hour is judged; see IntervalRule."""
    told = [one.interval_ns for one in segments]
    if record is not None:
        told.append(round(record.interval_s * NS_PER_S))
    return job.rule.choose(f"{symbol} of {job.venue} {hour_path(job.hour_ns)}", told, job.told_ns)


def _gap_rows(job: _Job, symbol: str, rows: SymbolRows) -> pa.Table:
    """Gap records out of the spill, with their labels again."""
    table = rows.read()
    for position, name, value in ((1, "exchange", job.venue), (2, "symbol", symbol)):
        column = pa.array([value] * len(table), pa.string()).dictionary_encode()
        table = table.add_column(position, name, column)
    return table


def _presences(record: QualityRecord | None, rows: Sequence[SymbolRows]) -> list[Presence]:
    known = [Presence(one["id"], one["first"], one["last"]) for one in record.sessions] if record is not None else []
    return join_presences(known + [one.presence for one in rows if one.presence is not None])


def _with_earlier(
    job: _Job, symbol: str, presences: list[Presence], runs: list[tuple[int, int, bool]]
) -> list[Presence]:
    """`presences`; where the hour begins with seconds that nothing explains, with the last session of the hour
    before.
    """
    leading = runs and runs[0][2] and not any(one.first < runs[0][0] for one in presences)
    if not leading:
        return presences
    earlier = _load(replace(job, hour_ns=job.hour_ns - NS_PER_HOUR), L2_QUALITY, symbol).table
    if earlier is None:
        return presences
    sessions = _presences(QualityRecord.from_table(earlier), ())
    return join_presences(presences + sorted(sessions, key=lambda one: one.last)[-1:])


def _span_of(rows: Spill) -> Window | None:
    """The first and the last grid time of any symbol in the segments."""
    seen = [one.presence for entries in rows.by_symbol.values() for one in entries if one.presence is not None]
    return (min(one.first for one in seen), max(one.last for one in seen)) if seen else None


def _observed_window(
    job: _Job, interval_ns: int, record: QualityRecord | None, rows: pa.Table, gaps: pa.Table
) -> Window:
    """From the first to past the last grid time that rows, gap records or an earlier record of this hour speak of."""
    times = rows.column("timestamp").cast(pa.int64()).to_numpy()
    bounds = [int(times.min()), _after(int(times.max()), interval_ns)] if len(times) else []
    for name in ("from_timestamp", "to_timestamp"):
        bounds += [int(ns) for ns in gaps.column(name).cast(pa.int64()).drop_null().to_numpy()]
    if not bounds and job.observed is not None:  # an expected symbol of which nothing came: it misses what others have
        first_ns, last_ns = job.observed
        bounds = [first_ns, _after(last_ns, interval_ns)]
    if record is not None:
        bounds += [record.from_timestamp, record.to_timestamp]
    bounds = bounds or [job.hour_ns]
    return max(min(bounds), job.hour_ns), min(max(bounds), job.hour_ns + NS_PER_HOUR)


def _after(ns: int, interval_ns: int) -> int:
    """The first grid time after `ns`, which may lie on a finer grid."""
    return (ns // interval_ns + 1) * interval_ns


def _load(job: _Job, dataset: Dataset, symbol: str) -> _Stored:
    """A compacted file. The etag is taken first: if the content changes before it is read, the swap will fail, as it
    should.
    """
    key = part_key(dataset.name, job.venue, symbol, job.hour_ns)
    info = job.store.stat(key)
    if info is None:
        return _Stored(None, None, 0)
    return _Stored(info.etag, parquet.from_bytes(job.store.read(key), f"{job.store.uri}/{key}"), info.size)


def _store(job: _Job, dataset: Dataset, symbol: str, before: _Stored, table: pa.Table) -> _Stored:
    """Write `table` where it differs from what is there, and prove by reading back that the lake holds exactly it."""
    if before.table is None and not len(table):
        return before
    if (
        before.table is not None
        and before.table.equals(table)
        and before.table.schema.metadata == table.schema.metadata
    ):
        return before
    key = part_key(dataset.name, job.venue, symbol, job.hour_ns)
    data = parquet.to_bytes(table, packing=parquet.DENSE)
    _swap(job.store, key, before, data)
    after = _load(job, dataset, symbol)
    if after.table is None or not after.table.equals(table):
        raise LakeConflict(f"{job.store.uri}/{key} does not read back as it was written")
    return after


def _swap(store: ObjectStore, key: str, before: _Stored, data: bytes) -> None:
    if before.etag is None:
        store.create(key, data)
    else:
        store.replace(key, data, if_match=before.etag)


def _record_bytes(record: QualityRecord) -> bytes:
    checked = L2_QUALITY.validate(record.to_table())
    if len(checked.rejected):
        reason = checked.rejected.column("rejected_reason")[0].as_py()
        raise LakeError(f"the quality record of {record.symbol} on {record.exchange} contradicts itself: {reason}")
    return parquet.to_bytes(checked.good)


def _report(symbol: str, rows: pa.Table, added: int, quality: QualityRecord) -> SymbolReport:
    times = rows.column("timestamp").cast(pa.int64()).to_numpy()
    sequences = rows.filter(rows.column("synced")).column("sequence").drop_null()
    bounds = pc.min_max(sequences).as_py() if len(sequences) else {"min": None, "max": None}
    return SymbolReport(
        symbol=symbol,
        rows=len(rows),
        rows_added=added,
        first_ns=int(np.min(times)) if len(times) else None,
        last_ns=int(np.max(times)) if len(times) else None,
        first_sequence=bounds["min"],
        last_sequence=bounds["max"],
        quality=quality,
    )
