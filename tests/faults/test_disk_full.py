"""The disk fills up: a clear alarm, a clean stop, every row that was kept readable, and the rest in the ledger."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol
from tests.capture.ledger_check import check_ledger
from tests.capture.market import MarketFeed
from tests.faults.capture_process import INTERVAL_S, capturing_until_full
from xetrade_core.capture.recovery import recover
from xetrade_core.capture.sampler import grid_at_or_after
from xetrade_core.capture.session import CaptureConfig, CaptureSession
from xetrade_core.clock import NS_PER_MS, NS_PER_S, SystemClock
from xetrade_core.errors import LakeUnavailable, StorageFull
from xetrade_core.feeds.feed import Feed
from xetrade_core.lake import parquet
from xetrade_core.lake.local_store import LocalStore
from xetrade_core.lake.store import ObjectStore, Source, open_store
from xetrade_core.model.book_events import GapCause

INTERVAL_NS = round(INTERVAL_S * NS_PER_S)
SYMBOLS = tuple(f"C{number}/USDT" for number in range(40))


class DownStore(LocalStore):
    """A lake that takes nothing, so that the spool fills."""

    def create(self, key: str, source: Source) -> None:
        raise LakeUnavailable("the lake is down")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB; skips where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    try:
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small file system can only be mounted by root: see the RLIMIT_FSIZE test")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def check_files(spool: Path) -> None:
    """Whatever is waiting for the lake can be read."""
    for path in spool.rglob("*.parquet"):
        parquet.from_bytes(path.read_bytes(), str(path))


def check_recovered(store: ObjectStore, start_ns: int, end_ns: int, interval_ns: int) -> None:
    """Every grid time of every book is a synced row or in a gap."""
    rows, records = rows_by_symbol(store), gap_records(store)
    assert rows
    for (venue, symbol), mine in rows.items():
        check_ledger(symbol, mine, [gap for gap in records if gap.exchange == venue], start_ns, end_ns, interval_ns)


@pytest.mark.parametrize(
    ("reserve_bytes", "segment_s"),
    [(1 << 19, 3600.0), (0, 3600.0), (0, 0.5)],
    ids=["sealed into the reserve", "no room to seal", "full of segments"],
)
async def test_a_full_file_system_stops_the_session_with_everything_readable(
    small_disk: Path, tmp_path: Path, reserve_bytes: int, segment_s: float
) -> None:
    async def open_market(venue: str, symbols: tuple[str, ...]) -> Feed:
        return MarketFeed(symbols, SystemClock(), random.Random(2), venue=venue, period_s=0.05)

    spool = small_disk / "spool"
    config = CaptureConfig(
        venues={"binance": SYMBOLS},
        spool_dir=spool,
        interval_s=0.1,
        segment_s=segment_s,
        depth=100,
        reserve_bytes=reserve_bytes,
        upload_grace_s=0.1,
        end_ns=SystemClock().wall_ns() + 3600 * NS_PER_S,
    )
    session = CaptureSession(config, DownStore(tmp_path / "down"), open_market, rng=random.Random(3))
    with pytest.raises(StorageFull, match=r"is full .* free space, then run recover"):
        await asyncio.wait_for(session.run(), 60)
    over_ns = SystemClock().wall_ns()
    report = session.report
    assert report is not None
    assert report.status.state == "failed"
    assert any("disk_full" in alarm for alarm in report.status.alarms)
    assert any("disk_low" in alarm for alarm in report.status.alarms)
    check_files(spool)
    assert reserve_bytes == 0 or not list(spool.rglob("*-*.wal")), "the reserve is there to seal into"
    assert session.plan is not None
    lake = open_store(tmp_path / "lake")
    roomier = await asyncio.create_subprocess_exec("mount", "-o", "remount,size=8m", str(small_disk))
    assert await roomier.wait() == 0, "somebody makes room"
    assert recover(spool, lake, SystemClock()).left == 0
    check_recovered(lake, session.plan.start_ns, over_ns, 100 * NS_PER_MS)
    missing = [gap for gap in gap_records(lake) if gap.cause in (GapCause.STOPPED, GapCause.RECORDER_DOWN)]
    assert {gap.symbol for gap in missing} == set(SYMBOLS), "the rest of the window is accounted for"


def test_a_log_that_cannot_grow_stops_the_session_and_seals_what_it_holds(tmp_path: Path) -> None:
    spool, lake, outcome = tmp_path / "spool", tmp_path / "lake", tmp_path / "outcome"
    with capturing_until_full(spool, lake, 100_000, outcome) as process:
        process.join(60)
        assert process.exitcode == 0
    message, state, captured = outcome.read_text().splitlines()
    assert "is full (File too large)" in message
    assert state == "failed"
    check_files(spool)
    store = open_store(lake)
    recover(spool, store, SystemClock())
    rows = rows_by_symbol(store)
    start_ns = min(gap.from_ns for gap in gap_records(store))
    assert all(len(mine) > 5 for mine in rows.values())
    over_ns = grid_at_or_after(start_ns, INTERVAL_NS) + int(captured) * INTERVAL_NS
    assert over_ns > max(max(mine) for mine in rows.values()) + INTERVAL_NS, "some rows did not fit"
    check_recovered(store, start_ns, over_ns, INTERVAL_NS)
