"""The wall clock steps back and forth under a whole session: no time is recorded twice, and every hole is named."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol
from tests.capture.ledger_check import check_ledger
from tests.capture.market import MarketFeed
from xetrade_core.capture.clock_watch import WAIT_NS
from xetrade_core.capture.sampler import late_bound_ns
from xetrade_core.capture.session import CaptureConfig, CaptureReport, CaptureSession
from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import ClockStepped
from xetrade_core.feeds.feed import Feed
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.book_events import GapCause

SYMBOLS = ("BTC/USDT", "ETH/USDT")
T0 = 1_700_000_000 * NS_PER_S
WAITED_NS = late_bound_ns(NS_PER_S) + WAIT_NS
"""How far the clock may fall behind the grid before a session ends."""


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


class Rig:
    """A session of one venue under a clock that the test moves."""

    def __init__(self, tmp_path: Path, seed: int = 0) -> None:
        self.clock = PacedClock(T0)
        self.store: ObjectStore = open_store(tmp_path / "lake")
        self._seed = seed
        config = CaptureConfig(
            venues={"binance": SYMBOLS},
            spool_dir=tmp_path / "spool",
            depth=5,
            reserve_bytes=0,
            session_id="s1",
            segment_s=7,
        )
        rng = random.Random(seed)
        self.session = CaptureSession(config, self.store, self._open_market, clock=self.clock, rng=rng)

    async def _open_market(self, venue: str, symbols: tuple[str, ...]) -> Feed:
        return MarketFeed(symbols, self.clock, random.Random(self._seed), venue=venue, period_s=0.1)

    async def start(self) -> asyncio.Task[CaptureReport]:
        running = asyncio.create_task(self.session.run())
        while self.session.state == "starting" or self.session.runs[0].state != "running":
            await asyncio.sleep(0.01)
        return running

    async def live(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            await self.clock.pass_time(0.05)

    async def end(self, running: asyncio.Task[CaptureReport]) -> None:
        """Let it wind up; a session that does not end fails the test."""
        async with asyncio.timeout(10):
            while not running.done():
                await self.clock.pass_time(0.05)
                await asyncio.sleep(0.005)

    def check(self) -> None:
        """The ledger's promise, and the books were in sync at all."""
        for symbol in SYMBOLS:
            rows = rows_by_symbol(self.store)["binance", symbol]
            check_ledger(symbol, rows, gap_records(self.store), T0, max(rows) + NS_PER_S, NS_PER_S)
            assert sum(rows.values()) > 3


@pytest.mark.parametrize("seed", range(4))
async def test_steps_of_the_wall_clock(tmp_path: Path, seed: int) -> None:
    rig, rng = Rig(tmp_path, seed), random.Random(seed)
    running = await rig.start()
    furthest_ns = T0
    for _ in range(1500):
        await rig.live(0.05)
        furthest_ns = max(furthest_ns, rig.clock.wall_ns())
        if rng.random() < 0.01:
            most_back_s = (rig.clock.wall_ns() - furthest_ns + WAITED_NS) / NS_PER_S
            rig.clock.step_wall(max(rng.uniform(-40, 40), -most_back_s))
        if rng.random() < 0.005:
            rig.clock.advance(rng.uniform(1, 20))  # a stall: nobody ran meanwhile
    rig.session.request_stop()
    await rig.end(running)
    report = await running
    rig.check()
    causes = {gap.cause for gap in gap_records(rig.store)}
    assert causes <= {GapCause.STARTUP, GapCause.CLOCK_STEP, GapCause.RECORDER_LATE}
    assert GapCause.CLOCK_STEP in causes
    assert report.left_in_spool == 0


async def test_a_small_step_back_is_waited_out_and_a_larger_one_raises_one_alarm(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    running = await rig.start()
    await rig.live(10)
    rig.clock.step_wall(-1.5)
    await rig.live(10)
    assert list(rig.session.alarms) == []
    for _ in range(2):  # each step has its own alarm
        rig.clock.step_wall(-5)
        await rig.live(10)
    assert [alarm.split(" by ")[0] for alarm in rig.session.alarms] == ["clock_step: the wall clock stepped back"] * 2
    rig.session.request_stop()
    await rig.end(running)
    assert (await running).reason == "stopped on request"
    rig.check()
    assert {gap.cause for gap in gap_records(rig.store)} == {GapCause.STARTUP}


@pytest.mark.parametrize("glitch", [False, True], ids=["an hour back", "an hour forward, then corrected"])
async def test_an_hour_back_ends_the_session_at_once(tmp_path: Path, glitch: bool) -> None:
    rig = Rig(tmp_path)
    running = await rig.start()
    await rig.live(10)
    if glitch:
        rig.clock.step_wall(3600)
        await rig.live(10)
        assert not rig.session.alarms
    before_ns = rig.clock.wall_ns()
    rig.clock.step_wall(-3600)
    await rig.live(1)
    assert rig.session.state != "running", "a session that records nothing looks alive"
    await rig.end(running)
    with pytest.raises(ClockStepped, match=r"the wall clock stepped back by 3,\d+\.\d s: start a new session"):
        await running
    report = rig.session.report
    assert report is not None
    assert report.reason.startswith("the wall clock stepped back by 3,")
    assert (report.status.state, report.left_in_spool) == ("failed", 0)
    assert [alarm for alarm in rig.session.alarms if alarm.startswith("clock_step: ")] == list(rig.session.alarms)
    assert len(report.status.alarms) == 1
    rig.check()
    rows = rows_by_symbol(rig.store)["binance", SYMBOLS[0]]
    assert before_ns - NS_PER_S < max(rows) <= before_ns
    causes = {gap.cause for gap in gap_records(rig.store)}
    assert causes == ({GapCause.STARTUP, GapCause.CLOCK_STEP} if glitch else {GapCause.STARTUP})
