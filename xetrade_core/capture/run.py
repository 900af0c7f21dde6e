"""Running a session from ordinary code: a command, a Dagster asset, a script.

The session's event loop runs in a thread of its own while the calling thread waits. So whatever interrupts the caller
(KeyboardInterrupt, Dagster's DagsterExecutionInterruptedError, a deadline) reaches the caller, never the middle of a
write; the session is then stopped, sealed and uploaded, and the exception goes on its way with the report on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from types import FrameType

from xetrade_core.capture.config import CaptureConfig
from xetrade_core.capture.session import CaptureSession, FeedOpener
from xetrade_core.capture.status import CaptureReport, CaptureStatus
from xetrade_core.clock import Clock
from xetrade_core.lake.store import ObjectStore
from xetrade_core.telemetry import get_logger

_log = get_logger("capture.run")
_POLL_S = 0.1
_REPORT = "capture_report"


def run_capture(
    config: CaptureConfig,
    store: ObjectStore,
    open_feed: FeedOpener,
    *,
    clock: Clock | None = None,
    rng: random.Random | None = None,
    on_progress: Callable[[CaptureStatus], None] | None = None,
    stop_on: Sequence[signal.Signals] = (),
) -> CaptureReport:
    """Run a session to its end and report; raises as `CaptureSession.run`.

    `on_progress` gets each new status (about one a second) in the calling thread; what it raises stops the session
    like any interrupt. `stop_on`: signals that end the session gracefully, and this call returns its report; only in
    the main thread. A second one, or a second interrupt, gives up waiting for uploads. `report_of(error)` finds the
    report on whatever was raised.
    """
    session = CaptureSession(config, store, open_feed, clock=clock, rng=rng)
    outcome: Future[CaptureReport] = Future()
    thread = threading.Thread(target=_run_loop, args=(session, outcome), name="capture")
    with _stopping_on(stop_on, session):
        thread.start()
        try:
            _watch(session, outcome, on_progress)
        except BaseException as interrupt:
            session.request_stop(f"interrupted ({type(interrupt).__name__})")
            _wait_out(session, outcome)
            _attach(interrupt, session.report)
            raise
    thread.join()
    error = outcome.exception()
    if error is not None:
        _attach(error, session.report)
        raise error
    return outcome.result()


def report_of(error: BaseException) -> CaptureReport | None:
    """The report of the session that `error` interrupted or ended; None if it never began."""
    report = getattr(error, _REPORT, None)
    return report if isinstance(report, CaptureReport) else None


def _run_loop(session: CaptureSession, outcome: Future[CaptureReport]) -> None:
    try:
        outcome.set_result(asyncio.run(session.run()))
    except BaseException as error:
        outcome.set_exception(error)


def _watch(
    session: CaptureSession, outcome: Future[CaptureReport], on_progress: Callable[[CaptureStatus], None] | None
) -> None:
    seen_ns = 0
    while not wait([outcome], _POLL_S).done:
        status = session.status()
        if on_progress is not None and status is not None and status.heartbeat_ns != seen_ns:
            seen_ns = status.heartbeat_ns
            on_progress(status)


def _wait_out(session: CaptureSession, outcome: Future[CaptureReport]) -> None:
    """Wait for the end; each further interrupt says not to wait for uploads. What is sealed is safe in any case."""
    while not outcome.done():
        try:
            wait([outcome])
        except BaseException as again:
            _log.warning("interrupted again: uploads are left to recover", error=type(again).__name__)
            session.request_stop(hurry=True)


def _attach(error: BaseException, report: CaptureReport | None) -> None:
    with contextlib.suppress(AttributeError):
        setattr(error, _REPORT, report)


@contextlib.contextmanager
def _stopping_on(signals: Sequence[signal.Signals], session: CaptureSession) -> Iterator[None]:
    asked = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        session.request_stop(f"stopped by {signal.Signals(number).name}", hurry=asked)
        asked = True

    before = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
