"""The books through Dagster: fills out of an order store, their profit by day, positions at simulated marks."""

from __future__ import annotations

import threading
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.accounting.test_days import marked
from tests.monitor.conftest import Trade, trade
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.day_tables import read_day
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import FILLS, PNL_DAILY, POSITIONS
from xetrade_core.lake.venue_hours import read_venue_span
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import Side
from xetrade_core.settings import load_settings
from xetrade_core.trading.fundings import add_fundings
from xetrade_core.trading.store import OrderStore
from xetrade_core.venues import registry
from xetrade_core.webhook import Webhook, deliver_alarms
from xetrade_pipelines.accounting.assets import fills, funding_payments, pnl_daily, positions
from xetrade_pipelines.accounting.assets import orders as orders_asset
from xetrade_pipelines.accounting.jobs import account_days, monitor_positions
from xetrade_pipelines.definitions import build_defs, default_resources
from xetrade_pipelines.partitions import DAY_NS, HOUR_NS, VenueDay, VenueHour
from xetrade_pipelines.resources import ClockResource

__all__ = ["trade"]

pytestmark = pytest.mark.xdist_group("simulated venues")


VENUES = tuple(venue.id for venue in registry.venues())
PNL_CHECKS = ("adds_up", "marked", "marked_at_the_end", "fees_counted", "from_fills", "from_funding")
POSITION_CHECKS = ("rows_valid", "marked", "within_limits", "have_fills", "equal_the_venues")


def today(venue: str = "binance") -> VenueDay:
    return VenueDay.containing(venue, ClockResource().wall_ns())


def this_hour(venue: str = "binance") -> VenueHour:
    return VenueHour.containing(venue, ClockResource().wall_ns())


def looks(lake_store: ObjectStore) -> list[dict[str, Any]]:
    """Where positions on Binance stood today and in the hour before, which may be yesterday's."""
    start_ns = this_hour().start_ns
    return read_venue_span(lake_store, POSITIONS, "binance", start_ns - HOUR_NS, start_ns + HOUR_NS).to_pylist()


def yesterday() -> VenueDay:
    return VenueDay("binance", today().start_ns - DAY_NS)


