"""The journal: durable within the second, bounded, and what it seals is what was sampled."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.capture.test_recorder import HOUR, SYMBOLS, S
from xetrade_core.capture import journal as journal_module
from xetrade_core.capture.columns import SnapshotColumns
from xetrade_core.capture.journal import Journal
from xetrade_core.capture.ledger import GapLedger, read_gap_log
from xetrade_core.capture.recorder import Seal
from xetrade_core.capture.spool import Reserve, SessionDir
from xetrade_core.capture.wal import read_wal
from xetrade_core.clock import SystemClock
from xetrade_core.errors import StorageFull
from xetrade_core.lake import parquet
from xetrade_core.lake.interval import segment_interval_ns
from xetrade_core.lake.schemas import L2_SEGMENTS
from xetrade_core.model.book_events import GapCause


class Rig:
    def __init__(self, tmp_path: Path, queue_rows: int = 1000, reserve: int = 0) -> None:
        self.directory = SessionDir(tmp_path / "s1")
        self.directory.path.mkdir()
        self.failures: list[Exception] = []
        self.segments = threading.Event()
        self.journal = Journal(
            self.directory,
            S,
            SystemClock(),
            Reserve(self.directory.reserve_file, reserve),
            queue_rows=queue_rows,
            on_failure=self.failures.append,
            on_segment=self.segments.set,
        )

    def columns(self, tick_ns: int) -> SnapshotColumns:
        columns = SnapshotColumns("binance", SYMBOLS, 5, 2)
        for symbol in range(2):
            columns.append_unsynced(tick_ns, symbol, 0, 0, 0)
        return columns

    def rows(self, tick_ns: int) -> bool:
        return self.journal.rows(self.columns(tick_ns), HOUR)

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def sealed_rows(self) -> int:
        files = (self.directory.ready / "l2_segments").rglob("*.parquet")
        return sum(parquet.from_bytes(path.read_bytes(), str(path)).num_rows for path in files)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_a_batch_is_durable_within_the_second(rig: Rig) -> None:
    rig.journal.start()
    began = time.monotonic()
    assert rig.rows(HOUR)
    rig.wait(lambda: rig.journal.durable_ns.get("binance") == HOUR)
    assert time.monotonic() - began < 1
    assert read_wal(rig.directory.wal("binance", HOUR), L2_SEGMENTS.schema).table.num_rows == 2
    assert rig.journal.status().lag_ms < 1000
    rig.journal.close()


def test_sealing_makes_a_segment_of_the_log_and_then_removes_it(rig: Rig) -> None:
    rig.journal.start()
    ledger = GapLedger("binance", "s1", rig.journal.line)
    ledger.open_gap("BTC/USDT", GapCause.STARTUP, HOUR, HOUR)
    for tick in range(3):
        rig.rows(HOUR + tick * S)
    rig.journal.seal(Seal("binance", HOUR, tuple(ledger.take_pending(HOUR + 3 * S)), ledger.revision))
    assert rig.segments.wait(10)
    rig.journal.close()
    assert rig.directory.logs() == []
    keys = sorted(key for _, key in rig.directory.waiting())
    hour = "date=2023-11-14/hour=22"
    assert keys == [
        f"l2_gap_segments/venue=binance/{hour}/{HOUR}-{HOUR + 1}-s1.g1.parquet",
        f"l2_segments/venue=binance/{hour}/{HOUR}-{HOUR + 3 * S}-s1.parquet",
    ]
    assert rig.sealed_rows() == 6
    for path, _ in rig.directory.waiting():
        assert segment_interval_ns(parquet.from_bytes(path.read_bytes(), path.name).schema) == S
    assert b'"sealed":true,"rows_through_ns":%d' % (HOUR + 2 * S) in rig.directory.gap_log.read_bytes()


def test_a_full_queue_refuses_batches_and_says_so(tmp_path: Path) -> None:
    rig = Rig(tmp_path, queue_rows=4)  # and the writer has not been started: a disk that hangs
    assert [rig.rows(HOUR + tick * S) for tick in range(4)] == [True, True, False, False]
    rig.journal.line(b'{"venue":"binance","revision":1}\n')
    assert rig.journal.status().batches_refused == 2
    rig.journal.start()
    rig.wait(lambda: rig.journal.status().queued_rows == 0)
    assert rig.rows(HOUR + 9 * S), "there is room again"
    rig.journal.close()
    assert rig.directory.gap_log.read_bytes() == b'{"venue":"binance","revision":1}\n', "lines are never refused"


def test_a_gap_line_is_durable_before_the_row_that_it_explains(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = os.fsync

    def note(file: int) -> None:
        written.append(os.readlink(f"/proc/self/fd/{file}").rsplit("/", 1)[1])
        real(file)

    monkeypatch.setattr(os, "fsync", note)
    rig.rows(HOUR)
    rig.journal.line(b'{"venue":"binance","revision":1}\n')
    rig.journal.start()
    rig.journal.close()
    files = [name for name in written if name.endswith(".wal")]
    assert files == ["gaps.wal", f"binance-{HOUR}.wal"]


@pytest.mark.parametrize("reserve", [0, 1 << 16])
def test_a_full_disk_stops_the_session_and_with_a_reserve_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reserve: int
) -> None:
    rig = Rig(tmp_path, reserve=reserve)
    real = os.write

    def write(file: int, data: bytes) -> int:
        if rig.directory.reserve_file.exists() or not reserve:
            raise OSError(28, "No space left on device")
        return real(file, data)

    rig.journal.start()
    rig.rows(HOUR)
    rig.journal.drain()
    monkeypatch.setattr(os, "write", write)
    rig.rows(HOUR + S)
    rig.journal.drain()
    rig.rows(HOUR + 2 * S)
    rig.journal.drain()
    assert [type(error) for error in rig.failures] == [StorageFull]
    assert rig.journal.dead == (not reserve)
    assert rig.journal.durable_ns["binance"] == HOUR + (2 * S if reserve else 0)
    monkeypatch.setattr(os, "write", real)
    rig.journal.seal(Seal("binance", HOUR, (), 0))
    rig.journal.close()
    assert rig.sealed_rows() == (6 if reserve else 2)


def test_the_gaps_of_a_segment_that_could_not_be_made_come_with_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = journal_module.row_segments

    def failing(venue: str, writer: str, interval_ns: int, table: pa.Table, metadata: Mapping[str, str]) -> Any:
        if pc.min(table.column("timestamp")).value == HOUR:
            raise pa.ArrowInvalid("a segment that cannot be made")
        return real(venue, writer, interval_ns, table, metadata)

    monkeypatch.setattr(journal_module, "row_segments", failing)
    rig.journal.start()
    ledger = GapLedger("binance", "s1", rig.journal.line)
    for start, symbol in ((HOUR, "BTC/USDT"), (HOUR + 60 * S, "ETH/USDT")):
        ledger.open_gap(symbol, GapCause.SEQUENCE, start, start)
        ledger.close_gap(symbol, start + S)
        rig.journal.rows(rig.columns(start), start)
        rig.journal.seal(Seal("binance", start, tuple(ledger.take_pending(start + 60 * S)), ledger.revision))
    rig.journal.close()
    assert [start for _, _, start in rig.directory.logs()] == [HOUR], "the log stays for recovery"
    files = (rig.directory.ready / "l2_gap_segments").rglob("*.parquet")
    tables = [parquet.from_bytes(path.read_bytes(), path.name) for path in files]
    log = read_gap_log(rig.directory.gap_log.read_bytes())[0]["binance"]
    told = {symbol for table in tables for symbol in table.column("symbol").to_pylist()}
    left = {log.gaps[gap_id].symbol for gap_id in log.unsealed}
    assert told | left == {"BTC/USDT", "ETH/USDT"}, "each gap is in a segment, or recovery will make one"
