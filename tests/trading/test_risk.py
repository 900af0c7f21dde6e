"""Limits before the wire: each of them, who is counted, and what they never stop."""

from __future__ import annotations

from dataclasses import astuple
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.samples import SYMBOL, D, event, fill, intent
from xetrade_core.errors import ConfigError, Halted, NotArmed, RiskDenied
from xetrade_core.model.order_events import ControlEvent, ControlKind, EventKind, TradingState
from xetrade_core.model.orders import Order, OrderType, Side, Terms
from xetrade_core.trading.holdings import NS_PER_DAY, Holding, result
from xetrade_core.trading.limits import Limits, RiskLimits, Scope, ScopeKind
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.projection import apply
from xetrade_core.trading.reservations import line_of
from xetrade_core.trading.risk import Denial, RiskBook
from xetrade_core.venues.venue import RateRule

NOW = 20_000 * NS_PER_DAY
PORTFOLIO = Scope(ScopeKind.PORTFOLIO, "")
SYMBOL_SCOPE = Scope(ScopeKind.SYMBOL, f"binance {SYMBOL}")


def book(limits: Limits | None = None, scope: Scope = PORTFOLIO, mark: int | None = 50_000) -> RiskBook:
    marks = Marks()
    if mark is not None:
        marks.set("binance", SYMBOL, D(mark), NOW)
    return RiskBook(RiskLimits({scope: limits} if limits else {}), marks)


def order(index: int = 0, *kinds: EventKind, at_ns: int = NOW, **changes: Any) -> Order:
    """A working order, or what `kinds` make of it."""
    one = apply(None, event(EventKind.INTENDED, at_ns, intent=intent(index, **changes))).order
    for kind in (EventKind.SUBMITTED, *kinds):
        one = apply(one, event(kind, at_ns)).order
    return one


def check(risk: RiskBook, *, venue_reduces: bool = True, **changes: Any) -> Denial | None:
    return risk.check(intent(99, **changes), NOW, venue_reduces=venue_reduces)


@pytest.mark.parametrize(
    ("limits", "changes", "asked", "allowed"),
    [
        ({"max_order_amount": D("0.005")}, {}, "0.01", "0.005 BTC"),
        ({"max_order_notional": D(499)}, {}, "500", "499 USD"),
        ({"max_open_orders": 1}, {}, "2", "1"),
        ({"max_open_notional": D(999)}, {}, "1000", "999 USD"),
        ({"max_exposure": D(999)}, {}, "1000", "999 USD"),
        ({"order_rate": RateRule(1, 10)}, {}, "2", "1 in 10 s"),
        ({"price_band": D("0.01")}, {"price": D(50_501)}, "50501", "at most 50500 (mark 50000)"),
        ({"price_band": D("0.01")}, {"price": D(49_499), "side": Side.SELL}, "49499", "at least 49500 (mark 50000)"),
    ],
)
def test_each_limit_denies_with_what_was_asked_and_what_is_allowed(
    limits: dict[str, Any], changes: dict[str, Any], asked: str, allowed: str
) -> None:
    risk = book(Limits(**limits))
    risk.replace(None, order())
    denial = check(risk, **changes)
    [name] = limits
    assert denial == Denial(f"{name} of portfolio", asked, allowed)
    message = str(denial.to_error("x1"))
    assert message == f"order x1 was denied: {name} of portfolio would be {asked}, allowed is {allowed}"


def test_exposure_is_what_is_held_at_its_entry_and_what_may_be_added_at_its_own_price() -> None:
    """However an order's fills come, nothing of what it still reserves is lost."""
    risk, big = book(), {"amount": D(1), "price": D(50_000), "reserve_price": D(50_000)}
    line = line_of(intent())
    risk.hold(line, Holding(D(1), D(10_000)))
    working = order(1, EventKind.ACCEPTED, **big)
    risk.replace(None, working)
    assert risk.usage(PORTFOLIO).exposure == 60_000
    told = fill("t1", "0.1")
    after = apply(working, event(EventKind.FILL, NOW, fill=told)).order
    risk.replace(working, after)
    risk.hold(line, Holding(D(1), D(10_000)).after(told, after.intent.terms))
    assert risk.usage(PORTFOLIO).exposure == pytest.approx(60_000)
    risk.replace(after, None)
    assert risk.usage(PORTFOLIO).exposure == pytest.approx(15_000)


