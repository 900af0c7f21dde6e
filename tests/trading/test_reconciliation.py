"""The store against the venue: what its words explain is repaired, what nothing explains stops the instrument."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.trading.samples import SYMBOL, D, fill, request
from tests.trading.venue_double import Fault
from tests.trading.world import World
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, Halted, OrderOutcomeUnknown
from xetrade_core.model.accounts import Balance
from xetrade_core.model.order_events import TradingState
from xetrade_core.model.orders import Fill, Order, OrderState, ReportStatus, Side
from xetrade_core.telemetry import add_alarm_sink
from xetrade_core.trading.client_ids import client_order_id, is_ours
from xetrade_core.trading.execution import NotListed
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.reconciliation.comparison import balances_of, fill_differences, gaps
from xetrade_core.trading.reconciliation.differences import AccountReport, Difference, Kind, Outcome, Subject
from xetrade_core.trading.reconciliation.plan import ReconcilePlan
from xetrade_core.trading.reconciliation.reconciler import reconcile
from xetrade_core.trading.service import OrderService

KEY = "run-1"
ID = client_order_id(KEY)
PERPETUAL = "BTC/USDT:USDT"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def alarms() -> Iterator[list[str]]:
    told: list[str] = []
    remove = add_alarm_sink(lambda body: told.append(body["alarm"]))
    yield told
    remove()


def run(world: World, plan: ReconcilePlan | None = None) -> AccountReport:
    """A reconciliation of the account by a process of its own, an hour later."""
    world.clock.continue_after_s(3600)

    async def program(service: OrderService) -> AccountReport:
        [account] = service._desk.accounts.values()
        report = await reconcile(service, service._store, account, world.clock, plan)
        await service.settled()
        return report

    report = world.run(program)
    assert report is not None
    return report


def placed(world: World, **changes: Any) -> None:
    """An order, and the account as it was first looked at."""

    async def program(service: OrderService) -> None:
        await service.place(request(**changes), key=KEY)

    world.run(program)


def unheard(world: World, fault: Fault) -> None:
    """An order of which its process ended without knowing anything."""

    async def lose(service: OrderService) -> None:
        with pytest.raises(OrderOutcomeUnknown):
            await service.place(request(), key=KEY)

    world.fail("place", fault)
    world.fail("find", *[Fault.LOST] * 30)
    world.run(lose)
    world.double.faults["find"].clear()


def stored(world: World) -> Order:
    store = world.open()
    try:
        assert rebuild(store).clean
        order = store.order(ID)
        assert order.illegal == ()
        return order
    finally:
        store.close()


def state_of(world: World, symbol: str = SYMBOL) -> TradingState:
    store = world.open()
    try:
        event = store.do(lambda work: work.risk.trading_state("binance", symbol))
        return TradingState.ACTIVE if event is None or event.state is None else event.state
    finally:
        store.close()


def only(report: AccountReport) -> Difference:
    assert report.problems == ()
    [difference] = report.differences
    return difference


def what(difference: Difference) -> tuple[Subject, Kind, Outcome]:
    return difference.subject, difference.kind, difference.outcome


def test_what_agrees_is_clean_and_nothing_is_written(world: World) -> None:
    placed(world)
    before = stored(world)
    report = run(world)
    assert report.clean
    assert report.differences == ()
    assert report.orders == 1
    assert stored(world) == before


def test_a_fill_that_the_stream_lost_is_recorded_with_the_venues_id_and_once(world: World) -> None:
    placed(world)
    made = world.double.trade(world.double.orders[0], D("0.01"))
    report = run(world)
    assert (Subject.ORDER, Kind.STATE, Outcome.REPAIRED) in {what(one) for one in report.differences}
    assert report.clean
    order = stored(world)
    assert (order.state, order.fills_amount) == (OrderState.FILLED, D("0.01"))
    store = world.open()
    assert [one.trade_id for one in store.fills()] == [made.trade_id]
    store.close()
    assert run(world).differences == ()


@pytest.mark.parametrize("first_heard", [None, 0, 1])
def test_a_trade_of_the_account_with_itself_is_told_by_one_id_and_is_a_fill_of_either_order(
    world: World, first_heard: int | None
) -> None:
    """Two strategies of an account meet: venues that do not prevent it tell both of the same trade."""

    async def place_both(service: OrderService) -> None:
        await service.place(request(), key=KEY)
        await service.place(request(side=Side.SELL), key="other")
        for order in world.double.orders:
            order.trades[:] = [msgspec.structs.replace(world.double.trade(order, D("0.01")), trade_id="t1")]
        if first_heard is not None:
            await service.observe("binance", "main", world.double.orders[first_heard].trades[0])

    world.run(place_both)
    looked = [one for one in run(world, ReconcilePlan(dry_run=True)).differences if one.subject is Subject.FILL]
    assert {one.kind for one in looked} <= {Kind.MISSING_HERE}
    assert run(world).clean
    assert run(world).differences == ()
    assert stored(world).fills_amount == D("0.01")
    store = world.open()
    assert sorted(one.side.sign for one in store.fills()) == [-1, 1]
    assert store.order(client_order_id("other")).fills_amount == D("0.01")
    store.close()
    assert state_of(world) is TradingState.ACTIVE


def test_an_order_that_was_cancelled_unheard_is_ended(world: World) -> None:
    placed(world)
    world.double.orders[0].status = ReportStatus.CANCELED
    assert what(only(run(world))) == (Subject.ORDER, Kind.STATE, Outcome.REPAIRED)
    assert stored(world).state is OrderState.CANCELED
    assert run(world).differences == ()


def test_an_order_whose_reply_was_lost_is_found(world: World) -> None:
    unheard(world, Fault.NO_REPLY)
    assert what(only(run(world))) == (Subject.ORDER, Kind.STATE, Outcome.REPAIRED)
    assert stored(world).state is OrderState.OPEN


def test_an_order_that_never_arrived_is_rejected_after_the_venue_said_so_often_enough(world: World) -> None:
    unheard(world, Fault.LOST)
    assert what(only(run(world))) == (Subject.ORDER, Kind.MISSING_THERE, Outcome.REPAIRED)
    assert stored(world).state is OrderState.REJECTED


def test_an_acknowledged_order_that_vanished_halts_its_instrument_and_alarms(world: World, alarms: list[str]) -> None:
    placed(world)
    world.double.orders.clear()
    report = run(world)
    assert what(only(report)) == (Subject.ORDER, Kind.MISSING_THERE, Outcome.HALTED)
    assert not report.clean
    assert stored(world).state is OrderState.NEEDS_OPERATOR
    assert state_of(world) is TradingState.HALTED
    assert "reconciliation_difference" in alarms

    async def again(service: OrderService) -> None:
        with pytest.raises(Halted):
            await service.place(request(), key="another")

    world.run(again)


def test_an_order_of_what_the_venue_lists_no_more_is_for_a_person_unless_it_rests_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def delisted(*_: object) -> Any:
        raise NotListed("the venue does not list it")

    placed(world)
    monkeypatch.setattr(world.double, "find", delisted)
    world.double.trade(world.double.of(ID)[0], D("0.004"))
    problems = run(world).problems
    assert any(ID in problem for problem in problems)
    assert stored(world).state is OrderState.PARTIALLY_FILLED
    world.double.orders.clear()
    report = run(world)
    assert (Subject.ORDER, Kind.MISSING_THERE, Outcome.HALTED) in [what(one) for one in report.differences]
    assert stored(world).state is OrderState.NEEDS_OPERATOR


def test_an_order_that_rests_though_the_venue_had_ended_it_halts_its_instrument(world: World) -> None:
    async def program(service: OrderService) -> None:
        await service.place(request(), key=KEY)
        await service.cancel(ID)

    world.run(program)
    world.double.orders[0].status = ReportStatus.OPEN
    difference = only(run(world))
    assert what(difference) == (Subject.ORDER, Kind.STATE, Outcome.HALTED)
    assert (difference.here, difference.there) == ("canceled, 0 of 0.01", "open, 0 of 0.01")
    assert stored(world).state is OrderState.CANCELED
    assert state_of(world) is TradingState.HALTED


def test_an_order_of_somebody_else_is_told_and_never_taken_for_ours(world: World) -> None:
    other = world.double.somebody_elses()
    difference = only(run(world))
    assert what(difference) == (Subject.ORDER, Kind.MISSING_HERE, Outcome.EXTERNAL)
    assert difference.name == other.venue_order_id
    assert state_of(world) is TradingState.ACTIVE
    assert other.status is ReportStatus.OPEN
    store = world.open()
    assert store.updated(0, 2**62) == []
    store.close()


def test_an_order_with_an_id_of_ours_that_the_store_lacks_halts(world: World) -> None:
    world.double.somebody_elses().client_id = client_order_id("a store that was lost")
    assert what(only(run(world))) == (Subject.ORDER, Kind.MISSING_HERE, Outcome.HALTED)
    assert state_of(world) is TradingState.HALTED


def test_a_trade_of_somebody_else_is_recorded_as_such_and_moves_no_holding_of_ours(world: World) -> None:
    placed(world)
    other = world.double.somebody_elses()
    world.double.trade(other, D(1))
    world.clock.continue_after_s(60)
    report = run(world)
    assert what(only(report)) == (Subject.FILL, Kind.MISSING_HERE, Outcome.EXTERNAL)
    store = world.open()
    [kept] = store.fills()
    assert kept.client_id is None
    store.close()
    assert stored(world).fills_amount == 0
    assert run(world).differences == ()


def test_what_is_younger_than_the_grace_window_is_no_difference(world: World) -> None:
    async def program(service: OrderService) -> AccountReport:
        await service.place(request(), key=KEY)
        world.double.orders[0].status = ReportStatus.CANCELED
        [account] = service._desk.accounts.values()
        return await reconcile(service, service._store, account, world.clock)

    report = world.run(program)
    assert report is not None
    assert (report.differences, report.in_flight) == ((), 1)


def test_a_dry_run_tells_and_changes_nothing(world: World, alarms: list[str]) -> None:
    placed(world)
    world.double.trade(world.double.orders[0], D("0.01"))
    world.double.stated[PERPETUAL] = D(3)
    before = stored(world)
    report = run(world, ReconcilePlan(dry_run=True))
    assert {one.outcome for one in report.differences} == {Outcome.FOUND}
    assert not report.clean
    assert stored(world) == before
    assert alarms == []


def test_a_trade_that_the_venue_takes_back_halts(world: World) -> None:
    placed(world)
    world.double.trade(world.double.orders[0], D("0.01"))
    run(world)
    world.double.orders[0].trades.clear()
    world.double.orders[0].trades = []
    kinds = {what(one) for one in run(world).differences}
    assert (Subject.FILL, Kind.MISSING_THERE, Outcome.HALTED) in kinds
    assert state_of(world) is TradingState.HALTED


@pytest.mark.parametrize("known", [True, False])
def test_a_trade_is_only_missed_as_far_back_as_the_venue_tells_them(
    world: World, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    async def fills(service: OrderService) -> None:
        await service.place(request(), key=KEY)
        await service.observe("binance", "main", world.double.trade(world.double.of(ID)[0], D("0.01")))

    world.run(fills)
    world.clock.continue_after_s(4 * 3600)
    tells = world.double.fills_since

    async def forgetful(symbol: str, since_ns: int) -> tuple[Fill, ...]:
        return await tells(symbol, max(since_ns, world.clock.wall_ns() - 3 * 3600 * NS_PER_S))

    monkeypatch.setattr(world.double, "fills_since", forgetful)
    if known:
        monkeypatch.setattr(world.double, "trade_history_s", 3 * 3600.0, raising=False)
    missed = [one.outcome for one in run(world).differences if one.subject is Subject.FILL]
    assert missed == ([] if known else [Outcome.HALTED])


def test_what_the_venue_lists_no_more_is_a_problem_only_while_it_has_traded_lately(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fills(service: OrderService) -> None:
        await service.place(request(), key=KEY)
        await service.observe("binance", "main", world.double.trade(world.double.of(ID)[0], request().amount))

    world.run(fills)
    run(world)

    async def delisted(symbol: str, since_ns: int) -> tuple[Fill, ...]:
        raise NotListed(f"trades of {symbol}: the venue does not list it")

    monkeypatch.setattr(world.double, "fills_since", delisted)
    assert [*run(world).problems] == [f"trades of {SYMBOL}: trades of {SYMBOL}: the venue does not list it"]
    world.clock.continue_after_s(2 * 86_400)
    assert run(world).clean


def test_a_balance_is_taken_once_as_it_is_and_then_only_trades_explain_it(world: World, alarms: list[str]) -> None:
    world.double.held.update({"BTC": D(2), "USDT": D(100_000)})
    assert {what(one) for one in run(world).differences} == {(Subject.BALANCE, Kind.BALANCE, Outcome.OPENING)}
    placed(world)
    world.double.trade(world.double.orders[0], D("0.01"))
    assert run(world).clean
    world.double.held["USDT"] += 7
    report = run(world)
    difference = only(report)
    assert what(difference) == (Subject.BALANCE, Kind.BALANCE, Outcome.REPORTED)
    assert (difference.here, difference.there) == ("99500", "99507")
    assert "reconciliation_difference" in alarms
    accepted = run(world, ReconcilePlan(accept=True, by="ann", reason="a deposit"))
    assert what(only(accepted)) == (Subject.BALANCE, Kind.BALANCE, Outcome.ACCEPTED)
    assert run(world).differences == ()


def test_a_balance_that_moves_while_it_is_first_looked_at_is_taken_the_next_time(world: World) -> None:
    world.double.held.update({"BTC": D(2), "USDT": D(100_000)})
    placed(world)
    asked, balances = 0, world.double.balances

    async def traded_between_two_looks() -> tuple[Balance, ...]:
        nonlocal asked
        asked += 1
        if asked == 2:
            world.double.trade(world.double.orders[0], D("0.01"))
        return await balances()

    world.double.balances = traded_between_two_looks  # type: ignore[method-assign]
    run(world)
    again = {(one.name, one.outcome) for one in run(world).differences if one.subject is Subject.BALANCE}
    assert again == {("BTC", Outcome.OPENING), ("USDT", Outcome.OPENING)}
    assert run(world).differences == ()


def test_a_position_from_before_the_first_trade_is_an_opening_and_drift_from_it_halts(world: World) -> None:
    world.double.stated[PERPETUAL] = D(-3)
    assert what(only(run(world))) == (Subject.POSITION, Kind.POSITION, Outcome.OPENING)
    assert run(world).differences == ()
    world.double.stated[PERPETUAL] = D(-2)
    difference = only(run(world))
    assert what(difference) == (Subject.POSITION, Kind.POSITION, Outcome.HALTED)
    assert (difference.here, difference.there) == ("-3", "-2")
    assert state_of(world, PERPETUAL) is TradingState.HALTED
    assert state_of(world) is TradingState.ACTIVE


def test_a_venue_that_cannot_be_asked_is_a_problem_and_nothing_is_concluded(world: World) -> None:
    placed(world)
    world.double.orders.clear()
    world.fail("find", *[Fault.LOST] * 3)
    world.fail("fills", *[Fault.LOST] * 3)
    report = run(world)
    assert report.differences == ()
    assert len(report.problems) == 2
    assert not report.clean
    assert stored(world).state is OrderState.OPEN


def test_trades_are_compared_by_their_identity_and_to_the_last_number() -> None:
    here = [fill("same"), fill("ours"), fill("price"), fill("fee", fee=D("0.1"), fee_currency="BNB")]
    there = [fill("same"), fill("theirs"), fill("price", price="1"), fill("fee", fee=D("0.2"), fee_currency="BNB")]
    found = {(one.kind, (one.here or one.there).trade_id) for one in fill_differences(here, there)}  # type: ignore[union-attr]
    assert found == {
        (Kind.MISSING_HERE, "theirs"),
        (Kind.MISSING_THERE, "ours"),
        (Kind.QUANTITY, "price"),
        (Kind.FEE, "fee"),
    }


def test_an_order_that_filled_here_and_was_enlarged_on_the_venues_page_can_trade_again(
    world: World, alarms: list[str]
) -> None:
    async def fills(service: OrderService) -> None:
        await service.place(request(), key=KEY)
        [there] = world.double.of(ID)
        there.amount = D("0.02")
        filled = await service.observe("binance", "main", world.double.trade(there, D("0.01")))
        assert filled is not None
        assert filled.state is OrderState.FILLED

    world.run(fills)
    report = run(world)
    [one] = [one for one in report.differences if one.subject is Subject.ORDER]
    assert (one.kind, one.outcome, alarms) == (Kind.STATE, Outcome.REPAIRED, ["order_contradiction"])
    assert (stored(world).state, stored(world).remaining) == (OrderState.PARTIALLY_FILLED, D("0.01"))
    world.double.trade(world.double.of(ID)[0], D("0.01"))
    assert run(world).clean
    assert (stored(world).state, stored(world).fills_amount) == (OrderState.FILLED, D("0.02"))


def test_a_fee_that_was_not_stated_yet_is_no_difference_to_one_that_was() -> None:
    kept = fill("one", fee=D("0.1"), fee_currency="BNB")
    assert list(fill_differences([kept], [fill("one")])) == []


def test_amounts_may_be_off_by_rounding_alone() -> None:
    assert gaps({"USDT": D("100.00000001")}, {"USDT": D(100)}, {}, {"USDT": D("0.00000001")}) == []
    [gap] = gaps({"USDT": D("100.00000002")}, {"USDT": D(100)}, {}, {"USDT": D("0.00000001")})
    assert gap.stated - gap.moved == D("0.00000002")
    assert gaps({}, {"BTC": D(1)}, {"BTC": D(-1)}, {}) == []


def test_an_id_of_ours_is_known_by_its_shape() -> None:
    assert is_ours(client_order_id("any", "step", 7))
    assert not is_ours("x-R4BD3S82")
    assert not is_ours("web_" + ID)


@pytest.mark.parametrize(("name", "value"), [("looks", 1), ("grace_s", 0), ("window_s", -1)])
def test_a_plan_that_proves_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        ReconcilePlan(**{name: value})  # type: ignore[arg-type]


def test_a_sell_moves_both_currencies_and_the_fee_its_own() -> None:
    sold = fill("one", "2", "10", side=Side.SELL, fee=D("0.5"), fee_currency="USDT")
    moved, slack = balances_of([sold])
    assert moved == {"BTC": D(-2), "USDT": D("19.5")}
    assert slack["USDT"] == D("0.00000002")
