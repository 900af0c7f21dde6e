"""A capture session: one shard of venues and symbols, recorded over one window in one event loop.

The loop runs the feeds, samples on the grid and keeps the ledger. Disks and the lake are other threads' work
(`journal`, `upload`, `raw`). Each venue stands alone: one that dies goes out of sync with its cause while the others
go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from xetrade_core.capture.clock_watch import ClockWatch
from xetrade_core.capture.config import CaptureConfig
from xetrade_core.capture.journal import Journal
from xetrade_core.capture.opening import FeedOpener, abandon, feed_opener, open_all
from xetrade_core.capture.raw import RawFrames
from xetrade_core.capture.recorder import BookRecorder, RecorderPlan
from xetrade_core.capture.report import capture_status
from xetrade_core.capture.sampler import NEVER_NS
from xetrade_core.capture.spool import Reserve, SessionDir, SessionLock, SessionPlan, create_session, replace_file
from xetrade_core.capture.status import CaptureReport, CaptureStatus
from xetrade_core.capture.undisturbed import undisturbed
from xetrade_core.capture.upload import Uploader
from xetrade_core.capture.venue_run import VenueRun
from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from xetrade_core.errors import ClockStepped, SessionError, StorageFull, XETradeError
from xetrade_core.feeds.feed import Feed
from xetrade_core.lake.schemas import L2_GAP_SEGMENTS, L2_SEGMENTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.telemetry import add_alarm_sink, alarm, get_logger

__all__ = ["CaptureConfig", "CaptureReport", "CaptureSession", "CaptureStatus", "FeedOpener", "feed_opener"]

_log = get_logger("capture.session")
_HEARTBEAT_S = 1.0
_TIMER_CAP_S = 0.25
_BATCH_NS = 250 * NS_PER_MS
_QUEUED_TICKS = 120
_QUEUE_LEAST_ROWS = 4096
_FEED_CLOSE_S = 5.0
_ALARMS_KEPT = 20


class CaptureSession:
    """Records what `config` says into the spool and on to `store`. Run it once."""

    def __init__(
        self,
        config: CaptureConfig,
        store: ObjectStore,
        open_feed: FeedOpener,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        on_progress: Callable[[CaptureStatus], None] | None = None,
    ) -> None:
        """`on_progress` is called in the event loop with each heartbeat."""
        self.config = config
        self.clock = clock or SystemClock()
        self.report: CaptureReport | None = None
        """Set when the session has ended, also when `run` raises."""
        self._rng = rng or random.Random()
        self.session_id = config.session_id or self._made_up_id()
        self._store = store
        self._open_feed = open_feed
        self._on_progress = on_progress
        self.state = "starting"
        self.alarms: deque[str] = deque(maxlen=_ALARMS_KEPT)
        self.runs: list[VenueRun] = []
        self.plan: SessionPlan | None = None
        self.directory: SessionDir | None = None
        self.journal: Journal | None = None
        self.uploader: Uploader | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stop_reason: str | None = None
        self._failure: Exception | None = None
        self._upload_grace_s = config.upload_grace_s
        self._disk_alarmed = False
        self._latest: CaptureStatus | None = None

    # ---- from any thread

    def request_stop(self, reason: str = "stopped on request", *, hurry: bool = False) -> None:
        """Stop sampling, seal and upload what there is.

        With `hurry` nothing is waited for: the spool keeps the rest.
        """
        if hurry:
            self._upload_grace_s = 0.0
            if self.state == "uploading" and self.uploader is not None:
                self.uploader.abandon()
        self._stop_reason = self._stop_reason or reason
        if self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)

    def status(self) -> CaptureStatus | None:
        """How it goes, at most about a second old; None before the session has begun."""
        return self._latest

    # ---- in the event loop

    async def run(self) -> CaptureReport:
        """Record until the window ends or a stop is asked for, then seal and upload.

        Raises ConfigError, UnknownSymbol and their like before anything is recorded; SessionError if the window is over
        or the session exists; StorageFull and ClockStepped after a clean stop; the venue's error if every venue has
        failed.
        """
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        if self._stop_reason is not None:
            self._stop.set()
        now_ns = self.clock.wall_ns()
        if self.config.end_ns is not None and now_ns >= self.config.end_ns:
            raise SessionError(
                f"the window ended {(now_ns - self.config.end_ns) / NS_PER_S:.1f} s ago: nothing to record"
            )
        _warm_up()
        openings = await open_all(self.config.venues, self._open_feed, self._stop)
        with undisturbed():
            return await self._record(openings)

    async def _record(self, openings: Mapping[str, asyncio.Task[Feed]]) -> CaptureReport:
        assert self._stop is not None
        try:
            if self._stop.is_set():
                raise SessionError(f"the session was stopped before it began: {self._stop_reason}")
            lock = self._begin(self.clock.wall_ns())
        except XETradeError:
            await abandon(openings.values())
            raise
        remove_sink = add_alarm_sink(lambda body: self.alarms.append(f"{body['alarm']}: {body['message']}"))
        try:
            return await self._run_to_the_end(openings)
        finally:
            remove_sink()
            lock.release()

    def _begin(self, opened_ns: int) -> SessionLock:
        config = self.config
        start_ns = opened_ns if config.start_ns is None else config.start_ns
        self.plan = SessionPlan(
            self.session_id,
            {venue: tuple(symbols) for venue, symbols in config.venues.items()},
            config.interval_ns,
            config.depth,
            start_ns,
            config.end_ns,
            opened_ns,
        )
        self.directory, lock = create_session(config.spool_dir, self.plan)
        try:
            reserve = Reserve(self.directory.reserve_file, config.reserve_bytes)
        except OSError as error:
            shutil.rmtree(self.directory.path, ignore_errors=True)
            lock.release()
            raise StorageFull(f"no room for a capture in {config.spool_dir}: {error.strerror}") from None
        self.uploader = Uploader(self.directory, self._store, random.Random(self._rng.random()))
        symbols = sum(len(names) for names in config.venues.values())
        self.journal = Journal(
            self.directory,
            config.interval_ns,
            self.clock,
            reserve,
            queue_rows=max(_QUEUED_TICKS * symbols, _QUEUE_LEAST_ROWS),
            on_failure=self._journal_failed,
            on_segment=self.uploader.notify,
        )
        self.runs = [self._venue_run(venue, opened_ns, start_ns) for venue in config.venues]
        self.journal.start()
        self.uploader.start()
        return lock

    def _venue_run(self, venue: str, opened_ns: int, start_ns: int) -> VenueRun:
        config = self.config
        assert self.directory is not None
        assert self.journal is not None
        plan = RecorderPlan(
            venue=venue,
            symbols=tuple(config.venues[venue]),
            session_id=self.session_id,
            interval_ns=config.interval_ns,
            depth=config.depth,
            staleness_ns=config.staleness_ns(venue),
            segment_ns=config.segment_ns,
            opened_ns=opened_ns,
            start_ns=start_ns,
            end_ns=config.end_ns,
            batch_ticks=max(1, _BATCH_NS // config.interval_ns),
        )
        raw = None
        header: dict[str, object] = msgspec.to_builtins(plan)
        if config.raw:
            raw = RawFrames(self.directory.raw, self.directory.ready, venue, self.session_id, header)
        recorder = BookRecorder(plan, self.journal, self.clock, raw)
        return VenueRun(
            recorder,
            raw,
            header,
            directory=self.directory,
            open_feed=self._open_feed,
            clock=self.clock,
            rng=self._rng,
            on_failure=self._venue_failed,
        )

    async def _run_to_the_end(self, openings: Mapping[str, asyncio.Task[Feed]]) -> CaptureReport:
        assert self._stop is not None
        heartbeat = asyncio.create_task(self._heartbeat())
        feeds = [asyncio.create_task(run.run(openings[run.venue])) for run in self.runs]
        timer = asyncio.create_task(self._timer())
        timer.add_done_callback(self._task_died)
        self.state = "running"
        interrupted: BaseException | None = None
        try:
            await self._stop.wait()
        except BaseException as error:  # cancelled from outside: stop as cleanly as on request
            interrupted = error
            self._stop_reason = self._stop_reason or f"interrupted ({type(error).__name__})"
        try:
            timer.cancel()
            report = await self._wind_up(feeds)
        finally:
            heartbeat.cancel()
        await self._write_status(report.status)
        if interrupted is not None:
            raise interrupted
        if self._failure is not None:
            raise self._failure
        return report

    async def _wind_up(self, feeds: list[asyncio.Task[None]]) -> CaptureReport:
        """Stop sampling at once; then close, seal and upload."""
        assert self.journal is not None
        assert self.uploader is not None
        assert self.directory is not None
        self.state = "sealing"
        now_ns = self.clock.wall_ns()
        for run in self.runs:
            run.recorder.stop(now_ns, self._stop_reason)
        for task in feeds:
            task.cancel()
        await asyncio.wait(feeds, timeout=_FEED_CLOSE_S)
        await asyncio.to_thread(self.journal.drain)
        for run in self.runs:
            recorder = run.recorder
            durable_ns = None
            if self.journal.dead:
                before_first_ns = recorder.sampler.first_ns - self.config.interval_ns
                durable_ns = self.journal.durable_ns.get(recorder.plan.venue, before_first_ns)
            recorder.finish(durable_ns)
        await asyncio.to_thread(self.journal.close)
        for run in self.runs:
            if run.raw is not None:
                await asyncio.to_thread(run.raw.close)
        self.state = "uploading"
        await asyncio.to_thread(self.uploader.close, self._upload_grace_s)
        left = len(self.directory.waiting()) + len(self.directory.logs()) + len(self.directory.raw_files())
        self.state = "failed" if self._failure is not None else "finished"
        if left:
            _log.warning("files wait in the spool: run recover", files=left, spool=str(self.directory.path))
        else:
            self._tidy(self.directory)
        self.report = CaptureReport(await self._take_status(), self._stop_reason or "the window is over", left)
        return self.report

    async def _timer(self) -> None:
        """Take due samples when no frame does, and look at the clocks often enough to tell a stall from a step."""
        recorders = [run.recorder for run in self.runs]
        watch = ClockWatch(self.config.interval_ns, self.session_id)
        while True:
            now_ns = self.clock.wall_ns()
            for recorder in recorders:
                recorder.tick(now_ns)
            try:
                watch.check(max(recorder.sampler.behind_ns(now_ns) for recorder in recorders))
            except ClockStepped as error:
                self._failure = self._failure or error
                self.request_stop(str(error))
                return
            next_ns = min(recorder.sampler.next_ns for recorder in recorders)
            if next_ns == NEVER_NS:
                self.request_stop("the window is over")
                return
            await self.clock.sleep(min(max(next_ns - self.clock.wall_ns(), 0) / NS_PER_S, _TIMER_CAP_S))

    def _venue_failed(self, run: VenueRun, error: Exception) -> None:
        alarm("venue_failed", f"{run.venue} is no longer captured: {error}", session=self.session_id)
        if all(other.state == "failed" for other in self.runs):
            self._failure = self._failure or error
            self.request_stop(f"every venue has failed, {run.venue} last: {error}")

    def _task_died(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            _log.error("sampling failed", exc_info=error)
            self._failure = self._failure or error
            self.request_stop(f"sampling failed: {error}")

    def _journal_failed(self, error: Exception) -> None:
        self._failure = self._failure or error
        self.request_stop(str(error))

    # ---- status

    async def _heartbeat(self) -> None:
        while True:
            try:
                status = await self._take_status()
                await self._write_status(status)
                self._watch_disk(status)
                if self._on_progress is not None:
                    self._on_progress(status)
            except Exception:
                _log.exception("status not told")  # whoever watches may fail; the capture goes on
            await self.clock.sleep(_HEARTBEAT_S)

    async def _take_status(self) -> CaptureStatus:
        """Feeds are asked here, the rest (quantiles, a walk through the spool) is put together off the loop."""
        feeds = [None if run.feed is None else run.feed.status() for run in self.runs]
        self._latest = await asyncio.to_thread(capture_status, self, feeds)
        return self._latest

    async def _write_status(self, status: CaptureStatus) -> None:
        assert self.directory is not None
        try:
            await asyncio.to_thread(replace_file, self.directory.status_file, msgspec.json.encode(status))
        except OSError as error:
            _log.warning("status not written", error=str(error))

    def _watch_disk(self, status: CaptureStatus) -> None:
        low = status.disk_free_bytes < self.config.disk_alarm_bytes
        if low and not self._disk_alarmed:
            free_mb = status.disk_free_bytes >> 20
            alarm("disk_low", f"{free_mb} MB free for the spool {self.config.spool_dir}: free space before it is full")
        self._disk_alarmed = low

    def _tidy(self, directory: SessionDir) -> None:
        """Everything is in the lake: only the status stays, for those who ask how it ended."""
        directory.gap_log.unlink(missing_ok=True)
        directory.reserve_file.unlink(missing_ok=True)
        for path in (directory.ready, directory.raw):
            shutil.rmtree(path, ignore_errors=True)

    def _made_up_id(self) -> str:
        seconds = self.clock.wall_ns() // NS_PER_S
        return f"{seconds}-{os.getpid()}-{self._rng.getrandbits(32):08x}"


def _warm_up() -> None:
    """Load now what the sealer may need later: importing pandera takes a second, during which samples would be late."""
    datasets: tuple[Any, ...] = (L2_SEGMENTS, L2_GAP_SEGMENTS)
    for dataset in datasets:
        dataset.pandera_schema.validate(dataset.empty().to_pandas(), lazy=True)
