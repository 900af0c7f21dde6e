"""One capture session inside a Dagster run: it works in a thread of its own, so that a stop request reaches it whole.

Dagster stops a run by raising in the main thread, wherever that is. Were the session's event loop there, the exception
could land in the middle of a write. So the main thread only waits and reports, and a stop becomes `request_stop`, after
which the session seals and uploads what it has. Nothing about books or files belongs here.
https://docs.dagster.io/deployment/execution/run-monitoring
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from xetrade_core.capture.session import CaptureReport, CaptureSession, CaptureStatus


class CaptureRun:
    """Runs one session to its end, or to the moment the run is told to stop."""

    def __init__(self, session: CaptureSession) -> None:
        self._session = session
        self._report: CaptureReport | None = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="xetrade-capture")

    def watch(self, on_progress: Callable[[CaptureStatus], None], every_s: float) -> BaseException | None:
        """Start, call `on_progress` about every `every_s` seconds, and return when the session has ended and uploaded.

        Returns what interrupted the wait (the run was told to stop, or `on_progress` failed), for the caller to raise
        again when it has recorded the report; None where the session ended by itself.
        """
        self._thread.start()
        try:
            while not self._done.wait(every_s):
                on_progress(self._session.status())
        except BaseException as interruption:
            self._session.request_stop()
            self._done.wait()
            return interruption
        return None

    def report(self) -> CaptureReport:
        """What the ended session did. Raises what the session raised."""
        if self._error is not None:
            raise self._error
        if self._report is None:
            raise RuntimeError("the session has not ended: call watch() first")
        return self._report

    def _work(self) -> None:
        try:
            self._report = asyncio.run(self._session.run())
        except BaseException as error:  # handed to the main thread, which raises it
            self._error = error
        finally:
            self._done.set()
