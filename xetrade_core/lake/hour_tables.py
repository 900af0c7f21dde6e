"""A whole hour of one dataset as one table: what a pipeline hands from step to step.

Writing replaces the hour of every symbol in the table, guarded by the dataset's schema like any other write: rows
that it refuses go to the `_rejected` sibling with their reasons. Symbols that are not in the table are left as they
are. A file that another writer, such as a compaction, has changed meanwhile is not replaced (compare-and-swap).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.errors import LakeConflict, SchemaViolation
from xetrade_core.lake import parquet
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.layout import PartKey, hour_path, hour_start, part_key
from xetrade_core.lake.measure import hour_symbols
from xetrade_core.lake.store import ObjectStore


@dataclass(frozen=True, slots=True)
class WrittenHour:
    """Rows written and rejected, and the size of the files in bytes."""

    rows: int
    rejected: int
    bytes: int
    symbols: tuple[str, ...]


def read_part(store: ObjectStore, dataset: Dataset, venue: str, symbol: str, hour_ns: int) -> pa.Table:
    """One symbol's file of one hour. Raises ObjectNotFound and CorruptFile."""
    key = part_key(dataset.name, venue, symbol, hour_ns)
    return dataset.conform(parquet.from_bytes(store.read(key), f"{store.uri}/{key}"))


def read_hour(store: ObjectStore, dataset: Dataset, venue: str, hour_ns: int) -> pa.Table:
    """Every symbol's rows of one venue and hour, by symbol; no rows where there is no file."""
    parts = [
        read_part(store, dataset, venue, symbol, hour_ns).replace_schema_metadata(dataset.schema.metadata)
        for symbol in hour_symbols(store, venue, hour_ns, dataset.name)
    ]
    if not parts:
        return dataset.empty()
    joined = pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
    return pa.table(joined.columns, schema=dataset.schema)


def part_versions(
    store: ObjectStore, dataset: Dataset, venue: str, hour_ns: int, symbols: Iterable[str]
) -> dict[str, str]:
    """The etag of each symbol's file, where there is one: take it before reading what is to be changed."""
    found = {symbol: store.stat(part_key(dataset.name, venue, symbol, hour_ns)) for symbol in symbols}
    return {symbol: info.etag for symbol, info in found.items() if info is not None}


def write_hour(
    store: ObjectStore,
    dataset: Dataset,
    venue: str,
    hour_ns: int,
    table: pa.Table,
    *,
    versions: Mapping[str, str] | None = None,
) -> WrittenHour:
    """Write one venue's hour, a file a symbol.

    `versions` are the files that the table was made from, from `part_versions`; without it, those that are there when
    the call begins. Raises SchemaViolation where the columns, the venue or the hour do not fit, and LakeConflict at the
    first symbol whose file is another by now: it is left alone, symbols before it in the alphabet are written.
    """
    if dataset.layout != "part":
        raise SchemaViolation(f"{dataset.name} is written by captures, a segment at a time: it has no hour to write")
    table = dataset.conform(table)
    venues = pc.unique(table.column("exchange").cast(pa.string())).to_pylist()
    times = table.column(dataset.schema.names[0] if dataset.name != "l2_gaps" else "from_timestamp").cast(pa.int64())
    hours = {hour_start(int(ns)) for ns in times.drop_null().to_numpy()}
    if set(venues) - {venue} or hours - {hour_start(hour_ns)}:
        raise SchemaViolation(
            f"{dataset.name} of {venue} takes one venue and hour at a time: got venues {venues}, {len(hours)} hours"
        )
    names = table.column("symbol").cast(pa.string())
    symbols = sorted(pc.unique(names).to_pylist())
    if versions is None:
        versions = part_versions(store, dataset, venue, hour_ns, symbols)
    written = [
        _write_symbol(
            store,
            dataset,
            PartKey(dataset.name, venue, symbol, hour_start(hour_ns)),
            table.filter(pc.equal(names, symbol)),
            versions.get(symbol),
        )
        for symbol in symbols
    ]
    return WrittenHour(
        sum(one.rows for one in written),
        sum(one.rejected for one in written),
        sum(one.bytes for one in written),
        tuple(symbol for one in written for symbol in one.symbols),
    )


def _write_symbol(store: ObjectStore, dataset: Dataset, key: PartKey, rows: pa.Table, etag: str | None) -> WrittenHour:
    checked = dataset.validate(rows)
    if len(checked.rejected):
        data = parquet.to_bytes(checked.rejected)
        name = hashlib.sha256(data).hexdigest()[:16]
        store.replace(str(PartKey(dataset.rejected_name, key.venue, key.symbol, key.hour_ns, name)), data)
    good = parquet.to_bytes(checked.good)
    try:
        if etag is None:
            store.create(str(key), good)
        else:
            store.replace(str(key), good, if_match=etag)
    except LakeConflict as error:
        raise LakeConflict(
            f"{dataset.name} of {key.symbol} on {key.venue} {hour_path(key.hour_ns)} was changed while it was being "
            f"written, by a compaction or another run: it is left as it is now; read it again and repeat ({error})"
        ) from error
    return WrittenHour(len(checked.good), len(checked.rejected), len(good), (key.symbol,))
