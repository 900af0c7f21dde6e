"""Recovery: what a session that died left in the spool becomes segments, gaps and uploads.

A session is an orphan when nobody holds its lock. Its logs are sealed as it would have sealed them; what follows the
last durable sample is RECORDER_DOWN, up to the end of its window or until now, but no further than where another
session of this spool took over; then `ready/` goes to the lake and the directory goes away. Every step can be
repeated, and the lock keeps two recoveries (or a recovery and a live session) apart, so it may run at any time,
anywhere, twice.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.capture.ledger import GapLedger, GapLog, read_gap_log
from xetrade_core.capture.presence import has_leftovers
from xetrade_core.capture.raw import hand_over
from xetrade_core.capture.sampler import NEVER_NS, grid_at_or_after
from xetrade_core.capture.segments import ReadyDirectory, gap_segments, row_segments
from xetrade_core.capture.spool import SessionDir, SessionLock, SessionPlan, sessions, write_durably
from xetrade_core.capture.upload import upload
from xetrade_core.capture.wal import read_wal
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import LakeError, SessionError
from xetrade_core.lake.instrument_facts import instrument_metadata
from xetrade_core.lake.layout import parse_segment_key
from xetrade_core.lake.schemas import L2_SEGMENTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.book_events import GapCause
from xetrade_core.telemetry import get_logger

_log = get_logger("capture.recovery")

KEEP_FINISHED_S = 24 * 3600
"""How long the status of a session that ended well stays in the spool."""

_STILLBORN_S = 60
_BURIED = ".gone"


@dataclass(frozen=True, slots=True)
class RecoveredSession:
    """What was done for one session. `left` files could not be uploaded and wait; `problem` says why."""

    session_id: str
    rows: int
    torn_bytes: int
    uploaded: int
    left: int
    keys: tuple[str, ...]
    problem: str | None = None

    @property
    def hours(self) -> tuple[tuple[str, int], ...]:
        """Venue and start of each hour that has new segments in the lake."""
        names = [parse_segment_key(key) for key in self.keys if key.endswith(".parquet")]
        return tuple(sorted({(name.venue, name.hour_ns) for name in names}))


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """`live` sessions were left alone; `cleared` ones had ended well and only their old status was removed."""

    recovered: tuple[RecoveredSession, ...] = ()
    live: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.recovered)

    @property
    def left(self) -> int:
        return sum(one.left for one in self.recovered)


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    torn_bytes: int = 0
    keys: list[str] = field(default_factory=list)


def recover(spool_dir: Path, store: ObjectStore, clock: Clock) -> RecoveryReport:
    """Recover every orphan of the spool. A store that does not answer is no error: the report says what is left."""
    _clear_stillborn(spool_dir, clock.wall_ns())
    everything = list(sessions(spool_dir))
    starts = [plan for plan in (_plan_of(directory) for directory in everything) if plan is not None]
    recovered: list[RecoveredSession] = []
    live: list[str] = []
    cleared: list[str] = []
    for directory in everything:
        lock = SessionLock(directory.path)
        if not lock.acquire():
            if directory.path.is_dir():
                live.append(directory.session_id)
            continue
        try:
            if not directory.plan_file.is_file():
                continue  # another recovery has just removed it
            if has_leftovers(directory):
                recovered.append(_recover_session(directory, store, clock.wall_ns(), starts))
            elif directory.recovered_mark.is_file():  # killed between the last upload and the burial
                _bury(directory)
            elif _age_s(directory, clock.wall_ns()) > KEEP_FINISHED_S:
                _bury(directory)
                cleared.append(directory.session_id)
        finally:
            lock.release()
    return RecoveryReport(tuple(recovered), tuple(live), tuple(cleared))


def _recover_session(
    directory: SessionDir, store: ObjectStore, now_ns: int, others: Iterable[SessionPlan]
) -> RecoveredSession:
    tally = _Tally()
    problem: str | None = None
    try:
        _seal_session(directory, now_ns, others, tally)
    except (SessionError, LakeError, OSError, pa.ArrowException) as error:
        problem = f"{directory.path} cannot be sealed: {error}"
        _log.error("session not sealed", session=directory.session_id, error=str(error))
    for path, key in directory.waiting():
        try:
            tally.keys.append(upload(store, path, key))
        except LakeError as error:
            problem = problem or f"upload to {store.uri} failed: {error}"
            break
    left = len(directory.waiting()) + len(directory.logs())
    if not left and problem is None:
        _bury(directory)
    return RecoveredSession(
        directory.session_id, tally.rows, tally.torn_bytes, len(tally.keys), left, tuple(tally.keys), problem
    )


def _seal_session(directory: SessionDir, now_ns: int, others: Iterable[SessionPlan], tally: _Tally) -> None:
    """Logs and ledger to `ready/`; they go only when a mark says that this is done, so that it is done once."""
    plan = directory.plan()
    directory.reserve_file.unlink(missing_ok=True)
    _hand_over_raw(directory)
    if not directory.recovered_mark.is_file():
        _make_segments(directory, plan, now_ns, others, tally)
        write_durably(directory.recovered_mark, b"")
    for path, _, _ in directory.logs():
        path.unlink()
    directory.gap_log.unlink(missing_ok=True)


def _make_segments(
    directory: SessionDir, plan: SessionPlan, now_ns: int, others: Iterable[SessionPlan], tally: _Tally
) -> None:
    logs, torn = read_gap_log(directory.gap_log.read_bytes() if directory.gap_log.is_file() else b"")
    if torn:
        _log.warning("lines of the gap log could not be read", session=directory.session_id, lines=torn)
    rows_through = _seal_logs(directory, plan, tally)
    if directory.gap_log.is_file() or rows_through:
        for venue in plan.venues:
            log = logs.get(venue, GapLog())
            through_ns = max(rows_through.get(venue, -1), -1 if log.rows_through_ns is None else log.rows_through_ns)
            _seal_ledger(directory, plan, venue, log, through_ns if through_ns >= 0 else None, now_ns, others)


def _seal_logs(directory: SessionDir, plan: SessionPlan, tally: _Tally) -> dict[str, int]:
    """Every log as a segment; the last grid time of each venue."""
    ready = ReadyDirectory(directory.ready)
    through: dict[str, int] = {}
    for path, venue, _ in directory.logs():
        content = read_wal(path, L2_SEGMENTS.schema)
        tally.torn_bytes += content.torn_bytes
        tally.rows += content.table.num_rows
        if content.table.num_rows:
            last_ns = pc.max(content.table.column("timestamp")).value
            through[venue] = max(last_ns, through.get(venue, -1))
        instruments = directory.instruments(venue)
        metadata = instrument_metadata(instruments) if instruments else {}
        for file in row_segments(venue, plan.session_id, plan.interval_ns, content.table, metadata):
            ready.put(file.key, file.content)
    return through


def _seal_ledger(
    directory: SessionDir,
    plan: SessionPlan,
    venue: str,
    log: GapLog,
    through_ns: int | None,
    now_ns: int,
    others: Iterable[SessionPlan],
) -> None:
    """Finish the ledger in the session's place."""
    first_ns = grid_at_or_after(max(plan.start_ns, plan.opened_ns), plan.interval_ns)
    over_ns = first_ns if through_ns is None else through_ns + plan.interval_ns
    ledger = GapLedger.resume(venue, plan.session_id, log, lambda _: None)
    for symbol in plan.venues[venue]:
        ends = [end_ns for end_ns in (now_ns, plan.end_ns, log.over_ns) if end_ns is not None]
        end_ns = min([*ends, *_successors(plan, venue, symbol, over_ns, others)])
        ledger.close_gap(symbol, over_ns)
        if over_ns < end_ns:
            ledger.missing([symbol], over_ns, end_ns, GapCause.RECORDER_DOWN, "the session died")
    records = ledger.take_pending(NEVER_NS)
    ready = ReadyDirectory(directory.ready)
    for file in gap_segments(venue, plan.session_id, plan.interval_ns, ledger.revision, records):
        ready.put(file.key, file.content)


