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
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from xetrade_core.capture.config import CaptureConfig
from xetrade_core.capture.instrument_json import instrument_rows
from xetrade_core.capture.journal import Journal
from xetrade_core.capture.raw import RawFrames
from xetrade_core.capture.recorder import BookRecorder, RecorderPlan
from xetrade_core.capture.report import capture_status
from xetrade_core.capture.sampler import NEVER_NS
from xetrade_core.capture.spool import Reserve, SessionDir, SessionLock, SessionPlan, create_session, replace_file
from xetrade_core.capture.status import CaptureReport, CaptureStatus
from xetrade_core.capture.upload import Uploader
from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock, SystemClock
from xetrade_core.errors import ConfigError, SessionError, StorageFull, VenueUnavailable, XETradeError
from xetrade_core.feeds.factory import open_feed
from xetrade_core.feeds.feed import Feed, FeedOptions
from xetrade_core.lake.schemas import L2_GAP_SEGMENTS, L2_SEGMENTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.book_events import GapCause
from xetrade_core.model.instruments import Instrument
from xetrade_core.telemetry import add_alarm_sink, alarm, get_logger

__all__ = ["CaptureConfig", "CaptureReport", "CaptureSession", "CaptureStatus", "FeedOpener", "feed_opener"]

_log = get_logger("capture.session")
_HEARTBEAT_S = 1.0
_TIMER_CAP_S = 0.25
_BATCH_NS = 250 * NS_PER_MS
_QUEUED_TICKS = 120
_QUEUE_LEAST_ROWS = 4096
_OPEN_RETRY_BASE_S = 1.0
_OPEN_RETRY_CAP_S = 60.0
_FEED_CLOSE_S = 5.0
_PREFLIGHT_S = 5.0
_ALARMS_KEPT = 20

FeedOpener = Callable[[str, tuple[str, ...]], Awaitable[Feed]]
"""Opens the feed of a venue's symbols; raises as `feeds.factory.open_feed` does."""


def feed_opener(options: Mapping[str, FeedOptions], clock: Clock, rng: random.Random) -> FeedOpener:
    """Websocket feeds, with these options by venue and the live defaults for the others."""

    async def open_one(venue: str, symbols: tuple[str, ...]) -> Feed:
        return await open_feed(venue, symbols, options.get(venue, FeedOptions()), clock, rng)

    return open_one