def test_a_short_option_counts_with_what_its_seller_answers_for_and_a_long_one_with_its_premium() -> None:
    risk, symbol = book(), "BTC/USDC:USDC-261225-60000-P"
    line, premium = line_of(intent(symbol=symbol)), D(900)
    risk.hold(line, Holding(D(2), premium))
    assert risk.usage(PORTFOLIO).exposure == 1800
    sale = order(1, side=Side.SELL, symbol=symbol, amount=D(3), price=premium, reserve_price=D(60_000))
    risk.replace(None, sale)
    assert risk.usage(PORTFOLIO).exposure == 60_000, "two close, and one is written"
    risk.replace(sale, None)
    risk.hold(line, Holding(D(-1), premium))
    assert risk.usage(PORTFOLIO).exposure == 60_000
    risk.hold(line, Holding())
    assert risk.usage(PORTFOLIO).exposure == 0


def test_orders_that_close_a_position_count_with_what_they_would_open() -> None:
    risk = book()
    risk.hold(line_of(intent()), Holding(D("0.01"), D(50_000)))
    sells = [order(index, EventKind.ACCEPTED, side=Side.SELL, amount=D("0.02")) for index in (1, 2)]
    found = []
    for one in sells:
        risk.replace(None, one)
        found.append(risk.usage(PORTFOLIO).exposure)
    assert found == [500, 1500]
    for one in sells:
        risk.replace(one, None)
    assert risk.usage(PORTFOLIO).exposure == 500


def test_a_position_counts_with_every_open_order_of_its_side() -> None:
    risk = book(Limits(max_position=D("0.03")), SYMBOL_SCOPE)
    risk.hold(line_of(intent()), Holding(D("0.01"), D(50_000)))
    risk.replace(None, order())
    assert check(risk) is None
    assert check(risk, amount=D("0.011")) == Denial(f"max_position of symbol binance {SYMBOL}", "0.031", "0.03 BTC")
    assert check(risk, side=Side.SELL, amount=D("0.04")) is None
    assert check(risk, side=Side.SELL, amount=D("0.041")) is not None


@pytest.mark.parametrize(
    "scope",
    [
        Scope(ScopeKind.PORTFOLIO, ""),
        Scope(ScopeKind.VENUE, "binance"),
        Scope(ScopeKind.ACCOUNT, "binance/main"),
        Scope(ScopeKind.STRATEGY, "maker"),
        SYMBOL_SCOPE,
        Scope(ScopeKind.STRATEGY, "*"),
    ],
    ids=str,
)
def test_every_scope_can_be_limited_and_others_go_free(scope: Scope) -> None:
    risk = book(Limits(max_open_orders=1), scope)
    risk.replace(None, order())
    assert check(risk) is not None
    if scope.kind is not ScopeKind.PORTFOLIO:
        free = {"venue": "okx", "account": "other", "strategy": "taker", "symbol": "ETH/USDT"}
        assert check(risk, **free) is None


@pytest.mark.parametrize(
    ("kinds", "reserved"),
    [
        ((), 1),
        ((EventKind.AMBIGUOUS,), 1),
        ((EventKind.AMBIGUOUS, EventKind.GIVEN_UP), 1),
        ((EventKind.UNSENT,), 1),
        ((EventKind.ACCEPTED,), 1),
        ((EventKind.ACCEPTED, EventKind.CANCEL_REQUESTED), 1),
        ((EventKind.ACCEPTED, EventKind.FILLED), 0),
        ((EventKind.REJECTED,), 0),
        ((EventKind.AMBIGUOUS, EventKind.ABSENT), 0),
    ],
)
def test_an_order_reserves_until_the_venue_has_told_its_end(kinds: tuple[EventKind, ...], reserved: int) -> None:
    risk = book()
    risk.replace(None, order(0, *kinds))
    assert risk.usage(PORTFOLIO).orders == reserved
    assert risk.usage(PORTFOLIO).notional == 500 * reserved


@pytest.mark.parametrize("kinds", [(EventKind.FILLED,), (EventKind.CANCELED,), (EventKind.PARTLY_FILLED,)])
def test_what_has_traded_counts_for_the_position_until_its_fills_are_told(kinds: tuple[EventKind, ...]) -> None:
    risk = book(Limits(max_position=D("0.01")), SYMBOL_SCOPE)
    working = order(1, EventKind.ACCEPTED)
    risk.replace(None, working)
    (kind,) = kinds
    traded = apply(working, event(kind, NOW, filled=D("0.004"))).order
    risk.replace(working, traded)
    denied = check(risk, amount=D("0.007"))
    assert denied is not None
    assert denied.limit == "max_position of symbol binance BTC/USDT"
    told = fill("t1", "0.004")
    after = apply(traded, event(EventKind.FILL, NOW, fill=told)).order
    risk.replace(traded, after)
    risk.hold(line_of(after.intent), Holding().after(told, after.intent.terms))
    usage = risk.usage(SYMBOL_SCOPE)
    assert (usage.held + usage.buys, usage.orders) == (after.fills_amount + after.at_stake, int(after.state.working))


