"""The log: whole batches or none, whatever happens to its tail."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pyarrow as pa
import pytest

from xetrade_core.capture.wal import WalFile, read_wal

SCHEMA = pa.schema(
    [("n", pa.int64()), ("name", pa.dictionary(pa.int32(), pa.string())), ("levels", pa.list_(pa.float64()))]
)


def batch(number: int) -> pa.RecordBatch:
    names = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["BTC", "ETH"]))
    return pa.record_batch([pa.array([number, number]), names, pa.array([[0.5 * number], None])], schema=SCHEMA)


def numbers(path: Path) -> list[int]:
    return read_wal(path, SCHEMA).table.column("n").to_pylist()[::2]


@pytest.fixture
def log(tmp_path: Path) -> tuple[Path, list[int]]:
    """A log of five batches, and the file's length after each."""
    path = tmp_path / "x.wal"
    wal = WalFile(path, SCHEMA)
    lengths = []
    for number in range(5):
        wal.append(batch(number))
        lengths.append(path.stat().st_size)
    wal.sync()
    wal.close()
    return path, lengths


def test_what_was_appended_is_read_back(log: tuple[Path, list[int]]) -> None:
    content = read_wal(log[0], SCHEMA)
    assert content.table.equals(pa.Table.from_batches([batch(number) for number in range(5)]))
    assert (content.batches, content.torn_bytes) == (5, 0)


def test_any_arrow_reads_the_log(log: tuple[Path, list[int]]) -> None:
    with pa.ipc.open_stream(log[0].read_bytes()) as reader:
        assert reader.read_all().column("n").to_pylist()[::2] == list(range(5))


def test_cut_off_anywhere_only_the_batch_that_was_cut_is_lost(log: tuple[Path, list[int]]) -> None:
    path, lengths = log
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert numbers(path) == list(range(sum(end <= length for end in lengths))), f"cut at {length}"


def test_a_garbled_batch_ends_the_log_there_and_is_never_read_as_data(log: tuple[Path, list[int]]) -> None:
    path, lengths = log
    whole = path.read_bytes()
    rng = random.Random(5)
    for _ in range(2000):
        garbled = bytearray(whole)
        at = rng.randrange(len(whole))
        garbled[at] ^= 1 << rng.randrange(8)
        path.write_bytes(garbled)
        before = sum(end <= at for end in lengths)
        read = numbers(path)
        assert read[:before] == list(range(before))
        assert read == list(range(len(read)))


def test_a_write_that_fails_half_way_can_be_made_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.wal"
    wal = WalFile(path, SCHEMA)
    wal.append(batch(0))
    length = path.stat().st_size
    real = os.write
    with monkeypatch.context() as patch:

        def short(file: int, data: bytes) -> int:
            real(file, data[: len(data) // 2])
            raise OSError(28, "No space left on device")

        patch.setattr(os, "write", short)
        with pytest.raises(OSError, match="No space"):
            wal.append(batch(1))
    assert path.stat().st_size == length
    wal.retry()
    wal.append(batch(2))
    wal.close()
    assert numbers(path) == [0, 1, 2]


def test_an_empty_or_foreign_file_has_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.wal"
    for content in (b"", b"not arrow at all" * 100, pa.schema([("other", pa.int8())]).serialize().to_pybytes()):
        path.write_bytes(content)
        assert read_wal(path, SCHEMA).table.num_rows == 0
