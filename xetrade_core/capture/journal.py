"""The journal: two threads that make rows durable and turn logs into segments, so that the event loop never waits for
a disk.

*Writer*: appends gap lines and batches in groups and makes each group durable before it takes the next. Gap lines go
first, so a row that is out of sync is never durable without the gap that explains it. *Sealer*: turns a closed log
into segment files in `ready/`. Only when they are durable and the gap log says so, the log goes.

The queue between loop and writer is bounded by rows. When it is full a batch is refused: the recorder then enters an
OVERFLOW gap, and an alarm says so. Gap lines are never refused (there are few, and OVERFLOW ranges coalesce).

On a full disk the reserve is given back and the write is tried again; either way the session is told to stop.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow.compute as pc

from xetrade_core.capture.columns import SnapshotColumns
from xetrade_core.capture.ledger import GapRecord, LedgerLine, encode_line
from xetrade_core.capture.recorder import Seal
from xetrade_core.capture.segments import ReadyDirectory, gap_segments, row_segments
from xetrade_core.capture.spool import DISK_FULL, Reserve, SessionDir, sync_directory
from xetrade_core.capture.wal import WalFile, read_wal
from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.errors import StorageFull
from xetrade_core.lake.instrument_facts import instrument_metadata
from xetrade_core.lake.schemas import L2_SEGMENTS
from xetrade_core.telemetry import METRICS, alarm, get_logger

_log = get_logger("capture.journal")
_SYNC_ALARM_NS = NS_PER_S


@dataclass(slots=True)
class _Batch:
    columns: SnapshotColumns
    log_start_ns: int
    sampled_mono_ns: int


@dataclass(slots=True)
class _Sealed:
    line: bytes
    log: Path | None


@dataclass(frozen=True, slots=True)
class JournalStatus:
    """Counts since the start; `lag_ms` is the longest time from a sample to its being durable."""

    queued_rows: int
    batches_refused: int
    lag_ms: float
    segments: int
    segment_rows: int
    segment_bytes: int
    rows_rejected: int


class Journal:
    """A session's log writer and sealer. `rows`, `line` and `seal` are its RecorderOutput side, called from the event
    loop.

    `on_failure` is called (from a thread of ours, once) when the disk is full or fails: the session must stop.
    `on_segment` is called after each segment file is ready to be uploaded.
    """

    def __init__(
        self,
        directory: SessionDir,
        interval_ns: int,
        clock: Clock,
        reserve: Reserve,
        *,
        queue_rows: int,
        on_failure: Callable[[Exception], None],
        on_segment: Callable[[], None],
    ) -> None:
        self.durable_ns: dict[str, int] = {}
        """By venue: the last grid time whose rows are durable."""
        self.failure: Exception | None = None
        self._directory = directory
        self._ready = ReadyDirectory(directory.ready)
        self._interval_ns = interval_ns
        self._clock = clock
        self._reserve = reserve
        self._queue_rows = queue_rows
        self._on_failure = on_failure
        self._on_segment = on_segment
        self._queue: deque[_Batch | bytes | Seal | _Sealed] = deque()
        self._seals: deque[tuple[Seal, Path | None]] = deque()
        self._unmade: dict[str, tuple[GapRecord, ...]] = {}
        """By venue: gaps of segments that could not be made. They go with the next one, whose mark in the gap log
        says that all gaps until then are safe."""
        self._changed = threading.Condition()
        self._queued_rows = 0
        self._closing = self._writing = self._sealing = self._dead = False
        self._logs: dict[str, WalFile] = {}
        self._gap_log: int | None = None
        self._gap_log_length = 0
        self._refused = self._rejected = 0
        self._lag_ns = 0
        self._segments = self._segment_rows = self._segment_bytes = 0
        self._writer = threading.Thread(target=self._write_all, name=f"journal-{directory.session_id}", daemon=True)
        self._sealer = threading.Thread(target=self._seal_all, name=f"sealer-{directory.session_id}", daemon=True)

    def start(self) -> None:
        """Start both threads."""
        self._writer.start()
        self._sealer.start()

    # ---- from the event loop

    def rows(self, columns: SnapshotColumns, log_start_ns: int) -> bool:
        """See RecorderOutput; the columns are the journal's from here on."""
        batch = _Batch(columns, log_start_ns, self._clock.monotonic_ns())
        with self._changed:
            full = self._queued_rows + columns.rows > self._queue_rows
            if not full:
                self._queue.append(batch)
                self._queued_rows += columns.rows
                self._changed.notify_all()
        if full:
            self._refused += 1
            METRICS.dropped.labels("journal").inc(columns.rows)
            if self._refused == 1:
                alarm(
                    "journal_overflow",
                    "the disk cannot keep up with the rows: samples are being lost, each is in the ledger",
                )
        return not full

    def line(self, line: bytes) -> None:
        """See RecorderOutput."""
        self._put(line)

    def seal(self, seal: Seal) -> None:
        """See RecorderOutput."""
        self._put(seal)

    def drain(self) -> None:
        """Return when everything given so far is durable, or known never to be. Blocks."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queue and not self._writing)

    @property
    def dead(self) -> bool:
        """Whether a write failed for good: rows after `durable_ns` are lost."""
        return self._dead

    def status(self) -> JournalStatus:
        """How it goes."""
        return JournalStatus(
            self._queued_rows,
            self._refused,
            self._lag_ns / NS_PER_MS,
            self._segments,
            self._segment_rows,
            self._segment_bytes,
            self._rejected,
        )

    def close(self) -> None:
        """Write, seal and sync everything given so far, then end both threads. Blocks: not for the event loop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._writer.join()
        self._sealer.join()
        for log in self._logs.values():
            log.close()
        if self._gap_log is not None:
            os.close(self._gap_log)

    def _put(self, item: bytes | Seal | _Sealed) -> None:
        with self._changed:
            self._queue.append(item)
            self._changed.notify_all()

    # ---- writer thread

    def _write_all(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    if self._closing and not self._seals and not self._sealing:
                        return
                    self._changed.wait()
                group = list(self._queue)
                self._queue.clear()
                self._writing = True
            try:
                self._write_group(group)
            except Exception as error:
                _log.exception("log writer failed")
                self._fail(error)
            finally:
                with self._changed:
                    self._queued_rows -= sum(item.columns.rows for item in group if isinstance(item, _Batch))
                    METRICS.queue.labels("journal").set(self._queued_rows)
                    self._writing = False
                    self._changed.notify_all()

    def _write_group(self, group: list[_Batch | bytes | Seal | _Sealed]) -> None:
        started_ns = self._clock.monotonic_ns()
        lines = [
            item.line if isinstance(item, _Sealed) else item for item in group if isinstance(item, (bytes, _Sealed))
        ]
        told = not lines or self._safely(partial(self._append_lines, b"".join(lines)))
        unsynced: list[_Batch] = []
        for item in group:
            if isinstance(item, _Batch):
                if not self._dead and self._safely(partial(self._append, item)):
                    unsynced.append(item)
            elif isinstance(item, Seal):
                self._sync(unsynced)
                unsynced = []
                self._close_log(item)
            elif isinstance(item, _Sealed) and item.log is not None and told:
                item.log.unlink(missing_ok=True)
        self._sync(unsynced)
        METRICS.wal_sync.observe((self._clock.monotonic_ns() - started_ns) / NS_PER_S)

    def _append(self, batch: _Batch) -> None:
        venue = batch.columns.venue
        log = self._logs.get(venue)
        if log is None:
            log = WalFile(self._directory.wal(venue, batch.log_start_ns), L2_SEGMENTS.schema)
            self._logs[venue] = log
            sync_directory(self._directory.path)
        if log.waiting:
            log.retry()
        else:
            log.append(batch.columns.batch())

    def _sync(self, batches: list[_Batch]) -> None:
        for venue in {batch.columns.venue for batch in batches}:
            if not self._safely(self._logs[venue].sync):
                batches = [batch for batch in batches if batch.columns.venue != venue]
        now_ns = self._clock.monotonic_ns()
        for batch in batches:
            self.durable_ns[batch.columns.venue] = batch.columns.ticks()[1]
            lag_ns = now_ns - batch.sampled_mono_ns
            if lag_ns > self._lag_ns:
                self._lag_ns = lag_ns
                if lag_ns > _SYNC_ALARM_NS:
                    _log.warning("slow disk", seconds_from_sample_to_durable=lag_ns / NS_PER_S)

    def _append_lines(self, lines: bytes) -> None:
        if self._gap_log is None:
            self._gap_log = os.open(self._directory.gap_log, os.O_WRONLY | os.O_CREAT, 0o644)
            self._gap_log_length = os.lseek(self._gap_log, 0, os.SEEK_END)
            sync_directory(self._directory.path)
        try:
            written = 0
            while written < len(lines):
                written += os.write(self._gap_log, lines[written:])
            os.fsync(self._gap_log)
        except OSError:
            os.ftruncate(self._gap_log, self._gap_log_length)
            os.lseek(self._gap_log, 0, os.SEEK_END)
            raise
        self._gap_log_length += len(lines)

    def _close_log(self, seal: Seal) -> None:
        log = self._logs.pop(seal.venue, None)
        if log is not None:
            log.close()
        with self._changed:
            self._seals.append((seal, None if log is None else log.path))
            self._changed.notify_all()

    def _safely(self, write: Callable[[], None]) -> bool:
        """Run one write; on a full disk give back the reserve and try once more. False if it did not happen.

        After a failed write no more rows are taken: a log must not go on past a hole that nothing explains.
        """
        try:
            write()
            return True
        except OSError as error:
            full = error.errno in DISK_FULL
            if full and self._reserve.release():
                self._fail(self._storage_full(error))
                try:
                    write()
                    return True
                except OSError as again:
                    _log.error("the reserve was not enough", error=str(again))
            self._dead = True
            self._fail(self._storage_full(error) if full else error)
            return False

    def _storage_full(self, error: OSError) -> StorageFull:
        return StorageFull(
            f"the disk of {self._directory.path.parent} is full ({error.strerror}): the capture stops; "
            "free space, then run recover"
        )

    def _fail(self, error: Exception) -> None:
        if self.failure is None:
            self.failure = error
            kind = "disk_full" if isinstance(error, StorageFull) else "log_failed"
            alarm(kind, str(error) or type(error).__name__)
            self._on_failure(error)

    # ---- sealer thread

    def _seal_all(self) -> None:
        while True:
            with self._changed:
                while not self._seals:
                    if self._closing and not self._queue and not self._writer.is_alive():
                        return
                    self._changed.wait(0.05 if self._closing else None)
                seal, log = self._seals.popleft()
                self._sealing = True
            seal = replace(seal, gaps=(*self._unmade.pop(seal.venue, ()), *seal.gaps))
            try:
                if not self._safely(partial(self._make_segments, seal, log)):
                    self._unmade[seal.venue] = seal.gaps
                    _log.error("segment not sealed, its log stays for recovery", log=str(log))
            except Exception as error:
                self._unmade[seal.venue] = seal.gaps
                alarm("segment_not_sealed", f"a segment could not be made, its log stays in {log}: {error}")
            finally:
                with self._changed:
                    self._sealing = False
                    self._changed.notify_all()

    def _make_segments(self, seal: Seal, log: Path | None) -> None:
        writer = self._directory.session_id
        metadata = instrument_metadata(instruments) if (instruments := self._directory.instruments(seal.venue)) else {}
        rows_through_ns: int | None = None
        if log is not None:
            content = read_wal(log, L2_SEGMENTS.schema)
            if content.torn_bytes:
                alarm("log_damaged", f"{log} has {content.torn_bytes} unreadable bytes at its end")
            if content.table.num_rows:
                rows_through_ns = pc.max(content.table.column("timestamp")).value
            for file in row_segments(seal.venue, writer, self._interval_ns, content.table, metadata):
                self._ready.put(file.key, file.content)
                self._segments += 1
                self._segment_rows += file.rows
                self._segment_bytes += len(file.content)
                self._rejected += file.rejected
                if file.rejected:
                    alarm("rows_rejected", f"{file.rejected} rows break the schema and go to {file.key}")
        for file in gap_segments(seal.venue, writer, self._interval_ns, seal.revision, seal.gaps):
            self._ready.put(file.key, file.content)
        done = encode_line(LedgerLine(seal.venue, seal.revision, sealed=True, rows_through_ns=rows_through_ns))
        self._put(_Sealed(done, log))
        self._on_segment()