def test_exits_pass_every_limit_and_a_reducing_state() -> None:
    tight = Limits(max_open_orders=0, max_exposure=D(0), max_order_notional=D(0), price_band=D(0), max_daily_loss=D(0))
    risk = book(tight, mark=None)
    assert check(risk) is not None
    assert check(risk, reduce_only=True, side=Side.SELL) is None
    risk.control(state(TradingState.REDUCING))
    assert check(risk, reduce_only=True, side=Side.SELL) is None
    denial = check(risk)
    assert denial is not None
    assert (denial.error, denial.allowed) == (Halted, "only reduce-only passes")


def test_where_the_venue_does_not_hold_to_reduce_only_an_exit_fits_what_is_held() -> None:
    risk = book()
    exit_ = {"reduce_only": True, "side": Side.SELL, "venue_reduces": False}
    assert check(risk, **exit_) == Denial(f"reduce_only amount of {SYMBOL}", "0.01", "at most 0")
    risk.hold(line_of(intent(strategy="another")), Holding(D("0.015"), D(50_000)))
    assert check(risk, **exit_) is None
    risk.replace(None, order(1, reduce_only=True, side=Side.SELL))
    assert check(risk, **exit_) == Denial(f"reduce_only amount of {SYMBOL}", "0.01", "at most 0.005")


def test_orders_in_turn_are_held_to_what_those_before_them_leave_and_nothing_is_left_behind() -> None:
    risk = book(Limits(max_position=D("0.015")), SYMBOL_SCOPE)
    risk.replace(None, order(1, amount=D("0.001")))
    before = {scope: astuple(risk.usage(scope)) for scope in risk.scopes()}
    turn = [(intent(index, side=side), True) for index, side in enumerate([Side.BUY, Side.BUY, Side.SELL], 10)]
    for _ in range(2):
        first, second, third = risk.check_in_turn(turn, NOW)
        assert (first, second and second.asked, third) == (None, "0.021", None)
        assert {scope: astuple(risk.usage(scope)) for scope in risk.scopes()} == before


def state(value: TradingState, venue: str | None = None, symbol: str | None = None) -> ControlEvent:
    return ControlEvent(
        kind=ControlKind.TRADING_STATE, at_ns=NOW, by="op", reason="drill", state=value, venue=venue, symbol=symbol
    )


@pytest.mark.parametrize(("venue", "symbol"), [(None, None), ("binance", None), ("binance", SYMBOL)])
def test_a_halt_stops_every_new_order_where_it_holds(venue: str | None, symbol: str | None) -> None:
    risk = book()
    risk.control(state(TradingState.HALTED, venue, symbol))
    denial = check(risk, reduce_only=True)
    assert denial is not None
    assert denial.error is Halted
    assert "drill" in denial.limit
    assert (check(risk, venue="okx", symbol="ETH/USDT") is None) == (venue is not None)
    risk.control(state(TradingState.ACTIVE, venue, symbol))
    assert check(risk) is None


def arm(**changes: Any) -> ControlEvent:
    values: dict[str, Any] = {"venue": "binance", "account": "main", "notional_cap": D(1000), "expires_ns": NOW + 1}
    return ControlEvent(kind=ControlKind.ARMED, at_ns=0, by="op", **(values | changes))


def test_live_orders_need_an_arming_that_lasts_and_reaches() -> None:
    risk = book()
    assert check(risk, live=False) is None
    unarmed = "none: arm it first, with `xetrade arm --venue binance --account main`"
    for control, allowed in ((None, unarmed), (arm(expires_ns=NOW), "none: its arming expired")):
        if control is not None:
            risk.control(control)
        denial = check(risk, live=True)
        assert denial is not None
        assert (denial.error, denial.allowed) == (NotArmed, allowed)
    risk.control(arm())
    risk.replace(None, order(0, live=True))
    assert check(risk, live=True) is None
    beyond = Denial("armed notional of binance/main", "1050", "1000 USD", NotArmed)
    assert check(risk, live=True, amount=D("0.011")) == beyond
    assert check(risk, live=True, amount=D("0.011"), reduce_only=True) is None
    risk.control(ControlEvent(kind=ControlKind.DISARMED, at_ns=NOW, by="op", venue="binance", account="main"))
    assert check(risk, live=True) is not None


