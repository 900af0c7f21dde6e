"""A whole day of one dataset as one table: of one venue (layout `venue_day`), or of none (layout `day`).

Guarded by the dataset's schema like any other write: rows that it refuses go to the `_rejected` sibling with their
reasons. Writing the same rows again changes nothing, not even the file's time, so that a day that is made twice is one
revision. A file that somebody else has changed meanwhile is not replaced (compare-and-swap).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.errors import LakeConflict, LakeError, ObjectNotFound, SchemaViolation
from xetrade_core.lake import parquet
from xetrade_core.lake.dataset import Dataset, Validated
from xetrade_core.lake.layout import NS_PER_DAY, DayKey, VenueHourKey, day_key, day_prefix, day_start, parse_day_key
from xetrade_core.lake.store import ObjectStore

T = TypeVar("T")
_WRITERS = 8
_ATTEMPTS = 5  # of adding rows to a day that others add to


@dataclass(frozen=True, slots=True)
class WrittenDay:
    """Rows written and rejected, the size of the file in bytes, and whether the lake holds anything new by it."""

    rows: int
    rejected: int
    bytes: int
    changed: bool


def day_version(store: ObjectStore, dataset: Dataset, venue: str | None, day_ns: int) -> str | None:
    """The etag of the day's file, None where there is none: take it before reading what is to be changed."""
    info = store.stat(day_key(dataset.name, venue, day_ns))
    return info.etag if info is not None else None


def read_day(store: ObjectStore, dataset: Dataset, venue: str | None, day_ns: int) -> pa.Table | None:
    """The day's rows; None where the lake has no file of it (a day without rows has one). Raises CorruptFile."""
    key = day_key(dataset.name, venue, day_ns)
    try:
        table = parquet.from_bytes(store.read(key), f"{store.uri}/{key}")
    except ObjectNotFound:
        return None
    return dataset.conform(dataset.completed(table))


def days_of(store: ObjectStore, dataset: Dataset, venue: str | None) -> list[int]:
    """The starts of the days that the lake holds, the oldest first."""
    prefix = day_prefix(dataset.name, venue)
    held = []
    for folder in store.folders(prefix):
        with contextlib.suppress(LakeError):  # a foreign folder
            held.append(parse_day_key(f"{prefix}{folder}/part.parquet").day_ns)
    return sorted(held)


def latest_day(store: ObjectStore, dataset: Dataset, venue: str | None, before_ns: int) -> int | None:
    """The newest day held that starts before `before_ns`, None where there is none."""
    return max((day_ns for day_ns in days_of(store, dataset, venue) if day_ns < before_ns), default=None)


def write_day(
    store: ObjectStore,
    dataset: Dataset,
    venue: str | None,
    day_ns: int,
    table: pa.Table,
    *,
    version: str | None = None,
) -> WrittenDay:
    """Write the day's file in place of the one that is there.

    `version` is the etag of the file that the table was made from, from `day_version`; without it, whatever is there
    when the call begins is replaced. Raises SchemaViolation where the columns, the venue or the day do not fit, and
    LakeConflict where the file is another by now.
    """
    table = dataset.conform(table)
    _check_place(dataset, DayKey(dataset.name, venue, day_start(day_ns)), table)
    if version is None:
        version = day_version(store, dataset, venue, day_ns)
    return _write(store, dataset, DayKey(dataset.name, venue, day_start(day_ns)), dataset.validate(table), version)


def append_day(store: ObjectStore, dataset: Dataset, venue: str | None, day_ns: int, table: pa.Table) -> WrittenDay:
    """Add rows to those of the day, whoever else adds some meanwhile. Raises what `write_day` does."""
    rows = dataset.conform(table)

    def add() -> WrittenDay:
        version = day_version(store, dataset, venue, day_ns)
        held = read_day(store, dataset, venue, day_ns)
        return write_day(store, dataset, venue, day_ns, added(held, rows), version=version)

    return beside_others(add)


def added(held: pa.Table | None, rows: pa.Table) -> pa.Table:
    """Rows after those that are held."""
    return rows if held is None else pa.concat_tables([held, rows.cast(held.schema)]).unify_dictionaries()


