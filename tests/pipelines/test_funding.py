"""Funding through Dagster: days, samples and backfills against simulated venues, and what the checks find."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.support.sim import Sim
from xetrade_core.assembly.funding import fetch_recent_funding, wanted_pairs
from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import ConfigError
from xetrade_core.lake.day_tables import day_version, read_day
from xetrade_core.lake.funding_schemas import FUNDING_QUOTES, FUNDING_RATES
from xetrade_core.lake.store import ObjectStore
from xetrade_core.settings import load_settings
from xetrade_pipelines.definitions import build_defs, default_resources
from xetrade_pipelines.funding.assets import funding_quotes, funding_rates
from xetrade_pipelines.partitions import DAY_NS, VenueDay
from xetrade_pipelines.resources import ClockResource

pytestmark = pytest.mark.xdist_group("simulated venues")
BTC = "BTC/USDT:USDT"


def today(venue: str = "binanceusdm") -> VenueDay:
    return VenueDay.containing(venue, ClockResource().wall_ns())


def yesterday() -> VenueDay:
    return VenueDay("binanceusdm", today().start_ns - DAY_NS)


def materialize(asset: Any, day: VenueDay, symbols: list[str] | None = None) -> dg.ExecuteInProcessResult:
    named = {} if symbols is None else {"ops": {asset.op.name: {"config": {"symbols": symbols}}}}
    return dg.materialize(
        [asset],
        partition_key=day.key,
        resources=default_resources(load_settings()),
        run_config=named,
        raise_on_error=False,
    )


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


@pytest.fixture
def restored(venues: Sim) -> Iterator[Sim]:
    """The venues, without what a test did to their history."""
    yield venues
    venues.restore_funding("binanceusdm", BTC)


def test_a_day_that_is_fetched_again_stays_as_it_is_to_the_byte(venues: Sim, store: ObjectStore) -> None:
    day = yesterday()
    first = materialize(funding_rates, day)
    assert first.success
    assert set(verdicts(first).values()) == {True}
    table = read_day(store, FUNDING_RATES, day.venue, day.start_ns)
    assert table is not None
    paid = {point["time_ms"]: point["rate"] for point in venues.funding("binanceusdm", BTC)}
    assert [row["rate"] for row in table.to_pylist()] == [
        paid[row["timestamp"].value // 1_000_000] for row in table.to_pylist()
    ]
    assert table.num_rows == 3
    version = day_version(store, FUNDING_RATES, day.venue, day.start_ns)
    [made] = first.asset_materializations_for_node("funding_rates")
    assert "data:image/png" in str(made.metadata["picture"].value)
    assert materialize(funding_rates, day).success
    assert day_version(store, FUNDING_RATES, day.venue, day.start_ns) == version


def test_a_rate_that_the_venue_changes_is_told(restored: Sim, store: ObjectStore) -> None:
    day = yesterday()
    assert materialize(funding_rates, day).success
    restored.change_funding("binanceusdm", BTC, f"{day.day}T08:00:00Z", rate=0.0042)
    result = materialize(funding_rates, day)
    assert result.success
    assert verdicts(result)["not_revised"] is False
    [made] = result.asset_materializations_for_node("funding_rates")
    assert made.metadata["binanceusdm/revised"].value == 1
    table = read_day(store, FUNDING_RATES, day.venue, day.start_ns)
    assert table is not None
    assert 0.0042 in table.column("rate").to_pylist()


def test_a_funding_that_the_venue_leaves_out_fails_the_check(restored: Sim) -> None:
    day = yesterday()
    restored.change_funding("binanceusdm", BTC, f"{day.day}T08:00:00Z")
    result = materialize(funding_rates, day)
    assert verdicts(result)["none_missing"] is False
    [found] = [one for one in result.get_asset_check_evaluations() if one.check_name == "none_missing"]
    assert f"{BTC} {day.day} 08:00" in str(found.metadata["examples"].value)


def test_until_anything_of_a_new_day_is_settled_the_day_before_is_fetched_alone(
    venues: Sim, store: ObjectStore
) -> None:
    two_past_midnight = ManualClock(today().start_ns + 120 * NS_PER_S)
    made = fetch_recent_funding(load_settings(), store, {}, two_past_midnight)
    assert made.problems == {}
    [day] = made.done
    assert (day.day_ns, day.rows, day.missing, day.without) == (yesterday().start_ns, 3, (), ())


def test_a_sample_is_added_to_the_running_day_alone(venues: Sim, store: ObjectStore) -> None:
    result = materialize(funding_quotes, today())
    assert result.success
    assert verdicts(result) == {"answered": True}
    table = read_day(store, FUNDING_QUOTES, "binanceusdm", today().start_ns)
    assert table is not None
    [row] = table.to_pylist()
    assert row["symbol"] == BTC
    assert row["rate"] is not None
    over = materialize(funding_quotes, yesterday())
    assert not over.success


def test_a_venue_that_does_not_answer_fails_the_run_when_the_others_are_done(
    venues: Sim, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, store: ObjectStore
) -> None:
    monkeypatch.setenv("XETRADE_VENUES__BYBIT__REST_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("XETRADE_VENUES__BYBIT__SYMBOLS", BTC)
    monkeypatch.setenv("XETRADE_READS__DEADLINE_S", "2")
    job = build_defs().get_job_def("sample_funding")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert read_day(store, FUNDING_QUOTES, "binanceusdm", today().start_ns) is not None
    [event] = [one for one in result.all_events if one.event_type is dg.DagsterEventType.STEP_FAILURE]
    assert "bybit: " in str(event.step_failure_data.error)


def test_venues_without_perpetuals_in_the_settings_are_not_asked(machine: Path) -> None:
    settings = load_settings()
    assert default_resources(settings)["funding"].symbols() == {"binanceusdm": (BTC,)}
    with pytest.raises(ConfigError, match=r"name perpetuals, here or as venues\.okx\.symbols"):
        wanted_pairs(settings, {}, "okx")


def test_the_day_of_an_id_without_perpetuals_is_refused_and_says_where_they_are(venues: Sim) -> None:
    result = materialize(funding_rates, today("binance"), symbols=["BTC-USDT"])
    assert not result.success
    [event] = [one for one in result.all_events if one.event_type is dg.DagsterEventType.STEP_FAILURE]
    assert "they are binanceusdm and binancecoinm" in str(event.step_failure_data.error)


def test_a_sample_takes_pairs_as_people_write_them(venues: Sim, store: ObjectStore) -> None:
    result = materialize(funding_quotes, today(), symbols=["BTC-USDT"])
    assert verdicts(result) == {"answered": True}


@pytest.mark.slow
def test_years_are_backfilled_from_a_shell(venues: Sim, machine: Path, store: ObjectStore) -> None:
    config = machine / "backfill.yaml"
    config.write_text(
        "ops:\n  backfill_funding:\n    config:\n      venues: {binanceusdm: [BTC-USDT]}\n      since: '2026-09-01'\n"
    )
    command = ["dagster", "job", "execute", "-m", "xetrade_pipelines.definitions", "-j", "backfill_funding"]
    subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:], "-c", str(config)],
        check=True,
        capture_output=True,
        env=os.environ | {"DAGSTER_HOME": str(machine)},
        timeout=110,
    )
    day = yesterday()
    held = [read_day(store, FUNDING_RATES, day.venue, day.start_ns - back * DAY_NS) for back in range(60)]
    assert [None if table is None else table.num_rows for table in held] == [3] * 60
