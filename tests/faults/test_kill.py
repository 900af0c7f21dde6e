"""kill -9 at random moments: at most the last second is lost, nothing is doubled, and the ledger explains the hole."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol
from tests.capture.ledger_check import check_ledger
from tests.faults.capture_process import INTERVAL_S, capturing, kill, recovering, wait_for_session
from tests.support.hours import ClockNearTheHour, within_one_hour
from xetrade_core.capture.recovery import recover
from xetrade_core.capture.spool import sessions
from xetrade_core.clock import NS_PER_S, ManualClock, SystemClock
from xetrade_core.lake.compaction import compact_hour
from xetrade_core.lake.layout import hours_between
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.book_events import GapCause

INTERVAL_NS = round(INTERVAL_S * NS_PER_S)
SEEDS = range(int(os.environ.get("XETRADE_KILL_SEEDS", "10")))


def check_promise(store: ObjectStore, start_ns: int, end_ns: int) -> dict[tuple[str, str], dict[int, bool]]:
    """Rows (none doubled) and gaps of every book keep the ledger's promise; gives the rows."""
    rows = rows_by_symbol(store)
    records = gap_records(store)
    for (venue, symbol), mine in rows.items():
        gaps = [gap for gap in records if gap.exchange == venue]
        check_ledger(symbol, mine, gaps, start_ns, end_ns, INTERVAL_NS)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_killed_capture_loses_at_most_its_last_second(tmp_path: Path, seed: int) -> None:
    """Every other one is killed about a full hour, when the files of one are sealed and those of the next begun."""
    rng = random.Random(seed)
    spool, lake = tmp_path / "spool", tmp_path / "lake"
    clock = ClockNearTheHour(-1.5 if seed % 2 else 1200)
    with capturing(spool, lake, seed, clock=clock, session_id="s1") as process:
        wait_for_session(spool)
        opened_ns = next(sessions(spool)).plan().opened_ns
        time.sleep(rng.uniform(0.0, 2.5))
        killed_ns = kill(process, clock)
    store = open_store(lake)
    later = ManualClock(killed_ns + 3 * NS_PER_S)
    report = recover(spool, store, later)
    assert [one.session_id for one in report.recovered] == ["s1"]
    assert (report.left, [one.problem for one in report.recovered]) == (0, [None])
    rows = check_promise(store, opened_ns, later.wall_ns())
    if killed_ns - opened_ns > NS_PER_S + INTERVAL_NS:
        for book, mine in rows.items():
            assert killed_ns - max(mine) <= NS_PER_S, f"{book} lost {(killed_ns - max(mine)) / NS_PER_S:.2f} s"
    down = [gap for gap in gap_records(store) if gap.cause is GapCause.RECORDER_DOWN]
    assert {(gap.exchange, gap.symbol) for gap in down} >= set(rows)
    assert not list(sessions(spool)), "nothing is left in the spool"
    assert recover(spool, store, later).recovered == (), "and nothing to be done twice"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_recovery_that_is_killed_is_finished_by_the_next(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    spool, lake = tmp_path / "spool", tmp_path / "lake"
    with capturing(spool, lake, seed, session_id="s1", segment_s=60) as process:
        wait_for_session(spool)
        opened_ns = next(sessions(spool)).plan().opened_ns
        time.sleep(1.5)
        killed_ns = kill(process)
    for _ in range(3):
        with recovering(spool, lake) as recovery:
            time.sleep(rng.uniform(0.0, 0.12))
            kill(recovery)
    store = open_store(lake)
    recover(spool, store, SystemClock())
    rows = check_promise(store, opened_ns, killed_ns)
    assert all(killed_ns - max(mine) <= NS_PER_S for mine in rows.values())
    assert not list(sessions(spool))


@pytest.mark.slow
def test_recovery_beside_the_next_session_and_from_two_processes_at_once(tmp_path: Path) -> None:
    """The hour as a whole: two sessions, a hole between them, every second accounted for after compaction."""
    within_one_hour(40)
    spool, lake = tmp_path / "spool", tmp_path / "lake"
    store = open_store(lake)
    window = {"start_ns": time.time_ns(), "end_ns": time.time_ns() + 7 * NS_PER_S}
    with capturing(spool, lake, 1, session_id="first", **window) as first:
        wait_for_session(spool)
        time.sleep(1.2)
        kill(first)
    time.sleep(0.5)
    with capturing(spool, lake, 2, session_id="second", **window) as second:
        wait_for_session(spool, 2)
        with recovering(spool, lake), recovering(spool, lake):
            time.sleep(1.0)
            assert second.is_alive()
        second.join(15)
        assert second.exitcode == 0
    recover(spool, store, SystemClock())
    assert sum(len(rows) for rows in rows_by_symbol(store).values()) > 0
    for venue in ("binance", "okx"):
        for hour_ns in hours_between(window["start_ns"], window["end_ns"]):
            report = compact_hour(
                store,
                venue,
                hour_ns,
                interval_ns=INTERVAL_NS,
                window=(window["start_ns"], window["end_ns"]),
            )
            assert report.complete, [one.quality for one in report.symbols]
            assert report.duplicates == 0
            for one in report.symbols:
                assert one.quality.missing == one.quality.missing_explained > 0
                assert one.quality.captured > 0