def beside_others(add: Callable[[], T]) -> T:
    """Read, add and write again while others do the same: who was too late begins anew. Raises LakeConflict."""
    for attempt in range(_ATTEMPTS):
        try:
            return add()
        except LakeConflict:  # somebody else's rows: read them too
            if attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def write_days(
    store: ObjectStore, dataset: Dataset, venue: str | None, table: pa.Table, versions: Mapping[int, str]
) -> dict[int, WrittenDay | LakeConflict]:
    """Write all days of `table` as `write_day` does one, for backfills of years: guarded at once, put by some threads.

    `versions` are the etags of the files that are there, by start of day. Gives what became of each day: one that
    another run has changed meanwhile is left as it is, and its LakeConflict says so. Raises what a store raises.
    """
    table = dataset.conform(table)
    starts = _days(dataset, table)
    days = [DayKey(dataset.name, venue, int(day_ns)) for day_ns in np.unique(starts)]
    for key in days[:1]:
        _check_layout(dataset, key)
        _check_rows(dataset, key, table, len(days), {key.day_ns})
    checked = dataset.validate(table)
    good_starts, bad_starts = _days(dataset, checked.good), _days(dataset, checked.rejected)

    def put(key: DayKey) -> WrittenDay | LakeConflict:
        good = checked.good.filter(pa.array(good_starts == key.day_ns))
        bad = checked.rejected.filter(pa.array(bad_starts == key.day_ns)) if len(checked.rejected) else checked.rejected
        try:
            return _write(store, dataset, key, Validated(good, bad), versions.get(key.day_ns))
        except LakeConflict as conflict:
            return conflict

    with ThreadPoolExecutor(_WRITERS, thread_name_prefix="lake-days") as pool:
        return dict(zip((key.day_ns for key in days), pool.map(put, days), strict=True))


def _write(store: ObjectStore, dataset: Dataset, key: DayKey, checked: Validated, version: str | None) -> WrittenDay:
    if len(checked.rejected):
        data = parquet.to_bytes(checked.rejected)
        name = hashlib.sha256(data).hexdigest()[:16]
        store.replace(str(DayKey(dataset.rejected_name, key.venue, key.day_ns, name)), data)
    good = parquet.to_bytes(checked.good)
    changed = put_if_unchanged(store, key, good, version)
    return WrittenDay(len(checked.good), len(checked.rejected), len(good), changed)


def _days(dataset: Dataset, table: pa.Table) -> np.ndarray:
    """The start of each row's day; of a row without a time, the epoch."""
    times = table.column(dataset.schema.names[0]).cast(pa.int64()).fill_null(0).to_numpy()
    return np.asarray(times - times % NS_PER_DAY)


def _check_place(dataset: Dataset, key: DayKey, table: pa.Table) -> None:
    """SchemaViolation where the dataset is not kept by day, or a row belongs into another file."""
    _check_layout(dataset, key)
    times = table.column(dataset.schema.names[0]).cast(pa.int64()).drop_null().to_numpy()
    days = {day_start(int(ns)) for ns in times}
    _check_rows(dataset, key, table, len(days), days)


def _check_layout(dataset: Dataset, key: DayKey) -> None:
    if dataset.layout != ("day" if key.venue is None else "venue_day"):
        raise SchemaViolation(f"{dataset.name} is kept by {dataset.layout}: it has no file of {key}")


def _check_rows(dataset: Dataset, key: DayKey, table: pa.Table, count: int, days: set[int]) -> None:
    """SchemaViolation where a row is of another day than those, or of another venue."""
    venues = set(pc.unique(table.column("exchange").cast(pa.string())).to_pylist()) if key.venue is not None else set()
    if days - {key.day_ns} or venues - {key.venue}:
        raise SchemaViolation(
            f"{dataset.name} takes one day{' and venue' if key.venue else ''} at a time: "
            f"got {count} days, venues {sorted(map(str, venues))} for {key}"
        )


def put_if_unchanged(store: ObjectStore, key: DayKey | VenueHourKey, data: bytes, etag: str | None) -> bool:
    """Put a file in place of the one of that etag (None: where there is none); whether the object is another now.

    Raises LakeConflict."""
    try:
        if etag is None:
            store.create(str(key), data)
            return True
        if store.read(str(key)) == data:
            return False
        store.replace(str(key), data, if_match=etag)
        return True
    except (LakeConflict, ObjectNotFound) as error:
        raise LakeConflict(
            f"{key} was changed while it was being written, by another run: it is left as it is now; "
            f"read it again and repeat ({error})"
        ) from error
