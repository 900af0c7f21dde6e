"""From a launch to checked hours in the lake, against the simulated venues, within one process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.pipelines.deployment import SYMBOLS, lately
from tests.support.hours import within_one_hour
from tests.support.sim import Sim
from tests.support.snapshots import HOUR, snapshot_rows
from xetrade_core.capture.spool import SessionPlan, create_session
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.lake import parquet
from xetrade_core.lake.layout import segment_key
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.store import ObjectStore

BOOKS = {venue: list(symbols) for venue, symbols in SYMBOLS.items()}
pytestmark = pytest.mark.xdist_group("simulated venues")


def capture(
    defs: dg.Definitions, instance: dg.DagsterInstance, config: Mapping[str, Any], **options: Any
) -> dg.ExecuteInProcessResult:
    run_config = {"ops": {"capture_l2": {"config": {"interval_s": 0.5, **config}}}}
    return defs.get_job_def("capture_l2").execute_in_process(instance=instance, run_config=run_config, **options)


def compact(
    defs: dg.Definitions, instance: dg.DagsterInstance, config: Mapping[str, Any], **options: Any
) -> dg.ExecuteInProcessResult:
    """Without `interval_s`: at the half second of the segments, not the second of the settings."""
    run_config = {"ops": {"compact_l2": {"config": dict(config)}}}
    return defs.get_job_def("compact_l2").execute_in_process(instance=instance, run_config=run_config, **options)


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """Evaluations by (partition, check name)."""
    found = [
        e.event_specific_data for e in result.all_events if e.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return {(one.partition, one.check_name): one for one in found}


def materializations(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dg.AssetMaterialization]:
    """Materializations of one asset by partition."""
    found = [e.step_materialization_data.materialization for e in result.all_events if e.is_step_materialization]
    return {str(one.partition): one for one in found if one.asset_key == dg.AssetKey(asset)}


@pytest.mark.slow
def test_a_clean_capture_is_complete_from_launch_to_metrics(
    venues: Sim, defs: dg.Definitions, instance: dg.DagsterInstance, lake: Lake, store: ObjectStore
) -> None:
    within_one_hour(30)
    captured = capture(defs, instance, {"venues": BOOKS, "duration_s": 4.0})

    segments = materializations(captured, "l2_segments")
    assert {key.split("|")[1] for key in segments} == set(SYMBOLS)
    for key, one in segments.items():
        venue = key.split("|")[1]
        assert one.metadata[f"{venue}/captured"].value == one.metadata[f"{venue}/expected"].value > 0
        assert one.metadata["left_in_spool"].value == 0
    assert [one.passed for one in checks(captured).values()] == [True] * len(segments)

    with pytest.raises(ConfigError, match=r"was recorded every 0\.5 s, not every 1 s"):
        compact(defs, instance, {"interval_s": 1.0})
    compacted = compact(defs, instance, {})

    verdicts = checks(compacted)
    assert {name for _, name in verdicts} == {"no_crossed_row", "monotone_time", "schema", "complete", "clock_skew"}
    assert {key for key, _ in verdicts} == set(segments)
    assert [name for (_, name), one in verdicts.items() if not one.passed] == []
    assert list(store.list("l2_segments/")) == []
    for asset in ("l2_snapshots", "l2_gaps", "l2_quality", "book_metrics"):
        assert set(materializations(compacted, asset)) == set(segments)
    for venue, symbols in SYMBOLS.items():
        for symbol in symbols:
            rows = lake.read_l2(venue, symbol, *lately())
            assert rows.column("synced").to_pylist() == [True] * 8


@pytest.mark.slow
def test_faults_and_a_late_start_are_found_explained_and_not_hidden(
    venues: Sim, defs: dg.Definitions, instance: dg.DagsterInstance, lake: Lake
) -> None:
    """Four seconds late, then a lost message on one venue and a disconnect on another."""
    within_one_hour(40, since_s=6)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=4)
    window = {"start": start.isoformat(), "end": (start + timedelta(seconds=14)).isoformat()}
    faults = [
        threading.Timer(7, venues.inject, kwargs={"kind": "lost", "venue": "binance", "symbol": "BTC/USDT"}),
        threading.Timer(7, venues.inject, kwargs={"kind": "disconnect", "venue": "binanceusdm"}),
    ]
    for fault in faults:
        fault.start()
    captured = capture(defs, instance, {"venues": BOOKS, **window})
    assert venues.injected("lost")
    assert venues.injected("disconnect")

    covered = {key.split("|")[1]: one for (key, name), one in checks(captured).items() if name == "window_covered"}
    assert [one.passed for one in covered.values()] == [False] * len(SYMBOLS)
    assert all(one.metadata["missing"].value >= 8 for one in covered.values())  # at two samples a second

    compacted = compact(defs, instance, {})
    assert [name for (_, name), one in checks(compacted).items() if not one.passed] == []
    causes = {
        key.split("|")[1]: one.metadata["causes"].value
        for (key, name), one in checks(compacted).items()
        if name == "complete"
    }
    for venue in SYMBOLS:
        assert causes[venue]["recorder_down"] >= 4  # the late start, in the ledger and in no row
    gaps = {
        venue: lake.read_gaps(venue, symbols[0], *lately()).column("cause").to_pylist()
        for venue, symbols in SYMBOLS.items()
    }
    assert "sequence" in gaps["binance"]
    assert "disconnect" in gaps["binanceusdm"]
    assert not {"sequence", "disconnect"} & set(gaps["okx"])


def test_an_hour_that_fails_its_checks_stops_its_metrics_and_no_other_hour(
    defs: dg.Definitions, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    for venue, seconds in (("binance", [*range(10), *range(12, 30)]), ("okx", range(30))):
        rows = snapshot_rows(seconds, venue=venue)
        store.create(segment_key("l2_segments", venue, HOUR, HOUR + 3600 * NS_PER_S, "w"), parquet.to_bytes(rows))
    result = compact(defs, instance, {"interval_s": 1.0}, raise_on_error=False)
    assert not result.success
    assert set(materializations(result, "l2_quality")) == {"2024-08-09T00|binance", "2024-08-09T00|okx"}
    assert set(materializations(result, "book_metrics")) == {"2024-08-09T00|okx"}


def test_only_the_named_partitions_are_compacted(
    defs: dg.Definitions, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    for hour in (HOUR, HOUR + 3600 * NS_PER_S):
        rows = snapshot_rows(range(10), hour=hour)
        store.create(segment_key("l2_segments", "binance", hour, hour + 3600 * NS_PER_S, "w"), parquet.to_bytes(rows))
    named = compact(defs, instance, {"partitions": ["2024-08-09T01|binance"], "interval_s": 1.0})
    assert set(materializations(named, "l2_snapshots")) == {"2024-08-09T01|binance"}
    own = compact(defs, instance, {"interval_s": 1.0}, partition_key="2024-08-09T00|binance")
    assert set(materializations(own, "l2_snapshots")) == {"2024-08-09T00|binance"}
    assert materializations(compact(defs, instance, {}), "l2_snapshots") == {}


def test_orphans_are_recovered_into_their_partitions(
    defs: dg.Definitions, instance: dg.DagsterInstance, machine: Path, store: ObjectStore
) -> None:
    """A session that was killed when its segment was sealed and not yet uploaded."""
    plan = SessionPlan("dead", {"binance": ("BTC/USDT",)}, NS_PER_S, 100, HOUR, HOUR + 10 * NS_PER_S, HOUR)
    directory, lock = create_session(machine / "spool", plan)
    key = segment_key("l2_segments", "binance", HOUR, HOUR + 10 * NS_PER_S, "dead")
    waiting = directory.ready / key
    waiting.parent.mkdir(parents=True)
    waiting.write_bytes(parquet.to_bytes(snapshot_rows(range(10))))
    lock.release()
    result = defs.get_job_def("recover_orphans_l2").execute_in_process(instance=instance)
    assert store.exists(key)
    assert set(materializations(result, "l2_segments")) == {"2024-08-09T00|binance"}
    assert defs.get_job_def("recover_orphans_l2").execute_in_process(instance=instance).success
