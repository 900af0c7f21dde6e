"""What brings one order to where nothing is left to be done, whatever happens on the way.

It looks where the order stands and does the one next thing, until there is none. As where it stands is in the store, it
does not matter whether this task, or a process that died, did the things before: starting again is the same as going
on. The recipe: the intent is committed before the wire; it is sent once; an answer that is not certain is never guessed
but asked for; "not there" counts only when it was said several times, spaced, and late enough; and only where the venue
itself refuses a second order of the same id is it sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from xetrade_core.clock import NS_PER_S
from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import Order, OrderReport, OrderState
from xetrade_core.trading import amending, cancelling, resolving, sending
from xetrade_core.trading.desk import Desk
from xetrade_core.trading.evidence import record_report
from xetrade_core.trading.outcome import Classified
from xetrade_core.trading.store import Work
from xetrade_core.trading.transaction import Transaction

Step = Callable[["Driver"], Awaitable[None]]
_RESTING = (OrderState.OPEN, OrderState.PARTIALLY_FILLED)


class Driver:
    """One order under way in this process. `order` is where it stands, as far as this process has seen."""

    def __init__(self, desk: Desk, order: Order, *, to_send: bool) -> None:
        """`to_send`: this process has just committed that it sends the order, and nobody else will.

        `answered`: this process sent it the last time, and its call is over.
        """
        self.desk = desk
        self.order = order
        self.to_send = to_send
        self.asked = resolving.Asked()
        self.cancelled = cancelling.Sent()
        self.amending_ns: int | None = None  # since when this process tries
        self.amended_ns: int | None = None  # when it last sent the amendment
        self.amend_refusal: Classified | None = None  # what the venue said to that, if it refused
        self.amend_unheard_ns: int | None = None  # when an amendment was last sent of which nobody knows what came
        self.amendment_is_ours = False  # asked for here: no other process can have sent it
        self.answered = False
        self.not_before_ns: int | None = None
        self.attempts = 0
        self.fill_tries = 0
        self._wake = asyncio.Event()
        self._waiters: list[tuple[Callable[[Order], bool], asyncio.Future[None]]] = []

    async def run(self) -> None:
        """Until nothing is left to be done, for now."""
        while (step := self.next_step()) is not None:
            await step(self)

    def next_step(self) -> Step | None:
        """What is to be done next, from where the order stands alone."""
        order, state = self.order, self.order.state
        if state is OrderState.INTENT:
            return sending.wait_and_submit
        if state in (OrderState.SUBMITTING, OrderState.UNKNOWN):
            return sending.send if self.to_send else resolving.ask
        if state is OrderState.NEEDS_OPERATOR:
            return cancelling.cancel if order.cancel_requested and not self.cancelled.at_ns else None
        if state in _RESTING:
            if order.cancel_requested:
                return cancelling.begin
            if order.amending:
                return amending.amend if order.successor is None else amending.stay
            return None
        if state is OrderState.PENDING_CANCEL:
            return cancelling.cancel
        if order.amending:
            return amending.replace
        if order.fills_missing and self.fill_tries < self.desk.policy.fill_tries:
            return resolving.collect_fills
        return None

    # -- what the steps use --------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Wall time."""
        return self.desk.clock.wall_ns()

    def since_s(self, at_ns: int | None) -> float:
        """Seconds that have passed since `at_ns`; for ever, if it never was."""
        return float("inf") if at_ns is None else (self.now_ns - at_ns) / NS_PER_S

    async def write(self, work: Work[Order], *, durable: bool = False) -> Order:
        """Commit `work` and take the order that it returns for where it stands."""
        order = await self.desk.journal.write(work, durable=durable)
        self.saw(order)
        return order

    async def append(self, event: OrderEvent, *, only_in: OrderState | None = None) -> Order:
        """Commit one event; with `only_in`, only if the order still is in that state, and was sent no more often."""
        before = self.order

        def work(transaction: Transaction) -> Order:
            order = transaction.order(before.client_id)
            if order is not None and only_in is not None and (order.state is not only_in or order.sent != before.sent):
                return order
            return transaction.append(before.client_id, event).order

        return await self.write(work)

    async def say(self, kind: EventKind, *, reason: str | None = None, only_in: OrderState | None = None) -> Order:
        """Commit an event of the service's own."""
        return await self.append(OrderEvent(kind=kind, at_ns=self.now_ns, reason=reason), only_in=only_in)

    async def find(self) -> OrderReport | Exception | None:
        """The venue's word on the order; None: it says that there is none. Any other answer ends counting those."""
        answer = await self.desk.find(self.order)
        if isinstance(answer, OrderReport):
            self.asked = resolving.Asked()
        return answer

    async def absent(self, reason: str) -> Order:
        """Commit that the venue has said often enough that it has no such order, if that still is what is asked."""
        event = OrderEvent(
            kind=EventKind.ABSENT, at_ns=self.now_ns, source=Source.QUERY, code=resolving.ABSENT_CODE, reason=reason
        )
        return await self.append(event, only_in=self.order.state)

    async def vanished(self) -> None:
        """The venue acknowledged the order and now says that it has none such: only a person can tell."""
        order = await self.absent("the venue acknowledged it, and now says that it has no such order")
        if order.state is OrderState.NEEDS_OPERATOR:
            resolving.raise_operator_alarm(order)

    async def record(self, report: OrderReport, source: Source = Source.QUERY) -> Order:
        """Commit the venue's statement about the order."""
        client_id, now_ns = self.order.client_id, self.now_ns
        return await self.write(lambda transaction: record_report(transaction, client_id, report, source, now_ns))

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than until something is heard of the order."""
        self._wake.clear()
        waiting = {
            asyncio.ensure_future(self.desk.clock.sleep(max(seconds, 0.0))),
            asyncio.ensure_future(self._wake.wait()),
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    def saw(self, order: Order) -> None:
        """Somebody has written to the order: take it, if it is newer, and wake who waits for it."""
        if order.version <= self.order.version and order is not self.order:
            return
        self.order = order
        self._wake.set()
        for waiter in list(self._waiters):
            wanted, future = waiter
            if wanted(order):
                self._waiters.remove(waiter)
                if not future.done():
                    future.set_result(None)

    def release(self) -> None:
        """It is not followed any more: nobody waits in vain."""
        for _, future in self._waiters:
            if not future.done():
                future.set_result(None)
        self._waiters.clear()

    async def until(self, wanted: Callable[[Order], bool]) -> Order:
        """The order once `wanted` holds, or as it stands when patience ends."""
        if not wanted(self.order):
            waiter = (wanted, asyncio.get_running_loop().create_future())
            self._waiters.append(waiter)
            try:
                await self.desk.patience.wait(waiter[1])
            finally:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
        return self.order
