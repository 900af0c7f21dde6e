"""SQL over the lake: a DuckDB connection with one view a dataset.

The path says `symbol=BTC-USDT` (a slug) and the file says `BTC/USDT`. Read with hive partitioning, DuckDB and Polars
let the path win. The views turn the slug back into the universal symbol, so that `WHERE symbol = 'BTC/USDT'` means
what it says and still skips every other symbol's files; `venue`, `date` and `hour` come from the path as well and
prune likewise.

A lake in S3 is read through our own store (DuckDB's S3 extension would have to be downloaded, and would need the
keys): the views stand on pyarrow datasets whose files carry their venue, symbol and hour, which prune the same way.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from xetrade_core.errors import ConfigError, LakeError
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.layout import NS_PER_HOUR, parse_part_key, parse_segment_key
from xetrade_core.lake.local_store import LocalStore
from xetrade_core.lake.schemas import DATASETS
from xetrade_core.lake.store import ObjectStore

_HIVE_TYPES = "{'venue': VARCHAR, 'symbol': VARCHAR, 'date': DATE, 'hour': INTEGER}"
# the inverse of symbol_slug; first match only
_UNIVERSAL = "regexp_replace(regexp_replace(symbol, '-', '/'), '_', ':')"


def connect(store: ObjectStore) -> duckdb.DuckDBPyConnection:
    """An in-memory connection, time zone UTC, with a view for each dataset; a dataset without files is an empty view.

    Views of a local lake see files that come later; those of a lake in S3 show what was there when this was called.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for dataset in DATASETS.values():
        if isinstance(store, LocalStore) and any(True for _ in store.folders(f"{dataset.name}/")):
            connection.execute(f"CREATE VIEW {dataset.name} AS {_local_query(store, dataset)}")
        else:
            connection.register(dataset.name, _arrow_dataset(store, dataset))
    return connection


def _local_query(store: LocalStore, dataset: Dataset) -> str:
    files = f"{store.root}/{dataset.name}/**/*.parquet".replace("'", "''")
    if dataset.layout == "segment":  # their paths name no symbol
        return f"SELECT * FROM read_parquet('{files}', hive_partitioning = false)"
    return (
        f"SELECT * REPLACE ({_UNIVERSAL} AS symbol) FROM read_parquet('{files}', hive_partitioning = true, "
        f"hive_types = {_HIVE_TYPES})"
    )


def _arrow_dataset(store: ObjectStore, dataset: Dataset) -> ds.Dataset:
    filesystem = pafs.PyFileSystem(StoreFileSystem(store))
    file_format = ds.ParquetFileFormat()
    # Labels as plain text: DuckDB cannot push a comparison down into an Arrow dictionary.
    schema = pa.schema(
        [one.with_type(pa.string()) if pa.types.is_dictionary(one.type) else one for one in dataset.schema]
    )
    fragments = [
        file_format.make_fragment(info.key, filesystem, partition_expression=_known_of(dataset, info.key))
        for info in store.list(f"{dataset.name}/")
        if info.key.endswith(".parquet")
    ]
    return ds.FileSystemDataset(fragments, schema, file_format, filesystem)


def _known_of(dataset: Dataset, key: str) -> Any:
    """What a file's name proves of all its rows."""
    try:
        place = parse_segment_key(key) if dataset.layout == "segment" else parse_part_key(key)
    except (LakeError, ConfigError):
        return pc.scalar(True)
    known = pc.field("exchange") == place.venue
    symbol = getattr(place, "symbol", None)
    if symbol is not None:
        known &= pc.field("symbol") == symbol
    time_column = dataset.schema.names[0]
    if time_column != "timestamp":
        return known
    first = pa.scalar(place.hour_ns, pa.int64()).cast(dataset.schema.field("timestamp").type)
    past = pa.scalar(place.hour_ns + NS_PER_HOUR, pa.int64()).cast(dataset.schema.field("timestamp").type)
    return known & (pc.field("timestamp") >= first) & (pc.field("timestamp") < past)


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
