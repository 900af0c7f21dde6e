"""Jobs as an operator runs them: real processes, a real S3, the simulated venues in place of the live ones."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pytest

from tests.e2e.dagster_host import DagsterHost
from tests.pipelines.deployment import SYMBOLS, lately
from tests.support.hours import within_one_hour
from tests.support.s3 import SECRET_KEY, S3Server
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dagster deployment"), pytest.mark.timeout(300)]

CAPTURE = """
ops:
  capture_l2:
    config:
      venues: {binance: [BTC/USDT, ETH/USDT], binanceusdm: ["BTC/USDT:USDT"], okx: [BTC/USDT]}
      duration_s: 6
      segment_s: 3
"""


def times(table: pa.Table) -> list[int]:
    return [int(ns) for ns in table.column("timestamp").cast(pa.int64()).to_pylist()]


def test_capture_and_compaction_from_the_command_line(
    host: DagsterHost, lake: Lake, lake_root: str, s3_server: S3Server
) -> None:
    within_one_hour(60)
    begun = datetime.now(UTC)
    captured = host.execute_job("capture_l2", CAPTURE)
    assert captured.returncode == 0, captured.stderr[-3000:]
    compacted = host.execute_job("compact_l2")
    assert compacted.returncode == 0, compacted.stderr[-3000:]
    for venue, symbols in SYMBOLS.items():
        for symbol in symbols:
            rows = lake.read_l2(venue, symbol, begun, begun + timedelta(hours=1))
            assert times(rows) == [times(rows)[0] + n * NS_PER_S for n in range(6)]
            assert rows.column("synced").to_pylist() == [True] * 6
            assert lake.read_metrics(venue, symbol, *lately()).num_rows >= 1
    keys = [info.key for info in open_store(lake_root, s3_server.options()).list("")]
    assert not [key for key in keys if "segments" in key]


def test_a_job_that_cannot_start_says_why_and_exits_1(host: DagsterHost) -> None:
    result = host.execute_job(
        "capture_l2", "ops: {capture_l2: {config: {venues: {binance: [NO/SUCH]}, duration_s: 2}}}"
    )
    assert result.returncode == 1
    assert "unknown symbol 'NO/SUCH' on binance" in result.stderr
    assert SECRET_KEY not in result.stdout + result.stderr


def test_windows_hand_over_without_a_lost_or_doubled_second(host: DagsterHost, lake: Lake) -> None:
    """Two runs of consecutive windows, as consecutive hours are: the second connects and waits meanwhile."""
    host.start()
    within_one_hour(70)
    # a busy machine starts two runs until then
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=45)
    bounds = [(start + timedelta(seconds=4 * n)).isoformat() for n in range(3)]
    runs = [
        host.launch(
            "capture_l2",
            {
                "ops": {
                    "capture_l2": {
                        "config": {"venues": {"okx": ["ETH/USDT"], "binance": ["SOL/USDT"]}, "start": low, "end": high}
                    }
                }
            },
            tags={"xetrade/window": f"test/{low}"},
        )
        for low, high in pairwise(bounds)
    ]
    assert [host.wait_for_status(run, "SUCCESS", "FAILURE", timeout_s=100) for run in runs] == ["SUCCESS", "SUCCESS"]
    first_ns = int(start.timestamp()) * NS_PER_S
    for venue, symbol in (("okx", "ETH/USDT"), ("binance", "SOL/USDT")):
        rows = lake.read_l2(venue, symbol, *lately())
        assert times(rows) == [first_ns + n * NS_PER_S for n in range(8)]
        assert rows.column("synced").to_pylist() == [True] * 8
    coverage = [host.check_evaluations(run) for run in runs]
    assert [sorted(set(one.values())) for one in coverage] == [[True], [True]]


def test_a_stopped_run_seals_uploads_and_reports_what_it_has(
    host: DagsterHost, lake: Lake, lake_root: str, s3_server: S3Server
) -> None:
    host.start()
    hour_ends = within_one_hour(70)
    begun = time.monotonic()
    run = host.launch(
        "capture_l2",
        {
            "ops": {
                "capture_l2": {"config": {"venues": {"binanceusdm": ["ETH/USDT:USDT"]}, "end": hour_ends.isoformat()}}
            }
        },
    )
    host.wait_for_status(run, "STARTED", timeout_s=60)
    store = open_store(lake_root, s3_server.options())
    while not any(store.list("l2_segments/venue=binanceusdm/")):  # those of the tests above are compacted
        assert time.monotonic() - begun < 90
        time.sleep(0.5)
    host.terminate(run)
    assert host.wait_for_status(run, "CANCELED", "FAILURE", "SUCCESS") == "CANCELED"
    rows = lake.read_l2("binanceusdm", "ETH/USDT:USDT", *lately())
    assert times(rows) == list(range(times(rows)[0], times(rows)[-1] + 1, NS_PER_S))
    (materialization,) = host.materializations(run)
    assert materialization["partition"].endswith("|binanceusdm")
    assert materialization["metadata"]["dagster/row_count"] == rows.num_rows
    assert materialization["metadata"]["left_in_spool"] == 0
    assert "interrupted" in materialization["metadata"]["ended"]
    assert host.check_evaluations(run) == {"window_covered": False}  # the rest of the hour was asked for
    assert not list((host.home.parent / "spool").glob("*/ready/*"))
