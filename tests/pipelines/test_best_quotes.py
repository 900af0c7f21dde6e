"""Best quotes across venues: from snapshots in the lake, by partition, by config, and of whatever is due."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from tests.pipelines.test_capture_and_compact import capture, checks, compact, materializations
from tests.pipelines.test_schedules_and_sensors import tick
from tests.support.hours import within_one_hour
from tests.support.sim import Sim
from tests.support.snapshots import HOUR, snapshot_rows
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake import parquet
from xetrade_core.lake.layout import part_key
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore
from xetrade_pipelines.partitions import HOUR_NS, hour_key, hour_of_key

BOOKS = {"binance": ["BTC/USDT", "ETH/USDT"], "okx": ["BTC/USDT"]}


def put(store: ObjectStore, venue: str, seconds: range, hour_ns: int = HOUR) -> None:
    rows = snapshot_rows(seconds, venue=venue, hour=hour_ns, sequence_offset=len(venue))
    key = part_key(L2_SNAPSHOTS.name, venue, "BTC/USDT", hour_ns)
    store.replace(key, parquet.to_bytes(rows.cast(L2_SNAPSHOTS.schema)))


def make(
    defs: dg.Definitions, instance: dg.DagsterInstance, config: Mapping[str, Any], **options: Any
) -> dg.ExecuteInProcessResult:
    run_config = {"ops": {"make_best_quotes": {"config": dict(config)}}}
    return defs.get_job_def("make_best_quotes").execute_in_process(instance=instance, run_config=run_config, **options)


def test_an_hour_is_made_with_its_numbers_checks_and_picture(
    defs: dg.Definitions, instance: dg.DagsterInstance, store: ObjectStore, lake: Lake
) -> None:
    put(store, "binance", range(20))
    put(store, "okx", range(5, 30))
    result = make(defs, instance, {}, partition_key="2024-08-09T00")
    [(key, made)] = materializations(result, "best_quotes").items()
    assert (key, made.metadata["dagster/row_count"].value) == ("2024-08-09T00", 30)
    assert made.metadata["BTC/USDT/quoted_s"].value == 30
    assert made.metadata["BTC/USDT/crossed_s"].value > 0
    assert "binance, okx" in str(made.metadata["symbols"].value)
    assert "data:image/png;base64," in str(made.metadata["spread"].value)
    assert {name: one.passed for (_, name), one in checks(result).items()} == {
        "seconds_covered": True,
        "never_crossed_within_a_venue": True,
        "stale_left_out": True,
    }
    assert lake.read_best("BTC/USDT", HOUR, HOUR + HOUR_NS).num_rows == 30


def test_the_asset_itself_is_made_by_partition(defs: dg.Definitions, store: ObjectStore) -> None:
    put(store, "okx", range(10))
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        partition_key="2024-08-09T00", asset_selection=[dg.AssetKey("best_quotes")]
    )
    [made] = result.asset_materializations_for_node("best_quotes")
    assert made.metadata["dagster/row_count"].value == 10
    assert {one.check_name for one in result.get_asset_check_evaluations()} == {
        "seconds_covered", "never_crossed_within_a_venue", "stale_left_out",
    }  # fmt: skip


def test_a_limit_leaves_out_what_is_older(
    defs: dg.Definitions, instance: dg.DagsterInstance, store: ObjectStore, lake: Lake
) -> None:
    put(store, "binance", range(10))  # each row 10 ms after its last message
    result = make(defs, instance, {"partitions": ["2024-08-09T00"], "staleness_s": 0.005})
    [made] = materializations(result, "best_quotes").values()
    assert (made.metadata["staleness_limit_s"].value, made.metadata["BTC/USDT/quoted_s"].value) == (0.005, 0)
    rows = lake.read_best("BTC/USDT", HOUR, HOUR + HOUR_NS)
    assert set(rows.column("venues_stale").to_pylist()) == {1}
    assert "spread" not in made.metadata


def test_what_is_due_is_made_once_and_again_when_snapshots_come_late(
    defs: dg.Definitions, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    now_ns = round(datetime.now(UTC).timestamp()) * NS_PER_S
    hour_ns = now_ns - now_ns % HOUR_NS - HOUR_NS
    put(store, "binance", range(5))  # years ago: not looked for
    put(store, "binance", range(5), hour_ns)
    assert set(materializations(make(defs, instance, {}), "best_quotes")) == {hour_key(hour_ns)}
    assert materializations(make(defs, instance, {}), "best_quotes") == {}
    put(store, "okx", range(5), hour_ns)
    assert set(materializations(make(defs, instance, {}), "best_quotes")) == {hour_key(hour_ns)}


def test_every_hour_after_the_compaction_what_is_due_is_asked_for(machine: Path) -> None:
    [request] = tick("best_quotes_hourly", datetime(2026, 1, 31, 6, 20, tzinfo=UTC)).run_requests
    assert request.partition_key is None


def test_hour_keys_read_back() -> None:
    assert hour_key(hour_of_key("2026-01-31T05")) == "2026-01-31T05"


@pytest.mark.slow
@pytest.mark.xdist_group("simulated venues")
def test_after_a_capture_of_simulated_venues_the_command_makes_them(
    venues: Sim, machine: Path, defs: dg.Definitions, instance: dg.DagsterInstance, lake: Lake
) -> None:
    """`dagster job execute -j make_best_quotes` in a process of its own finds the hour that is due."""
    within_one_hour(40)
    capture(defs, instance, {"venues": BOOKS, "duration_s": 4.0, "interval_s": 1.0})
    compacted = compact(defs, instance, {"interval_s": 1.0})
    hours = {key.split("|")[0] for key in materializations(compacted, "l2_snapshots")}
    config = machine / "best.yaml"
    config.write_text(yaml.safe_dump({"ops": {"make_best_quotes": {"config": {"lookback_hours": 2}}}}))
    command = ["-m", "dagster", "job", "execute", "-m", "xetrade_pipelines.definitions", "-j", "make_best_quotes"]
    done = subprocess.run(
        [sys.executable, *command, "-c", str(config)], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr[-2000:]
    [hour] = hours
    start_ns = hour_of_key(hour)
    btc, eth = (lake.read_best(symbol, start_ns, start_ns + HOUR_NS).to_pylist() for symbol in ("BTC/USDT", "ETH/USDT"))
    assert (len(btc), len(eth)) == (4, 4)
    assert all(row["venues"] == ["binance", "okx"] and row["bid_price"] is not None for row in btc)
    assert all(row["venues"] == ["binance"] and row["ask_venue"] == "binance" for row in eth)
    for row in btc:
        assert row["bid_price"] == max(row["venue_bid"])
        assert row["ask_price"] == min(row["venue_ask"])
