"""The table of transitions, and the order that events sum up to."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.trading.samples import D, event, fill, intent
from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import Order, OrderState
from xetrade_core.trading.projection import Verdict, apply, replay, trigger_of
from xetrade_core.trading.transitions import SURPRISES, TABLE, next_state

OWN = {
    EventKind.SUBMITTED,
    EventKind.UNSENT,
    EventKind.AMBIGUOUS,
    EventKind.CANCEL_REQUESTED,
    EventKind.AMEND_REQUESTED,
    EventKind.GIVEN_UP,
}
DONE = {state for state in OrderState if not state.working}


def order_in(*kinds: EventKind) -> Order:
    order = apply(None, event(EventKind.INTENDED, intent=intent())).order
    for kind in kinds:
        step = apply(order, event(kind, venue_order_id="v1" if kind is EventKind.ACCEPTED else None))
        assert step.verdict in (Verdict.CHANGED, Verdict.UNCHANGED)
        order = step.order
    return order


def test_every_state_stands_in_the_table_and_can_be_reached() -> None:
    reached, todo = {OrderState.INTENT}, [OrderState.INTENT]
    while todo:
        for state in set(TABLE[todo.pop()].values()) - reached:
            reached.add(state)
            todo.append(state)
    assert reached == set(OrderState)
    assert set(TABLE) == {None, *OrderState}


def test_unknown_leaves_only_on_what_the_venue_says_or_to_an_operator() -> None:
    own = {kind: state for kind, state in TABLE[OrderState.UNKNOWN].items() if kind in OWN}
    assert set(own.values()) <= {OrderState.UNKNOWN, OrderState.NEEDS_OPERATOR, OrderState.SUBMITTING}


def test_nothing_but_the_venue_or_an_operator_ends_an_order_that_may_be_on_the_venue() -> None:
    for state in OrderState:
        if state in DONE or state is OrderState.INTENT:
            continue
        ends = {kind for kind, after in TABLE[state].items() if after in DONE}
        assert not ends & OWN, state


def test_an_order_that_was_denied_hears_nothing_of_a_venue() -> None:
    assert set(TABLE[OrderState.DENIED]) == {EventKind.INTENDED_AGAIN}


@pytest.mark.parametrize("state", [OrderState.CANCELED, OrderState.REJECTED, OrderState.EXPIRED])
def test_a_late_fill_is_legal(state: OrderState) -> None:
    assert next_state(state, EventKind.FILLED) is OrderState.FILLED
    assert next_state(state, EventKind.PARTLY_FILLED) is not None


def test_a_surprise_is_a_legal_row() -> None:
    assert all(next_state(state, kind) is not None for state, kind in SURPRISES)


def test_a_contradiction_is_recorded_once_and_changes_nothing() -> None:
    order = order_in(EventKind.SUBMITTED, EventKind.ACCEPTED, EventKind.FILLED)
    contradiction = event(EventKind.CANCELED, filled=D("0.004"))
    step = apply(order, contradiction)
    assert step.verdict is Verdict.ILLEGAL
    assert not step.event.legal
    assert (step.order.state, step.order.filled) == (OrderState.FILLED, order.filled)
    assert step.order.illegal == ("filled+canceled",)
    assert apply(step.order, contradiction).verdict is Verdict.ILLEGAL_AGAIN


def test_what_contradicts_a_rejection_is_to_be_asked_for() -> None:
    order = order_in(EventKind.SUBMITTED, EventKind.REJECTED)
    step = apply(order, event(EventKind.FILL, fill=fill("t1", "0.004")))
    assert (step.verdict, step.order.state) == (Verdict.SURPRISING, OrderState.UNKNOWN)
    assert step.order.filled == D("0.004")


def test_a_cancel_before_the_acknowledgement_waits_and_is_not_forgotten() -> None:
    order = order_in(EventKind.SUBMITTED, EventKind.CANCEL_REQUESTED)
    assert (order.state, order.cancel_requested) == (OrderState.SUBMITTING, True)
    order = apply(order, event(EventKind.ACCEPTED, venue_order_id="v1")).order
    assert (order.state, order.cancel_requested) == (OrderState.OPEN, True)
    assert apply(order, event(EventKind.CANCEL_REQUESTED)).order.state is OrderState.PENDING_CANCEL


def test_a_refused_cancel_brings_the_order_back_to_what_it_was() -> None:
    pending = order_in(EventKind.SUBMITTED, EventKind.ACCEPTED, EventKind.CANCEL_REQUESTED)
    assert apply(pending, event(EventKind.CANCEL_REFUSED)).order.state is OrderState.OPEN
    partly = apply(pending, event(EventKind.FILL, fill=fill("t1", "0.004"))).order
    back = apply(partly, event(EventKind.CANCEL_REFUSED)).order
    assert (back.state, back.cancel_requested) == (OrderState.PARTIALLY_FILLED, False)


def test_a_canceled_report_of_a_full_amount_is_a_fill() -> None:
    order = order_in(EventKind.SUBMITTED, EventKind.ACCEPTED, EventKind.CANCEL_REQUESTED)
    assert apply(order, event(EventKind.CANCELED, filled=D("0.01"))).order.state is OrderState.FILLED


def test_reports_and_fills_of_the_same_trade_count_once() -> None:
    order = order_in(EventKind.SUBMITTED)
    order = apply(order, event(EventKind.PARTLY_FILLED, filled=D("0.004"), venue_order_id="v1")).order
    order = apply(order, event(EventKind.FILL, fill=fill("t1", "0.004", "49000"))).order
    assert (order.filled, order.fills_amount, order.average_price) == (D("0.004"), D("0.004"), D(49_000))
    assert not order.fills_missing


def test_more_filled_than_ordered_is_counted_and_told() -> None:
    order = order_in(EventKind.SUBMITTED, EventKind.ACCEPTED)
    step = apply(order, event(EventKind.FILL, fill=fill("t1", "0.02")))
    assert (step.verdict, step.order.filled, step.order.remaining) == (Verdict.SURPRISING, D("0.02"), D(0))


def test_an_order_that_never_reached_the_venue_can_be_asked_for_anew_and_no_other() -> None:
    unsent = order_in(EventKind.SUBMITTED, EventKind.UNSENT, EventKind.EXPIRED)
    again = event(EventKind.INTENDED_AGAIN, intent=intent(amount=D("0.02")))
    assert (apply(unsent, again).order.state, apply(unsent, again).order.amount) == (OrderState.INTENT, D("0.02"))
    sent = order_in(EventKind.SUBMITTED, EventKind.ACCEPTED, EventKind.EXPIRED)
    assert apply(sent, again).verdict is Verdict.ILLEGAL


def test_amendments_reserve_the_larger_amount_until_they_are_settled() -> None:
    order = order_in(EventKind.SUBMITTED, EventKind.ACCEPTED)
    wanted = {"amount": D("0.05"), "price": D(50_100), "reserve_price": D(50_100)}
    asked = apply(order, event(EventKind.AMEND_REQUESTED, **wanted)).order
    assert (asked.amount, asked.remaining, asked.amending) == (D("0.01"), D("0.05"), True)
    done = apply(asked, event(EventKind.AMENDED, **wanted)).order
    assert (done.amount, done.price, done.amending) == (D("0.05"), D(50_100), False)
    refused = apply(asked, event(EventKind.AMEND_REFUSED, code="-1", reason="no")).order
    assert (refused.amount, refused.remaining, refused.amending, refused.code) == (D("0.01"), D("0.01"), False, "-1")


def test_a_filled_order_that_the_venue_has_at_a_larger_amount_can_trade_again_and_a_person_hears_of_it() -> None:
    filled = order_in(EventKind.SUBMITTED, EventKind.ACCEPTED, EventKind.FILLED)
    larger = event(EventKind.AMENDED, source=Source.QUERY, amount=D("0.02"), price=D(50_000), reserve_price=D(50_000))
    step = apply(filled, larger)
    assert (step.verdict, step.order.state) == (Verdict.SURPRISING, OrderState.PARTIALLY_FILLED)
    assert (step.order.filled, step.order.remaining) == (D("0.01"), D("0.01"))
    assert apply(step.order, event(EventKind.CANCELED, filled=D("0.01"))).order.state is OrderState.CANCELED
    smaller = msgspec.structs.replace(larger, amount=D("0.01"))
    assert apply(filled, smaller).order.state is OrderState.FILLED


def test_a_refused_change_opens_no_filled_order_again_even_where_the_venue_filled_a_little_less() -> None:
    order = order_in(EventKind.SUBMITTED, EventKind.ACCEPTED)
    asked = apply(order, event(EventKind.AMEND_REQUESTED, amount=D("0.02"), price=D(50_000))).order
    filled = apply(asked, event(EventKind.FILLED, source=Source.QUERY, filled=D("0.0099"))).order
    refused = apply(filled, event(EventKind.AMEND_REFUSED, source=Source.REPLY))
    assert (refused.order.state, refused.verdict) == (OrderState.FILLED, Verdict.CHANGED)


def test_the_first_event_of_an_order_is_its_intent() -> None:
    with pytest.raises(ValueError, match="intended"):
        apply(None, event(EventKind.ACCEPTED))


amounts = st.integers(1, 12).map(lambda lots: Decimal(lots) / 1000)
events = st.builds(
    lambda kind, filled, amount, trade: OrderEvent(
        kind=kind,
        at_ns=5,
        source=Source.STREAM,
        filled=filled,
        fill=fill(str(trade), str(amount)) if kind is EventKind.FILL else None,
        venue_order_id="v1",
        amount=amount if kind is EventKind.AMEND_REQUESTED else D("0.01"),
        price=D(50_000),
        reserve_price=D(50_000),
        intent=intent() if kind is EventKind.INTENDED_AGAIN else None,
    ),
    st.sampled_from([kind for kind in EventKind if kind is not EventKind.INTENDED]),
    st.none() | amounts,
    amounts,
    st.integers(),
)


class OrderLife(RuleBasedStateMachine):
    """Any events in any order: the table is followed, and what is recorded gives the same order again."""

    @initialize()
    def begin(self) -> None:
        first = event(EventKind.INTENDED, intent=intent())
        self.recorded = [first]
        self.order = apply(None, first).order

    @rule(happens=events)
    def something_happens(self, happens: OrderEvent) -> None:
        before = self.order
        step = apply(before, happens)
        legal = next_state(before.state, trigger_of(before, happens))
        if legal is None:
            assert step.verdict in (Verdict.ILLEGAL, Verdict.ILLEGAL_AGAIN)
            assert step.order.state is before.state
            assert step.order.filled == before.filled
        else:
            assert step.order.state is legal
        assert step.order.filled >= before.filled
        if step.verdict in (Verdict.UNCHANGED, Verdict.ILLEGAL_AGAIN):
            assert step.order is before
        else:
            assert step.order.version == before.version + 1
            self.recorded.append(step.event)
        self.order = step.order

    @invariant()
    def the_record_sums_up_to_the_order(self) -> None:
        order: Order | None = None
        for one in self.recorded:
            order = replay(order, one)
        assert order == self.order

    @invariant()
    def it_stays_itself_as_json(self) -> None:
        assert msgspec.json.decode(msgspec.json.encode(self.order), type=Order) == self.order

    @invariant()
    def what_may_trade_is_never_negative(self) -> None:
        assert self.order.remaining >= 0


OrderLife.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
test_any_life_of_an_order = pytest.mark.timeout(60)(OrderLife.TestCase)


@given(st.lists(events, max_size=12))
@settings(max_examples=150, deadline=None)
def test_a_report_twice_is_a_report_once(happening: list[OrderEvent]) -> None:
    order = order_in(EventKind.SUBMITTED)
    for one in happening:
        order = apply(order, one).order
        if one.kind in (EventKind.ACCEPTED, EventKind.FILLED, EventKind.CANCELED, EventKind.EXPIRED):
            assert apply(order, one).order.state is order.state or order.state is OrderState.UNKNOWN
