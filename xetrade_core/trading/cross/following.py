"""What becomes known of a saga's orders: how each ended, what it traded afterwards, and that nobody knows of one."""

from __future__ import annotations

import contextlib

import msgspec

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import OrderError
from xetrade_core.model.orders import ZERO, Order, OrderState
from xetrade_core.telemetry import alarm
from xetrade_core.trading.cross.claimed import Claimed
from xetrade_core.trading.cross.saga import Attempt, CrossEvent
from xetrade_core.trading.cross.states import CrossKind, CrossState
from xetrade_core.trading.cross.worth import worth
from xetrade_core.trading.execution import ExecutionError
from xetrade_core.trading.overview import number

_IN_DOUBT = (OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.NEEDS_OPERATOR)
_POLLS_S = (0.05, 0.1, 0.2, 0.4)
_POLL_S = 1.0


async def known(claimed: Claimed, attempt: Attempt) -> Order | None:
    """The order once it has ended; None if nobody knows for longer than patience, or only a person can tell."""
    orders, rules, began_ns = claimed.means.orders, claimed.means.rules, claimed.now_ns
    await orders.follow(attempt.client_id)
    tries = 0
    while True:
        order = await orders.status(attempt.client_id)
        if not order.state.working:
            await thaw(claimed)
            return order
        waited_s = (claimed.now_ns - began_ns) / NS_PER_S
        helpless = order.state is OrderState.NEEDS_OPERATOR or waited_s >= rules.patience_s
        if order.state in _IN_DOUBT:
            if helpless or waited_s >= rules.rests_s:
                await _freeze(claimed, order)
        else:
            await thaw(claimed)
            await _ask(claimed, order, rests=waited_s >= rules.rests_s)
        if helpless:
            return None
        await claimed.means.clock.sleep(_POLLS_S[tries] if tries < len(_POLLS_S) else _POLL_S)
        tries += 1


async def _ask(claimed: Claimed, order: Order, *, rests: bool) -> None:
    """Ask the venue about an order that it has acknowledged; one that rests, and should not, is cancelled."""
    with contextlib.suppress(OrderError, ExecutionError):
        order = await claimed.means.orders.status(order.client_id, refresh=True)
        if rests and order.state.working and not order.cancel_requested:
            await claimed.means.orders.cancel(order.client_id)


async def hear_late_fills(claimed: Claimed) -> bool:
    """Take what orders traded after their end was recorded; False if one of them is in doubt again."""
    orders = await claimed.orders()
    for attempt in claimed.saga.attempts:
        if attempt.filled is None:
            continue
        order = orders.get(attempt.client_id)
        if order is not None and order.state.working and not claimed.saga.state.over:
            order = await known(claimed, attempt)
            if order is None:
                return False
        if order is None or order.filled == attempt.filled:
            continue
        await _late(claimed, attempt, order)
    return True


async def _late(claimed: Claimed, attempt: Attempt, order: Order) -> None:
    event = CrossEvent(
        kind=CrossKind.LATE_FILL,
        at_ns=claimed.now_ns,
        client_id=attempt.client_id,
        filled=order.filled,
        value=worth(claimed.saga, attempt, order),
        ended=order.state,
        reason=f"order {attempt.client_id} traded {number(order.filled)} in all, after its end was told",
    )
    if not claimed.saga.state.over:
        await claimed.append(event)
        return
    role, saga = attempt.role, claimed.saga
    more = saga.leg(role).base(order.filled - (attempt.filled or ZERO))
    change = more * saga.side(role).sign
    await claimed.append(msgspec.structs.replace(event, residual=change))
    tell_residual(claimed)


async def _freeze(claimed: Claimed, order: Order) -> None:
    if claimed.saga.state is CrossState.FROZEN:
        return
    why = order.reason or "its venue has not told whether it took it"
    reason = f"order {order.client_id} on {order.intent.venue} is {order.state.value}: {why}"
    await claimed.append(
        CrossEvent(kind=CrossKind.FROZEN, at_ns=claimed.now_ns, client_id=order.client_id, reason=reason)
    )
    alarm(
        "cross_order_frozen",
        f"cross order {claimed.saga.key}: {reason}; nothing more is sent until that is known",
        venue=order.intent.venue,
        symbol=order.intent.symbol,
        order=order.client_id,
    )


async def thaw(claimed: Claimed) -> None:
    if claimed.saga.state is CrossState.FROZEN:
        await claimed.append(CrossEvent(kind=CrossKind.RESOLVED, at_ns=claimed.now_ns, reason=""))


def tell_residual(claimed: Claimed) -> None:
    leg, position = claimed.saga.plan.first, claimed.saga.position
    alarm(
        "cross_order_residual",
        f"cross order {claimed.saga.key}: {number(position)} is unhedged on {leg.place}: {claimed.saga.reason}",
        venue=leg.venue,
        symbol=leg.symbol,
    )
