"""A capture in a process of its own, to be killed: forked from a clean server that has everything imported."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from tests.capture.market import MarketFeed
from xetrade_core.capture.recovery import recover
from xetrade_core.capture.run import report_of, run_capture
from xetrade_core.capture.session import CaptureConfig, _warm_up
from xetrade_core.capture.spool import sessions
from xetrade_core.clock import Clock, SystemClock
from xetrade_core.errors import StorageFull
from xetrade_core.feeds.feed import Feed
from xetrade_core.lake.store import open_store

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
INTERVAL_S = 0.05

_warm_up()  # in the server, once for all children

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.faults.capture_process"])


def config(spool: Path, **changes: Any) -> CaptureConfig:
    """A busy session: rows every 50 ms, segments every 0.4 s, losses now and then."""
    values = {
        "venues": {"binance": SYMBOLS, "okx": SYMBOLS[:1]},
        "spool_dir": spool,
        "interval_s": INTERVAL_S,
        "segment_s": 0.4,
        "depth": 10,
        "reserve_bytes": 1 << 16,
        "disk_alarm_bytes": 0,
    }
    return CaptureConfig(**{**values, **changes})


def _capture(spool: Path, lake: Path, seed: int, changes: dict[str, Any], clock: Clock) -> None:
    rng = random.Random(seed)

    async def open_feed(venue: str, symbols: tuple[str, ...]) -> Feed:
        feed = MarketFeed(symbols, clock, rng, venue=venue)
        original = feed._play

        def play(sink: Any, symbol: str) -> None:
            if rng.random() < 0.01:
                feed.lose_next = 1
            original(sink, symbol)

        feed._play = play  # type: ignore[method-assign]
        return feed

    run_capture(config(spool, **changes), open_store(lake), open_feed, clock=clock)


def _capture_until_full(spool: Path, lake: Path, most_bytes: int, outcome: Path) -> None:
    """No file may grow past `most_bytes` (RLIMIT_FSIZE); what the capture says of it goes to `outcome`."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        _capture(spool, lake, 1, {"session_id": "s1", "segment_s": 3600, "reserve_bytes": 0}, SystemClock())
    except StorageFull as error:
        report = report_of(error)
        assert report is not None
        outcome.write_text(f"{error}\n{report.status.state}\n{report.symbols[0].captured}")


def _recover(spool: Path, lake: Path) -> None:
    while True:  # again and again, so that a kill finds it somewhere in the middle
        recover(spool, open_store(lake), SystemClock())


@contextlib.contextmanager
def running(target: Callable[..., None], *args: Any) -> Iterator[ForkServerProcess]:
    """A child process; killed at the end of the block if it still lives."""
    process = _context.Process(target=target, args=args, daemon=True)
    process.start()
    try:
        yield process
    finally:
        kill(process)


def capturing(
    spool: Path, lake: Path, seed: int, *, clock: Clock | None = None, **changes: Any
) -> contextlib.AbstractContextManager[ForkServerProcess]:
    """A capture of generated markets."""
    return running(_capture, spool, lake, seed, changes, clock or SystemClock())


def capturing_until_full(
    spool: Path, lake: Path, most_bytes: int, outcome: Path
) -> contextlib.AbstractContextManager[ForkServerProcess]:
    """A capture whose log cannot grow past a size."""
    return running(_capture_until_full, spool, lake, most_bytes, outcome)


def recovering(spool: Path, lake: Path) -> contextlib.AbstractContextManager[ForkServerProcess]:
    """A recovery of the spool."""
    return running(_recover, spool, lake)


def kill(process: ForkServerProcess, clock: Clock | None = None) -> int:
    """kill -9, and when it was done (wall ns)."""
    killed_ns = (clock or SystemClock()).wall_ns()
    if process.is_alive() and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    return killed_ns


def wait_for_session(spool: Path, count: int = 1) -> None:
    """Until that many sessions have begun."""
    deadline = time.monotonic() + 30
    while sum(1 for _ in sessions(spool)) < count:
        assert time.monotonic() < deadline, "the capture process did not begin"
        time.sleep(0.005)
