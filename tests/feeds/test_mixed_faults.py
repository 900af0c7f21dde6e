"""Everything at once, from a seed: whatever is in sync is the true book, and in the end everything is in sync again."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from tests.feeds.harness import SYMBOLS, Running, check_truth, quick, running
from tests.support.sim import AsyncSim, Sim

VENUES = ("binance", "binanceusdm", "okx")
FAULTS: tuple[dict[str, object], ...] = (
    {"kind": "lost", "count": 2},
    {"kind": "doubled", "count": 3},
    {"kind": "reordered", "count": 1},
    {"kind": "garbled", "count": 2},
    {"kind": "delayed", "count": 2, "delay_s": 0.4},
    {"kind": "stall", "variant": "resume", "for_": 0.6},
    {"kind": "stall", "variant": "drop", "for_": 0.6},
    {"kind": "disconnect", "variant": "close"},
    {"kind": "disconnect", "variant": "abort"},
    {"kind": "half_open"},
    {"kind": "rest_error", "count": 2, "path": "/depth"},
    {"kind": "rest_garbled", "count": 1, "path": "/depth"},
    {"kind": "rest_stale", "count": 1, "path": "/depth", "age_s": 1.0},
    {"kind": "rest_delay", "count": 1, "path": "/depth", "delay_s": 0.5},
    {"kind": "rate_limit", "count": 1, "path": "/depth", "status": 429, "retry_after_s": 1},
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
async def test_random_faults_never_make_a_false_book_and_always_heal(sim: Sim, seed: int) -> None:
    rng = random.Random(seed)
    async with contextlib.AsyncExitStack() as stack:
        runs: list[Running] = []
        for venue in VENUES:  # rotating all the while, each symbol on a connection of its own
            options = quick(sim, venue, rotation_s=1.0, overlap_s=0.2, symbols_per_connection=1)
            runs.append(await stack.enter_async_context(running(venue, options)))
        for run in runs:
            await run.synced()
        for _ in range(20):
            venue = rng.choice(VENUES)
            await AsyncSim(sim).inject(**rng.choice(FAULTS), venue=venue, symbol=rng.choice(SYMBOLS[venue]))
            await asyncio.gather(*(run.lasting(0.25) for run in runs))
        sim.clear()
        for run in runs:
            await run.synced(within_s=30)
            assert run.feed.status().handling_errors == 0
    for run in runs:
        assert run.sink.stamps == sorted(run.sink.stamps)
        await check_truth(run, sim, at_least=20, most=40)
    assert any(run.sink.gaps for run in runs), "the seed did no harm: choose another"
