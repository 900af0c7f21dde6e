"""What brings one saga to its end: it looks where the saga stands, does the one next thing, and commits it.

An order is begun by an entry that fixes all of it (id, amount, price) before the order service hears of it, and its end
is read from the order store. So it makes no difference whether this process or one that died did the things before. An
order of which nobody knows freezes the saga: nothing else is sent until the venue has told, or a person.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import (
    CrossBusy,
    CrossNotOver,
    InvalidOrder,
    NotTrading,
    OrderError,
    UnknownSymbol,
    XETradeError,
)
from xetrade_core.model.orders import ZERO, Order, OrderState, Side
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.cross.claimed import Claimed
from xetrade_core.trading.cross.following import hear_late_fills, known, tell_residual, thaw
from xetrade_core.trading.cross.legs import touch
from xetrade_core.trading.cross.moves import Seen, Send, Wait, next_move
from xetrade_core.trading.cross.planning import order_request, step_of
from xetrade_core.trading.cross.saga import Attempt, CrossEvent, Role, Saga
from xetrade_core.trading.cross.states import CrossKind, CrossState
from xetrade_core.trading.cross.worth import valued, worth
from xetrade_core.trading.resolving import ABSENT_CODE
from xetrade_core.venues.venue import ErrorKind

_BEGUN = {
    Role.FIRST: CrossKind.FIRST_BEGUN,
    Role.HEDGE: CrossKind.HEDGE_BEGUN,
    Role.UNWIND: CrossKind.UNWIND_BEGUN,
}
_OVER = {Role.FIRST: CrossKind.FIRST_OVER, Role.HEDGE: CrossKind.HEDGE_OVER, Role.UNWIND: CrossKind.UNWIND_OVER}
#: how often, and how long, trades that the venue has not told yet are waited for before trading back
_TELLS, _TELL_S = 4, 0.4


class CrossDriver(Claimed):
    """One saga under way in this process."""

    async def run(self) -> Saga:
        """Until it is over, or nobody knows of one of its orders for longer than patience.

        Raises CrossBusy if another process has taken it, and CrossNotOver with what else stopped it (the store is away,
        a key may not be used any more); nothing is lost.
        """
        try:
            async with self.lease.kept():
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
        if not await hear_late_fills(self) or self.saga.state.over:
            return False
        if (attempt := self.saga.open_attempt) is not None:
            return await self._conclude(attempt)
        await thaw(self)
        orders, seen = await self.orders(), await self._look()
        seen = replace(seen, estimated=any(order.fills_missing for order in orders.values()))
        move = next_move(valued(self.saga, orders.values()), self.now_ns, seen, self.means.rules)
        if isinstance(move, Wait):
            await self.pause()
        elif isinstance(move, Send):
            await self._begin(move)
        else:
            await self.append(move)
            if move.kind is CrossKind.LEFT:
                tell_residual(self)
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
        await self.append(CrossEvent(kind=_BEGUN[move.role], at_ns=self.now_ns, attempt=attempt))

    async def _conclude(self, attempt: Attempt) -> bool:
        """Place the order that was begun, unless it was, and follow it to its end; False if that is not in sight."""
        problem = None
        order = await self.order(attempt)
        if order is None:
            if attempt.role is Role.FIRST and self.now_ns >= self.saga.plan.deadline_ns:
                problem = "its time was over before it was sent"
            else:
                await self.lease.renew()  # whoever has taken the saga meanwhile places it, and not we
                problem = await self._place(attempt)
                order = await self.order(attempt)
        if order is None:
            await self._ended(attempt, None, problem)
            return True
        order = await known(self, attempt)
        if order is None:
            return False
        await self._ended(attempt, order, order.reason)
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

    async def _ended(self, attempt: Attempt, order: Order | None, reason: str | None) -> None:
        """Commit what an order came to; without one, why there is none."""
        filled = ZERO if order is None else order.filled
        empty = attempt.role is Role.FIRST and not filled
        event = CrossEvent(
            kind=CrossKind.FIRST_EMPTY if empty else _OVER[attempt.role],
            at_ns=self.now_ns,
            client_id=attempt.client_id,
            filled=filled,
            value=ZERO if order is None else worth(self.saga, attempt, order),
            ended=None if order is None else order.state,
            unsent=order is not None and order.state is OrderState.EXPIRED and not order.sent,
            missed=order is not None and self._missed(order),
            reason=reason,
        )
        await self.append(event)

    def _missed(self, order: Order) -> bool:
        """Whether its venue refused it for want of somebody to trade with (others take such an order, and end it), or
        has said often enough that it never arrived: either says nothing of another one."""
        if order.state is not OrderState.REJECTED:
            return False
        if order.code == ABSENT_CODE:
            return True
        account = self.means.account(order.intent.venue, order.intent.account)
        return account.venue.errors.get(order.code or "") is ErrorKind.NOTHING_TO_TAKE

    # -- looking -------------------------------------------------------------------------------------------------

    async def _look(self) -> Seen:
        """What the next decision needs of the market; after an order that traded nothing, a little later."""
        saga = self.saga
        if saga.state not in (CrossState.HEDGING, CrossState.UNWINDING) or saga.unhedged <= 0:
            return Seen()
        role = Role.HEDGE if saga.state is CrossState.HEDGING else Role.UNWIND
        leg, sent, side = saga.leg(role), saga.of(role), saga.side(role)
        if role is Role.HEDGE and not sent and self.now_ns - saga.created_ns < self.means.rules.fresh_s * NS_PER_S:
            return Seen(leg.best)  # asking for the book again would leave the first leg alone for longer
        if sent and not sent[-1].filled and not sent[-1].refused:
            await self.pause()
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
        for _ in range(_TELLS):
            if not any(order.fills_missing for order in (await self.orders()).values()):
                break
            await self.means.clock.sleep(_TELL_S)
        leg, side = self.saga.plan.first, self.saga.side(Role.UNWIND)
        closable = await asyncio.to_thread(
            lambda: self.means.store.do(lambda work: work.risk.closable(*leg.name, side))
        )
        return closable >= amount
