"""Equal rows are equal files, and a damaged file says so."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.snapshots import snapshot_rows
from xetrade_core.errors import CorruptFile
from xetrade_core.lake import parquet
from xetrade_core.lake.schemas import L2_SNAPSHOTS

BOTH = pytest.mark.parametrize("packing", [parquet.FAST, parquet.DENSE], ids=["fast", "dense"])


@BOTH
def test_equal_rows_are_byte_identical_however_they_were_gathered(packing: parquet.Packing) -> None:
    whole = L2_SNAPSHOTS.conform(snapshot_rows(range(100), unsynced=[7]))
    pieces = pa.concat_tables([whole.slice(0, 13), whole.slice(13, 40), whole.slice(53)])
    assert parquet.to_bytes(pieces, packing=packing) == parquet.to_bytes(whole, packing=packing)


@BOTH
def test_a_file_that_was_read_writes_back_the_same_bytes(packing: parquet.Packing) -> None:
    data = parquet.to_bytes(L2_SNAPSHOTS.conform(snapshot_rows(range(100))), packing=packing)
    assert parquet.to_bytes(L2_SNAPSHOTS.conform(parquet.from_bytes(data, "x")), packing=packing) == data


def test_columns_keep_their_meaning_in_the_file() -> None:
    table = parquet.from_bytes(parquet.to_bytes(L2_SNAPSHOTS.conform(snapshot_rows([0]))), "x")
    assert table.schema.field("bid_price").metadata[b"unit"] == b"quote currency"
    assert table.schema.metadata[b"dataset"] == b"l2_snapshots"


def encodings(packing: parquet.Packing) -> dict[str, tuple[str, str]]:
    """Codec and encoding of each column's values in a file of 400 rows."""
    data = parquet.to_bytes(L2_SNAPSHOTS.conform(snapshot_rows(range(400))), packing=packing)
    group = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    known = ("RLE_DICTIONARY", "DELTA_BINARY_PACKED", "PLAIN")
    found = [group.column(index) for index in range(group.num_columns)]
    return {
        one.path_in_schema.partition(".")[0]: (one.compression, next(name for name in known if name in one.encodings))
        for one in found
    }


def test_what_repeats_is_in_a_dictionary_and_what_rises_is_in_differences() -> None:
    fast = encodings(parquet.FAST)
    assert {fast[f"{side}_{what}"] for side in ("bid", "ask") for what in ("price", "size")} == {
        ("ZSTD", "RLE_DICTIONARY")
    }
    assert fast["symbol"] == fast["update_count"] == ("ZSTD", "RLE_DICTIONARY")
    assert fast["timestamp"] == fast["received_timestamp"] == fast["sequence"] == ("ZSTD", "DELTA_BINARY_PACKED")


def test_prices_of_compacted_files_are_plain_and_packed_by_lz4() -> None:
    fast, dense = encodings(parquet.FAST), encodings(parquet.DENSE)
    assert {name for name in fast if fast[name] != dense[name]} == {"bid_price", "ask_price"}
    assert dense["bid_price"] == dense["ask_price"] == ("LZ4", "PLAIN")


@BOTH
def test_other_readers_see_the_same_rows(packing: parquet.Packing, tmp_path: Path) -> None:
    rows = L2_SNAPSHOTS.conform(snapshot_rows(range(400), unsynced=[2, 3, 150]))
    path = tmp_path / "part.parquet"
    path.write_bytes(parquet.to_bytes(rows, packing=packing))
    plain = rows.drop_columns(["exchange", "symbol"])  # labels are dictionaries here, text there
    duck = duckdb.sql(f"SELECT * EXCLUDE (exchange, symbol) FROM '{path}'").to_arrow_table()
    assert duck.to_pylist() == plain.to_pylist()
    assert polars.read_parquet(path).drop("exchange", "symbol").to_dicts() == plain.to_pylist()


def test_files_of_older_versions_are_read_alike() -> None:
    """They had dictionaries everywhere, and zstd."""
    rows = L2_SNAPSHOTS.conform(snapshot_rows(range(400), unsynced=[2]))
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd", use_dictionary=True)
    assert parquet.from_bytes(sink.getvalue().to_pybytes(), "old").equals(rows)


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
