"""The wall clock steps back and forth under a whole session: no time is recorded twice, and every hole is named."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol
from tests.capture.ledger_check import check_ledger
from tests.capture.market import MarketFeed
from xetrade_core.capture.session import CaptureConfig, CaptureSession
from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.feeds.feed import Feed
from xetrade_core.lake.store import open_store
from xetrade_core.model.book_events import GapCause

SYMBOLS = ("BTC/USDT", "ETH/USDT")
T0 = 1_700_000_000 * NS_PER_S


class PacedClock(ManualClock):
    """Sleepers wait for the test to move time, so that it moves at one pace for all of them."""

    def __init__(self, wall_ns: int) -> None:
        super().__init__(wall_ns)
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.monotonic_ns() + round(seconds * NS_PER_S), future))
        await future

    async def pass_time(self, seconds: float) -> None:
        """Move on and let whoever is due run."""
        self.advance(seconds)
        due = [one for one in self._sleepers if one[0] <= self.monotonic_ns()]
        self._sleepers = [one for one in self._sleepers if one[0] > self.monotonic_ns()]
        for _, future in due:
            if not future.done():
                future.set_result(None)
        for _ in range(3):
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(4))
async def test_steps_of_the_wall_clock(tmp_path: Path, seed: int) -> None:
    clock, rng = PacedClock(T0), random.Random(seed)
    store = open_store(tmp_path / "lake")

    async def open_market(venue: str, symbols: tuple[str, ...]) -> Feed:
        return MarketFeed(symbols, clock, random.Random(seed), venue=venue, period_s=0.1)

    config = CaptureConfig(
        venues={"binance": SYMBOLS},
        spool_dir=tmp_path / "spool",
        depth=5,
        reserve_bytes=0,
        session_id="s1",
        segment_s=7,
    )
    session = CaptureSession(config, store, open_market, clock=clock, rng=random.Random(seed))
    running = asyncio.create_task(session.run())
    while session.state == "starting" or session.runs[0].state != "running":
        await asyncio.sleep(0.01)
    for _ in range(1500):
        await clock.pass_time(0.05)
        if rng.random() < 0.01:
            clock.step_wall(rng.uniform(-40, 40))
        if rng.random() < 0.005:
            clock.advance(rng.uniform(1, 20))  # a stall: nobody ran meanwhile
    session.request_stop()
    while not running.done():
        await clock.pass_time(0.05)
        await asyncio.sleep(0.005)
    report = await running
    records = gap_records(store)
    for symbol in SYMBOLS:
        rows = rows_by_symbol(store)["binance", symbol]
        check_ledger(symbol, rows, records, T0, max(rows) + NS_PER_S, NS_PER_S)
        assert sum(rows.values()) > 10
    causes = {gap.cause for gap in records}
    assert causes <= {GapCause.STARTUP, GapCause.CLOCK_STEP, GapCause.RECORDER_LATE}
    assert GapCause.CLOCK_STEP in causes
    assert report.left_in_spool == 0
