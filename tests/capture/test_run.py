"""Running a session from synchronous code: interrupts of any kind stop, seal, upload, and go on their way."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.capture.lake_rows import rows_by_symbol
from tests.capture.market import MarketFeed
from xetrade_core.capture.run import report_of, run_capture
from xetrade_core.capture.session import CaptureConfig, CaptureReport, CaptureStatus
from xetrade_core.clock import SystemClock
from xetrade_core.errors import UnknownSymbol
from xetrade_core.feeds.feed import Feed
from xetrade_core.lake.store import ObjectStore, open_store


class Interrupted(BaseException):
    """As Dagster's DagsterExecutionInterruptedError: not an Exception."""


async def open_market(venue: str, symbols: tuple[str, ...]) -> Feed:
    return MarketFeed(symbols, SystemClock(), random.Random(2), venue=venue)


def capture(
    tmp_path: Path, on_progress: Callable[[CaptureStatus], None] | None = None, **changes: object
) -> CaptureReport:
    config = CaptureConfig(
        venues={"binance": ("BTC/USDT",)}, spool_dir=tmp_path / "spool", interval_s=0.1, depth=10, reserve_bytes=0
    )
    return run_capture(config, store(tmp_path), open_market, on_progress=on_progress, **changes)  # type: ignore[arg-type]


def store(tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path / "lake")


def rows(tmp_path: Path) -> int:
    return len(rows_by_symbol(store(tmp_path))["binance", "BTC/USDT"])


def test_an_exception_raised_in_the_waiting_thread_seals_uploads_and_goes_on_with_the_report(tmp_path: Path) -> None:
    def interrupt(status: CaptureStatus) -> None:
        if status.symbols[0].captured >= 3:
            raise Interrupted("terminated")

    with pytest.raises(Interrupted, match="terminated") as caught:
        capture(tmp_path, interrupt)
    report = report_of(caught.value)
    assert report is not None
    assert report.symbols[0].captured == rows(tmp_path) >= 3
    assert (report.left_in_spool, report.reason) == (0, "interrupted (Interrupted)")


def test_an_interrupt_from_outside_at_any_moment_does_the_same(tmp_path: Path) -> None:
    """SIGINT reaches the main thread as KeyboardInterrupt wherever it waits."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt) as caught:
            capture(tmp_path)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    report = report_of(caught.value)
    assert report is not None
    assert report.symbols[0].captured == rows(tmp_path) > 0


def test_a_signal_that_was_named_ends_the_session_gracefully(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    timer = threading.Timer(2.0, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    report = capture(tmp_path, stop_on=(signal.SIGTERM,))
    timer.cancel()
    assert report.reason == "stopped by SIGTERM"
    assert report.symbols[0].captured == rows(tmp_path) > 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_progress_is_told_in_the_calling_thread_about_once_a_second(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def note(status: CaptureStatus) -> None:
        told.append((threading.get_ident(), status.heartbeat_ns))
        if len(told) == 3:
            raise Interrupted

    began = time.monotonic()
    with pytest.raises(Interrupted):
        capture(tmp_path, note)
    assert {thread for thread, _ in told} == {threading.get_ident()}
    assert len({heartbeat for _, heartbeat in told}) == 3
    assert time.monotonic() - began < 10


def test_what_the_session_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    async def refuse(venue: str, symbols: tuple[str, ...]) -> Feed:
        raise UnknownSymbol(symbols[0], venue)

    config = CaptureConfig(venues={"binance": ("NO/SUCH",)}, spool_dir=tmp_path / "spool")
    with pytest.raises(UnknownSymbol) as caught:
        run_capture(config, store(tmp_path), refuse)
    assert report_of(caught.value) is None