def test_the_cap_of_an_arming_counts_what_was_traded_and_frees_what_was_not() -> None:
    risk = book()
    risk.control(arm())
    one = order(0, EventKind.ACCEPTED, live=True)
    risk.replace(None, one)
    partly = apply(one, event(EventKind.FILL, fill=fill("t1", "0.004"))).order
    risk.replace(one, partly)
    assert risk.arms()[("binance", "main")].used == 500
    risk.replace(partly, apply(partly, event(EventKind.CANCELED)).order)
    assert risk.arms()[("binance", "main")].used == 200


def test_a_days_loss_stops_new_orders_until_the_day_is_over() -> None:
    limits = Limits(max_daily_loss=D(100))
    risk = book(limits, mark=40_000)
    risk.hold(line_of(intent()), Holding(D("0.009"), D(50_000)))
    assert check(risk) is None
    day = NOW // NS_PER_DAY
    risk.hold(line_of(intent()), Holding(D("0.009"), D(50_000), day, D(-10)))
    assert check(risk) == Denial("max_daily_loss of portfolio", "100", "less than 100 USD")
    risk.hold(line_of(intent()), Holding(D("0.009"), D(50_000), day - 1, D(-10)))
    assert check(risk) is None


def test_a_price_band_without_a_fresh_mark_denies() -> None:
    for mark in (None, 50_000):
        risk = book(Limits(price_band=D("0.1")), mark=mark)
        denial = risk.check(intent(99), NOW + (61 * 10**9 if mark else 0), venue_reduces=True)
        assert denial is not None
        assert "fresh mark price" in denial.asked + denial.allowed
    market = {"type": OrderType.MARKET, "price": None}
    assert check(book(Limits(price_band=D("0.1"))), **market) is None


def test_wrong_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_open_orders = -1"):
        Limits(max_open_orders=-1)
    with pytest.raises(ConfigError, match="only symbols have a position"):
        RiskLimits({PORTFOLIO: Limits(max_position=D(1))})
    assert issubclass(Halted, RiskDenied)


def test_an_inverse_entry_averages_harmonically() -> None:
    terms = Terms(D(1), inverse=True)
    held = Holding()
    for amount, price in (("1000", "5000"), ("2000", "6000")):
        held = held.after(fill(price, amount, price), terms)
    assert round(held.entry, 12) == D("5625")


trades = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 50), st.integers(1, 200), st.integers(0, 5)), max_size=25
)


@given(trades, st.booleans())
def test_cash_and_what_is_held_add_up_to_the_result(made: list[tuple[Side, int, int, int]], inverse: bool) -> None:
    """Realized and unrealized at any mark are the cash that went in and out plus what is held at that mark."""
    terms, held, cash, mark = Terms(D(2), inverse), Holding(), Decimal(0), D(77)
    for number, (side, amount, price, fee) in enumerate(made):
        one = fill(str(number), str(amount), str(price), side=side, fee=D(fee), fee_currency="USDT")
        before, held = held, held.after(one, terms)
        cash -= side.sign * amount * price * 2 + fee
        assert held.amount == before.amount + side.sign * amount
    if not inverse:
        total = held.realized + result(held.amount, held.entry, mark, terms)
        assert abs(total - (cash + held.amount * mark * 2)) < D("1e-15")
    if not held.amount:
        assert held.entry == 0


changes = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(list(EventKind)), st.integers(1, 10), st.booleans()), max_size=40
)


@given(changes)
@settings(max_examples=150, deadline=None)
def test_what_is_reserved_is_the_sum_of_the_orders_however_they_came_to_be(
    happening: list[tuple[int, EventKind, int, bool]],
) -> None:
    risk, orders = book(), dict[int, Order]()
    for index, kind, lots, exits in happening:
        before = orders.get(index)
        if before is None:
            one = order(index, reduce_only=exits, side=Side.SELL if exits else Side.BUY)
            risk.replace(None, one)
        else:
            amount = Decimal(lots) / 1000
            told = {"fill": fill("t", str(amount))} if kind is EventKind.FILL else {}
            told |= {"amount": amount, "price": D(50_000), "reserve_price": D(50_000)}
            told |= {"intent": before.intent} if kind is EventKind.INTENDED_AGAIN else {}
            if kind is EventKind.INTENDED:
                continue
            one = apply(before, event(kind, NOW, **told)).order
            risk.replace(before, one)
        orders[index] = one
    fresh = book()
    for one in orders.values():
        fresh.replace(None, one)
    for scope in (PORTFOLIO, SYMBOL_SCOPE):
        ours, right = risk.usage(scope), fresh.usage(scope)
        assert (ours.orders, ours.notional, ours.buys, ours.sells, ours.exits) == (
            right.orders,
            right.notional,
            right.buys,
            right.sells,
            right.exits,
        )
