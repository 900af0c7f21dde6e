"""The one place that writes and reads Parquet: equal rows give byte-identical files.

zstd-3 over dictionary pages: an order book changes little from second to second, so most levels of a file are repeats.
(BYTE_STREAM_SPLIT makes raw doubles of this kind two and a half times larger.) Level columns carry no min/max
statistics: nothing can prune by them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from xetrade_core.errors import CorruptFile

ROW_GROUP_ROWS = 3600
"""An hour at one sample a second; a multiple of the 300 below which the dictionaries do not pay."""

_DICTIONARY_PAGE_BYTES = 4 << 20


def to_bytes(table: pa.Table, *, row_group_rows: int = ROW_GROUP_ROWS) -> bytes:
    """`table` as a Parquet file. The same rows, schema and metadata always give the same bytes."""
    sink = pa.BufferOutputStream()
    scalars = [one.name for one in table.schema if not pa.types.is_list(one.type)]
    pq.write_table(
        table.combine_chunks(),  # page boundaries follow chunks: equal rows must not differ by how they were gathered
        sink,
        version="2.6",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        dictionary_pagesize_limit=_DICTIONARY_PAGE_BYTES,
        write_statistics=scalars,
        row_group_size=row_group_rows,
        store_schema=True,
    )
    return bytes(sink.getvalue())


def from_bytes(data: bytes, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a Parquet file; `CorruptFile`, with `name` in its message, where it cannot be read."""
    return read(io.BytesIO(data), name, columns)


def read(source: BinaryIO, name: str, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
    """As `from_bytes`, from a seekable file, fetching only the row groups that `filters` (pyarrow's) can match."""
    try:
        return pq.read_table(
            source, columns=list(columns) if columns is not None else None, filters=filters, partitioning=None
        )
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise CorruptFile(f"{name} is not a readable Parquet file: {' '.join(str(error).split())[:200]}") from error
