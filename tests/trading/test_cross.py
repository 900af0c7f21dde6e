"""Cross-venue orders over two venue doubles: what is checked, hedged, frozen, traded back and stated."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.cross_mixing import cross
from tests.trading.cross_world import KEY, SWAP, CrossWorld, MortalStore, went_on
from tests.trading.samples import D
from tests.trading.venue_double import Fault
from tests.trading.virtual import InlineJournal
from xetrade_core.assembly.order_runs import trading_news
from xetrade_core.errors import (
    CrossBusy,
    CrossConflict,
    CrossNotOver,
    CrossRefused,
    InvalidOrder,
    NoAnswer,
    StoreUnavailable,
)
from xetrade_core.model.instruments import InstrumentStatus
from xetrade_core.model.order_events import ControlEvent, ControlKind, TradingState
from xetrade_core.model.orders import OrderState, Side
from xetrade_core.settings import Settings
from xetrade_core.telemetry import add_alarm_sink
from xetrade_core.trading.cross.moves import Rules
from xetrade_core.trading.cross.request import LegRequest
from xetrade_core.trading.cross.saga import CrossEvent, Role, Saga
from xetrade_core.trading.cross.service import CrossService, WentOn, settle
from xetrade_core.trading.cross.states import CrossKind, CrossState
from xetrade_core.trading.cross.store import CrossStore, totals
from xetrade_core.trading.limits import Limits, RiskLimits, Scope, ScopeKind
from xetrade_core.trading.policy import Policy
from xetrade_core.venues.venue import RateRule

LOT = D("0.00001")


@pytest.fixture
def world(tmp_path: Path) -> CrossWorld:
    return CrossWorld(tmp_path)


def swapped(tmp_path: Path) -> CrossWorld:
    """Spot on binance against a swap of 0.001 BTC on okx."""
    return CrossWorld(tmp_path, hedge=SWAP)


def ended(world: CrossWorld, **changes: object) -> Saga:
    saga = world.start(**changes)
    assert saga is not None
    assert world.check() == saga
    return saga


def filled(saga: Saga) -> list[tuple[str, Decimal | None]]:
    return [(one.role.value, one.filled) for one in saga.attempts]


# -- both legs -------------------------------------------------------------------------------------------------------


def test_the_less_liquid_leg_goes_first_and_what_it_filled_is_hedged(world: CrossWorld) -> None:
    saga = ended(world)
    assert (saga.state, saga.plan.first.venue) == (CrossState.DONE, "binance")
    assert "binance has 2 BTC within the bound, okx has 5" in saga.plan.why_first
    assert filled(saga) == [("first", D("0.01")), ("hedge", D("0.01"))]


def test_the_other_leg_goes_first_where_that_is_the_less_liquid_one(world: CrossWorld) -> None:
    world.binance.size = D(9)
    saga = ended(world)
    assert (saga.plan.first.venue, saga.plan.first.side) == ("okx", Side.SELL)
    assert filled(saga) == [("first", D("0.01")), ("hedge", D("0.01"))]


def test_contracts_are_converted(tmp_path: Path) -> None:
    saga = ended(swapped(tmp_path))
    assert filled(saga) == [("first", D("0.01")), ("hedge", D(10))]
    assert saga.state is CrossState.DONE


def test_only_what_the_first_leg_filled_is_hedged_in_as_many_orders_as_it_takes(world: CrossWorld) -> None:
    world.binance.supply.append([D("0.002"), D("0.0041")])
    world.okx.supply.extend([[D("0.001"), D("0.002")], [], [D("0.0031")]])
    saga = ended(world)
    assert saga.state is CrossState.DONE
    assert filled(saga) == [("first", D("0.0061")), *[("hedge", D(one)) for one in ("0.003", "0", "0.0031")]]


def test_an_order_that_rests_where_it_should_not_is_cancelled_before_anything_else_is_sent(world: CrossWorld) -> None:
    world.okx.rests = True
    world.okx.supply.append([D("0.004")])
    saga = ended(world)
    assert filled(saga) == [("first", D("0.01")), ("hedge", D("0.004")), ("hedge", D("0.006"))]
    assert world.okx.calls[:3] == ["place", "cancel", "place"]


def test_nothing_filled_ends_it_without_a_hedge(world: CrossWorld) -> None:
    world.binance.supply.append([])
    saga = ended(world)
    assert (saga.state, world.okx.orders) == (CrossState.FAILED, [])


def test_the_same_key_trades_once_and_names_nothing_else(world: CrossWorld) -> None:
    first = ended(world)
    again = ended(world)
    assert again == first
    assert len(world.binance.orders) == len(world.okx.orders) == 1
    with pytest.raises(CrossConflict, match=r"quantity 0\.01, and 0\.02 is asked"):
        world.start(quantity=D("0.02"))


# -- the pre-check ---------------------------------------------------------------------------------------------------

TWICE = LegRequest(venue="binance", account="main", symbol="BTC/USDT")


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"quantity": D("0.010005")}, CrossRefused, "no multiple of 0.001 BTC, its lot"),
        ({"quantity": D("0.0105")}, CrossRefused, r"no multiple of 0.001 BTC, its lot \(1 contracts of 0.001 BTC\)"),
        ({"quantity": D(3)}, CrossRefused, "its book holds 2 BTC up to 50051.*, and 3 is asked"),
        ({"quantity": D("0.00001")}, CrossRefused, "notional 0.5.* is not valid: at least 5"),
        ({"quantity": D(1), "max_loss": D("1.5")}, CrossRefused, r"it would lose 2, and max_loss allows 1\.5"),
        ({"quantity": D(0)}, InvalidOrder, "quantity 0 is not valid: a number above zero"),
        ({"within_s": 0.0}, InvalidOrder, "within 0.0 is not valid"),
        ({"max_loss": D(-1)}, InvalidOrder, "max_loss -1 is not valid"),
        ({"sell": TWICE}, InvalidOrder, "both are the same; give one another venue, account or pair"),
        ({"sell": LegRequest(venue="okx", account="main", symbol="ETH/USDT")}, InvalidOrder, "the same base and quote"),
        ({"buy": LegRequest(venue="binance", account="main", symbol="BTC/USDT", price=D(49_000))}, CrossRefused,
         "its book holds 0 BTC up to 49000"),
    ],
)  # fmt: skip
def test_what_one_leg_would_not_take_is_said_before_either_is_sent(
    changes: dict[str, object], error: type[Exception], said: str, tmp_path: Path
) -> None:
    world = swapped(tmp_path)
    with pytest.raises(error, match=said):
        world.start(**changes)
    assert world.check() is None


def test_everything_that_is_wrong_is_said_at_once(world: CrossWorld) -> None:
    world.okx.held["BTC"] = D(0)
    with pytest.raises(CrossRefused) as refused:
        world.start(quantity=D("2.000001"))
    said = str(refused.value)
    assert "binance/main BTC/USDT: quantity 2.000001 is no multiple" in said
    assert said.count("multiple") == 2  # once for each leg
    assert "binance/main BTC/USDT: its book holds 2 BTC" in said
    assert "okx/main BTC/USDT: it needs 2.000001 BTC, and 0 is free" in said


def test_a_venue_that_does_not_answer_or_halts_the_instrument_stops_both_legs(world: CrossWorld) -> None:
    world.okx.hidden = True
    with pytest.raises(NoAnswer, match="okx does not answer"):
        world.start()
    world.okx.hidden = False
    world.okx.silent = True
    with pytest.raises(CrossRefused, match="its orders cannot be asked for: okx does not answer"):
        world.start()
    world.okx.silent = False
    world.okx.instrument = replace(world.okx.instrument, status=InstrumentStatus.HALTED)
    with pytest.raises(CrossRefused, match="halted"):
        world.start()
    assert world.check() is None


def test_limits_and_halts_of_either_leg_stop_both(tmp_path: Path) -> None:
    limits = {Scope(ScopeKind.VENUE, "okx"): Limits(max_order_notional=D(400))}
    limited = CrossWorld(tmp_path, limits=RiskLimits(limits))
    with pytest.raises(CrossRefused, match="max_order_notional of venue okx would be 499"):
        limited.start()
    halt(limited, "okx")
    with pytest.raises(CrossRefused, match="trading of okx is halted by op"):
        limited.start(quantity=D("0.001"))
    assert limited.check() is None


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (Limits(max_exposure=D(600)), "max_exposure of portfolio would be 999.4"),
        (Limits(order_rate=RateRule(1, 60)), "order_rate of portfolio would be 2"),
    ],
)
def test_limits_that_each_leg_alone_would_fit_are_held_to_both(limits: Limits, said: str, tmp_path: Path) -> None:
    world = CrossWorld(tmp_path, limits=RiskLimits({Scope(ScopeKind.PORTFOLIO, ""): limits}))
    with pytest.raises(CrossRefused, match=said) as refused:
        world.start()
    assert "binance/main" not in str(refused.value), "the first leg alone would fit"
    assert world.check() is None


def test_one_open_order_at_a_time_is_enough_for_both_legs(tmp_path: Path) -> None:
    limits = Limits(max_open_orders=1, max_open_notional=D(600))
    world = CrossWorld(tmp_path, limits=RiskLimits({Scope(ScopeKind.PORTFOLIO, ""): limits}))
    assert ended(world).state is CrossState.DONE


def halt(world: CrossWorld, venue: str, state: TradingState = TradingState.HALTED) -> None:
    store = world.open()
    store.control(ControlEvent(kind=ControlKind.TRADING_STATE, at_ns=1, by="op", venue=venue, state=state))
    store.close()


# -- bounds ----------------------------------------------------------------------------------------------------------


def test_what_is_not_hedged_in_time_is_traded_back(world: CrossWorld) -> None:
    world.okx.supply.extend([[D("0.004")], *[[]] * 200])
    saga = ended(world, within_s=5.0)
    assert saga.state is CrossState.UNWOUND
    assert "0.006 not hedged within 5 s" in (saga.reason or "")
    assert (saga.base(Role.HEDGE), saga.base(Role.UNWIND)) == (D("0.004"), D("0.006"))


def test_no_hedge_is_traded_past_the_loss_and_the_first_leg_is_traded_back(world: CrossWorld) -> None:
    def crash(service: CrossService) -> None:
        world.okx.bid, world.okx.ask = D(47_000), D(47_002)

    take = world.binance._take

    def first(intent: object) -> object:
        crash(None)  # type: ignore[arg-type]
        return take(intent)  # type: ignore[arg-type]

    world.binance._take = first  # type: ignore[method-assign, assignment]
    saga = ended(world)
    assert saga.state is CrossState.UNWOUND
    assert "hedging at 47000 would lose more than 20" in (saga.reason or "")
    assert saga.base(Role.HEDGE) == 0


def test_a_venue_that_is_down_is_waited_for_to_trade_back_on(world: CrossWorld) -> None:
    world.fail(world.okx, "place", Fault.REFUSED)
    world.fail(world.binance, "place", Fault.NONE, *[Fault.NO_CONNECTION] * 20)
    saga = ended(world)
    assert saga.state is CrossState.UNWOUND
    assert [one.unsent for one in saga.of(Role.UNWIND)] == [True] * 20 + [False]
    assert len({one.price for one in saga.of(Role.UNWIND)}) == 1, "only what the venue had is asked for more of"


def test_what_the_hedge_cannot_count_is_traded_back(tmp_path: Path) -> None:
    world = swapped(tmp_path)
    world.binance.supply.append([D("0.0045")])
    saga = ended(world)
    assert filled(saga) == [("first", D("0.0045")), ("hedge", D(4)), ("unwind", D("0.0005"))]
    assert saga.state is CrossState.UNWOUND


def test_what_neither_venue_takes_is_a_residual_with_its_reason(tmp_path: Path) -> None:
    world = swapped(tmp_path)
    world.binance.supply.append([D("0.00405")])
    alarms: list[dict[str, object]] = []
    forget = add_alarm_sink(alarms.append)
    saga = ended(world)
    forget()
    assert (saga.state, saga.position) == (CrossState.RESIDUAL, D("0.00005"))
    assert "0.00005 cannot be hedged: less than 0.001, the lot on okx" in (saga.reason or "")
    assert "worth less than 5, the smallest order on binance" in (saga.reason or "")
    assert [one["alarm"] for one in alarms] == ["cross_order_residual"]
    store = world.open()
    sagas = CrossStore(store)
    [entry] = sagas.residuals()
    assert (entry.currency, entry.amount, entry.venue) == ("BTC", D("0.00005"), "binance")
    settled = settle(sagas, KEY, by="op", reason="kept", at_ns=world.clock.wall_ns())
    assert (settled.state, settled.position, totals(sagas.residuals())) == (saga.state, saga.position, {})
    assert sagas.events(KEY)[-1].reason == "settled by op: kept"
    with pytest.raises(InvalidOrder, match="one with something in the ledger"):
        settle(sagas, KEY, by="op", reason="again", at_ns=world.clock.wall_ns())
    store.close()


def test_contracts_are_traded_back_reduce_only(tmp_path: Path) -> None:
    world = swapped(tmp_path)
    world.binance.size = D(9)  # the swap goes first
    world.binance.supply.append([D("0.004")])
    world.fail(world.binance, "place", Fault.NONE, Fault.REFUSED)
    saga = ended(world)
    [back] = saga.of(Role.UNWIND)
    assert (back.reduce_only, back.filled, saga.state) == (True, D(6), CrossState.UNWOUND)


def test_a_limit_stops_no_exit_and_a_refused_hedge_is_traded_back_at_once(tmp_path: Path) -> None:
    """Both legs fit the limit, a second order of the hedge does not; trading back would pass it too, and may."""
    limits = RiskLimits({Scope(ScopeKind.PORTFOLIO, ""): Limits(order_rate=RateRule(2, 60))})
    world = CrossWorld(tmp_path, limits=limits)
    world.okx.supply.append([D("0.004")])
    saga = ended(world)
    assert saga.state is CrossState.UNWOUND
    assert "order_rate of portfolio would be 3, allowed is 2 in 60 s" in (saga.reason or "")


def test_an_order_that_is_refused_for_want_of_a_counterpart_is_tried_again_like_one_that_found_none(
    world: CrossWorld,
) -> None:
    for double in world.doubles:
        double.refuses_misses = True
    world.okx.supply.extend([[], [D("0.004")], [], []])
    saga = ended(world)
    assert saga.state is CrossState.DONE
    hedges = [(one.missed, one.filled) for one in saga.of(Role.HEDGE)]
    assert hedges == [(True, D(0)), (False, D("0.004")), (True, D(0)), (True, D(0)), (False, D("0.006"))]


def test_an_order_that_never_arrived_is_followed_by_another_until_there_were_enough(world: CrossWorld) -> None:
    world.rules = Rules(unwind_attempts=3)
    world.fail(world.okx, "place", Fault.REFUSED)
    world.fail(world.binance, "place", Fault.NONE, Fault.LOST, Fault.LOST)
    saga = ended(world)
    assert saga.state is CrossState.UNWOUND
    assert filled(saga)[2:] == [("unwind", D(0)), ("unwind", D(0)), ("unwind", D("0.01"))]


def test_a_venue_at_which_nothing_arrives_ends_in_the_ledger(world: CrossWorld) -> None:
    world.fail(world.okx, "place", Fault.REFUSED)
    world.fail(world.binance, "place", Fault.NONE, *[Fault.LOST] * 9)
    saga = ended(world)
    assert (saga.state, saga.position, len(saga.of(Role.UNWIND))) == (CrossState.RESIDUAL, D("0.01"), 2)
    assert "not traded back by 2 orders: never arrived" in (saga.reason or "")


def test_a_hedge_that_never_arrived_is_sent_anew_while_there_is_time(world: CrossWorld) -> None:
    world.fail(world.okx, "place", Fault.LOST)
    saga = ended(world)
    assert saga.state is CrossState.DONE
    assert filled(saga) == [("first", D("0.01")), ("hedge", D(0)), ("hedge", D("0.01"))]


def test_a_first_leg_that_is_refused_so_has_traded_nothing(world: CrossWorld) -> None:
    world.binance.refuses_misses = True
    world.binance.supply.append([])
    saga = ended(world)
    assert saga.state is CrossState.FAILED
    assert filled(saga) == [("first", D(0))]


def test_after_a_halt_nothing_is_sent_and_what_is_open_is_stated(world: CrossWorld) -> None:
    take = world.binance._take

    def halting(intent: object) -> object:
        halt(world, "binance")
        halt(world, "okx")
        return take(intent)  # type: ignore[arg-type]

    world.binance._take = halting  # type: ignore[method-assign, assignment]
    saga = ended(world)
    assert (saga.state, saga.position) == (CrossState.RESIDUAL, D("0.01"))
    assert "trading of binance is halted" in (saga.reason or "")


def test_an_account_that_cannot_trade_all_of_it_back_trades_what_it_can(world: CrossWorld) -> None:
    """The fee of a bought coin is taken from it, so that a little less than was bought is there to be sold."""
    world.binance.held["BTC"] = D("-0.00001")
    world.fail(world.okx, "place", Fault.REFUSED)
    world.fail(world.binance, "place", Fault.NONE, Fault.REFUSED)
    saga = ended(world)
    assert filled(saga)[2:] == [("unwind", D(0)), ("unwind", D("0.00999"))]
    assert (saga.state, saga.position) == (CrossState.RESIDUAL, D("0.00001"))


# -- what nobody knows -----------------------------------------------------------------------------------------------


def test_an_unknown_leg_freezes_it_until_the_venue_tells(world: CrossWorld) -> None:
    world.rules = Rules(patience_s=1)
    world.fail(world.binance, "place", Fault.NO_REPLY)
    world.fail(world.binance, "find", *[Fault.LOST] * 20)
    saga = world.start()
    assert saga is not None
    assert (saga.state, saga.stage) == (CrossState.FROZEN, CrossState.FIRST_SENT)
    assert world.okx.orders == []
    world.binance.faults["find"].clear()
    world.rules = Rules()
    [after] = world.go_on()
    assert (after.state, world.check()) == (CrossState.DONE, after)


def test_a_leg_that_needs_an_operator_keeps_it_frozen_until_one_has_looked(world: CrossWorld) -> None:
    world.policy = Policy(call_timeout_s=1, grace_s=1, give_up_s=5)
    world.fail(world.okx, "place", Fault.LOST)
    world.fail(world.okx, "find", *[Fault.LOST] * 200)
    saga = world.start()
    assert saga is not None
    assert (saga.state, saga.stage) == (CrossState.FROZEN, CrossState.HEDGING)
    store = world.open()
    doubtful = store.order(saga.attempts[-1].client_id)
    assert doubtful.state is OrderState.NEEDS_OPERATOR
    store.close()
    assert [one.state for one in world.go_on()] == [CrossState.FROZEN]
    world.okx.faults["find"].clear()

    async def looked(service: CrossService) -> list[Saga]:
        await service.means.orders.dismiss(doubtful.client_id, by="op", reason="not in its history")
        return await went_on(service)

    [after] = world.run(looked) or []
    assert after.state in (CrossState.DONE, CrossState.UNWOUND)
    assert world.check() == after


def news(world: CrossWorld) -> list[tuple[str, str]]:
    """What the sensor of the pipelines would say now."""
    found, _ = trading_news(Settings(trading={"store": str(world.path)}), world.clock, None)  # type: ignore[arg-type]
    return [(one.kind, one.message) for one in found]


def test_a_trade_after_the_end_is_told_of_found_and_stated(world: CrossWorld) -> None:
    world.binance.supply.append([])
    assert ended(world).state is CrossState.FAILED
    [order] = world.binance.orders
    late = world.binance.trade(order, D("0.003"))

    async def hear(service: CrossService) -> None:
        await service.means.orders.observe("binance", "main", late)

    assert news(world) == []
    world.run(hear)
    [told] = news(world)
    assert told == (
        "cross_order_stranded",
        "an order of cross order spread-1 has traded after its end was told, and nothing hedges that: `xetrade cross "
        "resume spread-1` puts it into the ledger",
    )
    [saga] = world.go_on()
    assert news(world) == []
    assert (saga.state, saga.position) == (CrossState.RESIDUAL, D("0.003"))
    assert world.check() == saga
    assert world.go_on() == []


def test_what_stops_it_in_the_middle_says_that_it_goes_on_and_it_does(world: CrossWorld) -> None:
    async def key_is_withdrawn(service: CrossService) -> None:
        service.means = replace(service.means, ready=refuse)
        await went_on(service)

    async def refuse(legs: object) -> None:
        raise NoAnswer("okx lists nothing")

    world.run(lambda service: service.start(world.request(), key=KEY), kill_at=24)
    world.clock.continue_after_s(20)
    with pytest.raises(CrossNotOver, match="okx lists nothing; `xetrade cross resume spread-1` goes on with it"):
        world.run(key_is_withdrawn)
    [saga] = world.go_on()
    assert saga.state in (CrossState.DONE, CrossState.UNWOUND)
    assert world.check() == saga


def test_what_stops_one_of_several_stops_no_other_and_is_told_of_each(world: CrossWorld) -> None:
    keys = {"spread-1", "spread-2", "spread-3"}
    for key in sorted(keys):
        world.run(lambda service: service.start(world.request(), key=key), kill_at=24)  # noqa: B023
        world.clock.continue_after_s(20)
    asked: list[object] = []

    async def refuse_two(legs: object) -> None:
        asked.append(legs)
        if len(asked) <= 2:
            raise NoAnswer("okx lists nothing")

    async def go_on(service: CrossService) -> WentOn:
        service.means = replace(service.means, ready=refuse_two)
        return await service.resume()

    after = world.run(go_on)
    assert after is not None
    [saga] = after.sagas
    assert saga.state in (CrossState.DONE, CrossState.UNWOUND)
    assert after.problems.keys() == keys - {saga.key}
    for key, problem in after.problems.items():
        assert f"okx lists nothing; `xetrade cross resume {key}` goes on with it" in str(problem)


@pytest.mark.parametrize("kind", ["entry", "order"])
@pytest.mark.parametrize("written", range(1, 6))
def test_a_store_that_is_away_for_a_moment_leaves_nothing_unhedged(
    world: CrossWorld, monkeypatch: pytest.MonkeyPatch, kind: str, written: int
) -> None:
    writes, at_once = [written], MortalStore._write

    def write(store: MortalStore, work: object) -> object:
        writes[0] -= 1
        if writes[0] == -1:
            raise StoreUnavailable("the order store does not answer: it is being moved")
        return at_once(store, work)

    if kind == "entry":
        monkeypatch.setattr(MortalStore, "_write", write)
    else:
        monkeypatch.setattr(InlineJournal, "away_after", [written - 1])
    saga = ended(world)
    assert saga.state in (CrossState.DONE, CrossState.FAILED, CrossState.UNWOUND)
    assert saga.unhedged == 0


def test_a_store_that_stays_away_stops_a_cross_order_and_says_how_it_goes_on(
    world: CrossWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, writes = MortalStore._write, [3]

    def write(store: MortalStore, work: object) -> object:
        writes[0] -= 1
        if writes[0] < 0:
            raise StoreUnavailable("the order store does not answer: it is being moved")
        return at_once(store, work)

    with monkeypatch.context() as away:
        away.setattr(MortalStore, "_write", write)
        with pytest.raises(CrossNotOver, match="it is being moved; `xetrade cross resume spread-1` goes on with it"):
            world.start()
    world.clock.continue_after_s(20)
    [saga] = world.go_on()
    assert world.check() == saga


# -- whose it is -----------------------------------------------------------------------------------------------------


def test_two_processes_cannot_drive_one_saga_and_a_dead_driver_is_waited_for(world: CrossWorld) -> None:
    killed = world.run(lambda service: service.start(world.request(), key=KEY), kill_at=24)
    assert killed is None
    store = world.open()
    sagas = CrossStore(store)
    now_ns = world.clock.wall_ns()
    assert sagas.claim(KEY, "another", now_ns, now_ns + 1) is None, "the dead driver still has it"
    taken = sagas.claim(KEY, "another", now_ns + 60 * 10**9, now_ns + 90 * 10**9)
    assert taken is not None
    with pytest.raises(CrossBusy):
        sagas.renew(KEY, "driver-0", now_ns)
    store.close()
    with pytest.raises(CrossBusy, match="driven by another process"):
        world.go_on()
    world.clock.continue_after_s(100)
    [saga] = world.go_on()
    assert saga.state in (CrossState.DONE, CrossState.UNWOUND)
    assert world.check() == saga


def test_the_same_asked_for_twice_at_once_is_traded_once(world: CrossWorld) -> None:
    async def twice(service: CrossService) -> list[Saga]:
        return await asyncio.gather(*(service.start(world.request(), key=KEY) for _ in range(2)))

    first, second = world.run(twice) or []
    assert first == second == world.check()
    assert len(world.binance.orders) == len(world.okx.orders) == 1


def begun_and_not_sent(world: CrossWorld) -> None:
    """A process that has fixed the first order, and is killed before the order service hears of it."""

    class Dying(MortalStore):
        def renew(self, key: str, driver: str, until_ns: int) -> None:
            raise NoAnswer("killed")

    async def die(service: CrossService) -> None:
        service.means = replace(service.means, sagas=Dying(service.means.store, durable=False))
        with pytest.raises(CrossNotOver):
            await service.start(world.request(), key=KEY)

    world.run(die)
    store = world.open()
    assert CrossStore(store).saga(KEY).state is CrossState.FIRST_SENT
    assert store.updated(0, 2**62) == []
    store.close()


def test_a_first_order_that_was_not_sent_is_sent_in_time_and_never_later(world: CrossWorld, tmp_path: Path) -> None:
    begun_and_not_sent(world)
    [saga] = world.go_on()
    assert (saga.state, world.check()) == (CrossState.DONE, saga)
    (tmp_path / "late").mkdir()
    late = CrossWorld(tmp_path / "late")
    begun_and_not_sent(late)
    late.clock.continue_after_s(100)
    [saga] = late.go_on()
    assert (saga.state, late.binance.orders, late.check()) == (CrossState.FAILED, [], saga)


def test_a_driver_that_has_lost_its_saga_sends_nothing(world: CrossWorld) -> None:
    class Stolen(MortalStore):
        def append(self, saga: Saga, event: CrossEvent, driver: str) -> Saga:
            after = super().append(saga, event, driver)
            assert self.claim(KEY, "another", 2**62, 2**62 + 1) is not None
            return after

    async def lose(service: CrossService) -> None:
        service.means = replace(service.means, sagas=Stolen(service.means.store, durable=False))
        await service.start(world.request(), key=KEY)

    with pytest.raises(CrossBusy):
        world.run(lose)
    assert world.binance.orders == []


def test_what_was_frozen_when_its_driver_died_goes_on_once_it_is_known(world: CrossWorld) -> None:
    world.okx.supply.append([D("0.004")])

    class Freezing(MortalStore):
        def append(self, saga: Saga, event: CrossEvent, driver: str) -> Saga:
            after = super().append(saga, event, driver)
            if event.kind is CrossKind.HEDGE_OVER:
                super().append(after, CrossEvent(kind=CrossKind.FROZEN, at_ns=event.at_ns), driver)
                raise NoAnswer("killed")
            return after

    async def freeze(service: CrossService) -> None:
        service.means = replace(service.means, sagas=Freezing(service.means.store, durable=False))
        with pytest.raises(CrossNotOver):
            await service.start(world.request(), key=KEY)

    world.run(freeze)
    [saga] = world.go_on()
    assert (saga.state, world.check()) == (CrossState.DONE, saga)


# -- whatever happens ------------------------------------------------------------------------------------------------

PIECES = st.lists(st.lists(st.integers(1, 1200).map(lambda lots: lots * LOT), max_size=3), max_size=4)
CONTRACTS = st.lists(st.lists(st.integers(1, 12).map(Decimal), max_size=3), max_size=4)
FAULTS = st.lists(st.sampled_from([Fault.NONE, *Fault]), max_size=4)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_for_any_fills_and_faults_what_the_first_leg_filled_is_hedged_traded_back_or_stated(
    data: st.DataObject, empty_store: Path
) -> None:
    """The check holds the venues' own trades against the saga: filled = hedged + traded back + residual, exactly."""
    swap = data.draw(st.booleans(), "swap")
    folder = Path(tempfile.mkdtemp())
    shutil.copy(empty_store, folder)
    world = CrossWorld(folder, hedge=SWAP if swap else None)
    world.binance.size = data.draw(st.sampled_from([D(2), D(9)]), "depth of binance")
    world.rules = Rules(hedge_attempts=4, unwind_attempts=3, patience_s=30)
    world.binance.supply.extend(data.draw(PIECES, "binance fills"))
    world.okx.supply.extend(data.draw(CONTRACTS if swap else PIECES, "okx fills"))
    for double in world.doubles:
        for what in ("place", "find", "fills"):
            world.fail(double, what, *data.draw(FAULTS, f"{double.name} {what}"))
    quantity = data.draw(st.integers(1, 20), "contracts") * D("0.001")
    kill_at = data.draw(st.none() | st.integers(1, 60), "killed at")
    world.run(lambda service: service.start(world.request(quantity=quantity), key=KEY), kill_at=kill_at)
    for double in world.doubles:
        for queue in double.faults.values():
            queue.clear()
    world.clock.continue_after_s(data.draw(st.sampled_from([20, 3600]), "pause"))
    world.go_on()
    world.check(thorough=False)
    shutil.rmtree(folder)


def test_seeded_lives_with_rivals_and_moving_markets_end_accounted_for(tmp_path: Path, empty_store: Path) -> None:
    """The first of those that `make faults` lives through."""
    found = [cross(seed, tmp_path / f"seed{seed}", empty_store) for seed in range(20)]
    assert [one.problem for one in found if one.problem is not None] == []
    assert {one.ended for one in found} >= {"done", "unwound", "failed"}, "the seeds go through something"
    assert sum(one.kills for one in found) > 3
