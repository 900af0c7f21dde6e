"""The best bid and ask of ten venues, out of books that are being updated."""

from __future__ import annotations

import random
import statistics
import time

from benchmarks.report import Measurement
from xetrade_core.books.best import LiveBest, LiveBook
from xetrade_core.books.sequencer import BookSequencer
from xetrade_core.clock import NS_PER_S

VENUES, LEVELS, UPDATES_BETWEEN, CALLS = 10, 1_000, 2, 20_000
SYMBOL = "BTC/USDT"


def run(quick: bool = False) -> list[Measurement]:
    """Cost of a call when every book has had two messages of 20 levels a side since the one before."""
    rng = random.Random(11)
    sequencers = [_book() for _ in range(VENUES)]
    live = LiveBest(SYMBOL, [LiveBook(f"venue-{n}", one) for n, one in enumerate(sequencers)], staleness_limit_s=30)
    costs: list[int] = []
    for _ in range(CALLS // (100 if quick else 10)):
        for one in sequencers:
            for _ in range(UPDATES_BETWEEN):
                one.book.apply(_changes(rng, -1), _changes(rng, 1))
        start = time.thread_time_ns()
        best = live.at(NS_PER_S)
        costs.append(time.thread_time_ns() - start)
        assert best.bid == max(one.bid for one in best.quotes if one.bid is not None)
    dicts = [
        ({50_000 - n * 0.1: 1.0 for n in range(1, LEVELS)}, {50_000 + n * 0.1: 1.0 for n in range(1, LEVELS)})
        for _ in range(VENUES)
    ]
    naive = []
    for _ in range(50):
        start = time.thread_time_ns()
        _scan(dicts)
        naive.append(time.thread_time_ns() - start)
    ours, theirs = statistics.fmean(costs) / 1e3, statistics.fmean(naive) / 1e3
    return [
        Measurement(
            f"best bid and ask of {VENUES} venues' live books, mean of a call",
            ours,
            "us",
            "under 50 us",
            ours < 50,
            theirs / ours,
            f"max and min over dicts of {LEVELS:,} levels: {theirs:,.0f} us",
            note=f"99th percentile {statistics.quantiles(costs, n=100)[98] / 1e3:,.0f} us.",
        )
    ]


def _scan(books: list[tuple[dict[float, float], dict[float, float]]]) -> tuple[float, float]:
    return max(max(bids) for bids, _ in books), min(min(asks) for _, asks in books)


def _book() -> BookSequencer:
    sequencer = BookSequencer(SYMBOL)
    sequencer.book.replace(
        [(50_000 - n * 0.1, 1.0) for n in range(1, LEVELS)], [(50_000 + n * 0.1, 1.0) for n in range(1, LEVELS)]
    )
    sequencer.synced, sequencer.received_ns = True, NS_PER_S
    return sequencer


def _changes(rng: random.Random, sign: int) -> list[tuple[float, float]]:
    """20 changes, mostly near the touch, a third of them removals."""
    away = (1 + min(int(rng.expovariate(0.02)), LEVELS) for _ in range(20))
    return [(50_000 + sign * steps * 0.1, rng.choice((0.0, 1.0, 2.0))) for steps in away]
