"""What a call pays for asking the rate budget: one of this process alone, and one that processes share.

    python -m benchmarks.budget

Prints microseconds an `acquire` at the median and at the 99th percentile, alone and while two other processes spend.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

from xetrade_core.clock import SystemClock
from xetrade_core.venues.budget import WeightBudget, open_budget
from xetrade_core.venues.venue import RateRule

_CALLS = 20_000
_UNLIMITED = RateRule(10**12, 60.0)


def open_one(directory: Path | None) -> WeightBudget:
    """A budget that is never spent, so that only its cost is measured."""
    return open_budget(_UNLIMITED, SystemClock(), directory=directory, scope=("benchmark",))


async def measure(budget: WeightBudget, calls: int = _CALLS) -> tuple[float, float]:
    """Median and 99th percentile of an acquire, in microseconds."""
    times = []
    for _ in range(calls):
        began = time.perf_counter_ns()
        await budget.acquire(1)
        times.append(time.perf_counter_ns() - began)
    times.sort()
    return times[calls // 2] / 1000, times[calls * 99 // 100] / 1000


def spend_until(stop: Event, directory: Path) -> None:
    """Spend from the shared budget as fast as a busy process does: a call each millisecond."""

    async def spend() -> None:
        budget = open_one(directory)
        while not stop.is_set():
            await budget.acquire(1)
            await asyncio.sleep(0.001)

    asyncio.run(spend())


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        rows = [
            ("own", *asyncio.run(measure(open_one(None)))),
            ("shared", *asyncio.run(measure(open_one(directory)))),
        ]
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        others = [context.Process(target=spend_until, args=(stop, directory)) for _ in range(2)]
        for process in others:
            process.start()
        time.sleep(2.0)
        rows.append(("shared, two others spending", *asyncio.run(measure(open_one(directory)))))
        stop.set()
        for process in others:
            process.join()
    for name, median_us, p99_us in rows:
        print(f"{name:30} {median_us:8.1f} us  p99 {p99_us:8.1f} us")


if __name__ == "__main__":
    main()
