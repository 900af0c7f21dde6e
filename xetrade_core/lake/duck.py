"""SQL over the lake: a DuckDB connection with one view a dataset.

The path says `symbol=BTC-USDT` (a slug) and the file says `BTC/USDT`. Read with hive partitioning, DuckDB and Polars
let the path win. The views turn the slug back into the universal symbol, so that `WHERE symbol = 'BTC/USDT'` means
what it says and still skips every other symbol's files. The last columns, `venue`, `date` and `hour` (those that the
dataset's path has), come from the path too: a condition on them skips files, so name the date when you ask for a time.

Times are TIMESTAMPTZ in microseconds: DuckDB has no arithmetic on nanoseconds with a time zone. Where the last three
digits of a receive time matter, use `Lake.read_l2`.

A lake in S3 is read through our own store (DuckDB's S3 extension would have to be downloaded, and would need the
keys): the views stand on pyarrow datasets whose files carry their venue, symbol, date and hour, which prune the same
way.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, LakeError
from xetrade_core.lake.dataset import TIMESTAMP, Dataset
from xetrade_core.lake.layout import (
    DayKey,
    PartKey,
    SegmentKey,
    SymbolHourKey,
    VenueHourKey,
    parse_day_key,
    parse_part_key,
    parse_segment_key,
    parse_symbol_hour_key,
    parse_venue_hour_key,
)
from xetrade_core.lake.local_store import LocalStore
from xetrade_core.lake.schemas import DATASETS
from xetrade_core.lake.store import ObjectStore

if TYPE_CHECKING:
    import duckdb
    import pyarrow.dataset as ds

_PATH_TYPES = {"venue": pa.string(), "date": pa.date32(), "hour": pa.int32()}
_PATH_NAMES = {
    "part": ("venue", "date", "hour"),
    "segment": ("venue", "date", "hour"),
    "symbol_hour": ("date", "hour"),
    "venue_hour": (),
    "venue_day": ("venue", "date"),
    "day": ("date",),
}
_SYMBOL_IN_PATH = ("part", "symbol_hour")
# where a local lake keeps the files of a layout: what lies elsewhere is not ours, and would spoil every view
_FILES = {
    "part": "venue=*/symbol=*/date=*/hour=*/*.parquet",
    "segment": "venue=*/date=*/hour=*/*.parquet",
    "symbol_hour": "symbol=*/date=*/hour=*/*.parquet",
    "venue_hour": "**/*.parquet",
    "venue_day": "venue=*/date=*/*.parquet",
    "day": "date=*/*.parquet",
}
_HIVE_TYPES = {"venue": "VARCHAR", "symbol": "VARCHAR", "date": "DATE", "hour": "INTEGER"}
_SQL_TYPES = {TIMESTAMP: "TIMESTAMPTZ_NS", pa.float64(): "DOUBLE"}
# of what was kept by day once and is by hour now: its paths are of two kinds, so they are told from the rows
_TOLD_BY_ROWS = (
    '"exchange"::VARCHAR AS venue',
    """("timestamp"::TIMESTAMPTZ AT TIME ZONE 'UTC')::DATE AS date""",
    """extract(hour FROM "timestamp"::TIMESTAMPTZ AT TIME ZONE 'UTC')::INTEGER AS hour""",
)
# the inverse of symbol_slug; first match only
_UNIVERSAL = "regexp_replace(regexp_replace(symbol, '-', '/'), '_', ':')"


Place = PartKey | SegmentKey | SymbolHourKey | VenueHourKey | DayKey


def _parse_hour_or_day(key: str) -> VenueHourKey | DayKey:
    try:
        return parse_venue_hour_key(key)
    except LakeError:
        return parse_day_key(key)


_PARSERS: dict[str, Callable[[str], Place]] = {
    "part": parse_part_key,
    "segment": parse_segment_key,
    "symbol_hour": parse_symbol_hour_key,
    "venue_hour": _parse_hour_or_day,
    "venue_day": parse_day_key,
    "day": parse_day_key,
}


def connect(store: ObjectStore) -> duckdb.DuckDBPyConnection:
    """An in-memory connection, time zone UTC, with a view for each dataset; a dataset without files is an empty view.

    Views of a local lake see files that come later; those of a lake in S3 show what was there when this was called.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for dataset in DATASETS.values():
        if isinstance(store, LocalStore) and _holds_files(store, dataset):
            source = _local_source(store, dataset)
        else:
            source = f"{dataset.name}_files"
            connection.register(source, _arrow_dataset(store, dataset))
        slug_in_path = source.startswith("read_parquet") and dataset.layout in _SYMBOL_IN_PATH
        connection.execute(f"CREATE VIEW {dataset.name} AS SELECT {_columns(dataset, slug_in_path)} FROM {source}")
    return connection


def _columns(dataset: Dataset, slug_in_path: bool) -> str:
    """The select list: the dataset's columns, then those of the path."""
    chosen = []
    for one in dataset.schema:
        if pa.types.is_timestamp(one.type):
            chosen.append(f'"{one.name}"::TIMESTAMPTZ AS "{one.name}"')
        else:
            chosen.append(f"{_UNIVERSAL} AS symbol" if one.name == "symbol" and slug_in_path else f'"{one.name}"')
    told = _TOLD_BY_ROWS if dataset.layout == "venue_hour" else _PATH_NAMES[dataset.layout]
    return ", ".join([*chosen, *told])


