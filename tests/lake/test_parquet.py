"""Equal rows are equal files, and a damaged file says so."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.snapshots import snapshot_rows
from xetrade_core.errors import CorruptFile
from xetrade_core.lake import parquet
from xetrade_core.lake.schemas import L2_SNAPSHOTS


def test_equal_rows_are_byte_identical_however_they_were_gathered() -> None:
    whole = L2_SNAPSHOTS.conform(snapshot_rows(range(100), unsynced=[7]))
    pieces = pa.concat_tables([whole.slice(0, 13), whole.slice(13, 40), whole.slice(53)])
    assert parquet.to_bytes(pieces) == parquet.to_bytes(whole)


def test_a_file_that_was_read_writes_back_the_same_bytes() -> None:
    data = parquet.to_bytes(L2_SNAPSHOTS.conform(snapshot_rows(range(100))))
    assert parquet.to_bytes(L2_SNAPSHOTS.conform(parquet.from_bytes(data, "x"))) == data


def test_columns_keep_their_meaning_in_the_file() -> None:
    table = parquet.from_bytes(parquet.to_bytes(L2_SNAPSHOTS.conform(snapshot_rows([0]))), "x")
    assert table.schema.field("bid_price").metadata[b"unit"] == b"quote currency"
    assert table.schema.metadata[b"dataset"] == b"l2_snapshots"


def test_levels_are_dictionary_encoded_zstd() -> None:
    data = parquet.to_bytes(L2_SNAPSHOTS.conform(snapshot_rows(range(400))))
    group = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    levels = [group.column(i) for i in range(group.num_columns) if "bid_price" in group.column(i).path_in_schema]
    assert [(one.compression, "RLE_DICTIONARY" in one.encodings) for one in levels] == [("ZSTD", True)]


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: b"", lambda data: b"PAR1" + bytes(200) + b"PAR1"]
)
def test_a_damaged_file_is_named(damage: object) -> None:
    data = parquet.to_bytes(L2_SNAPSHOTS.conform(snapshot_rows(range(10))))
    with pytest.raises(CorruptFile, match=r"hour.parquet is not a readable Parquet file"):
        parquet.from_bytes(damage(data), "hour.parquet")  # type: ignore[operator]


def test_levels_are_plain_lists_in_memory_and_a_refused_rows_null_survives() -> None:
    broken = snapshot_rows([0, 1], bid_size=[1.0, None, 2.0])
    back = parquet.from_bytes(parquet.to_bytes(broken), "rejected")
    assert back.column("bid_size").to_pylist() == [[1.0, None, 2.0]] * 2
    rows = L2_SNAPSHOTS.conform(snapshot_rows(range(5), unsynced=[2]))
    assert parquet.from_bytes(parquet.to_bytes(rows), "part").schema.equals(rows.schema)
