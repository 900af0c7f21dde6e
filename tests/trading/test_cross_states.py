"""The table of a cross-venue order, and that a saga is the sum of entries that the table allows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trading.cross_world import SWAP
from tests.trading.samples import SPOT, SYMBOL, D
from xetrade_core.model.orders import OrderState, Side
from xetrade_core.trading.cross.legs import Leg
from xetrade_core.trading.cross.request import CrossRequest, LegRequest
from xetrade_core.trading.cross.saga import Attempt, CrossEvent, Plan, Role, Saga, apply
from xetrade_core.trading.cross.states import BACK, TRANSITIONS, CrossKind, CrossState

BUY = LegRequest(venue="binance", account="main", symbol=SYMBOL)
SELL = LegRequest(venue="okx", account="main", symbol=SWAP.symbol)
PLAN = Plan(
    request=CrossRequest(buy=BUY, sell=SELL, quantity=D("0.01"), max_loss=D(20)),
    first=Leg.of(BUY, Side.BUY, SPOT),
    hedge=Leg.of(SELL, Side.SELL, SWAP),
    amount=D("0.01"),
    limit=D(50_050),
    expected=D("-0.02"),
    deadline_ns=10,
    why_first="it is the less liquid one",
)
SENDING = {
    CrossState.PLANNED: {CrossKind.FIRST_BEGUN},
    CrossState.HEDGING: {CrossKind.HEDGE_BEGUN},
    CrossState.UNWINDING: {CrossKind.UNWIND_BEGUN},
}


def entry(kind: CrossKind, **facts: Any) -> CrossEvent:
    return CrossEvent(kind=kind, at_ns=2, **facts)


def begun(kind: CrossKind, role: Role, amount: str, index: int = 0) -> CrossEvent:
    one = Attempt(role=role, index=index, client_id=f"{role.value}{index}", amount=D(amount), price=D(50_000))
    return entry(kind, attempt=one)


def over(kind: CrossKind, name: str, filled: str) -> CrossEvent:
    return entry(kind, client_id=name, filled=D(filled), value=D(1), ended=OrderState.CANCELED)


def grown(*events: CrossEvent) -> Saga:
    saga = apply(None, entry(CrossKind.PLANNED, plan=PLAN), "s")
    for event in events:
        saga = apply(saga, event)
    return saga


FIRST_FILLED = (begun(CrossKind.FIRST_BEGUN, Role.FIRST, "0.01"), over(CrossKind.FIRST_OVER, "first0", "0.01"))


def test_every_state_is_in_the_table_and_every_kind_leads_somewhere() -> None:
    assert set(TRANSITIONS) == {None, *CrossState}
    assert {kind for kinds in TRANSITIONS.values() for kind in kinds} == set(CrossKind)
    reached = {target for kinds in TRANSITIONS.values() for target in kinds.values()}
    assert reached == {*CrossState, BACK}


@pytest.mark.parametrize("state", CrossState)
def test_only_three_states_send_orders_and_an_ended_saga_sends_none(state: CrossState) -> None:
    kinds = {kind for kind in TRANSITIONS[state] if kind.value.endswith("_begun")}
    assert kinds == SENDING.get(state, set())
    if state.over:
        assert set(TRANSITIONS[state]) - {CrossKind.SETTLED} == {CrossKind.LATE_FILL}
    else:
        assert len(TRANSITIONS[state]) >= 2, "there is a way out"


@pytest.mark.parametrize("state", [CrossState.FIRST_SENT, CrossState.HEDGING, CrossState.UNWINDING])
def test_what_was_frozen_comes_back_where_it_was(state: CrossState) -> None:
    ways = {
        CrossState.FIRST_SENT: FIRST_FILLED[:1],
        CrossState.HEDGING: FIRST_FILLED,
        CrossState.UNWINDING: (*FIRST_FILLED, entry(CrossKind.UNWIND_DECIDED)),
    }
    frozen = grown(*ways[state], entry(CrossKind.FROZEN, reason="no answer"))
    assert (frozen.state, frozen.stage) == (CrossState.FROZEN, state)
    back = apply(frozen, entry(CrossKind.RESOLVED))
    assert (back.state, back.stage) == (state, None)


@pytest.mark.parametrize("state", [None, *CrossState])
def test_what_the_table_does_not_have_is_refused(state: CrossState | None) -> None:
    saga = None
    if state is not None:
        base = grown(*FIRST_FILLED)
        saga = Saga(key="s", state=state, version=3, plan=PLAN, created_ns=1, updated_ns=2, attempts=base.attempts)
    for kind in set(CrossKind) - set(TRANSITIONS[state]):
        with pytest.raises(ValueError, match="cannot follow"):
            apply(saga, entry(kind, plan=PLAN))


def test_what_filled_is_counted_in_base_currency_whatever_the_venues_count_in() -> None:
    saga = grown(
        *FIRST_FILLED,
        begun(CrossKind.HEDGE_BEGUN, Role.HEDGE, "10"),
        over(CrossKind.HEDGE_OVER, "hedge0", "7"),  # contracts of 0.001
        entry(CrossKind.UNWIND_DECIDED),
        begun(CrossKind.UNWIND_BEGUN, Role.UNWIND, "0.003"),
        over(CrossKind.UNWIND_OVER, "unwind0", "0.0025"),
    )
    assert [saga.base(role) for role in Role] == [D("0.01"), D("0.007"), D("0.0025")]
    assert (saga.unhedged, saga.position) == (D("0.0005"), D("0.0005"))


def test_it_is_not_done_while_something_is_unhedged_nor_sends_two_orders_at_once() -> None:
    with pytest.raises(ValueError, match=r"0\.01 is unhedged"):
        grown(*FIRST_FILLED, entry(CrossKind.HEDGED))
    with pytest.raises(ValueError, match="before the last one had ended"):
        grown(
            *FIRST_FILLED,
            begun(CrossKind.HEDGE_BEGUN, Role.HEDGE, "5"),
            begun(CrossKind.HEDGE_BEGUN, Role.HEDGE, "5", 1),
        )


def test_a_fill_after_the_end_is_a_residual_until_the_ledger_says_otherwise() -> None:
    failed = grown(FIRST_FILLED[0], over(CrossKind.FIRST_EMPTY, "first0", "0"))
    assert failed.state is CrossState.FAILED
    late = entry(
        CrossKind.LATE_FILL, client_id="first0", filled=D("0.004"), ended=OrderState.CANCELED, residual=D("0.004")
    )
    after = apply(failed, late)
    assert (after.state, after.position, after.booked) == (CrossState.RESIDUAL, D("0.004"), D("0.004"))