def _holds_files(store: LocalStore, dataset: Dataset) -> bool:
    return any(True for _ in (store.root / dataset.name).glob(_FILES[dataset.layout]))


def _local_source(store: LocalStore, dataset: Dataset) -> str:
    files = f"{store.root}/{dataset.name}/{_FILES[dataset.layout]}".replace("'", "''")
    if dataset.layout == "venue_hour":
        return f"read_parquet('{files}', hive_partitioning = false, union_by_name = true)"
    names = (*(("symbol",) if dataset.layout in _SYMBOL_IN_PATH else ()), *_PATH_NAMES[dataset.layout])
    types = ", ".join(f"'{name}': {_HIVE_TYPES[name]}" for name in names)
    options = f"hive_partitioning = true, hive_types = {{{types}}}"
    if not dataset.added_columns:
        return f"read_parquet('{files}', {options})"
    # Where no file has a column yet, the name must be known nevertheless: from a table without rows.
    none = ", ".join(f'NULL::{_SQL_TYPES[column.type]} AS "{column.name}"' for column in dataset.added_columns)
    source = f"SELECT * FROM read_parquet('{files}', {options}, union_by_name = true)"
    return f"({source} UNION ALL BY NAME SELECT {none} WHERE false)"


def _arrow_dataset(store: ObjectStore, dataset: Dataset) -> ds.Dataset:
    import pyarrow.dataset as ds

    filesystem = pafs.PyFileSystem(StoreFileSystem(store))
    file_format = ds.ParquetFileFormat()
    # Labels as plain text: DuckDB cannot push a comparison down into an Arrow dictionary.
    plain = [one.with_type(pa.string()) if pa.types.is_dictionary(one.type) else one for one in dataset.schema]
    schema = pa.schema([*plain, *(pa.field(name, _PATH_TYPES[name]) for name in _PATH_NAMES[dataset.layout])])
    fragments = [
        file_format.make_fragment(info.key, filesystem, partition_expression=known)
        for info in store.list(f"{dataset.name}/")
        if (known := _known_of(dataset, info.key)) is not None
    ]
    return ds.FileSystemDataset(fragments, schema, file_format, filesystem)


def _known_of(dataset: Dataset, key: str) -> pc.Expression | None:
    """What a file's name proves of all its rows; None for a foreign name."""
    try:
        place = _PARSERS[dataset.layout](key)
    except (LakeError, ConfigError):
        return None
    if dataset.layout == "venue_hour":
        return pc.field("exchange") == place.venue if not isinstance(place, SymbolHourKey) else None
    start_ns = place.day_ns if isinstance(place, DayKey) else place.hour_ns
    moment = datetime.fromtimestamp(start_ns // NS_PER_S, UTC)
    known = pc.field("date") == pa.scalar(moment.date(), pa.date32())
    if not isinstance(place, DayKey):
        known &= pc.field("hour") == pa.scalar(moment.hour, pa.int32())
    if not isinstance(place, SymbolHourKey) and place.venue is not None:
        known &= (pc.field("exchange") == place.venue) & (pc.field("venue") == place.venue)
    return known & (pc.field("symbol") == place.symbol) if isinstance(place, PartKey | SymbolHourKey) else known


class StoreFileSystem(pafs.FileSystemHandler):  # type: ignore[misc]
    """An ObjectStore as a pyarrow file system for reading; for any tool that takes one."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoreFileSystem) and self._store.uri == other._store.uri

    def __hash__(self) -> int:
        return hash(self._store.uri)

    def get_type_name(self) -> str:
        return "xetrade-lake"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[pafs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        prefix = f"{selector.base_dir}/" if selector.base_dir else ""
        return [pafs.FileInfo(one.key, pafs.FileType.File, size=one.size) for one in self._store.list(prefix)]

    def open_input_file(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(self._store.open(path), mode="r")

    def open_input_stream(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(self._store.open(path), mode="r")

    def create_dir(self, path: str, recursive: bool) -> None:
        self._read_only(path)

    def delete_dir(self, path: str) -> None:
        self._read_only(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        self._read_only(path)

    def delete_root_dir_contents(self) -> None:
        self._read_only("")

    def delete_file(self, path: str) -> None:
        self._read_only(path)

    def move(self, src: str, dest: str) -> None:
        self._read_only(src)

    def copy_file(self, src: str, dest: str) -> None:
        self._read_only(src)

    def open_output_stream(self, path: str, metadata: Any) -> None:
        self._read_only(path)

    def open_append_stream(self, path: str, metadata: Any) -> None:
        self._read_only(path)

    def _info(self, path: str) -> pafs.FileInfo:
        found = self._store.stat(path)
        if found is None:
            return pafs.FileInfo(path, pafs.FileType.NotFound)
        return pafs.FileInfo(path, pafs.FileType.File, size=found.size)

    def _read_only(self, path: str) -> None:
        raise LakeError(f"cannot change {self._store.uri}/{path} through a reader's file system: it is read only")
