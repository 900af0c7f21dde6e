"""Reading the top 100 of a 5,000 x 5,000 book between updates."""

from __future__ import annotations

import random
import statistics
import time

from benchmarks.report import Measurement
from xetrade_core.books.book import L2Book

LEVELS, DEPTH, UPDATES_BETWEEN, SAMPLES = 5_000, 100, 10, 2_000


def run(quick: bool = False) -> list[Measurement]:
    """Mean cost of a sample when 10 messages of 40 levels come between two samples:

    A 100 ms stream sampled each second.
    """
    rng = random.Random(7)
    book = L2Book()
    book.replace(
        [(50_000 - i * 0.1, 1.0) for i in range(1, LEVELS + 1)], [(50_000 + i * 0.1, 1.0) for i in range(1, LEVELS + 1)]
    )
    costs, naive = [], []
    for _ in range(SAMPLES // (10 if quick else 1)):
        for _ in range(UPDATES_BETWEEN):
            book.apply(_levels(rng, -1), _levels(rng, 1))
        start = time.thread_time_ns()
        book.top(DEPTH)
        costs.append(time.thread_time_ns() - start)
    sizes = {50_000 - i * 0.1: 1.0 for i in range(LEVELS)}
    for _ in range(50):
        start = time.thread_time_ns()
        best = sorted(sizes.items(), reverse=True)[:DEPTH]
        best += sorted(sizes.items())[:DEPTH]
        naive.append(time.thread_time_ns() - start)
    ours, sorting = statistics.fmean(costs) / 1e3, statistics.fmean(naive) / 1e3
    return [
        Measurement(
            "top-100 sample of a 5,000 x 5,000 book, mean",
            ours,
            "us",
            "under 60 us",
            ours < 60,
            sorting / ours,
            f"sorting both sides: {sorting:,.0f} us",
        )
    ]


def _levels(rng: random.Random, sign: int) -> list[tuple[float, float]]:
    """20 changes, mostly near the touch, a third of them removals."""
    levels = []
    for _ in range(20):
        distance = 1 + min(int(rng.expovariate(0.02)), LEVELS - 1)
        levels.append((50_000 + sign * distance * 0.1, rng.choice((0.0, 1.0, 2.0))))
    return levels
