"""Orders through Dagster: placed once however often a run is executed again, told with their history, and never a key
in what Dagster keeps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableRepository

from tests.e2e.dagster_host import DagsterHost
from tests.pipelines.deployment import environment
from tests.support.desk import SCENARIO, addresses, all_ids, open_ids
from tests.support.sim import Sim, sim_process
from tests.trading.samples import intent
from xetrade_core.lake.day_tables import read_day
from xetrade_core.lake.store import open_store
from xetrade_core.lake.trade_schemas import RECONCILIATIONS
from xetrade_core.model.order_events import ControlEvent, ControlKind, EventKind, OrderEvent, TradingState
from xetrade_core.trading.store import OrderStore
from xetrade_core.webhook import Webhook
from xetrade_pipelines.definitions import build_defs, defs
from xetrade_pipelines.trading.assets import reconciliations

pytestmark = pytest.mark.xdist_group("simulated orders")
CANARY = "canary-0c44d1a9"
ORDER = {"venue": "binance", "pair": "BTC-USDT", "side": "buy", "quantity": "0.001", "price": "50000"}


@pytest.fixture(scope="module")
def desk_sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def sim(machine: Path, desk_sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sim]:
    """The simulated venue, which the machine's settings name; every order in a store of the test's own."""
    for name, value in addresses(desk_sim).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XETRADE_TRADING__STORE", str(machine / "orders.db"))
    monkeypatch.chdir(machine)
    yield desk_sim
    desk_sim.clear()


def config(op: str, **values: Any) -> dict[str, Any]:
    return {"ops": {op: {"config": values}}}


def job(name: str) -> Any:
    repository = ReconstructableRepository.for_module("xetrade_pipelines.definitions", "defs", str(Path.cwd()))
    return repository.get_reconstructable_job(name)


def told(result: Any, op: str) -> dict[str, Any]:
    """The metadata of an op's output, as plain values."""
    [event] = [event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    assert event.step_key == op
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_an_order_is_placed_looked_up_and_cancelled(sim: Sim, instance: dg.DagsterInstance) -> None:
    placed = told(dg.execute_job(job("place_order"), instance, config("place_order", **ORDER)), "place_order")
    assert (placed["state"], placed["client_id"]) == ("open", open_ids(sim)[-1])
    assert "| accepted | reply | order " in placed["history"]
    assert "| pair | BTC/USDT |" in placed["order"]
    named = config("order_status", order_id=placed["order_id"], venue="binance")
    assert told(dg.execute_job(job("order_status"), instance, named), "order_status")["state"] == "open"
    named = config("cancel_order", order_id=placed["client_id"])
    assert told(dg.execute_job(job("cancel_order"), instance, named), "cancel_order")["state"] == "canceled"


def test_executing_a_run_again_never_doubles_its_order(sim: Sim, instance: dg.DagsterInstance) -> None:
    first = dg.execute_job(job("place_order"), instance, config("place_order", **ORDER))
    client_id = told(first, "place_order")["client_id"]
    options = dg.ReexecutionOptions(parent_run_id=first.run_id)
    again = dg.execute_job(job("place_order"), instance, config("place_order", **ORDER), reexecution_options=options)
    assert again.run_id != first.run_id
    assert told(again, "place_order")["client_id"] == client_id
    logged = [[entry.user_message for entry in instance.all_logs(run.run_id)] for run in (first, again)]
    assert [any("and none was placed now" in line for line in lines) for lines in logged] == [False, True]
    of_that = dg.ReexecutionOptions(parent_run_id=again.run_id)  # the root stays the first run
    third = dg.execute_job(job("place_order"), instance, config("place_order", **ORDER), reexecution_options=of_that)
    assert told(third, "place_order")["client_id"] == client_id
    assert all_ids(sim).count(client_id) == 1
    other = dg.execute_job(job("place_order"), instance, config("place_order", **ORDER))
    assert told(other, "place_order")["client_id"] != client_id


def test_a_run_whose_order_nobody_knows_of_fails_and_its_re_execution_finds_it(
    sim: Sim, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XETRADE_TRADING__PATIENCE_S", "0.5")
    sim.begin(kind="rest_dropped", venue="binance", path="/api/v3/order", for_=60)
    before = all_ids(sim)
    failed = dg.execute_job(job("place_order"), instance, config("place_order", **ORDER))
    assert not failed.success
    [failure] = [event for event in failed.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error is not None
    assert "the venue has not told whether it took it" in error.message
    assert failure.step_failure_data.user_failure_data is not None
    assert "ambiguous" in str(failure.step_failure_data.user_failure_data.metadata["history"].value)
    sim.clear()
    options = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
    monkeypatch.setenv("XETRADE_TRADING__PATIENCE_S", "20")
    found = told(dg.execute_job(job("place_order"), instance, reexecution_options=options), "place_order")
    assert found["state"] == "open"
    assert [one for one in all_ids(sim) if one not in before] == [found["client_id"]]


def test_a_refused_order_fails_its_run_with_one_clear_line(
    sim: Sim, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XETRADE_LIMITS__PORTFOLIO__MAX_OPEN_NOTIONAL", "10")
    before = all_ids(sim)
    denied = dg.execute_job(job("place_order"), instance, config("place_order", **ORDER))
    [failure] = [event for event in denied.all_events if event.is_step_failure]
    assert "max_open_notional of portfolio would be 50, allowed is 10" in str(failure.step_failure_data.error)
    wrong = dg.execute_job(job("place_order"), instance, config("place_order", **{**ORDER, "pair": "XYZ-USDT"}))
    [failure] = [event for event in wrong.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error is not None
    assert "unknown symbol 'XYZ-USDT' on binance: it lists 2 instruments" in error.message
    assert "xetrade_core" not in "".join(error.stack)
    assert all_ids(sim) == before


@pytest.mark.parametrize(
    ("op", "wrong", "says"),
    [
        ("place_order", {"wait_s": 0.0}, "wait_s = 0.0 is not valid: more than 0 and at most 604800 seconds"),
        ("place_order", {"wait_s": 1e30}, "wait_s = 1e+30 is not valid"),
        ("place_order", {"quantity": "NaN"}, "quantity NaN is not valid: a number above zero"),
        ("order_status", {"venue": "nasdaq"}, "unknown venue 'nasdaq'"),
        ("cancel_order", {"order_id": "nope"}, "unknown order 'nope'"),
        ("cancel_all", {"account": "main"}, "a halt concerns a venue, or everything: set halt to false"),
        (
            "cancel_all",
            {"halt": False, "account": "nobody"},
            "no account nobody in the settings: there is binance/main",
        ),
        ("cancel_all", {"halt": False, "venue": "binance", "pair": "X-Y"}, "binance/main: unknown symbol 'X-Y' on bin"),
        ("stress_test", {"clients": 0}, "clients = 0 is not valid: 1 to 5000"),
        ("stress_test", {"count": 0}, "count = 0 is not valid: at least 1"),
        ("stress_test", {"soak_s": 0.0}, "soak = 0.0 is not valid: above zero"),
        ("stress_test", {"over_s": -1.0}, "over = -1.0 is not valid: 0 to 86400 seconds"),
        ("stress_test", {"below": "NaN"}, "below = 'NaN' is not valid: a share above 0 and below 1"),
        ("reconcile", {"window_s": 0.0}, "window_s = 0.0 is not valid: above zero"),
        ("reconcile", {"grace_s": 1e12}, "and at most 3600 seconds"),
        ("cross_order", {"within_s": 4000.0}, "within 4000.0 is not valid: more than 0 and at most 3600 seconds"),
        ("cross_order", {"wait_s": -1.0}, "wait_s = -1.0 is not valid"),
    ],
)
def test_a_wrong_value_of_any_job_is_one_clear_line(
    sim: Sim, instance: dg.DagsterInstance, op: str, wrong: dict[str, Any], says: str
) -> None:
    """Also those that the type of a field cannot tell: a bound of pydantic's would be a traceback."""
    legs = {"buy": "binance", "sell": "binance", "pair": "BTC-USDT", "quantity": "1", "max_loss": "1"}
    right = {"place_order": ORDER, "order_status": {"order_id": "1"}, "cross_order": legs}.get(op, {})
    failed = dg.execute_job(job(op), instance, config(op, **right | wrong))
    [failure] = [event for event in failed.all_events if event.is_step_failure]
    given = failure.step_failure_data.user_failure_data
    assert given is not None, failure.step_failure_data.error
    assert says in str(given.description)
    assert "\n" not in str(given.description)


def test_the_kill_switch_halts_cancels_and_verifies(sim: Sim, instance: dg.DagsterInstance) -> None:
    dg.execute_job(job("place_order"), instance, config("place_order", **ORDER))
    assert open_ids(sim)
    killed = told(dg.execute_job(job("cancel_all"), instance, config("cancel_all", reason="drill")), "cancel_all")
    assert (killed["clean"], killed["halted"], open_ids(sim)) == (True, "everything", [])
    denied = dg.execute_job(job("place_order"), instance, config("place_order", **ORDER))
    assert not denied.success
    sim.begin(kind="rest_error", venue="binance", path="openOrders", status=500, for_=60)
    assert not dg.execute_job(job("cancel_all"), instance, config("cancel_all", halt=False)).success


def test_the_command_of_the_manual_places_an_order_and_no_key_is_kept_anywhere(
    sim: Sim, machine: Path, tmp_path: Path
) -> None:
    variables = {**environment(machine), **addresses(sim), "XETRADE_TRADING__STORE": str(machine / "orders.db")}
    text = "ops:\n  place_order:\n    config:\n" + "".join(
        f'      {name}: "{value}"\n' for name, value in ORDER.items()
    )
    before = all_ids(sim)
    host = DagsterHost(tmp_path / "home", variables)
    ran = host.execute_job("place_order", text)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert len(all_ids(sim)) == len(before) + 1
    host.environment |= {
        "XETRADE_TRADING__MODE": "paper",
        "XETRADE_ACCOUNTS__MAIN__VENUE": "binance",
        "XETRADE_ACCOUNTS__MAIN__API_KEY": f"{CANARY}-key",
        "XETRADE_ACCOUNTS__MAIN__SECRET": CANARY,
    }
    refused = host.execute_job("place_order", text)
    assert refused.returncode == 1
    assert "rejected" in refused.stderr + refused.stdout
    assert CANARY not in refused.stderr + refused.stdout
    for path in tmp_path.rglob("*"):  # event log, run config, compute logs, the order store, what is shared
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path


def test_orders_that_need_a_person_and_halts_are_told_once(
    sim: Sim, machine: Path, instance: dg.DagsterInstance
) -> None:
    sensor = build_defs().resolve_sensor_def("alert_trading")
    assert sensor.default_status is dg.DefaultSensorStatus.STOPPED
    defs = build_defs()
    resources = {name: defs.resources[name] for name in ("trading", "alerts", "settings")} if defs.resources else {}

    def look(cursor: str | None) -> Any:
        with dg.build_sensor_context(instance, cursor=cursor, resources=resources) as context:
            return sensor(context)

    quiet = look(None)
    assert "no order needs an operator" in quiet.skip_reason.skip_message
    assert not (machine / "orders.db").exists()
    store, lost = OrderStore(machine / "orders.db"), intent()
    happened = [OrderEvent(kind=EventKind.INTENDED, at_ns=1, intent=lost)]
    happened += [
        OrderEvent(kind=kind, at_ns=1) for kind in (EventKind.SUBMITTED, EventKind.AMBIGUOUS, EventKind.GIVEN_UP)
    ]
    for event in happened:
        store.do(lambda work, event=event: work.append(lost.client_id, event))  # type: ignore[misc]
    store.control(ControlEvent(kind=ControlKind.TRADING_STATE, at_ns=2, by="tester", state=TradingState.HALTED))
    store.close()
    told_now = look(quiet.cursor)
    assert told_now.skip_reason.skip_message == "told of 2"
    assert "no order needs an operator" in look(told_now.cursor).skip_reason.skip_message


def test_an_alert_that_the_webhook_did_not_take_is_told_again_and_holds_up_no_other(
    machine: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XETRADE_TRADING__STORE", str(machine / "orders.db"))
    monkeypatch.setenv("XETRADE_ALERTS__WEBHOOK_URL", "http://127.0.0.1:9/hook")
    answers, heard = [False, True, True], list[str]()

    def deliver(_: Webhook, body: dict[str, Any]) -> bool:
        heard.append(body["message"].split()[2])
        return answers.pop(0)

    monkeypatch.setattr(Webhook, "deliver", deliver)
    store = OrderStore(machine / "orders.db")
    halted = TradingState.HALTED
    for venue in ("binance", "okx"):
        store.control(ControlEvent(kind=ControlKind.TRADING_STATE, at_ns=2, by="x", state=halted, venue=venue))
    store.close()
    sensor = build_defs().resolve_sensor_def("alert_trading")
    resources = {name: build_defs().resources[name] for name in ("trading", "alerts", "settings")}  # type: ignore[index]
    cursor = None
    for said in ("told of 1; the webhook did not take 1, which are told again", "told of 1", "no order needs"):
        with dg.build_sensor_context(instance, cursor=cursor, resources=resources) as context:
            result: Any = sensor(context)
        assert said in result.skip_reason.skip_message
        cursor = result.cursor
    assert heard == ["binance", "okx", "binance"]


@pytest.mark.parametrize("gone", [False, True])
def test_an_order_store_that_cannot_be_read_is_told_once_and_so_is_that_it_is_back(
    machine: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    path, aside = machine / "orders.db", machine / "aside.db"
    monkeypatch.setenv("XETRADE_TRADING__STORE", str(path))
    monkeypatch.setenv("XETRADE_ALERTS__WEBHOOK_URL", "http://127.0.0.1:9/hook")
    taken, heard = [True], list[str]()

    def deliver(_: Webhook, body: dict[str, Any]) -> bool:
        heard.append(body["alarm"])
        return taken[-1]

    monkeypatch.setattr(Webhook, "deliver", deliver)
    store = OrderStore(path)
    halted = TradingState.HALTED
    store.control(ControlEvent(kind=ControlKind.TRADING_STATE, at_ns=2, by="x", state=halted, venue="okx"))
    store.close()
    resources = {name: build_defs().resources[name] for name in ("trading", "alerts", "settings")}  # type: ignore[index]
    sensor, cursor = build_defs().resolve_sensor_def("alert_trading"), None

    def told(*, by_a_webhook_that_takes_it: bool = True) -> list[str]:
        nonlocal cursor
        taken.append(by_a_webhook_that_takes_it)
        heard.clear()
        with dg.build_sensor_context(instance, cursor=cursor, resources=resources) as context:
            result: Any = sensor(context)
        cursor = result.cursor
        return list(heard)

    assert (told(), told()) == (["trading_stopped"], [])
    path.rename(aside)
    if not gone:
        path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)
    assert told(by_a_webhook_that_takes_it=False) == ["order_store_away"]
    assert (told(), told()) == (["order_store_away"], [])
    aside.replace(path)
    assert told(by_a_webhook_that_takes_it=False) == ["order_store_back"]
    assert (told(), told()) == (["order_store_back"], [])  # and the halt, told before, is not told again
    path.rename(aside)
    assert told() == ["order_store_away"]


def test_a_cursor_of_orders_that_cannot_be_read_has_all_told_again(
    machine: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XETRADE_TRADING__STORE", str(machine / "orders.db"))
    store = OrderStore(machine / "orders.db")
    halted = TradingState.HALTED
    store.control(ControlEvent(kind=ControlKind.TRADING_STATE, at_ns=2, by="x", state=halted, venue="okx"))
    store.close()
    resources = {name: build_defs().resources[name] for name in ("trading", "alerts", "settings")}  # type: ignore[index]
    with dg.build_sensor_context(instance, cursor="no list", resources=resources) as context:
        result: Any = build_defs().resolve_sensor_def("alert_trading")(context)
    assert result.skip_reason.skip_message == "told of 1"


def test_accounts_are_not_compared_as_of_a_day_that_is_over(machine: Path, instance: dg.DagsterInstance) -> None:
    past = dg.materialize(
        [reconciliations],
        partition_key="2026-11-01|binance",
        instance=instance,
        resources=build_defs().resources,
        raise_on_error=False,
    )
    assert not past.success
    [failure] = [event for event in past.all_events if event.is_step_failure]
    assert "the running day" in failure.step_failure_data.user_failure_data.description


def test_a_stress_test_accounts_for_every_order_and_executed_again_places_none(
    sim: Sim, instance: dg.DagsterInstance
) -> None:
    before = len(all_ids(sim))
    wanted = config("stress_test", venues=["binance"], pair="BTC-USDT", clients=20, count=40)
    first = dg.execute_job(job("stress_test"), instance, wanted)
    report = told(first, "stress_test")
    assert (report["orders"], report["canceled"], report["failed"], report["accounted"]) == (40, 40, 0, True)
    assert 0 < report["place_p50_ms"] <= report["place_p99_ms"]
    assert "data:image/png;base64," in report["picture"]
    assert "| binance/main |" in report["proof"]
    assert len(all_ids(sim)) - before == 40
    options = dg.ReexecutionOptions(parent_run_id=first.run_id)
    assert dg.execute_job(job("stress_test"), instance, wanted, reexecution_options=options).success
    assert len(all_ids(sim)) - before == 40


def test_a_stress_test_with_refused_orders_fails_its_run_and_shows_the_causes(
    sim: Sim, instance: dg.DagsterInstance
) -> None:
    sim.begin(kind="order_refused", venue="binance", variant="insufficient_funds", count=1)
    failed = dg.execute_job(job("stress_test"), instance, config("stress_test", clients=3))
    assert not failed.success
    [failure] = [event for event in failed.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data is not None
    assert "-2010" in str(failure.step_failure_data.user_failure_data.metadata["causes"].value)


def test_a_reconciliation_repairs_what_nobody_heard_of_shows_it_and_keeps_it(
    sim: Sim, instance: dg.DagsterInstance
) -> None:
    wanted = {**ORDER, "pair": "ETH-USDT", "quantity": "0.1", "price": "500"}
    placed = told(dg.execute_job(job("place_order"), instance, config("place_order", **wanted)), "place_order")
    sim.fill("binance", int(placed["order_id"]))
    compare = config("reconcile", venue="binance", account="main", pair="ETH-USDT", grace_s=0.05)
    result = told(dg.execute_job(job("reconcile"), instance, compare), "reconcile")
    assert (result["clean"], result["unexplained"]) == (True, 0)
    assert "missing here" in result["table"] or "state" in result["table"]
    lake = open_store(defs.resources["lake"].root)  # of the module, as it was when it was loaded
    kept = read_day(lake, RECONCILIATIONS, "binance", time.time_ns()).to_pylist()[-1]
    assert (kept["account"], kept["unexplained"], kept["problems"]) == ("main", 0, None)
    assert json.loads(kept["differences"].splitlines()[0])["pair"] == "ETH/USDT"
    order = config("order_status", order_id=placed["client_id"], refresh=False)
    assert told(dg.execute_job(job("order_status"), instance, order), "order_status")["state"] == "filled"


def test_accounts_are_compared_on_a_schedule_where_there_are_any(
    sim: Sim, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = build_defs().get_repository_def().get_schedule_def("reconcile_often")
    at = datetime(2026, 11, 28, 12, 10, tzinfo=UTC)

    def tick() -> Any:
        resources = {name: build_defs().resources[name] for name in ("trading", "settings")}  # type: ignore[index]
        with dg.build_schedule_context(instance, scheduled_execution_time=at, resources=resources) as context:
            return schedule(context)

    assert tick().run_key == "reconcile/2026-11-28T12:10"
    monkeypatch.delenv("XETRADE_VENUES__BINANCE__REST_URL")
    assert "no account" in tick().skip_message
