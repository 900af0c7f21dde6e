"""What a saga does next, decided from where it stands, the time and the book, and from nothing else.

The order of the questions is the safety of it: is something known to be open, is everything closed, is a bound passed,
may another order go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.model.orders import ZERO
from xetrade_core.trading.cross.legs import away, beyond, tighter
from xetrade_core.trading.cross.saga import Attempt, CrossEvent, Role, Saga
from xetrade_core.trading.cross.states import CrossKind, CrossState
from xetrade_core.trading.overview import number


@dataclass(frozen=True, slots=True)
class Rules:
    """How a saga is driven. Times in seconds.

    `unsent_attempts`: so often a venue that cannot be reached is tried to trade back on, beside the `unwind_attempts`.
    `unwind_bps`: how far from the touch the first leg is traded back, one time more with every attempt. `lease_s`: so
    long after its driver died another may go on with it. `store_away_s`: so long its driver goes on trying while the
    store does not answer. `patience_s`: how long a caller waits for an order that nobody knows of. `rests_s`: an order
    that should not rest and does is cancelled then, and one in doubt freezes the saga. `pause_s`: between an order that
    traded nothing and the next. `fresh_s`: so long after the plan the hedge is sent by the book of then, at once.
    """

    hedge_attempts: int = 100
    unwind_attempts: int = 8
    unsent_attempts: int = 240
    unwind_bps: Decimal = Decimal(50)
    pause_s: float = 0.5
    rests_s: float = 2.0
    lease_s: float = 6.0
    store_away_s: float = 60.0
    fresh_s: float = 3.0
    patience_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the market that the next order goes to.

    `best`: the price at its touch, None where the venue does not tell. `affordable` (base currency): what the account
    can pay for; None where that is no question. `estimated`: an order's trades are not told yet, so that it counts at
    its limit.
    """

    best: Decimal | None = None
    affordable: Decimal | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Place another order."""

    role: Role
    index: int
    amount: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be sent for now: look again."""


Move = Send | Wait | CrossEvent


def next_move(saga: Saga, now_ns: int, seen: Seen, rules: Rules) -> Move:
    """What is to be done now; the saga is not over and no order of it is open."""
    if saga.state is CrossState.PLANNED:
        return _begin(saga, now_ns)
    left = saga.unhedged
    if not left:
        traded_back = saga.base(Role.UNWIND)
        return CrossEvent(kind=CrossKind.UNWOUND if traded_back else CrossKind.HEDGED, at_ns=now_ns)
    if left < 0:
        return _left(saga, now_ns, "more was closed than the first leg had filled: an order traded after its end")
    if saga.state is CrossState.HEDGING:
        return _hedge(saga, now_ns, seen, rules)
    return _unwind(saga, now_ns, seen, rules)


def loss_bound(saga: Saga, base: Decimal) -> Decimal:
    """The price at which closing `base` would bring the whole saga to exactly its largest loss."""
    closed = saga.value(Role.HEDGE) + saga.value(Role.UNWIND)
    sign = saga.plan.first.side.sign
    return (saga.value(Role.FIRST) - closed - sign * saga.plan.request.max_loss) / base


def _begin(saga: Saga, now_ns: int) -> Move:
    plan = saga.plan
    if now_ns >= plan.deadline_ns:
        return CrossEvent(kind=CrossKind.EXPIRED, at_ns=now_ns, reason="its time was over before anything was sent")
    return Send(Role.FIRST, 0, plan.amount, plan.limit)


def _hedge(saga: Saga, now_ns: int, seen: Seen, rules: Rules) -> Move:
    leg, left, sent = saga.plan.hedge, saga.unhedged, saga.of(Role.HEDGE)
    if sent and sent[-1].refused:
        return _give_up(now_ns, f"the hedge was refused: {sent[-1].reason}")
    if now_ns >= saga.plan.deadline_ns:
        return _give_up(now_ns, f"{number(left)} not hedged within {saga.plan.request.within_s:g} s")
    if _reached(sent) >= rules.hedge_attempts:
        return _give_up(now_ns, f"{number(left)} not hedged by {len(sent)} orders")
    best, most = seen.best, loss_bound(saga, left)
    if best is not None and beyond(best, most, leg.side):
        if seen.estimated:
            return Wait()
        return _give_up(now_ns, f"hedging at {number(best)} would lose more than {number(saga.plan.request.max_loss)}")
    bound = leg.bound(best)
    price = None if bound is None else tighter(leg.side, bound, most)
    if price is None or (best is not None and beyond(best, price, leg.side)):
        return Wait()
    price = leg.on_tick(price, leg.side)
    amount = leg.amount(left)
    if (why := leg.too_small(amount, price)) is not None:
        return _give_up(now_ns, f"{number(left)} cannot be hedged: {why}")
    return Send(Role.HEDGE, len(sent), amount, price)


def _unwind(saga: Saga, now_ns: int, seen: Seen, rules: Rules) -> Move:
    leg, side, left, sent = saga.plan.first, saga.side(Role.UNWIND), saga.unhedged, saga.of(Role.UNWIND)
    reached = _reached(sent)
    if reached >= rules.unwind_attempts or len(sent) - reached >= rules.unsent_attempts:
        return _left(saga, now_ns, f"not traded back by {len(sent)} orders: {sent[-1].reason or 'nothing to take'}")
    paid = saga.value(Role.FIRST) / saga.base(Role.FIRST)
    best = paid if seen.best is None else seen.best
    price = leg.on_tick(away(best, rules.unwind_bps * (reached + 1), side), side)
    amount = leg.amount(left)
    if sent and sent[-1].refused:
        amount = leg.amount(min(left, seen.affordable)) if seen.affordable is not None else ZERO
        if not _asks_less(amount, sent[-1]):
            return _left(saga, now_ns, f"trading it back was refused: {sent[-1].reason}")
    if (why := leg.too_small(amount, price, exit_of_contracts=not leg.spot)) is not None:
        return _left(saga, now_ns, f"cannot be traded back: {why}")
    return Send(Role.UNWIND, len(sent), amount, price)


def _reached(sent: Sequence[Attempt]) -> int:
    """How many of some orders have reached their venue."""
    return sum(not one.unsent for one in sent)


def _asks_less(amount: Decimal, refused: Attempt) -> bool:
    """Whether an order of `amount` is another than the refused one, and one at all."""
    return ZERO < amount < refused.amount


def _give_up(now_ns: int, reason: str) -> CrossEvent:
    return CrossEvent(kind=CrossKind.UNWIND_DECIDED, at_ns=now_ns, reason=reason)


def _left(saga: Saga, now_ns: int, reason: str) -> CrossEvent:
    """Into the ledger with what is not there yet."""
    why = f"{saga.reason}; {reason}" if saga.reason else reason
    return CrossEvent(kind=CrossKind.LEFT, at_ns=now_ns, reason=why, residual=saga.position - saga.booked)
