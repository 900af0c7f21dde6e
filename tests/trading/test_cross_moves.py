"""What a saga does next, by the pure function that decides it: bounds, lots, and what is not known yet."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from tests.trading.samples import D
from tests.trading.test_cross_states import FIRST_FILLED, PLAN, begun, entry, grown
from xetrade_core.model.orders import OrderState, Side
from xetrade_core.trading.cross.moves import Rules, Seen, Send, Wait, loss_bound, next_move
from xetrade_core.trading.cross.saga import CrossEvent, Role, Saga, apply
from xetrade_core.trading.cross.states import CrossKind, CrossState

RULES = Rules()
NOW_NS, LATE_NS = 5, 10  # the plan's deadline is 10


def hedging(filled: str = "0.01", paid: int = 50_000) -> Saga:
    """The first leg has bought `filled` BTC at that price; the hedge counts contracts of 0.001."""
    over = entry(
        CrossKind.FIRST_OVER, client_id="first0", filled=D(filled), value=D(filled) * paid, ended=OrderState.CANCELED
    )
    return grown(FIRST_FILLED[0], over)


def ended(saga: Saga, kind: CrossKind, move: Send, filled: str, state: OrderState) -> Saga:
    """The saga after one more order."""
    name = f"{move.role.value}{move.index}"
    first = CrossKind.HEDGE_BEGUN if kind is CrossKind.HEDGE_OVER else CrossKind.UNWIND_BEGUN
    saga = apply(saga, begun(first, move.role, str(move.amount), move.index))
    return apply(saga, entry(kind, client_id=name, filled=D(filled), ended=state, reason="said"))


def test_the_hedge_is_limited_by_its_bound_or_by_the_loss_whichever_is_nearer() -> None:
    near = next_move(hedging(), NOW_NS, Seen(D(50_000)), RULES)
    assert near == Send(Role.HEDGE, 0, D(10), D("49950"))
    assert loss_bound(hedging(), D("0.01")) == D(48_000)  # 20 USDT on 0.01 BTC
    low = next_move(hedging(), NOW_NS, Seen(D(48_010)), RULES)
    assert low == Send(Role.HEDGE, 0, D(10), D("48000"))


def test_past_the_loss_it_is_traded_back_but_not_on_an_estimate() -> None:
    lost = next_move(hedging(), NOW_NS, Seen(D("47999.99")), RULES)
    assert isinstance(lost, CrossEvent)
    assert lost.kind is CrossKind.UNWIND_DECIDED
    assert next_move(hedging(), NOW_NS, Seen(D("47999.99"), estimated=True), RULES) == Wait()


def test_what_a_hedge_has_gained_may_be_lost_by_the_rest() -> None:
    half = entry(CrossKind.HEDGE_OVER, client_id="hedge0", filled=D(5), value=D(255), ended=OrderState.CANCELED)
    saga = hedging()
    saga = apply(apply(saga, begun(CrossKind.HEDGE_BEGUN, Role.HEDGE, "10")), half)
    assert loss_bound(saga, saga.unhedged) == (D(500) - D(255) - D(20)) / D("0.005")


@pytest.mark.parametrize(("filled", "contracts"), [("0.0017", 1), ("0.00999", 9), ("0.0105", 10)])
def test_never_more_is_hedged_than_was_filled(filled: str, contracts: int) -> None:
    move = next_move(hedging(filled), NOW_NS, Seen(D(50_000)), RULES)
    assert isinstance(move, Send)
    assert move.amount == contracts


def test_a_large_hedge_goes_in_orders_that_the_venue_takes() -> None:
    saga = hedging()
    plan = msgspec.structs.replace(saga.plan, hedge=msgspec.structs.replace(saga.plan.hedge, max_amount=D(4)))
    move = next_move(msgspec.structs.replace(saga, plan=plan), NOW_NS, Seen(D(50_000)), RULES)
    assert move == Send(Role.HEDGE, 0, D(4), D("49950"))


def test_without_a_touch_a_bound_in_basis_points_waits_and_a_price_does_not() -> None:
    assert next_move(hedging(), NOW_NS, Seen(None), RULES) == Wait()
    saga = hedging()
    plan = msgspec.structs.replace(saga.plan, hedge=msgspec.structs.replace(saga.plan.hedge, price=D(49_000)))
    priced = msgspec.structs.replace(saga, plan=plan)
    assert next_move(priced, NOW_NS, Seen(None), RULES) == Send(Role.HEDGE, 0, D(10), D("49000"))
    assert next_move(priced, NOW_NS, Seen(D(48_990)), RULES) == Wait(), "an order that cannot match is not sent"


def test_in_time_or_not_at_all() -> None:
    late = next_move(grown(), LATE_NS, Seen(), RULES)
    assert isinstance(late, CrossEvent)
    assert late.kind is CrossKind.EXPIRED
    assert next_move(grown(), NOW_NS, Seen(), RULES) == Send(Role.FIRST, 0, PLAN.amount, PLAN.limit)
    over = next_move(hedging(), LATE_NS, Seen(D(50_000)), RULES)
    assert isinstance(over, CrossEvent)
    assert over.kind is CrossKind.UNWIND_DECIDED


def test_trading_back_asks_for_more_each_time_and_ends_in_the_ledger() -> None:
    saga = apply(hedging(), entry(CrossKind.UNWIND_DECIDED, reason="too late"))
    prices: list[Decimal] = []
    for _ in range(RULES.unwind_attempts):
        move = next_move(saga, LATE_NS, Seen(D(50_000)), RULES)
        assert isinstance(move, Send)
        assert (move.role, saga.side(Role.UNWIND)) == (Role.UNWIND, Side.SELL)
        prices.append(move.price)
        saga = ended(saga, CrossKind.UNWIND_OVER, move, "0", OrderState.CANCELED)
    assert prices[:3] == [D(49_750), D(49_500), D(49_250)]
    left = next_move(saga, LATE_NS, Seen(D(50_000)), RULES)
    assert isinstance(left, CrossEvent)
    assert (left.kind, left.residual) == (CrossKind.LEFT, D("0.01"))
    assert left.reason is not None
    assert left.reason.startswith("said; not traded back by 8 orders")
    assert apply(saga, left).state is CrossState.RESIDUAL


def test_what_too_much_was_closed_is_stated_with_its_sign() -> None:
    saga = hedging("0.003")
    first = next_move(saga, NOW_NS, Seen(D(50_000)), RULES)
    assert isinstance(first, Send)
    saga = ended(saga, CrossKind.HEDGE_OVER, first, "5", OrderState.CANCELED)
    left = next_move(saga, NOW_NS, Seen(), RULES)
    assert isinstance(left, CrossEvent)
    assert (left.kind, left.residual) == (CrossKind.LEFT, D("-0.002"))
