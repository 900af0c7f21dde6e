"""The checks of an hour: what each finds, and what a blocking one stops. Files are put into the lake by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from tests.support.snapshots import HOUR, SYMBOL, VENUE, gap_rows, snapshot_rows
from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.lake import parquet
from xetrade_core.lake.layout import part_key, segment_key
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.schemas import L2_GAP_SEGMENTS, L2_SEGMENTS, L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.book_events import GapCause
from xetrade_core.settings import load_settings
from xetrade_pipelines.definitions import default_resources
from xetrade_pipelines.market_data.assets import book_metrics, l2_hour
from xetrade_pipelines.partitions import VenueHour

PARTITION = VenueHour(VENUE, HOUR).key


def put_segment(store: ObjectStore, rows: pa.Table, gaps: pa.Table | None = None) -> None:
    end = HOUR + 3600 * NS_PER_S
    store.create(segment_key(L2_SEGMENTS.name, VENUE, HOUR, end, "w"), parquet.to_bytes(rows))
    if gaps is not None:
        store.create(segment_key(L2_GAP_SEGMENTS.name, VENUE, HOUR, end, "w"), parquet.to_bytes(gaps))


def put_part(store: ObjectStore, content: bytes) -> None:
    """As a foreign program, or a bad disk, would leave it: past every guard."""
    store.replace(part_key(L2_SNAPSHOTS.name, VENUE, SYMBOL, HOUR), content)


def materialize(**run_config: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [l2_hour, book_metrics],
        partition_key=PARTITION,
        resources=default_resources(load_settings()),
        run_config={"ops": {"l2_hour": {"config": run_config}}},
        raise_on_error=False,
    )


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def failed(result: dg.ExecuteInProcessResult) -> set[str]:
    return {name for name, one in verdicts(result).items() if not one.passed}


def made(result: dg.ExecuteInProcessResult, asset: str) -> Mapping[str, dg.MetadataValue]:
    [one] = [one for one in result.asset_materializations_for_node("l2_hour") if one.asset_key == dg.AssetKey(asset)]
    return one.metadata


def measured(result: dg.ExecuteInProcessResult) -> bool:
    return bool(result.asset_materializations_for_node("book_metrics"))


def test_a_clean_minute_passes_all_checks_and_is_measured(machine: object, store: ObjectStore) -> None:
    put_segment(store, snapshot_rows(range(60)))
    result = materialize()
    assert result.success
    assert set(verdicts(result)) == {"no_crossed_row", "monotone_time", "schema", "complete", "clock_skew"}
    assert failed(result) == set()
    assert all(one.partition == PARTITION for one in verdicts(result).values())
    quality = made(result, "l2_quality")
    assert quality["binance/expected"].value == quality["binance/synced"].value == 60
    assert "data:image/png;base64," in str(quality["book"].value)
    assert "| BTC/USDT | 60 | 60 | 60 | 0 |" in str(quality["completeness"].value)
    assert measured(result)


def test_only_the_hourly_report_carries_a_picture(machine: object, store: ObjectStore) -> None:
    put_segment(store, snapshot_rows(range(60)))
    result = materialize()
    carriers = {
        one.asset_key.to_user_string()
        for node in ("l2_hour", "book_metrics")
        for one in result.asset_materializations_for_node(node)
        if any("base64" in str(value.value) for value in one.metadata.values())
    }
    assert carriers == {"l2_quality"}


def test_missing_seconds_that_a_gap_explains_are_complete(machine: object, store: ObjectStore) -> None:
    put_segment(store, snapshot_rows(range(60), unsynced=range(20, 25)), gap_rows({"start": 20, "end": 25}))
    result = materialize()
    assert result.success
    assert verdicts(result)["complete"].metadata["synced"].value == 55
    assert verdicts(result)["complete"].metadata["causes"].value == {"disconnect": 5.0}


def test_seconds_without_an_explanation_fail_and_stop_the_metrics(machine: object, store: ObjectStore) -> None:
    put_segment(store, snapshot_rows([*range(20), *range(23, 60)]))
    result = materialize()
    assert not result.success
    assert failed(result) == {"complete"}
    assert verdicts(result)["complete"].metadata["unexplained"].value == 3
    assert not measured(result)


def test_the_whole_hour_is_expected_only_where_asked(machine: object, store: ObjectStore) -> None:
    put_segment(store, snapshot_rows(range(60)))
    assert materialize().success
    result = materialize(whole_hour=True)
    assert verdicts(result)["complete"].metadata["expected"].value == 3600 * 2  # both symbols of the settings


def test_a_crossed_row_in_the_lake_fails_and_stops_the_metrics(machine: object, store: ObjectStore) -> None:
    rows = snapshot_rows(range(60)).to_pylist()
    rows[30]["bid_price"][0] = rows[30]["ask_price"][0] + 1
    put_part(store, parquet.to_bytes(pa.Table.from_pylist(rows, L2_SNAPSHOTS.schema)))
    result = materialize()
    assert not result.success
    assert {"no_crossed_row", "schema"} <= failed(result)
    assert verdicts(result)["no_crossed_row"].metadata["crossed"].value == 1
    assert not measured(result)


def test_rows_out_of_order_or_outside_the_hour_fail(machine: object, store: ObjectStore) -> None:
    put_part(store, parquet.to_bytes(snapshot_rows([0, 1, 3, 2, 4, 4, 3600])))
    result = materialize()
    assert "monotone_time" in failed(result)
    assert verdicts(result)["monotone_time"].metadata["disordered"].value == 3
    assert not measured(result)


def test_rows_that_the_schema_refuses_are_set_aside_and_fail_the_check(machine: object, store: ObjectStore) -> None:
    put_segment(store, pa.concat_tables([snapshot_rows(range(59)), snapshot_rows([59], update_count=-1)]))
    result = materialize()
    assert "schema" in failed(result)
    assert verdicts(result)["schema"].metadata["rejected"].value == 1
    assert len(list(store.list("l2_snapshots_rejected/"))) == 1


def test_rows_that_were_refused_once_are_not_forgotten_by_looking_again(machine: object, store: ObjectStore) -> None:
    put_segment(store, pa.concat_tables([snapshot_rows(range(59)), snapshot_rows([59], update_count=-1)]))
    assert "schema" in failed(materialize())
    again = materialize()
    assert verdicts(again)["schema"].metadata["rejected"].value == 1
    assert "schema" in failed(again)


def test_the_ledger_is_told_with_the_rows_that_it_has(machine: object, store: ObjectStore) -> None:
    stopped = gap_rows({"start": 10, "end": 40, "cause": GapCause.STOPPED.value})  # where another session did record
    put_segment(store, snapshot_rows([*range(10), *range(20, 30), *range(40, 60)]), stopped)
    ledger = made(materialize(), "l2_gaps")
    assert (ledger["dagster/row_count"].value, ledger["binance/gaps"].value) == (2, 1)
    assert Lake(store).read_gaps(VENUE, SYMBOL, HOUR, HOUR + NS_PER_S).num_rows == 2


def test_a_damaged_segment_fails_the_check_and_stays(machine: object, store: ObjectStore) -> None:
    put_segment(store, snapshot_rows(range(60)))
    torn = segment_key(L2_SEGMENTS.name, VENUE, HOUR, HOUR + NS_PER_S, "torn")
    store.create(torn, b"PAR1 torn")
    result = materialize()
    assert failed(result) == {"schema"}
    assert verdicts(result)["schema"].metadata["unreadable"].value == [torn]
    assert store.exists(torn)


def test_a_damaged_file_of_a_settled_hour_is_found(machine: object, store: ObjectStore) -> None:
    put_part(store, b"not parquet")
    result = materialize()
    assert failed(result) == {"schema"}
    assert not measured(result)


@pytest.mark.parametrize(("skew_ms", "passed"), [(900, True), (-1300, False), (1300, False)])
def test_a_wrong_clock_warns_and_stops_nothing(machine: object, store: ObjectStore, skew_ms: int, passed: bool) -> None:
    rows = snapshot_rows(range(60))
    received = rows.column("received_timestamp").cast(pa.int64())
    shifted = pa.array([value.as_py() - skew_ms * NS_PER_MS for value in received]).cast(
        L2_SNAPSHOTS.schema.field("exchange_timestamp").type
    )
    put_segment(
        store, rows.set_column(rows.schema.get_field_index("exchange_timestamp"), "exchange_timestamp", shifted)
    )
    result = materialize()
    assert result.success
    assert verdicts(result)["clock_skew"].passed is passed
    assert verdicts(result)["clock_skew"].severity is dg.AssetCheckSeverity.WARN
    assert verdicts(result)["clock_skew"].metadata["skew_ms"].value == pytest.approx(skew_ms)


def test_settling_an_hour_twice_changes_nothing(machine: object, store: ObjectStore) -> None:
    put_segment(store, snapshot_rows(range(60)))
    materialize()
    before = {info.key: info.etag for info in store.list("l2_")}
    again = materialize()
    assert again.success
    assert {info.key: info.etag for info in store.list("l2_")} == before
