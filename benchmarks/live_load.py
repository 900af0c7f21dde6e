"""Capture of many symbols live from the simulated venue: lost seconds, sampling jitter, processor and memory.

The simulated venue is a process of its own; the capture runs in this file as a second one (`--worker`), so that what is
measured is the capture alone. Both share the machine's cores: on a busy machine the figures say so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.report import Measurement
from benchmarks.simulated import simulated

MESSAGES_PER_S = 20


def warm_up_s(symbols: int) -> int:
    """Until every book is in sync: the venue's request weight allows about two snapshots of 1,000 levels a second."""
    return 15 + symbols * 6 // 10


@dataclass(frozen=True, slots=True)
class Load:
    """What one run came to. `cpu` is cores used after the warm-up; `growth_mb` resident memory at the end less then."""

    symbols: int
    seconds: int
    expected: int
    captured: int
    synced: int
    jitter_p99_ms: float
    jitter_max_ms: float
    updates_per_s: float
    cpu: float
    rss_mb: float
    growth_mb: float


def measure(symbols: int, seconds: int) -> Load:
    """One capture of `symbols` books for `seconds` after the warm-up."""
    flush_ms = 1000 // MESSAGES_PER_S
    scenario = (
        f'seed = 3\ntick_ms = {flush_ms}\n[venues.binance]\nsymbols = {symbols}\nmode = "levels"\ndepth = 500\n'
        f"events_per_s = {3 * MESSAGES_PER_S}\nflush_ms = {flush_ms}\ntruth_changes = 64\nweight_limit = 0\n"
    )
    with simulated(scenario) as venues, tempfile.TemporaryDirectory() as folder:
        return _capture(venues["binance"], symbols, seconds, Path(folder))


def _capture(urls: dict[str, str], symbols: int, seconds: int, folder: Path) -> Load:
    start_ns = (time.time_ns() // 1_000_000_000 + warm_up_s(symbols)) * 1_000_000_000
    task = {"urls": urls, "symbols": symbols, "start_ns": start_ns, "end_ns": start_ns + seconds * 10**9}
    task |= {"folder": str(folder)}
    worker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.live_load", "--worker", json.dumps(task)], stdout=subprocess.PIPE, text=True
    )
    process = psutil.Process(worker.pid)
    marks: list[tuple[float, float, float]] = []

    def watch() -> None:
        while worker.poll() is None:
            if time.time_ns() >= start_ns:
                times = process.cpu_times()
                resident = process.memory_info().rss / 1e6
                if resident:  # none is left of a process that has just ended
                    marks.append((time.monotonic(), times.user + times.system, resident))
            time.sleep(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = worker.communicate()
    watcher.join()
    told = json.loads(output.splitlines()[-1])
    inside = [mark for mark in marks if mark[0] <= marks[0][0] + seconds]
    (first_s, first_cpu, _), (last_s, last_cpu, rss) = inside[0], inside[-1]
    settled = inside[len(inside) // 3]  # buffers and segments have been through one round by then
    cpu = (last_cpu - first_cpu) / (last_s - first_s)
    return Load(symbols=symbols, seconds=seconds, cpu=cpu, rss_mb=rss, growth_mb=rss - settled[2], **told)


def _worker(task: dict[str, object]) -> None:
    import asyncio
    import random

    from xetrade_core.capture.config import CaptureConfig
    from xetrade_core.capture.session import CaptureSession
    from xetrade_core.clock import SystemClock
    from xetrade_core.feeds.factory import open_feed
    from xetrade_core.feeds.feed import FeedOptions
    from xetrade_core.lake.store import open_store
    from xetrade_core.simvenue.instruments import default_symbols

    folder = Path(str(task["folder"]))
    urls = task["urls"]
    assert isinstance(urls, dict)
    symbols = default_symbols("binance", int(str(task["symbols"])))
    options = FeedOptions(rest_url=urls["rest"], ws_url=urls["ws"])
    clock, rng = SystemClock(), random.Random(1)
    end_ns = int(str(task["end_ns"]))
    config = CaptureConfig(
        venues={"binance": symbols},
        spool_dir=folder / "spool",
        start_ns=int(str(task["start_ns"])),
        end_ns=end_ns,
    )

    async def opener(venue: str, wanted: tuple[str, ...]) -> object:
        return await open_feed(venue, wanted, options, clock, rng)

    session = CaptureSession(config, open_store(str(folder / "lake")), opener)  # type: ignore[arg-type]
    report = asyncio.run(session.run())
    rows = report.symbols
    venue = report.status.venues[0]
    told = {
        "expected": sum(row.expected for row in rows),
        "captured": sum(row.captured for row in rows),
        "synced": sum(row.synced for row in rows),
        "jitter_p99_ms": venue.jitter_p99_ms,
        "jitter_max_ms": venue.jitter_max_ms,
        "updates_per_s": sum(row.updates for row in rows) * 1e9 / (end_ns - report.status.started_ns),
    }
    print(json.dumps(told))


def run(quick: bool = False) -> list[Measurement]:
    """The cost curve; 200 symbols is what we hold ourselves to."""
    rows = []
    for symbols, seconds in ((10, 20), (50, 20), (200, 30)) if quick else ((10, 60), (50, 60), (200, 600), (500, 60)):
        load = measure(symbols, seconds)
        held = symbols == 200
        what = f"{symbols} symbols at {MESSAGES_PER_S} messages/s, {seconds} s"
        good = load.synced == load.expected and load.jitter_p99_ms < 20 and load.cpu < 1 and load.growth_mb < 20
        note = (
            f"{load.captured:,} of {load.expected:,} seconds captured, {load.synced:,} in sync; "
            f"{load.updates_per_s:,.0f} messages/s; "
            f"jitter p99 {load.jitter_p99_ms:.1f} ms, max {load.jitter_max_ms:.1f} ms; "
            f"resident memory {load.rss_mb:.0f} MB, {load.growth_mb:+.1f} MB over the last two thirds"
        )
        target = "all seconds, p99 under 20 ms, under 1 core, flat memory" if held else ""
        rows.append(Measurement(what, load.cpu, "cores", target, good if held else None, note=note))
    return rows


if __name__ == "__main__":
    _worker(json.loads(sys.argv[2]))
