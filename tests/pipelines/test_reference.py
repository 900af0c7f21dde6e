"""Reference data through Dagster: the job and the assets against simulated venues, the checks, the news of listings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from tests.pipelines.deployment import SYMBOLS
from tests.support.sim import Sim
from tests.symbols.test_mapping import instrument
from xetrade_core.errors import ConfigError
from xetrade_core.lake import layout
from xetrade_core.lake.day_tables import day_version, read_day, write_day
from xetrade_core.lake.reference_schemas import INSTRUMENTS, SYMBOL_MAP, SYMBOL_MAP_CHANGES
from xetrade_core.lake.store import ObjectStore
from xetrade_core.reference.days import read_listing, store_listing
from xetrade_core.reference.tables import instruments_table, key_of
from xetrade_core.settings import load_settings
from xetrade_core.venues import registry
from xetrade_core.venues.venue import VenueStatus
from xetrade_pipelines.definitions import build_defs, default_resources
from xetrade_pipelines.partitions import DAY_NS, VenueDay, day_key
from xetrade_pipelines.reference.assets import instruments, symbol_map, symbol_map_changes
from xetrade_pipelines.resources import ClockResource

pytestmark = pytest.mark.xdist_group("simulated venues")
BTC = instrument("okx", "BTC-USDT", "BTC/USDT")
ETH = instrument("okx", "ETH-USDT", "ETH/USDT")
SOL = instrument("okx", "SOL-USDT", "SOL/USDT")


def today() -> VenueDay:
    return VenueDay.containing("okx", ClockResource().wall_ns())


def materialize(asset: Any, key: str, **resources: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [asset], partition_key=key, resources=default_resources(load_settings()) | resources, raise_on_error=False
    )


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def failure(result: dg.ExecuteInProcessResult) -> BaseException | str:
    [event] = [one for one in result.all_events if one.event_type is dg.DagsterEventType.STEP_FAILURE]
    error = event.step_failure_data.error
    assert error is not None
    return str(error.cause.message if error.cause else error.message)


@pytest.mark.slow
def test_the_job_makes_the_day_of_every_venue_and_again_changes_nothing(
    venues: Sim, defs: dg.Definitions, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    job = defs.get_job_def("refresh_reference")
    first = job.execute_in_process(instance=instance)
    day = today()
    made = {
        (event.asset_key.to_user_string() if event.asset_key else "", str(event.partition))
        for event in first.all_events
        if event.is_step_materialization
    }
    expected = {("instruments", str(VenueDay(venue, day.start_ns).key)) for venue in SYMBOLS}
    assert made == expected | {("symbol_map", day.day), ("symbol_map_changes", day.day)}
    failed = [
        event.asset_check_evaluation_data
        for event in first.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        and not event.asset_check_evaluation_data.passed
    ]
    assert [one.check_name for one in failed] == []
    table = read_day(store, SYMBOL_MAP, None, day.start_ns)
    assert table is not None
    assert set(table.column("exchange").to_pylist()) == set(SYMBOLS)
    assert {reasons[0] for reasons in table.column("reasons").to_pylist()} == {"exact listing"}
    versions = {venue: day_version(store, INSTRUMENTS, venue, day.start_ns) for venue in SYMBOLS}
    job.execute_in_process(instance=instance)
    assert versions == {venue: day_version(store, INSTRUMENTS, venue, day.start_ns) for venue in SYMBOLS}


@pytest.mark.slow
def test_the_job_runs_from_a_shell_without_a_partition(venues: Sim, machine: Path, store: ObjectStore) -> None:
    config = machine / "refresh.yaml"
    config.write_text("ops:\n  refresh_reference:\n    config:\n      venues: [okx]\n")
    command = ["dagster", "job", "execute", "-m", "xetrade_pipelines.definitions", "-j", "refresh_reference"]
    subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:], "-c", str(config)],
        check=True,
        capture_output=True,
        env=os.environ | {"DAGSTER_HOME": str(machine)},
        timeout=110,
    )
    assert read_listing(store, "okx", today().start_ns)


@pytest.mark.slow
def test_the_running_day_of_a_venue_can_be_materialized_and_a_day_that_is_over_cannot(
    venues: Sim, store: ObjectStore
) -> None:
    day = today()
    result = materialize(instruments, day.key)
    assert result.success
    assert verdicts(result) == {"rows_valid": True, "whole": True, "steps_positive": True}
    listed = read_listing(store, "okx", day.start_ns)
    assert listed
    assert {"BTC/USDT", "BTC/USDT:USDT"} & {row.symbol for row in listed}
    over = materialize(instruments, VenueDay("okx", day.start_ns - DAY_NS).key)
    assert not over.success
    assert "venues list only what there is now" in failure(over)


def test_a_venue_that_does_not_answer_fails_the_run_when_the_others_are_made(
    venues: Sim, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    monkeypatch.setenv("XETRADE_VENUES__BINANCE__REST_URL", "http://127.0.0.1:1")
    job = build_defs().get_job_def("refresh_reference")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert "binance: " in failure(result)
    assert "127.0.0.1:1" in failure(result)
    assert read_listing(store, "okx", today().start_ns)
    checks = {
        event.asset_check_evaluation_data.check_name: event.asset_check_evaluation_data.passed
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    }
    assert checks["covered"] is False


def test_a_venue_that_shut_down_is_never_asked(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = replace(registry.venue("okx"), status=VenueStatus.RETIRED, retired_on=date(2026, 7, 1))
    monkeypatch.setitem(registry._VENUES, "okx", gone)
    assert default_resources(load_settings())["reference"].venues() == ("binance", "binanceusdm")
    assert "OKX shut down on 2026-07-01" in str(failure(materialize(instruments, today().key)))


def test_a_day_that_was_kept_is_mapped_and_compared_again_at_any_time(machine: Path, store: ObjectStore) -> None:
    day = VenueDay.from_key("2026-01-31|okx")
    store_listing(store, "okx", day.start_ns - DAY_NS, [BTC], day.start_ns - DAY_NS)
    store_listing(store, "okx", day.start_ns, [BTC, ETH], day.start_ns)
    mapped = materialize(symbol_map, day.day)
    assert verdicts(mapped) == {"bijective": True, "covered": False, "rules_hold": True, "prices_agree": True}
    [event] = mapped.asset_materializations_for_node("symbol_map")
    assert event.metadata["dagster/row_count"].value == 2
    compared = materialize(symbol_map_changes, day.day)
    assert verdicts(compared) == {"nothing_renamed": True}
    [event] = compared.asset_materializations_for_node("symbol_map_changes")
    assert event.metadata["listed"].value == 1
    table = read_day(store, SYMBOL_MAP_CHANGES, None, day.start_ns)
    assert table is not None
    assert table.column("venue_id").to_pylist() == ["ETH-USDT"]


def test_what_must_not_be_fails_its_check(machine: Path, store: ObjectStore) -> None:
    day = VenueDay.from_key("2026-01-31|okx")
    other = replace(BTC, venue_id="XBT-USDT")
    store_listing(store, "okx", day.start_ns, [BTC, other, instrument("okx", "FOO-USDT", "BAR/USDT")], day.start_ns)
    found = verdicts(materialize(symbol_map, day.day))
    assert (found["bijective"], found["rules_hold"]) == (False, False)
    before = day.start_ns - DAY_NS
    store_listing(store, "okx", before, [replace(BTC, venue_id="OLD-USDT")], before)
    store_listing(store, "okx", day.start_ns, [BTC], day.start_ns)
    assert verdicts(materialize(symbol_map_changes, day.day)) == {"nothing_renamed": False}


def test_a_list_that_is_cut_short_or_has_no_steps_fails_its_checks(machine: Path, store: ObjectStore) -> None:
    from xetrade_pipelines.reference.checks import listing_checks

    day = today()
    many = [instrument("okx", f"C{number}-USDT", f"C{number}/USDT") for number in range(10)]
    store_listing(store, "okx", day.start_ns - DAY_NS, many, day.start_ns - DAY_NS)
    stored = store_listing(store, "okx", day.start_ns, [replace(BTC, lot=Decimal(0)), ETH], day.start_ns)
    found = {one.check_name: one.passed for one in listing_checks(stored)}
    assert found == {"rows_valid": True, "whole": False, "steps_positive": False}
    broken = store_listing(store, "okx", day.start_ns, [replace(BTC, lot=Decimal(-1))], day.start_ns)
    assert listing_checks(broken)[0].passed is False


def test_venues_are_asked_once_an_hour(machine: Path) -> None:
    defs = build_defs()
    resources = {"reference": default_resources(load_settings())["reference"]}
    at = datetime(2026, 1, 31, 5, 7, tzinfo=UTC)
    with dg.build_schedule_context(
        scheduled_execution_time=at, resources=resources, repository_def=defs.get_repository_def()
    ) as context:
        data: Any = defs.resolve_schedule_def("refresh_reference_hourly").evaluate_tick(context)
    assert [request.run_key for request in data.run_requests] == ["reference/2026-01-31T05"]


class Bodies(list[dict[str, Any]]):
    """What a webhook was sent, and what it answers."""

    code = 200


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(self.server.got.code)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bodies]:
    server = HTTPServer(("127.0.0.1", 0), _Hook)
    server.got = Bodies()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("XETRADE_ALERTS__WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/")
    yield server.got  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def sense_listings(instance: dg.DagsterInstance, cursor: str | None) -> Any:
    everything = default_resources(load_settings())
    with dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        resources={name: everything[name] for name in ("reference", "lake", "alerts")},
        definitions=build_defs(),
    ) as context:
        return build_defs().resolve_sensor_def("new_listings").evaluate_tick(context)


def test_a_new_listing_is_told_once_and_a_first_list_never(
    machine: Path, store: ObjectStore, instance: dg.DagsterInstance, webhook: Bodies
) -> None:
    sense = partial(sense_listings, instance)
    start_ns = VenueDay.from_key("2026-01-31|okx").start_ns
    store_listing(store, "okx", start_ns, [BTC], start_ns)
    first = sense(None)
    assert (list(first.asset_events), "nothing was listed" in first.skip_message) == ([], True)
    store_listing(store, "okx", start_ns, [BTC, ETH], start_ns + 1)
    second = sense(first.cursor)
    [observed] = second.asset_events
    assert (observed.asset_key, str(observed.partition)) == (dg.AssetKey("instruments"), "2026-01-31|okx")
    assert observed.description == "okx lists ETH/USDT"
    assert [(one["alarm"], one["facts"]["symbols"]) for one in webhook] == [("new_listing", ["ETH/USDT"])]
    assert list(sense(second.cursor).asset_events) == []
    assert len(webhook) == 1


def test_a_listing_that_the_webhook_did_not_take_is_told_when_it_is_back_in_one_with_what_came_since(
    machine: Path, store: ObjectStore, instance: dg.DagsterInstance, webhook: Bodies
) -> None:
    sense, start_ns = partial(sense_listings, instance), VenueDay.from_key("2026-01-31|okx").start_ns
    store_listing(store, "okx", start_ns, [BTC], start_ns)
    cursor = sense(None).cursor
    webhook.code, observed = 500, 0
    store_listing(store, "okx", start_ns, [BTC, ETH], start_ns + 1)
    for _ in range(3):  # it is observed once, and owed
        ticked = sense(cursor)
        cursor, observed = ticked.cursor, observed + len(ticked.asset_events)
    assert (observed, "told again" in ticked.skip_message, len(webhook)) == (1, True, 3)
    store_listing(store, "okx", start_ns, [BTC, ETH, SOL], start_ns + 2)
    webhook.code = 200
    webhook.clear()
    back = sense(cursor)
    assert [one.description for one in back.asset_events] == ["okx lists SOL/USDT"]
    assert [one["facts"]["symbols"] for one in webhook] == [["ETH/USDT", "SOL/USDT"]]
    sense(back.cursor)
    assert len(webhook) == 1


def test_a_listing_is_told_although_another_venues_list_is_damaged_and_that_one_once_it_is_repaired(
    machine: Path, store: ObjectStore, instance: dg.DagsterInstance, webhook: Bodies
) -> None:
    sense, start_ns = partial(sense_listings, instance), VenueDay.from_key("2026-01-31|okx").start_ns
    for venue in ("binance", "okx"):
        store_listing(store, venue, start_ns, [replace(BTC, venue=venue)], start_ns)
    cursor = sense(None).cursor
    for venue in ("binance", "okx"):
        store_listing(store, venue, start_ns, [replace(one, venue=venue) for one in (BTC, ETH)], start_ns + 1)
    key = layout.day_key("instruments", "binance", start_ns)
    whole = store.read(key)
    store.replace(key, b"damaged")
    cursor = sense(cursor).cursor
    assert [one["facts"]["venue"] for one in webhook] == ["okx"]
    store.replace(key, whole)
    sense(cursor)
    assert [one["facts"]["venue"] for one in webhook] == ["okx", "binance"]


def test_a_listing_of_an_earlier_versions_cursor_is_told(
    machine: Path, store: ObjectStore, instance: dg.DagsterInstance, webhook: Bodies
) -> None:
    start_ns = VenueDay.from_key("2026-01-31|okx").start_ns
    store_listing(store, "okx", start_ns, [BTC, ETH], start_ns + 5)
    sense_listings(instance, json.dumps({"okx": {"version": "of-before", "latest_ns": start_ns}}))
    assert [one["facts"]["symbols"] for one in webhook] == [["BTC/USDT", "ETH/USDT"]]


def test_a_days_table_passes_between_assets_through_the_lake(machine: Path, store: ObjectStore) -> None:
    from xetrade_pipelines.partitions import day_x_venue, days

    day = VenueDay.from_key("2026-01-31|okx")
    seen: list[pa.Table] = []

    @dg.asset(name="instruments", partitions_def=day_x_venue)
    def listed() -> pa.Table:
        return instruments_table(day.start_ns, [BTC], {key_of(BTC): day.start_ns})

    @dg.asset(partitions_def=day_x_venue, io_manager_key="nowhere")
    def counted(instruments: pa.Table) -> None:
        seen.append(instruments)

    resources = default_resources(load_settings()) | {"nowhere": dg.mem_io_manager}
    assert dg.materialize([listed, counted], partition_key=day.key, resources=resources).success
    assert seen[0].column("symbol").to_pylist() == ["BTC/USDT"]
    assert read_listing(store, "okx", day.start_ns) == [BTC]

    @dg.asset(name="symbol_map_changes", partitions_def=days)
    def changed() -> pa.Table:
        return SYMBOL_MAP_CHANGES.empty()

    assert dg.materialize([changed], partition_key=day_key(day.start_ns), resources=resources).success
    assert read_day(store, SYMBOL_MAP_CHANGES, None, day.start_ns) is not None
    with pytest.raises(ConfigError):
        VenueDay.from_key("2026-01-31")
    assert write_day(store, SYMBOL_MAP_CHANGES, None, day.start_ns, SYMBOL_MAP_CHANGES.empty()).changed is False