@dataclass(slots=True)
class VenueRun:
    """One venue within a session."""

    recorder: BookRecorder
    raw: RawFrames | None
    header: dict[str, object]
    """First line of each raw file."""
    feed: Feed | None = None
    state: str = "opening"
    error: Exception | None = None


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
        or the session exists; StorageFull after a clean stop; the venue's error if every venue has failed.
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
        openings = await self._preflight()
        try:
            lock = self._begin(self.clock.wall_ns())
        except XETradeError:
            await _abandon(openings.values())
            raise
        remove_sink = add_alarm_sink(lambda body: self.alarms.append(f"{body['alarm']}: {body['message']}"))
        try:
            return await self._run_to_the_end(openings)
        finally:
            remove_sink()
            lock.release()

    async def _preflight(self) -> dict[str, asyncio.Task[Feed]]:
        """Try once to open every feed, so that what was asked for wrongly is refused before anything is recorded.

        A venue that does not answer (soon) is no reason to refuse: it is tried again during the session.
        """
        assert self._stop is not None
        stop = asyncio.create_task(self._stop.wait())
        openings = {
            venue: asyncio.create_task(_as_coroutine(self._open_feed(venue, tuple(symbols))))
            for venue, symbols in self.config.venues.items()
        }
        try:
            everything = asyncio.gather(*openings.values(), return_exceptions=True)
            await asyncio.wait((stop, everything), timeout=_PREFLIGHT_S, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                raise SessionError(f"the session was stopped before it began: {self._stop_reason}")
            for venue, opening in openings.items():
                error = opening.exception() if opening.done() else None
                if error is not None and not isinstance(error, VenueUnavailable):
                    raise error
                if opening.done() and error is None:
                    _check_books(venue, self.config.venues[venue], opening.result())
        except BaseException:
            await _abandon(openings.values())
            raise
        finally:
            stop.cancel()
        return openings

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
        return VenueRun(BookRecorder(plan, self.journal, self.clock, raw), raw, header)

    async def _run_to_the_end(self, openings: Mapping[str, asyncio.Task[Feed]]) -> CaptureReport:
        assert self._stop is not None
        heartbeat = asyncio.create_task(self._heartbeat())
        feeds = [asyncio.create_task(self._run_venue(run, openings[run.recorder.plan.venue])) for run in self.runs]
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
        left = len(self.directory.waiting()) + len(self.directory.logs())
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
        while True:
            now_ns = self.clock.wall_ns()
            for recorder in recorders:
                recorder.tick(now_ns)
            next_ns = min(recorder.sampler.next_ns for recorder in recorders)
            if next_ns == NEVER_NS:
                self.request_stop("the window is over")
                return
            await self.clock.sleep(min(max(next_ns - self.clock.wall_ns(), 0) / NS_PER_S, _TIMER_CAP_S))

    async def _run_venue(self, run: VenueRun, opening: Awaitable[Feed]) -> None:
        """Open and run one venue's feed; what goes wrong for good stays with this venue."""
        venue = run.recorder.plan.venue
        try:
            run.feed = await self._open(run, opening)
            await self._attach(run, run.feed)
            await run.feed.run(run.recorder)
            self._venue_failed(run, SessionError(f"the feed of {venue} ended by itself"))
        except Exception as error:
            if not isinstance(error, XETradeError):
                _log.exception("feed failed", venue=venue)
            self._venue_failed(run, error)

    async def _attach(self, run: VenueRun, feed: Feed) -> None:
        assert self.directory is not None
        instruments: tuple[Instrument, ...] = getattr(feed, "instruments", ())
        if instruments:
            await asyncio.to_thread(self.directory.keep_instruments, instruments)
        run.header["instruments"] = instrument_rows(instruments)
        run.recorder.attach(feed.books.sequencers, instruments)
        run.state, run.error = "running", None

    async def _open(self, run: VenueRun, opening: Awaitable[Feed]) -> Feed:
        plan = run.recorder.plan
        attempt = 0
        while True:
            try:
                return await opening
            except VenueUnavailable as error:
                run.error = error
                attempt += 1
                ceiling_s = min(_OPEN_RETRY_CAP_S, _OPEN_RETRY_BASE_S * 2 ** min(attempt, 10))
                _log.warning("venue does not answer, trying again", venue=plan.venue, error=str(error), attempt=attempt)
                await self.clock.sleep(self._rng.uniform(0.1, ceiling_s))
                opening = self._open_feed(plan.venue, plan.symbols)

    def _venue_failed(self, run: VenueRun, error: Exception) -> None:
        run.state, run.error = "failed", error
        plan = run.recorder.plan
        if run.feed is not None:
            now_ns = self.clock.wall_ns()
            run.recorder.lost(now_ns, plan.symbols, GapCause.DISCONNECT, str(error))
            run.recorder.events(run.feed.books.lose(plan.symbols, GapCause.DISCONNECT, now_ns), detail=str(error))
        alarm("venue_failed", f"{plan.venue} is no longer captured: {error}", session=self.session_id)
        if all(other.state == "failed" for other in self.runs):
            self._failure = self._failure or error
            self.request_stop(f"every venue has failed, {plan.venue} last: {error}")

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
            status = await self._take_status()
            await self._write_status(status)
            self._watch_disk(status)
            if self._on_progress is not None:
                self._on_progress(status)
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


async def _as_coroutine(awaitable: Awaitable[Feed]) -> Feed:
    return await awaitable


def _check_books(venue: str, symbols: Sequence[str], feed: Feed) -> None:
    for symbol in symbols:
        if symbol not in feed.books.sequencers:
            known = ", ".join(feed.books.sequencers)
            raise ConfigError.of(f"venues[{venue}]", symbol, f"universal symbols; the venue's books are {known}")


async def _abandon(openings: Iterable[asyncio.Task[Feed]]) -> None:
    """Close feeds that will not be run."""
    for opening in openings:
        opening.cancel()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            feed = await opening
            close = getattr(feed, "close", None)
            if close is not None:
                await close()


def _warm_up() -> None:
    """Load now what the sealer needs later: importing pandera takes a second, during which samples would be late."""
    datasets: tuple[Any, ...] = (L2_SEGMENTS, L2_GAP_SEGMENTS)
    for dataset in datasets:
        dataset.validate(dataset.empty())