def _successors(
    plan: SessionPlan, venue: str, symbol: str, after_ns: int, others: Iterable[SessionPlan]
) -> Iterable[int]:
    """When other sessions took over this book: from there on its seconds are theirs to explain."""
    for other in others:
        if other.session_id != plan.session_id and symbol in other.venues.get(venue, ()):
            start_ns = grid_at_or_after(max(other.start_ns, other.opened_ns), plan.interval_ns)
            if start_ns >= after_ns:
                yield start_ns


def _hand_over_raw(directory: SessionDir) -> None:
    for path in directory.raw_files():
        venue, _, start = path.stem.rpartition("-")
        hand_over(path, directory.ready, venue, directory.session_id, int(start), int(start))


def _bury(directory: SessionDir) -> None:
    """Remove a session's directory: at once by name, so that a burial which is killed half way leaves no session."""
    grave = directory.path.with_name(f".{directory.session_id}{_BURIED}")
    shutil.rmtree(grave, ignore_errors=True)
    directory.path.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)


def _clear_stillborn(spool_dir: Path, now_ns: int) -> None:
    """Remove directories of sessions that died before they had their name, and what burials left over."""
    for path in spool_dir.glob(".*") if spool_dir.is_dir() else ():
        if path.name.endswith(_BURIED):
            shutil.rmtree(path, ignore_errors=True)
            continue
        lock = SessionLock(path)
        if (path / "lock").is_file() and now_ns / NS_PER_S - path.stat().st_mtime > _STILLBORN_S and lock.acquire():
            shutil.rmtree(path, ignore_errors=True)
            lock.release()


def _age_s(directory: SessionDir, now_ns: int) -> float:
    try:
        return now_ns / NS_PER_S - directory.plan_file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _plan_of(directory: SessionDir) -> SessionPlan | None:
    try:
        return directory.plan()
    except SessionError:
        return None
