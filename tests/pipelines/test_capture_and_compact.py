"""From a launch to checked hours in the lake, against the simulated venues, within one process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest

from tests.pipelines.deployment import SYMBOLS, lately
from tests.support.sim import Sim
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
    run_config = {"ops": {"compact_l2": {"config": {"interval_s": 0.5, **config}}}}
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
def test_an_ad_hoc_capture_is_recorded_compacted_checked_and_measured(
    venues: Sim, defs: dg.Definitions, instance: dg.DagsterInstance, lake: Lake, store: ObjectStore
) -> None:
    captured = capture(defs, instance, {"venues": BOOKS, "duration_s": 6.0})

    segments = materializations(captured, "l2_segments")
    assert {key.split("|")[1] for key in segments} == set(SYMBOLS)
    for key, one in segments.items():
        venue = key.split("|")[1]
        assert one.metadata[f"{venue}/captured"].value == one.metadata[f"{venue}/expected"].value > 0
        assert one.metadata["left_in_spool"].value == 0
    assert all(one.passed for one in checks(captured).values())

    compacted = compact(defs, instance, {})

    verdicts = checks(compacted)
    names = {"no_crossed_row", "monotone_time", "schema", "complete", "clock_skew"}
    assert {name for _, name in verdicts} == names
    assert {key for key, _ in verdicts} == set(segments)
    assert [name for (_, name), one in verdicts.items() if not one.passed] == []
    assert list(store.list("l2_segments/")) == []
    for asset in ("l2_snapshots", "l2_gaps", "l2_quality", "book_metrics"):
        assert set(materializations(compacted, asset)) == set(segments)
    for venue, symbols in SYMBOLS.items():
        for symbol in symbols:
            rows = lake.read_l2(venue, symbol, *lately())
            assert rows.num_rows == 12
