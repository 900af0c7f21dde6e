"""An hour of a venue of one dataset as one table (layout `venue_hour`), and what was kept by day before.

Guarded and written as days are: see `day_tables`. A dataset that was kept by day once has its older rows in the files
of days, which are read like hours; columns that they have not are null.
"""

from __future__ import annotations

import contextlib
import hashlib

import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.errors import LakeError, ObjectNotFound, SchemaViolation
from xetrade_core.lake import parquet
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.day_tables import WrittenDay, added, beside_others, put_if_unchanged
from xetrade_core.lake.layout import (
    NS_PER_DAY,
    VenueHourKey,
    day_path,
    day_start,
    hour_start,
    parse_day_key,
    parse_venue_hour_key,
    venue_hour_key,
    venue_prefix,
)
from xetrade_core.lake.store import ObjectStore


def read_venue_hour(store: ObjectStore, dataset: Dataset, venue: str, hour_ns: int) -> pa.Table | None:
    """The hour's rows; None where the lake has no file of it. Raises CorruptFile."""
    return _read(store, dataset, venue_hour_key(dataset.name, venue, hour_ns))


def write_venue_hour(
    store: ObjectStore, dataset: Dataset, venue: str, hour_ns: int, table: pa.Table, *, version: str | None = None
) -> WrittenDay:
    """Write the hour's file in place of the one that is there; `version` as in `day_tables.write_day`.

    Raises SchemaViolation where the columns, the venue or the hour do not fit, and LakeConflict where the file is
    another by now.
    """
    table = dataset.conform(table)
    key = VenueHourKey(dataset.name, venue, hour_start(hour_ns))
    _check_place(dataset, key, table)
    checked = dataset.validate(table)
    if len(checked.rejected):
        data = parquet.to_bytes(checked.rejected)
        name = hashlib.sha256(data).hexdigest()[:16]
        store.replace(str(VenueHourKey(dataset.rejected_name, venue, key.hour_ns, name)), data)
    good = parquet.to_bytes(checked.good)
    changed = put_if_unchanged(store, key, good, version if version is not None else _version(store, key))
    return WrittenDay(len(checked.good), len(checked.rejected), len(good), changed)


def append_venue_hour(store: ObjectStore, dataset: Dataset, venue: str, hour_ns: int, table: pa.Table) -> WrittenDay:
    """Add rows to those of the hour, whoever else adds some meanwhile. Raises what `write_venue_hour` does."""
    rows = dataset.conform(table)
    key = VenueHourKey(dataset.name, venue, hour_start(hour_ns))

    def add() -> WrittenDay:
        version = _version(store, key)
        held = read_venue_hour(store, dataset, venue, hour_ns)
        return write_venue_hour(store, dataset, venue, hour_ns, added(held, rows), version=version)

    return beside_others(add)


def read_venue_span(store: ObjectStore, dataset: Dataset, venue: str, from_ns: int, to_ns: int) -> pa.Table:
    """The rows with from_ns <= timestamp < to_ns, the oldest first, whether they are kept by hour or by day."""
    held = [
        _read(store, dataset, info.key)
        for day_ns in range(day_start(from_ns), to_ns, NS_PER_DAY)
        for info in store.list(f"{venue_prefix(dataset.name, venue)}{day_path(day_ns)}/")
        if _is_of(info.key, from_ns, to_ns)
    ]
    found = [table.replace_schema_metadata(dataset.schema.metadata) for table in held if table is not None]
    if not found:
        return dataset.empty()
    whole = pa.concat_tables(found, promote_options="permissive").unify_dictionaries()
    name = dataset.schema.names[0]
    times = whole.column(name).cast(pa.int64())
    return whole.filter(pc.and_(pc.greater_equal(times, from_ns), pc.less(times, to_ns))).sort_by(name)


def _is_of(key: str, from_ns: int, to_ns: int) -> bool:
    """Whether a file may hold rows of that time: of an hour in it, or of a day; a foreign file is of none."""
    with contextlib.suppress(LakeError):
        return hour_start(from_ns) <= parse_venue_hour_key(key).hour_ns < to_ns
    with contextlib.suppress(LakeError):
        return day_start(from_ns) <= parse_day_key(key).day_ns < to_ns
    return False


def _read(store: ObjectStore, dataset: Dataset, key: str) -> pa.Table | None:
    try:
        table = parquet.from_bytes(store.read(key), f"{store.uri}/{key}")
    except ObjectNotFound:
        return None
    for one in dataset.schema:
        if one.nullable and one.name not in table.column_names:
            table = table.append_column(one, pa.nulls(len(table), one.type))
    return dataset.conform(table)


def _version(store: ObjectStore, key: VenueHourKey) -> str | None:
    info = store.stat(str(key))
    return None if info is None else info.etag


def _check_place(dataset: Dataset, key: VenueHourKey, table: pa.Table) -> None:
    """SchemaViolation where the dataset is not kept by hour and venue, or a row belongs into another file."""
    if dataset.layout != "venue_hour":
        raise SchemaViolation(f"{dataset.name} is kept by {dataset.layout}: it has no file of {key}")
    times = table.column(dataset.schema.names[0]).cast(pa.int64()).drop_null().to_numpy()
    hours = {hour_start(int(ns)) for ns in times}
    venues = set(pc.unique(table.column("exchange").cast(pa.string())).to_pylist())
    if hours - {key.hour_ns} or venues - {key.venue}:
        raise SchemaViolation(
            f"{dataset.name} takes one hour and venue at a time: got {len(hours)} hours, venues "
            f"{sorted(map(str, venues))} for {key}"
        )
