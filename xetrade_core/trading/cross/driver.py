"""What brings one saga to its end: it looks where the saga stands, does the one next thing, and commits it.

An order is begun by an entry that fixes all of it (id, amount, price) before the order service hears of it, and its end
is read from the order store. So it makes no difference whether this process or one that died did the things before. An
order of which nobody knows freezes the saga: nothing else is sent until the venue has told, or a person.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from decimal import Decimal

import msgspec

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import (
    CrossBusy,
    CrossNotOver,
    InvalidOrder,
    NotTrading,
    OrderError,
    UnknownOrder,
    UnknownSymbol,
    XETradeError,
)
from xetrade_core.model.orders import ZERO, Order, OrderState, Side
from xetrade_core.telemetry import alarm
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.cross.lease import Lease
from xetrade_core.trading.cross.legs import touch
from xetrade_core.trading.cross.means import Means
from xetrade_core.trading.cross.moves import Seen, Send, Wait, next_move
from xetrade_core.trading.cross.planning import order_request, step_of
from xetrade_core.trading.cross.saga import Attempt, CrossEvent, Role, Saga
from xetrade_core.trading.cross.states import CrossKind, CrossState
from xetrade_core.trading.cross.worth import valued, worth
from xetrade_core.trading.execution import ExecutionError
from xetrade_core.trading.limits import Scope, ScopeKind
from xetrade_core.trading.overview import number

_BEGUN = {
    Role.FIRST: CrossKind.FIRST_BEGUN,
    Role.HEDGE: CrossKind.HEDGE_BEGUN,
    Role.UNWIND: CrossKind.UNWIND_BEGUN,
}
_OVER = {Role.FIRST: CrossKind.FIRST_OVER, Role.HEDGE: CrossKind.HEDGE_OVER, Role.UNWIND: CrossKind.UNWIND_OVER}
_IN_DOUBT = (OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.NEEDS_OPERATOR)
_POLLS_S = (0.05, 0.1, 0.2, 0.4)
_POLL_S = 1.0


class CrossDriver:
    """One saga under way in this process, which has claimed it as `name`."""

    def __init__(self, means: Means, saga: Saga, name: str) -> None:
        self.means = means
        self.saga = saga
        self.name = name
        self._lease = Lease(means, saga.key, name)

    async def run(self) -> Saga:
        """Until it is over, or nobody knows of one of its orders for longer than patience.

        Raises CrossBusy if another process has taken it, and CrossNotOver with what else stopped it (the store is away,
        a key may not be used any more); nothing is lost.
        """
        try:
            async with self._lease.kept():
                if not self.saga.state.over:
                    await self.means.ready([leg.name for leg in (self.saga.plan.first, self.saga.plan.hedge)])
                while await self._step():
                    pass
        except CrossBusy:
            raise
        except XETradeError as error:
            key, state = self.saga.key, self.saga.state.value
            raise CrossNotOver(
                f"cross order {key} is {state} and was stopped: {error}; `xetrade cross resume {key}` goes on with it"
            ) from error
        return self.saga

    async def _step(self) -> bool:
        """One thing; whether there may be another to do."""
        if not await self._hear_late_fills() or self.saga.state.over:
            return False
        if (attempt := self.saga.open_attempt) is not None:
            return await self._conclude(attempt)
        await self._thaw()
        orders, seen = await self._orders(), await self._look()
        seen = replace(seen, estimated=any(order.fills_missing for order in orders.values()))
        move = next_move(valued(self.saga, orders.values()), self._now_ns, seen, self.means.rules)
        if isinstance(move, Wait):
            await self._pause()
        elif isinstance(move, Send):
            await self._begin(move)
        else:
            await self._append(move)
            if move.kind is CrossKind.LEFT:
                self._tell_residual()
        return True

    # -- orders --------------------------------------------------------------------------------------------------

    async def _begin(self, move: Send) -> None:
        attempt = Attempt(
            role=move.role,
            index=move.index,
            client_id=client_order_id(self.saga.key, step_of(move.role), move.index),
            amount=move.amount,
            price=move.price,
            reduce_only=move.role is Role.UNWIND and await self._closes(move.amount),
        )
        await self._append(CrossEvent(kind=_BEGUN[move.role], at_ns=self._now_ns, attempt=attempt))

    async def _conclude(self, attempt: Attempt) -> bool:
        """Place the order that was begun, unless it was, and follow it to its end; False if that is not in sight."""
        problem = None
        order = await self._order(attempt)
        if order is None:
            if attempt.role is Role.FIRST and self._now_ns >= self.saga.plan.deadline_ns:
                problem = "its time was over before it was sent"
            else:
                await self._lease.renew()  # whoever has taken the saga meanwhile places it, and not we
                problem = await self._place(attempt)
                order = await self._order(attempt)
        if order is None:
            await self._ended(attempt, ZERO, ZERO, None, problem)
            return True
        order = await self._known(attempt)
        if order is None:
            return False
        await self._ended(attempt, order.filled, worth(self.saga, attempt, order), order.state, order.reason)
        return True

    async def _place(self, attempt: Attempt) -> str | None:
        """Why it is not on the venue as it was asked, as far as that is known."""
        saga = self.saga
        request = order_request(
            saga.leg(attempt.role),
            saga.side(attempt.role),
            attempt.amount,
            attempt.price,
            saga.plan.request.strategy,
            reduce_only=attempt.reduce_only,
        )
        try:
            await self.means.orders.place(request, key=saga.key, step=step_of(attempt.role), index=attempt.index)
        except (OrderError, InvalidOrder, NotTrading, UnknownSymbol) as error:
            return str(error)
        return None

    async def _known(self, attempt: Attempt) -> Order | None:
        """The order once it has ended; None if nobody knows for longer than patience, or only a person can tell."""
        orders, rules, began_ns = self.means.orders, self.means.rules, self._now_ns
        await orders.follow(attempt.client_id)
        tries = 0
        while True:
            order = await orders.status(attempt.client_id)
            if not order.state.working:
                await self._thaw()
                return order
            waited_s = (self._now_ns - began_ns) / NS_PER_S
            helpless = order.state is OrderState.NEEDS_OPERATOR or waited_s >= rules.patience_s
            if order.state in _IN_DOUBT:
                if helpless or waited_s >= rules.rests_s:
                    await self._freeze(order)
            else:
                await self._thaw()
                await self._ask(order, rests=waited_s >= rules.rests_s)
            if helpless:
                return None
            await self.means.clock.sleep(_POLLS_S[tries] if tries < len(_POLLS_S) else _POLL_S)
            tries += 1

    async def _ask(self, order: Order, *, rests: bool) -> None:
        """Ask the venue about an order that it has acknowledged; one that rests, and should not, is cancelled."""
        with contextlib.suppress(OrderError, ExecutionError):
            order = await self.means.orders.status(order.client_id, refresh=True)
            if rests and order.state.working and not order.cancel_requested:
                await self.means.orders.cancel(order.client_id)

    async def _ended(
        self, attempt: Attempt, filled: Decimal, value: Decimal, state: OrderState | None, reason: str | None
    ) -> None:
        empty = attempt.role is Role.FIRST and not filled
        event = CrossEvent(
            kind=CrossKind.FIRST_EMPTY if empty else _OVER[attempt.role],
            at_ns=self._now_ns,
            client_id=attempt.client_id,
            filled=filled,
            value=value,
            ended=state,
            reason=reason,
        )
        await self._append(event)

    # -- what becomes known --------------------------------------------------------------------------------------

    async def _hear_late_fills(self) -> bool:
        """Take what orders traded after their end was recorded; False if one of them is in doubt again."""
        orders = await self._orders()
        for attempt in self.saga.attempts:
            if attempt.filled is None:
                continue
            order = orders.get(attempt.client_id)
            if order is not None and order.state.working and not self.saga.state.over:
                order = await self._known(attempt)
                if order is None:
                    return False
            if order is None or order.filled == attempt.filled:
                continue
            await self._late(attempt, order)
        return True

    async def _late(self, attempt: Attempt, order: Order) -> None:
        event = CrossEvent(
            kind=CrossKind.LATE_FILL,
            at_ns=self._now_ns,
            client_id=attempt.client_id,
            filled=order.filled,
            value=worth(self.saga, attempt, order),
            ended=order.state,
            reason=f"order {attempt.client_id} traded {number(order.filled)} in all, after its end was told",
        )
        if not self.saga.state.over:
            await self._append(event)
            return
        role, saga = attempt.role, self.saga
        more = saga.leg(role).base(order.filled - (attempt.filled or ZERO))
        change = more * saga.side(role).sign
        await self._append(msgspec.structs.replace(event, residual=change))
        self._tell_residual()

    async def _freeze(self, order: Order) -> None:
        if self.saga.state is CrossState.FROZEN:
            return
        why = order.reason or "its venue has not told whether it took it"
        reason = f"order {order.client_id} on {order.intent.venue} is {order.state.value}: {why}"
        await self._append(
            CrossEvent(kind=CrossKind.FROZEN, at_ns=self._now_ns, client_id=order.client_id, reason=reason)
        )
        alarm(
            "cross_order_frozen",
            f"cross order {self.saga.key}: {reason}; nothing more is sent until that is known",
            venue=order.intent.venue,
            symbol=order.intent.symbol,
            order=order.client_id,
        )

    async def _thaw(self) -> None:
        if self.saga.state is CrossState.FROZEN:
            await self._append(CrossEvent(kind=CrossKind.RESOLVED, at_ns=self._now_ns, reason=""))

    def _tell_residual(self) -> None:
        leg, position = self.saga.plan.first, self.saga.position
        alarm(
            "cross_order_residual",
            f"cross order {self.saga.key}: {number(position)} is unhedged on {leg.place}: {self.saga.reason}",
            venue=leg.venue,
            symbol=leg.symbol,
        )

    # -- looking -------------------------------------------------------------------------------------------------

    async def _look(self) -> Seen:
        """What the next decision needs of the market; after an order that traded nothing, a little later."""
        saga = self.saga
        if saga.state not in (CrossState.HEDGING, CrossState.UNWINDING) or saga.unhedged <= 0:
            return Seen()
        role = Role.HEDGE if saga.state is CrossState.HEDGING else Role.UNWIND
        leg, sent, side = saga.leg(role), saga.of(role), saga.side(role)
        if role is Role.HEDGE and not sent and self._now_ns - saga.created_ns < self.means.rules.fresh_s * NS_PER_S:
            return Seen(leg.best)  # asking for the book again would leave the first leg alone for longer
        if sent and not sent[-1].filled and not sent[-1].refused:
            await self._pause()
        best = touch(await self.means.book(leg), side)
        affordable = None
        if role is Role.UNWIND and leg.spot and sent and sent[-1].refused:
            affordable = await self.means.free(leg, side)
            if affordable is not None and side is Side.BUY:
                affordable /= sent[-1].price
        return Seen(best, affordable)

    async def _closes(self, amount: Decimal) -> bool:
        """Whether our own fills say that the account holds what trading the first leg back would close: such an exit
        passes every limit. What the venue has not told of its trades yet is waited for, for a moment."""
        for _ in _POLLS_S:
            if not any(order.fills_missing for order in (await self._orders()).values()):
                break
            await self.means.clock.sleep(_POLLS_S[-1])
        leg, side = self.saga.plan.first, self.saga.side(Role.UNWIND)
        scope = Scope(ScopeKind.HELD, f"{leg.venue}/{leg.account} {leg.symbol}")
        held = await asyncio.to_thread(lambda: self.means.store.do(lambda work: work.risk.usage(scope).held))
        return -held * side.sign >= amount

    async def _order(self, attempt: Attempt) -> Order | None:
        """The order as the store has it; None if it was never made."""
        try:
            return await self.means.orders.status(attempt.client_id)
        except UnknownOrder:
            return None

    async def _orders(self) -> dict[str, Order]:
        """Those of its orders that were made, by client id."""
        ids = [one.client_id for one in self.saga.attempts]
        if not ids:
            return {}
        found = await asyncio.to_thread(self.means.store.orders, ids)
        return {order.client_id: order for order in found}

    # -- the store and the clock ---------------------------------------------------------------------------------

    @property
    def _now_ns(self) -> int:
        return self.means.clock.wall_ns()

    async def _append(self, event: CrossEvent) -> None:
        self.saga = await asyncio.to_thread(self.means.sagas.append, self.saga, event, self.name)

    async def _pause(self) -> None:
        await self.means.clock.sleep(self.means.rules.pause_s)
