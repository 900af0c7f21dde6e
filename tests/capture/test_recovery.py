"""Recovery, step by step; tests/faults kills real processes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol
from tests.capture.ledger_check import check_ledger
from tests.capture.test_session import SYMBOLS, TENTH, Rig
from xetrade_core.capture.presence import live_venues, orphans
from xetrade_core.capture.recovery import KEEP_FINISHED_S, recover
from xetrade_core.capture.spool import SessionDir, SessionLock, SessionPlan
from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.lake import parquet
from xetrade_core.lake.interval import segment_interval_ns
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.book_events import GapCause


async def crash(rig: Rig, tmp_path: Path, seconds: float = 1.0, **changes: object) -> tuple[Path, int]:
    """A spool as a session killed in the middle leaves it (a copy taken while it ran), and the time of the kill."""
    session = rig.session(**changes)
    running = await rig.start(session)
    await asyncio.sleep(seconds)
    dead = tmp_path / "dead"
    shutil.copytree(rig.spool, dead, copy_function=copy_if_there)
    killed_ns = rig.clock.wall_ns()
    session.request_stop()
    await running
    return dead, killed_ns


def copy_if_there(source: str, target: str) -> None:
    """A file that is written beside another and takes its place may be gone by now."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def killed_at_zero(
    countdown: Iterator[int], call: Callable[..., object], *arguments: object, **options: object
) -> object:
    """A file operation during which the process may die."""
    if next(countdown) == 0:
        raise KeyboardInterrupt
    return call(*arguments, **options)


def recover_into(tmp_path: Path, spool: Path, now_ns: int, name: str = "recovered") -> ObjectStore:
    lake = open_store(tmp_path / name)
    report = recover(spool, lake, ManualClock(now_ns))
    assert (report.left, [one.problem for one in report.recovered]) == (0, [None])
    return lake


def check(lake: ObjectStore, start_ns: int, end_ns: int) -> None:
    for symbol in SYMBOLS:
        check_ledger(symbol, rows_by_symbol(lake)["binance", symbol], gap_records(lake), start_ns, end_ns, TENTH)


async def test_the_log_becomes_segments_and_what_follows_is_recorder_down_until_now(tmp_path: Path) -> None:
    dead, killed_ns = await crash(Rig(tmp_path), tmp_path)
    start_ns = SessionDir(dead / "s1").plan().start_ns
    now_ns = killed_ns + 5 * NS_PER_S
    lake = recover_into(tmp_path, dead, now_ns)
    check(lake, start_ns, now_ns)
    segments = [info.key for prefix in ("l2_segments/", "l2_gap_segments/") for info in lake.list(prefix)]
    assert {segment_interval_ns(parquet.from_bytes(lake.read(key), key).schema) for key in segments} == {TENTH}
    (gap,) = [one for one in gap_records(lake) if one.cause is GapCause.RECORDER_DOWN and one.symbol == "BTC/USDT"]
    assert killed_ns - gap.from_ns <= NS_PER_S
    assert gap.to_ns == now_ns
    assert not (dead / "s1").exists()


