"""Every venue of the registry recorded at once: whole, true, and back in sync after a gap that is forced on each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.capture.lake_rows import gap_records, segment_rows
from tests.capture.ledger_check import latest
from tests.faults.test_sim import C, capturing, check_promise, check_replay, check_truth
from tests.feeds.harness import SCENARIO, SYMBOLS
from tests.support.hours import within_one_hour
from tests.support.sim import AsyncSim, Sim, sim_process

SECONDS = 12.0
SETTLING_S = 2.0


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as one:
        yield one


@pytest.mark.slow
async def test_all_venues_at_once_are_recorded_whole_and_a_gap_on_each_is_found_and_healed(
    tmp_path: Path, sim: Sim
) -> None:
    within_one_hour(40)  # a gap that crosses it is written for each of the two
    async with capturing(tmp_path, sim, SYMBOLS, raw=True) as one:
        await asyncio.sleep(SETTLING_S)
        begin_ns = one.session.clock.wall_ns()
        for venue, (spoiled, _) in SYMBOLS.items():
            await AsyncSim(sim).inject(kind="lost", venue=venue, symbol=spoiled)
        await asyncio.sleep(SETTLING_S)
        await one.all_synced()
        end_ns = one.session.clock.wall_ns()
        await asyncio.sleep(SECONDS - 2 * SETTLING_S)
    check_promise(one)
    felt = [gap for gap in latest(gap_records(one.store)) if begin_ns <= gap.from_ns <= end_ns]
    assert sorted((gap.exchange, gap.symbol, gap.cause) for gap in felt) == sorted(
        (venue, spoiled, C.SEQUENCE) for venue, (spoiled, _) in SYMBOLS.items()
    )
    lost = {row["venue"]: row for row in sim.injected("lost")}
    for gap in felt:
        assert gap.from_sequence == lost[gap.exchange]["previous_id"]
        assert gap.to_ns is not None, "healed"
    assert one.report is not None
    for row in one.report.status.symbols:
        assert row.captured == row.expected
        assert row.in_sync
    await check_truth(segment_rows(one.store), sim, most=400)
    check_replay(one, SYMBOLS, tmp_path)