@pytest.fixture
def orders(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The order store of the machine."""
    monkeypatch.setenv("XETRADE_TRADING__STORE", str(machine / "orders.db"))
    opened = OrderStore(machine / "orders.db")
    yield opened
    opened.close()


@pytest.fixture(name="store")
def _store(orders: OrderStore) -> OrderStore:
    """What `trade` trades with."""
    return orders


@pytest.fixture
def lake_store(machine: Path) -> ObjectStore:
    from xetrade_core.lake.store import open_store

    return open_store(machine / "lake")


def materialize(asset: Any, day: VenueDay | VenueHour) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [asset], partition_key=day.key, resources=default_resources(load_settings()), raise_on_error=False
    )


def verdicts(result: Any) -> dict[str, bool]:
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def run(job: Any, config: dict[str, Any] | None = None) -> dg.ExecuteInProcessResult:
    return job.execute_in_process(
        run_config={"ops": {job.name: {"config": config or {}}}},
        resources=default_resources(load_settings()),
        raise_on_error=False,
    )


def test_a_day_of_fills_is_exported_and_accounted_for(venues: Sim, lake_store: ObjectStore, trade: Trade) -> None:
    day = yesterday()
    trade(("2", "100"), at_ns=day.start_ns + 5)
    trade(("2", "130"), at_ns=day.start_ns + 9, side=Side.SELL, fee={"fee": D(1), "fee_currency": "USDT"})
    exported = materialize(fills, day)
    assert exported.success
    assert verdicts(exported) == {
        "rows_valid": True, "none_left_out": True, "in_the_store": True, "claimed": True,
    }  # fmt: skip
    made = materialize(pnl_daily, day)
    assert made.success
    assert verdicts(made) == dict.fromkeys(PNL_CHECKS, True)
    [row] = read_day(lake_store, PNL_DAILY, "binance", day.start_ns).to_pylist()
    assert (row["realized"], row["fees"], row["net"], row["fills"]) == (60, 1, 59, 2)
    [materialization] = made.asset_materializations_for_node("pnl_daily")
    assert materialization.metadata["binance/net_USDT"].value == 59
    assert "data:image/png" in str(materialization.metadata["picture_USDT"].value)


def test_a_day_that_was_marked_long_before_its_end_warns_and_says_how_long(
    machine: Path, lake_store: ObjectStore, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = yesterday()
    trade(("2", "100"), at_ns=day.start_ns + 5)
    assert materialize(fills, day).success
    marked(lake_store, day.start_ns, "110", after_ns=22 * 3600 * NS_PER_S)
    made = materialize(pnl_daily, day)
    [check] = [one for one in made.get_asset_check_evaluations() if not one.passed]
    assert made.success
    assert (check.check_name, check.severity) == ("marked_at_the_end", dg.AssetCheckSeverity.WARN)
    assert check.metadata["examples"].value == ["BTC/USDT: 2 h 0 min"]
    [materialization] = made.asset_materializations_for_node("pnl_daily")
    assert materialization.metadata["binance/oldest_mark_s"].value == 7200
    assert "7200" in str(materialization.metadata["positions"].value)
    monkeypatch.setenv("XETRADE_MONITOR__DAY_MARK_WITHIN_S", "7200")
    assert verdicts(materialize(pnl_daily, day)) == dict.fromkeys(PNL_CHECKS, True)


def test_fees_that_no_net_has_are_told(machine: Path, trade: Trade) -> None:
    day = yesterday()
    for number, (side, fee) in enumerate(((Side.BUY, "0.001"), (Side.SELL, "0.0015"))):
        trade(("2", "100"), at_ns=day.start_ns + number, side=side, fee={"fee": D(fee), "fee_currency": "BNB"})
    assert materialize(fills, day).success
    made = materialize(pnl_daily, day)
    assert made.success
    [check] = [one for one in made.get_asset_check_evaluations() if not one.passed]
    assert (check.check_name, check.severity) == ("fees_counted", dg.AssetCheckSeverity.WARN)
    assert check.metadata["examples"].value == ["0.0025 BNB"]
    [materialization] = made.asset_materializations_for_node("pnl_daily")
    assert "0.0025 BNB" in str(materialization.metadata["positions"].value)


def test_a_day_of_funding_payments_is_exported_and_counted(
    machine: Path, lake_store: ObjectStore, orders: OrderStore, trade: Trade
) -> None:
    day = VenueDay("binanceusdm", yesterday().start_ns)
    swap = {"venue": "binanceusdm", "symbol": "BTC/USDT:USDT"}
    trade(("2", "100"), at_ns=day.start_ns + 5, **swap)
    trade(("2", "100"), at_ns=day.start_ns + 90, side=Side.SELL, **swap)
    payment = FundingPayment("binanceusdm", "main", swap["symbol"], "f1", D("-0.25"), "USDT", day.start_ns + 50)
    add_fundings(orders, [payment])
    exported = materialize(funding_payments, day)
    assert exported.success
    assert verdicts(exported) == {"rows_valid": True, "in_the_store": True, "in_settlement": True}
    assert materialize(fills, day).success
    made = materialize(pnl_daily, day)
    assert set(verdicts(made).values()) == {True}
    [row] = read_day(lake_store, PNL_DAILY, "binanceusdm", day.start_ns).to_pylist()
    assert (row["funding"], row["net"]) == (D("-0.25"), D("-0.25"))


def test_positions_are_looked_at_now_at_the_venues_mark(venues: Sim, lake_store: ObjectStore, trade: Trade) -> None:
    trade(("0.5", "50000"), at_ns=today().start_ns)
    looked = materialize(positions, this_hour())
    assert looked.success
    assert verdicts(looked) == dict.fromkeys(POSITION_CHECKS, True)
    [row] = looks(lake_store)
    assert (row["side"], row["quantity"], row["mark_kind"]) == ("long", D("0.5"), "mid")
    [materialization] = looked.asset_materializations_for_node("positions")
    assert "data:image/png" in str(materialization.metadata["picture_USDT"].value)
    assert not materialize(positions, VenueHour("binance", this_hour().start_ns - HOUR_NS)).success


def test_a_limit_that_is_passed_is_a_check_that_warns(
    venues: Sim, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(("0.5", "50000"), at_ns=today().start_ns)
    monkeypatch.setenv("XETRADE_MONITOR__MAX_NOTIONAL", "1000")
    looked = materialize(positions, this_hour())
    assert looked.success
    assert verdicts(looked) == dict.fromkeys(POSITION_CHECKS, True) | {"within_limits": False}


def test_a_single_look_ends_when_the_webhook_has_its_alarms(
    venues: Sim, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade(("0.5", "50000"), at_ns=today().start_ns)
    monkeypatch.setenv("XETRADE_MONITOR__MAX_NOTIONAL", "1000")
    monkeypatch.setenv("XETRADE_ALERTS__WEBHOOK_URL", "http://127.0.0.1:9/hook")
    asked, heard = threading.Event(), list[str]()

    def deliver(_: Webhook, body: dict[str, Any]) -> bool:
        asked.wait(5)  # as long as it takes until somebody waits for it
        heard.append(body["alarm"])
        return True

    def waited(within_s: float) -> None:
        asked.set()
        deliver_alarms(within_s)

    monkeypatch.setattr(Webhook, "deliver", deliver)
    monkeypatch.setattr("xetrade_pipelines.resources.deliver_alarms", waited)
    assert materialize(positions, this_hour()).success
    assert heard == ["position_too_large"]


def test_a_session_of_watching_keeps_each_look_and_marks_the_day(
    venues: Sim, lake_store: ObjectStore, trade: Trade
) -> None:
    trade(("0.5", "50000"), at_ns=today().start_ns)
    result = run(monitor_positions, {"interval_s": 0.05, "max_updates": 3, "venue": "binance"})
    assert result.success
    assert verdicts(result) == dict.fromkeys(POSITION_CHECKS, True)
    assert len(looks(lake_store)) == 3
    booked = run(account_days)
    assert booked.success
    assert set(verdicts(booked).values()) == {True}
    assert len(read_day(lake_store, FILLS, "binance", today().start_ns)) == 1
    [row] = read_day(lake_store, PNL_DAILY, "binance", today().start_ns).to_pylist()
    assert row["net"] == (row["mark"] - 50_000) / 2


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"interval_s": 0.0}, "interval_s = 0.0 is not valid: input should be greater than 0"),
        ({"max_updates": 0}, "max_updates = 0 is not valid: input should be greater than or equal to 1"),
        ({"max_notional": -1.0}, "max_notional = -1.0 is not valid: input should be greater than 0"),
        ({"venue": "nowhere"}, f"unknown venue 'nowhere': known venues are {', '.join(sorted(VENUES))}"),
        ({"account": "nobody"}, "account = 'nobody' is not valid: one that has traded or is in the settings: main"),
    ],
)
def test_a_session_that_cannot_be_fails_at_once_with_a_line(
    machine: Path, trade: Trade, config: dict[str, Any], says: str
) -> None:
    trade(("0.5", "50000"))
    failed = run(monitor_positions, config)
    [failure] = [event.step_failure_data for event in failed.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == says


def test_schedules_run_only_where_something_was_traded(machine: Path, trade: Trade) -> None:
    defs = build_defs()
    for name in ("account_hourly", "look_at_positions"):
        schedule = defs.resolve_schedule_def(name)
        with dg.build_schedule_context(
            resources={"accounting": default_resources(load_settings())["accounting"]}
        ) as context:
            assert "no fills" in str(schedule.evaluate_tick(context).skip_message)
    trade(("0.5", "50000"), at_ns=today().start_ns)
    for name in ("account_hourly", "look_at_positions"):
        schedule = defs.resolve_schedule_def(name)
        from datetime import UTC, datetime

        with dg.build_schedule_context(
            resources={"accounting": default_resources(load_settings())["accounting"]},
            scheduled_execution_time=datetime(2026, 1, 1, tzinfo=UTC),
        ) as context:
            assert len(schedule.evaluate_tick(context).run_requests) == 1


def test_without_an_order_store_nothing_is_made(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XETRADE_TRADING__STORE", str(machine / "none.db"))
    result = materialize(fills, yesterday())
    assert not result.success
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert "there is no order store yet" in str(failure.user_failure_data.description)
    assert not (machine / "none.db").exists()


def test_the_orders_of_a_day_are_in_the_lake_and_their_checks_hold(trade: Trade) -> None:
    trade(("1", "100"), at_ns=today().start_ns + 5, created_ns=today().start_ns + 1)
    result = materialize(orders_asset, today())
    assert result.success
    [made] = result.get_asset_materialization_events()
    assert made.materialization.metadata["dagster/row_count"].value == 1
    assert verdicts(result) == {"rows_valid": True, "equal_the_store": True, "legal": True, "have_fills": True}
