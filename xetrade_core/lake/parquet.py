"""The one place that writes and reads Parquet: equal rows give byte-identical files.

An order book changes little from second to second, so most levels of a row are those of the row before. Three things
make the most of it (BYTE_STREAM_SPLIT, the usual advice for floats, makes them two and a half times larger):

* Sizes, and scalars that repeat, are indices into a dictionary, packed by zstd.
* Prices of compacted files are plain doubles packed by LZ4: a level that comes or goes shifts the rest of the row by
  whole bytes, so that the row before still matches, which it does not among indices of twelve bits. That reads a
  quarter quicker at the same size.
* What rises from row to row, times and sequence ids, is stored as differences: next to nothing is left of them.

Level columns carry no min/max statistics: nothing can prune by them. In the file a level is `required`, for Parquet
reads that an eighth quicker; in memory it is a plain list<double>.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from xetrade_core.errors import CorruptFile

ROW_GROUP_ROWS = 3600
"""An hour at one sample a second; a multiple of the 300 below which the dictionaries do not pay."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How hard to press: the zstd level, and the LZ4 level of prices (None: they are packed as sizes are)."""

    zstd: int
    lz4: int | None


FAST = Packing(3, None)
"""For what is written once and soon replaced: segments."""
DENSE = Packing(6, 9)
"""For what stays: compacted files."""

_DICTIONARY_PAGE_BYTES = 4 << 20


def to_bytes(table: pa.Table, *, packing: Packing = FAST) -> bytes:
    """`table` as a Parquet file. The same rows, schema and metadata always give the same bytes."""
    sink = pa.BufferOutputStream()
    rising = [_leaf(one) for one in table.schema if pa.types.is_timestamp(one.type) or pa.types.is_int64(one.type)]
    prices = [_leaf(one) for one in table.schema if packing.lz4 is not None and _is_price(one)]
    codecs = {_leaf(one): "lz4" if _leaf(one) in prices else "zstd" for one in table.schema}
    pq.write_table(
        _required_levels(table.combine_chunks()),  # pages follow chunks: equal rows must not differ by how they came
        sink,
        version="2.6",
        compression=codecs,
        compression_level={leaf: packing.lz4 if codec == "lz4" else packing.zstd for leaf, codec in codecs.items()},
        use_dictionary=[leaf for leaf in codecs if leaf not in rising and leaf not in prices],
        column_encoding=dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
        dictionary_pagesize_limit=_DICTIONARY_PAGE_BYTES,
        write_statistics=[one.name for one in table.schema if not pa.types.is_list(one.type)],
        row_group_size=ROW_GROUP_ROWS,
        store_schema=True,
    )
    return bytes(sink.getvalue())


def _leaf(column: pa.Field) -> str:
    """The name of a column's values in the file."""
    return f"{column.name}.list.element" if pa.types.is_list(column.type) else str(column.name)


def _is_price(column: pa.Field) -> bool:
    return bool(pa.types.is_list(column.type) and column.name.endswith("_price"))


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
    return _with_levels(
        table, lambda column: not any(chunk.values.null_count for chunk in column.chunks), nullable=False
    )


def _plain_levels(table: pa.Table) -> pa.Table:
    """The inverse of `_required_levels`; neither copies a value."""
    return _with_levels(table, lambda column: not column.type.value_field.nullable, nullable=True)


def _with_levels(table: pa.Table, chosen: Callable[[pa.ChunkedArray], bool], *, nullable: bool) -> pa.Table:
    """`table` with the elements of the chosen lists marked as nullable or not."""
    fields, columns = list(table.schema), table.columns
    for position, column in enumerate(columns):
        if pa.types.is_list(column.type) and chosen(column):
            kind = pa.list_(column.type.value_field.with_nullable(nullable))
            fields[position], columns[position] = fields[position].with_type(kind), column.cast(kind)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, table.schema.metadata))
