"""The private side of a simulated venue: what it takes, what it refuses, and that its books add up."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.simvenue.config import VenueConfig
from xetrade_core.simvenue.desk import (
    Account,
    AccountConfig,
    Cause,
    Desk,
    DeskEvent,
    DeskRefusal,
    DeskRules,
    OrderChanged,
    PositionSide,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.desk.margin import margin, mark_price
from xetrade_core.simvenue.desk.position import Position
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.venue import Venue

D = Decimal
SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


def desk(symbol: str = SPOT, rules: DeskRules | None = None, **accounts: AccountConfig) -> Desk:
    """A desk over one seeded market; account `main` unless others are named."""
    venue = Venue("okx", VenueConfig(symbols=(symbol,), depth=50), seed=3, tick_ms=10)
    return Desk(venue.markets.values(), accounts or {"main": AccountConfig()}, rules or DeskRules(), now_ns=0)


def main(subject: Desk) -> Account:
    return subject.accounts["main"]


def touch(subject: Desk, symbol: str = SPOT) -> tuple[Decimal, Decimal]:
    """Best bid and ask."""
    market = subject.market(symbol)
    assert market.levels.best_bid is not None
    assert market.levels.best_ask is not None
    tick = market.listing.instrument.price_tick
    return market.levels.best_bid * tick, market.levels.best_ask * tick


def test_a_limit_order_away_from_the_touch_rests_and_holds_its_money() -> None:
    subject = desk()
    bid, _ = touch(subject)
    order = subject.place(main(subject), Ticket(SPOT, Side.BUY, D("0.5"), bid - 100))
    assert order.state is State.OPEN
    assert main(subject).ledger.locked("USDT") == D("0.5") * (bid - 100)
    subject.cancel(main(subject), order)
    assert (order.state, order.cause) == (State.CANCELED, Cause.USER)
    assert main(subject).ledger.locked("USDT") == 0


def test_a_market_order_trades_at_once_and_its_fee_is_taken_in_what_is_received() -> None:
    subject = desk()
    before = main(subject).ledger.total("BTC")
    order = subject.place(main(subject), Ticket(SPOT, Side.BUY, D("0.25")))
    assert order.state is State.FILLED
    got = subject.fills(main(subject))
    assert {fill.fee_currency for fill in got} == {"BTC"}
    assert main(subject).ledger.total("BTC") == before + D("0.25") - sum(fill.fee for fill in got)
    assert sum(fill.amount for fill in got) == D("0.25")


def test_a_quote_amount_buys_no_more_than_it_pays_for() -> None:
    subject = desk()
    order = subject.place(main(subject), Ticket(SPOT, Side.BUY, quote_amount=D(1000)))
    assert order.state is State.FILLED
    assert D(999) < order.quote_filled <= D(1000)


def test_a_resting_order_is_hit_by_somebody_else_and_everybody_is_told() -> None:
    subject = desk(main=AccountConfig(), other=AccountConfig())
    heard: list[DeskEvent] = []
    bid, ask = touch(subject)
    order = subject.place(
        main(subject), Ticket(SPOT, Side.BUY, D("0.1"), ask - D("0.1") if ask - bid > D("0.1") else bid)
    )
    subject.listen(heard.append)
    subject.fill(order, D("0.04"))
    assert (order.state, order.filled) == (State.PARTIALLY_FILLED, D("0.04"))
    subject.fill(order)
    assert order.state is State.FILLED
    fills = [event.fill for event in heard if isinstance(event, OrderChanged) and event.fill is not None]
    assert [(fill.amount, fill.maker) for fill in fills] == [(D("0.04"), True), (D("0.06"), True)]
    assert main(subject).ledger.locked("USDT") == 0


@pytest.mark.parametrize(
    ("ticket", "kind"),
    [
        (Ticket("NO/SUCH", Side.BUY, D(1), D(1)), RefusalKind.UNKNOWN_SYMBOL),
        (Ticket(SPOT, Side.BUY, D("0.000000001"), D(60000)), RefusalKind.BAD_AMOUNT),
        (Ticket(SPOT, Side.BUY, D(0), D(60000)), RefusalKind.BAD_AMOUNT),
        (Ticket(SPOT, Side.BUY, D("NaN"), D(60000)), RefusalKind.BAD_AMOUNT),
        (Ticket(SPOT, Side.BUY, D(1), D("60000.01")), RefusalKind.BAD_PRICE),
        (Ticket(SPOT, Side.BUY, D(1), D(-1)), RefusalKind.BAD_PRICE),
        (Ticket(SPOT, Side.BUY, D(100), D(60000)), RefusalKind.INSUFFICIENT_FUNDS),
        (Ticket(SPOT, Side.SELL, D(21), D(99999)), RefusalKind.INSUFFICIENT_FUNDS),
        (Ticket(SPOT, Side.BUY, D("0.01"), D(90000), time_in_force=TimeInForce.POST_ONLY), RefusalKind.WOULD_TAKE),
    ],
)
def test_what_cannot_be_taken_is_refused_by_kind_and_changes_nothing(ticket: Ticket, kind: RefusalKind) -> None:
    subject = desk()
    journal = len(main(subject).ledger.journal)
    with pytest.raises(DeskRefusal) as refusal:
        subject.place(main(subject), ticket)
    assert refusal.value.kind is kind
    assert (subject.orders, len(main(subject).ledger.journal)) == ({}, journal)


@pytest.mark.parametrize(("rule", "after_end"), [("always", False), ("open", True), ("never", True)])
def test_a_client_id_is_as_unique_as_the_venue_holds_it(rule: str, after_end: bool) -> None:
    subject = desk(rules=DeskRules(unique_client_ids=rule))
    bid, _ = touch(subject)
    ticket = Ticket(SPOT, Side.BUY, D("0.1"), bid - 50, client_id="xa1")
    order = subject.place(main(subject), ticket)
    if rule == "never":
        subject.place(main(subject), ticket)
    else:
        with pytest.raises(DeskRefusal, match="duplicate_client_id"):
            subject.place(main(subject), ticket)
    subject.cancel(main(subject), order)
    if after_end:
        assert subject.place(main(subject), ticket).order_id != order.order_id
    else:
        with pytest.raises(DeskRefusal, match="duplicate_client_id"):
            subject.place(main(subject), ticket)


@pytest.mark.parametrize("style", [TimeInForce.IOC, TimeInForce.FOK])
def test_what_must_trade_at_once_never_rests(style: TimeInForce) -> None:
    subject = desk()
    bid, ask = touch(subject)
    away = subject.place(main(subject), Ticket(SPOT, Side.BUY, D("0.1"), bid - 10, time_in_force=style))
    assert (away.state, away.filled) == (State.EXPIRED, 0)
    market = subject.market(SPOT)
    at_touch = (
        market.takeable(Side.BUY, int(ask / market.listing.instrument.price_tick)) * market.listing.instrument.lot
    )
    more = subject.place(main(subject), Ticket(SPOT, Side.BUY, at_touch + D("0.1"), ask, time_in_force=style))
    assert more.state is State.EXPIRED
    assert more.filled == (at_touch if style is TimeInForce.IOC else 0)
    assert subject.open_orders(main(subject)) == []


def test_an_amended_order_keeps_its_ids_and_holds_what_it_now_needs() -> None:
    subject = desk()
    bid, _ = touch(subject)
    order = subject.place(main(subject), Ticket(SPOT, Side.BUY, D("0.4"), bid - 100, client_id="xa1"))
    subject.amend(main(subject), order, price=bid - 50, amount=D("0.2"))
    assert subject.by_client_id(main(subject), "xa1") is order
    assert main(subject).ledger.locked("USDT") == D("0.2") * (bid - 50)
    with pytest.raises(DeskRefusal, match="insufficient_funds"):
        subject.amend(main(subject), order, amount=D(1000))
    assert main(subject).ledger.locked("USDT") == D("0.2") * (bid - 50)
    assert order.state is State.OPEN


def test_a_dead_man_switch_takes_out_what_rests_unless_it_is_armed_again() -> None:
    subject = desk()
    bid, _ = touch(subject)
    order = subject.place(main(subject), Ticket(SPOT, Side.BUY, D("0.1"), bid - 50))
    subject.arm_dead_man(main(subject), 5)
    subject.turn(4_000_000_000)
    subject.arm_dead_man(main(subject), 5)
    subject.turn(8_999_999_999)
    assert order.state is State.OPEN
    subject.turn(9_000_000_000)
    assert (order.state, order.cause) == (State.EXPIRED, Cause.DEAD_MAN)


def test_what_ended_is_forgotten_after_the_history_window() -> None:
    subject = desk(rules=DeskRules(history_s=60))
    order = subject.place(main(subject), Ticket(SPOT, Side.BUY, D("0.01"), client_id="xa1"))
    subject.turn(59_000_000_000)
    assert subject.by_id(main(subject), order.order_id) is order
    subject.turn(61_000_000_000)
    with pytest.raises(DeskRefusal, match="unknown_order"):
        subject.by_client_id(main(subject), "xa1")
    assert subject.fills(main(subject)) == []


def test_reduce_only_never_opens_or_turns_a_position() -> None:
    subject = desk(SWAP)
    with pytest.raises(DeskRefusal, match="reduce_only"):
        subject.place(main(subject), Ticket(SWAP, Side.SELL, D(1), reduce_only=True))
    subject.place(main(subject), Ticket(SWAP, Side.BUY, D(2)))
    with pytest.raises(DeskRefusal, match="reduce_only"):
        subject.place(main(subject), Ticket(SWAP, Side.SELL, D(3), reduce_only=True))
    subject.place(main(subject), Ticket(SWAP, Side.SELL, D(2), reduce_only=True))
    assert main(subject).position(subject.market(SWAP), PositionSide.NET).quantity == 0


def test_longs_pay_a_positive_funding_on_their_notional_at_mark() -> None:
    subject = desk(SWAP)
    subject.place(main(subject), Ticket(SWAP, Side.BUY, D(10)))
    before = main(subject).ledger.total("USDT")
    subject.pay_funding(SWAP, D("0.0001"), D(60_000), "f1")
    size = subject.market(SWAP).listing.instrument.contract_size
    assert main(subject).ledger.total("USDT") - before == -(10 * size * 60_000 * D("0.0001"))


def test_margin_is_bound_by_what_makes_a_position_larger_and_never_by_what_reduces_it() -> None:
    subject = desk(SWAP, main=AccountConfig(balances={"USDT": D(8000)}))
    bid, ask = touch(subject, SWAP)
    account, size = main(subject), subject.market(SWAP).listing.instrument.contract_size
    account.set_leverage(SWAP, 2)
    subject.place(account, Ticket(SWAP, Side.BUY, D(10)))

    def bound() -> Decimal:
        return margin(account, subject.markets, subject.open_orders(account), "USDT").initial

    held = bound()
    assert held == pytest.approx(10 * size * mark_price(subject.market(SWAP)) / 2)
    closing = subject.place(account, Ticket(SWAP, Side.SELL, D(10), ask + 50))
    assert bound() == pytest.approx(held)
    subject.place(account, Ticket(SWAP, Side.BUY, D(4), bid - 50))
    assert bound() == pytest.approx(held + 4 * size * (bid - 50) / 2)
    with pytest.raises(DeskRefusal, match="insufficient_funds"):
        subject.place(account, Ticket(SWAP, Side.BUY, D(40), bid - 50))
    subject.cancel(account, closing)
    subject.place(account, Ticket(SWAP, Side.SELL, D(20), ask + 50))


def test_a_fill_or_kill_order_that_cannot_be_filled_is_refused_where_the_venue_does_so() -> None:
    subject = desk(rules=DeskRules(refuses_unfilled=True))
    bid, _ = touch(subject)
    with pytest.raises(DeskRefusal, match="would_not_fill"):
        subject.place(main(subject), Ticket(SPOT, Side.BUY, D("0.1"), bid - 10, time_in_force=TimeInForce.FOK))
    assert subject.orders == {}


def test_an_inverse_entry_averages_harmonically() -> None:
    position = Position(D(1), inverse=True)
    position.trade(D(1000), D(5000))
    position.trade(D(2000), D(6000))
    assert position.entry == D(5625)


FILLS = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1_000, 100_000)), min_size=1, max_size=30)


@given(FILLS, st.booleans(), st.integers(1_000, 100_000))
def test_profit_realized_and_open_is_what_was_paid_and_received(
    fills: list[tuple[int, int]], inverse: bool, mark: int
) -> None:
    """Cash flows at fill prices plus the position at mark: however often it is closed or turned on the way."""
    position = Position(D(1), inverse)
    realized = sum((position.trade(D(signed), D(price)) for signed, price in fills), D(0))
    worth = (lambda p: -Fraction(1, p)) if inverse else Fraction
    expected = sum(signed * (worth(mark) - worth(price)) for signed, price in fills)
    assert abs(Fraction(realized + position.unrealized(D(mark))) - expected) < Fraction(1, 10**18)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Side)),
            st.integers(1, 50),
            st.one_of(st.none(), st.integers(-300, 300)),
            st.sampled_from(["keep", "cancel", "fill", "amend"]),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_balances_are_the_sum_of_the_journal_and_holds_are_those_of_open_orders(
    steps: list[tuple[Side, int, int | None, str]],
) -> None:
    subject = desk()
    account = main(subject)
    for side, size, offset, then in steps:
        bid, _ = touch(subject)
        price = None if offset is None else bid + offset * D("0.1")
        try:
            order = subject.place(account, Ticket(SPOT, side, size * D("0.001"), price))
            if order.state.resting and then == "cancel":
                subject.cancel(account, order)
            elif order.state.resting and then == "fill":
                subject.fill(order, order.remaining / 2 if size % 2 == 0 else None)
            elif order.state.resting and then == "amend":
                subject.amend(account, order, amount=order.amount + D("0.001"))
        except DeskRefusal:
            continue
    for currency in ("BTC", "USDT"):
        booked = sum((row.amount for row in account.ledger.journal if row.currency == currency), D(0))
        assert account.ledger.total(currency) == booked
        side = Side.SELL if currency == "BTC" else Side.BUY
        held = [order for order in subject.open_orders(account) if order.ticket.side is side]
        wanted = sum((o.remaining * (1 if currency == "BTC" else o.ticket.price or 0) for o in held), D(0))
        assert account.ledger.locked(currency) == wanted
    market = subject.market(SPOT)
    assert (
        market.levels.best_bid is None
        or market.levels.best_ask is None
        or market.levels.best_bid < market.levels.best_ask
    )