async def test_recorder_down_ends_with_the_window(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    end_ns = rig.clock.wall_ns() + 30 * NS_PER_S
    dead, killed_ns = await crash(rig, tmp_path, end_ns=end_ns)
    lake = recover_into(tmp_path, dead, killed_ns + 3600 * NS_PER_S)
    assert max(gap.to_ns or 0 for gap in gap_records(lake)) == end_ns


async def test_recorder_down_ends_where_the_next_session_took_over(tmp_path: Path) -> None:
    dead, killed_ns = await crash(Rig(tmp_path), tmp_path)
    plan = SessionDir(dead / "s1").plan()
    successor = SessionPlan(
        "s2", {"binance": SYMBOLS[:1]}, plan.interval_ns, 10, killed_ns + NS_PER_S, None, killed_ns + 2 * NS_PER_S
    )
    (dead / "s2").mkdir()
    (dead / "s2" / "config.json").write_bytes(msgspec.json.encode(successor))
    lake = recover_into(tmp_path, dead, killed_ns + 60 * NS_PER_S)
    ends = {gap.symbol: gap.to_ns for gap in gap_records(lake) if gap.cause is GapCause.RECORDER_DOWN}
    took_over_ns = -(-(killed_ns + 2 * NS_PER_S) // TENTH) * TENTH
    assert ends == {SYMBOLS[0]: took_over_ns, SYMBOLS[1]: killed_ns + 60 * NS_PER_S}


async def test_a_garbled_end_of_the_log_costs_only_its_last_batch(tmp_path: Path) -> None:
    dead, killed_ns = await crash(Rig(tmp_path), tmp_path)
    ((log, _, _),) = SessionDir(dead / "s1").logs()
    whole = recover_into(tmp_path, shutil.copytree(dead, tmp_path / "copy"), killed_ns, "whole")
    content = bytearray(log.read_bytes())
    content[-1500] ^= 0xFF
    log.write_bytes(content)
    gaps = SessionDir(dead / "s1").gap_log
    gaps.write_bytes(gaps.read_bytes() + b'{"venue":"binance","revi')
    lake = recover_into(tmp_path, dead, killed_ns)
    counts = [len(rows_by_symbol(one)["binance", "BTC/USDT"]) for one in (whole, lake)]
    assert 1 <= counts[0] - counts[1] <= 2
    check(lake, min(gap.from_ns for gap in gap_records(lake)), killed_ns)


async def test_it_can_be_repeated_after_a_crash_at_any_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file operation in turn fails once; the second run ends as if the first had not been."""
    dead, killed_ns = await crash(Rig(tmp_path), tmp_path, 0.6)
    start_ns = SessionDir(dead / "s1").plan().start_ns
    restarted_ns = killed_ns + NS_PER_S
    expected = recover_into(tmp_path, shutil.copytree(dead, tmp_path / "copy"), restarted_ns)
    wanted = rows_by_symbol(expected)
    assert gap_records(expected)
    real = {name: getattr(os, name) for name in ("replace", "unlink", "fsync")}
    for step in range(60):
        spool = shutil.copytree(dead, tmp_path / f"spool{step}")
        lake = open_store(tmp_path / f"lake{step}")
        countdown = itertools.count(step, -1)
        with monkeypatch.context() as patch:
            for name, call in real.items():
                patch.setattr(os, name, partial(killed_at_zero, countdown, call))
            try:
                recover(spool, lake, ManualClock(restarted_ns))
            except KeyboardInterrupt:
                interrupted = True
            else:
                interrupted = False
        recover(spool, lake, ManualClock(restarted_ns))
        assert rows_by_symbol(lake) == wanted
        check(lake, start_ns, restarted_ns)
        if not interrupted:
            assert step > 10
            return
    raise AssertionError("recovery takes more steps than were tried")


async def test_a_living_session_is_left_alone(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    running = await rig.start(rig.session())
    report = recover(rig.spool, rig.store, rig.clock)
    assert (report.live, report.recovered) == (("s1",), ())
    now_ns = rig.clock.wall_ns()
    assert live_venues(rig.spool, now_ns, {"binance": SYMBOLS, "okx": SYMBOLS}) == {"binance"}
    assert live_venues(rig.spool, now_ns, {"binance": SYMBOLS[:1]}) == {"binance"}
    assert live_venues(rig.spool, now_ns, {"binance": ("BTC-USDT",), "okx": ("BTC-USDT",)}) == {"binance"}
    more = {"binance": (*SYMBOLS, "SOL/USDT")}
    assert live_venues(rig.spool, now_ns, more) == set(), "a session of other symbols hides no dead recording"
    assert orphans(rig.spool) == []
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_session_that_ended_well_keeps_its_status_for_a_day(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.run_for(rig.session(), 0.4)
    now_ns = time.time_ns()  # as the age of a file is told by the machine
    assert orphans(rig.spool) == []
    assert recover(rig.spool, rig.store, ManualClock(now_ns)).cleared == ()
    assert SessionDir(rig.spool / "s1").status_file.exists()
    day_later = ManualClock(now_ns + (KEEP_FINISHED_S + 60) * NS_PER_S)
    assert recover(rig.spool, rig.store, day_later).cleared == ("s1",)
    assert not (rig.spool / "s1").exists()


async def test_a_recording_of_raw_frames_is_saved_too(tmp_path: Path) -> None:
    dead, killed_ns = await crash(Rig(tmp_path), tmp_path, 1.5, raw=True)
    lake = recover_into(tmp_path, dead, killed_ns)
    (key,) = [info.key for info in lake.list("raw_frames/")]
    assert key.endswith("-s1.zst")


def test_an_empty_or_absent_spool_is_nothing_to_do(tmp_path: Path) -> None:
    report = recover(tmp_path / "absent", open_store(tmp_path / "lake"), ManualClock(0))
    assert (report.recovered, report.live, report.cleared) == ((), (), ())


def test_a_lock_is_held_once_and_free_after_release(tmp_path: Path) -> None:
    first, second = SessionLock(tmp_path), SessionLock(tmp_path)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert second.acquire()
    second.release()


def test_raw_frames_that_a_session_could_not_hand_over_are_recovered(tmp_path: Path) -> None:
    session = SessionDir(tmp_path / "spool" / "s1")
    session.raw.mkdir(parents=True)
    plan = SessionPlan("s1", {"binance": SYMBOLS}, TENTH, 10, 0, None, 0)
    session.plan_file.write_bytes(msgspec.json.encode(plan))
    (session.raw / "binance-1700000000000000000.zst").write_bytes(b"frames")
    assert [one.session_id for one in orphans(tmp_path / "spool")] == ["s1"]
    lake = recover_into(tmp_path, tmp_path / "spool", 1_700_000_001 * NS_PER_S)
    assert [lake.read(info.key) for info in lake.list("raw_frames/")] == [b"frames"]
    assert not session.path.exists()
