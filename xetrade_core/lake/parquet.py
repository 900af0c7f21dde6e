"""The one place that writes and reads Parquet: equal rows give byte-identical files.

zstd over dictionary pages: an order book changes little from second to second, so most levels of a file are repeats.
(BYTE_STREAM_SPLIT makes raw doubles of this kind two and a half times larger.) Level columns carry no min/max
statistics: nothing can prune by them. In the file a level is `required`, for Parquet reads that an eighth quicker; in
memory it is a plain list<double>.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from xetrade_core.errors import CorruptFile

ROW_GROUP_ROWS = 3600
"""An hour at one sample a second; a multiple of the 300 below which the dictionaries do not pay."""

FAST, DENSE = 3, 6
"""zstd levels: what is written once and soon replaced (segments), and what stays (compacted files, 3.5 % smaller)."""

_DICTIONARY_PAGE_BYTES = 4 << 20


def to_bytes(table: pa.Table, *, level: int = FAST, row_group_rows: int = ROW_GROUP_ROWS) -> bytes:
    """`table` as a Parquet file. The same rows, schema and metadata always give the same bytes."""
    sink = pa.BufferOutputStream()
    scalars = [one.name for one in table.schema if not pa.types.is_list(one.type)]
    pq.write_table(
        _required_levels(table.combine_chunks()),  # pages follow chunks: equal rows must not differ by how they came
        sink,
        version="2.6",
        compression="zstd",
        compression_level=level,
        use_dictionary=True,
        dictionary_pagesize_limit=_DICTIONARY_PAGE_BYTES,
        write_statistics=scalars,
        row_group_size=row_group_rows,
        store_schema=True,
    )
    return bytes(sink.getvalue())


def from_bytes(data: bytes, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a Parquet file; `CorruptFile`, with `name` in its message, where it cannot be read."""
    return read(pa.BufferReader(data), name, columns)


def read(source: BinaryIO, name: str, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
    """As `from_bytes`, from a seekable file, fetching only the row groups that `filters` (pyarrow's) can match."""
    chosen = list(columns) if columns is not None else None
    try:
        if filters is None:  # a fifth quicker than read_table, which goes through a dataset
            return _plain_levels(pq.ParquetFile(source, pre_buffer=True).read(chosen))
        return _plain_levels(pq.read_table(source, columns=chosen, filters=filters, partitioning=None))
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise CorruptFile(f"{name} is not a readable Parquet file: {' '.join(str(error).split())[:200]}") from error


def _required_levels(table: pa.Table) -> pa.Table:
    """`table` with the elements of its lists marked as never null, where none is (only a refused row may have one)."""
    for position, column in enumerate(table.schema):
        if pa.types.is_list(column.type) and not any(
            chunk.values.null_count for chunk in table.column(position).chunks
        ):
            kind = pa.list_(column.type.value_field.with_nullable(False))
            table = table.set_column(position, column.with_type(kind), table.column(position).cast(kind))
    return table


def _plain_levels(table: pa.Table) -> pa.Table:
    """The inverse of `_required_levels`; neither copies a value."""
    for position, column in enumerate(table.schema):
        if pa.types.is_list(column.type) and not column.type.value_field.nullable:
            kind = pa.list_(column.type.value_type)
            table = table.set_column(position, column.with_type(kind), table.column(position).cast(kind))
    return table
