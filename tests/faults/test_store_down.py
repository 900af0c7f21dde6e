"""The lake's store fails in every way while a capture runs: nothing is lost and no sample waits for it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol
from tests.capture.ledger_check import check_ledger
from tests.capture.market import MarketFeed
from tests.support.proxy import FaultProxy, Mode
from tests.support.s3 import S3Server
from xetrade_core.capture.recovery import recover
from xetrade_core.capture.session import CaptureConfig, CaptureReport, CaptureSession
from xetrade_core.clock import NS_PER_MS, SystemClock
from xetrade_core.feeds.feed import Feed
from xetrade_core.lake.store import ObjectStore, open_store

SYMBOLS = ("BTC/USDT", "ETH/USDT")
TENTH = 100 * NS_PER_MS
FAULTS = [
    (Mode.REFUSE, {}),
    (Mode.ERROR_500, {}),
    (Mode.SLOW_DOWN, {}),
    (Mode.LATENCY, {"delay_s": 0.7}),
    (Mode.RESET_REQUEST, {"methods": ("PUT",)}),
    (Mode.LOSE_RESPONSE, {"methods": ("PUT",)}),
    (Mode.BLACKHOLE, {}),
]


async def open_market(venue: str, symbols: tuple[str, ...]) -> Feed:
    return MarketFeed(symbols, SystemClock(), random.Random(2), venue=venue)


def session(spool: Path, store: ObjectStore, **changes: object) -> CaptureSession:
    values: dict[str, object] = {
        "venues": {"binance": SYMBOLS},
        "spool_dir": spool,
        "interval_s": 0.1,
        "segment_s": 0.3,
        "depth": 10,
        "reserve_bytes": 1 << 16,
        "session_id": "s1",
        "disk_alarm_bytes": 0,
    }
    config = CaptureConfig(**{**values, **changes})  # type: ignore[arg-type]
    return CaptureSession(config, store, open_market, rng=random.Random(3))


async def begin(one: CaptureSession) -> asyncio.Task[CaptureReport]:
    running = asyncio.create_task(one.run())
    while one.state == "starting" and not running.done():
        await asyncio.sleep(0.01)
    return running


def check_all_there(store: ObjectStore, report: CaptureReport) -> None:
    """Every row that was sampled is in the store once, and nothing was sampled late because of it."""
    rows = rows_by_symbol(store)
    for one in report.symbols:
        mine = rows[one.venue, one.symbol]
        assert len(mine) == one.captured
        assert set(one.causes) == {"startup"}, "a sample was late"
        gaps = gap_records(store)
        check_ledger(one.symbol, mine, gaps, report.status.start_ns, max(mine) + TENTH, TENTH)
    (venue,) = report.status.venues
    assert venue.jitter_p99_ms is not None
    assert venue.jitter_p99_ms < 100


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "options"), FAULTS, ids=[mode.value for mode, _ in FAULTS])
async def test_a_failing_store_stalls_and_loses_nothing(
    tmp_path: Path,
    s3_server: S3Server,
    s3_root: str,
    proxy: FaultProxy,
    mode: Mode,
    options: dict[str, object],
) -> None:
    impatient = s3_server.options(endpoint_url=proxy.url, max_attempts=1, connect_timeout_s=0.5, read_timeout_s=0.5)
    one = session(tmp_path / "spool", open_store(s3_root, impatient))
    running = await begin(one)
    await asyncio.sleep(0.4)
    proxy.fail(mode, **options)  # type: ignore[arg-type]
    await asyncio.sleep(1.2)
    proxy.pass_through()
    one.request_stop()
    report = await running
    assert report.left_in_spool == 0
    check_all_there(open_store(s3_root, s3_server.options()), report)


@pytest.mark.slow
async def test_every_fault_in_turn(tmp_path: Path, s3_server: S3Server, s3_root: str, proxy: FaultProxy) -> None:
    impatient = s3_server.options(endpoint_url=proxy.url, max_attempts=1, connect_timeout_s=0.3, read_timeout_s=0.3)
    one = session(tmp_path / "spool", open_store(s3_root, impatient))
    running = await begin(one)
    rng = random.Random(11)
    for _ in range(12):
        mode, options = rng.choice([*FAULTS, (Mode.PASS, {})])
        proxy.fail(mode, **options)  # type: ignore[arg-type]
        await asyncio.sleep(rng.uniform(0.1, 0.5))
    proxy.pass_through()
    one.request_stop()
    report = await running
    assert report.left_in_spool == 0
    check_all_there(open_store(s3_root, s3_server.options()), report)


@pytest.mark.slow
async def test_what_could_not_be_sent_waits_in_the_spool_for_recovery(
    tmp_path: Path, s3_server: S3Server, s3_root: str, proxy: FaultProxy
) -> None:
    impatient = s3_server.options(endpoint_url=proxy.url, max_attempts=1, connect_timeout_s=0.5, read_timeout_s=0.5)
    store = open_store(s3_root, impatient)
    proxy.fail(Mode.REFUSE)
    one = session(tmp_path / "spool", store, upload_grace_s=0.5)
    running = await begin(one)
    await asyncio.sleep(1.5)
    status = one.status()
    assert status is not None
    assert status.upload_error
    one.request_stop()
    report = await running
    assert report.left_in_spool > 0
    down = recover(tmp_path / "spool", store, SystemClock())
    assert down.left == report.left_in_spool, "still down: nothing is lost by trying"
    assert down.recovered[0].problem
    proxy.pass_through()
    up = recover(tmp_path / "spool", store, SystemClock())
    assert up.left == 0
    check_all_there(open_store(s3_root, s3_server.options()), report)
    records = gap_records(open_store(s3_root, s3_server.options()))
    assert {gap.cause.value for gap in records} == {"startup"}, "it was stopped, it did not die"
