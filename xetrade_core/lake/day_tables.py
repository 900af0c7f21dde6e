"""A whole day of one dataset as one table: of one venue (layout `venue_day`), or of none (layout `day`).

Guarded by the dataset's schema like any other write: rows that it refuses go to the `_rejected` sibling with their
reasons. Writing the same rows again changes nothing, not even the file's time, so that a day that is made twice is one
revision. A file that somebody else has changed meanwhile is not replaced (compare-and-swap).
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.errors import LakeConflict, LakeError, ObjectNotFound, SchemaViolation
from xetrade_core.lake import parquet
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.layout import DayKey, day_key, day_prefix, day_start, parse_day_key
from xetrade_core.lake.store import ObjectStore


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
        return dataset.conform(parquet.from_bytes(store.read(key), f"{store.uri}/{key}"))
    except ObjectNotFound:
        return None


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
    key = DayKey(dataset.name, venue, day_start(day_ns))
    table = dataset.conform(table)
    _check_place(dataset, key, table)
    checked = dataset.validate(table)
    if len(checked.rejected):
        data = parquet.to_bytes(checked.rejected)
        name = hashlib.sha256(data).hexdigest()[:16]
        store.replace(str(DayKey(dataset.rejected_name, venue, key.day_ns, name)), data)
    good = parquet.to_bytes(checked.good)
    changed = _put(store, key, good, version if version is not None else day_version(store, dataset, venue, day_ns))
    return WrittenDay(len(checked.good), len(checked.rejected), len(good), changed)


def _check_place(dataset: Dataset, key: DayKey, table: pa.Table) -> None:
    """SchemaViolation where the dataset is not kept by day, or a row belongs into another file."""
    if dataset.layout != ("day" if key.venue is None else "venue_day"):
        raise SchemaViolation(f"{dataset.name} is kept by {dataset.layout}: it has no file of {key}")
    times = table.column(dataset.schema.names[0]).cast(pa.int64()).drop_null().to_numpy()
    days = {day_start(int(ns)) for ns in times}
    venues = set(pc.unique(table.column("exchange").cast(pa.string())).to_pylist()) if key.venue is not None else set()
    if days - {key.day_ns} or venues - {key.venue}:
        raise SchemaViolation(
            f"{dataset.name} takes one day{' and venue' if key.venue else ''} at a time: "
            f"got {len(days)} days, venues {sorted(map(str, venues))} for {key}"
        )


def _put(store: ObjectStore, key: DayKey, data: bytes, etag: str | None) -> bool:
    """Whether the object is another now. Raises LakeConflict."""
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
