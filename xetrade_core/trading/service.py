"""Placing, cancelling and changing orders so that none is lost and none is doubled.

Everything a caller asks for is committed before it is done, and goes on when the caller has stopped waiting: a caller's
patience is not the order's state. After a crash `resume` goes on with whatever the store says is under way; asking
again with the same key finds the order that was made, wherever it stands.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from decimal import Decimal
from types import TracebackType
from typing import Self

from xetrade_core.clock import Clock, SystemClock
from xetrade_core.errors import (
    AmendRefused,
    CancelRefused,
    InvalidOrder,
    XETradeError,
)
from xetrade_core.model.order_events import ControlEvent, EventKind, OrderEvent, Source
from xetrade_core.model.orders import Fill, Order, OrderReport, OrderState
from xetrade_core.telemetry import alarm
from xetrade_core.trading import asking, beginning
from xetrade_core.trading.client_ids import client_order_id, require_valid
from xetrade_core.trading.desk import Desk
from xetrade_core.trading.driver import Driver
from xetrade_core.trading.evidence import record_report
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.journal import Journal
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.requests import OrderRequest
from xetrade_core.trading.risk import Denial
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.sweep import CancelAllReport, cancel_everything
from xetrade_core.trading.transaction import Transaction


class OrderService:
    """The orders of some accounts. Use it with `async with`; leaving it loses nothing, `resume` goes on later."""

    def __init__(
        self,
        store: OrderStore,
        journal: Journal,
        accounts: Iterable[TradingAccount],
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        policy: Policy | None = None,
    ) -> None:
        """`journal` writes to `store`; both stay open when the service is left."""
        self._store = store
        self._desk = Desk(
            accounts, journal, clock or SystemClock(), rng or random.Random(), policy or Policy(), self._launch
        )
        self._drivers: dict[str, Driver] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop where things stand: whatever is under way is in the store, and `resume` takes it up."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what a caller asks for ----------------------------------------------------------------------------------

    async def place(self, request: OrderRequest, *, key: str, step: str = "", index: int = 0) -> Order:
        """Place one order, once, however often this is called with the same (key, step, index).

        Returns it open, filled, cancelled or expired by the venue; INTENT if it waits for a venue that is down. Raises
        InvalidOrder, NotTrading, UnknownSymbol, RiskDenied (Halted, NotArmed), IntentConflict or StoreUnavailable:
        nothing was sent; OrderRejected: the venue refused it; OrderExpired: the venue could not be reached;
        OrderOutcomeUnknown: nobody knows yet, and the service goes on asking.
        """
        client_id = client_order_id(key, step, index)
        account = self._desk.account(request.venue, request.account)
        require_valid(client_id, account.venue)
        name = "/".join(filter(None, (key, step, str(index))))
        intent = asking.intent_for(
            request, account, self._store.marks, client_id=client_id, key=name, now_ns=self._now_ns
        )
        begun = await beginning.begin(self._desk, intent, client_id, request)
        if begun.denial is not None:
            raise begun.denial.to_error(client_id)
        driver = self._drive(begun.order, to_send=begun.to_send)
        if driver is None:
            return asking.placed(begun.order)
        return asking.placed(await driver.until(asking.is_decided))

    async def cancel(self, client_id: str) -> Order:
        """Cancel an order; a cancel that comes before the order is acknowledged waits for that.

        Returns the order as it ended (a fill may have been faster), or as it stands when patience ends; the service
        goes on. Of one that was replaced, its successor is cancelled and returned. Raises UnknownOrder, CancelRefused,
        StoreUnavailable.
        """
        order = await self._desk.journal.write(
            lambda transaction: asking.request_cancel(transaction, client_id, self._now_ns)
        )
        driver = self._drive(order)
        if driver is None:
            return order
        order = await driver.until(asking.is_cancel_over)
        if order.state.working and not order.cancel_requested:
            raise CancelRefused(order.client_id, order.code, order.reason)
        return order

    async def amend(self, client_id: str, *, amount: Decimal | None = None, price: Decimal | None = None) -> Order:
        """Change total amount or price of a resting order; where the venue cannot, it is replaced.

        Returns the order that rests then (a replacement has another client id), or the order as it stands when
        patience ends. Raises UnknownOrder, InvalidOrder, RiskDenied, AmendRefused, StoreUnavailable.
        """
        before = await self.status(client_id)
        account = self._desk.account_of(before)
        event = asking.amendment_for(
            before, account, self._store.marks, amount=amount, price=price, now_ns=self._now_ns
        )
        reduces = beginning.holds_exits(account.venue, before.intent.symbol)
        denial_or_order = await self._desk.journal.write(
            lambda transaction: asking.request_amendment(transaction, client_id, event, venue_reduces=reduces)
        )
        if isinstance(denial_or_order, Denial):
            raise denial_or_order.to_error(client_id)
        driver = self._drive(denial_or_order)
        assert driver is not None
        driver.amendment_is_ours = True
        order = await driver.until(lambda one: not one.amending)
        if order.amending:
            return order
        if order.successor is not None:
            successor = await self.status(order.successor)
            driver = self._drive(successor)
            if driver is not None:
                successor = await driver.until(asking.is_decided)
            return asking.placed(successor)
        if (event.amount, event.price) != (order.amount, order.price):
            raise AmendRefused(client_id, order.code, order.reason)
        return order

    async def cancel_all(
        self, *, venue: str | None = None, account: str | None = None, symbol: str | None = None
    ) -> list[CancelAllReport]:
        """Cancel every order of the accounts that match, ours and others', and ask the venue what is still open."""
        chosen = [
            one for key, one in self._desk.accounts.items() if venue in (None, key[0]) and account in (None, key[1])
        ]
        return list(await asyncio.gather(*(cancel_everything(self, self._desk, one, symbol) for one in chosen)))

    async def status(self, client_id: str, *, refresh: bool = False) -> Order:
        """The order as it stands in the store; with `refresh`, after asking the venue. Raises UnknownOrder."""
        order = await asyncio.to_thread(self._store.order, client_id)
        if refresh and order.sent:
            answer = await self._desk.find(order)
            if isinstance(answer, OrderReport):
                return await self.observe(order.intent.venue, order.intent.account, answer, Source.QUERY) or order
            if isinstance(answer, XETradeError):
                raise answer
        return order

    async def open_orders(
        self, *, venue: str | None = None, account: str | None = None, symbol: str | None = None
    ) -> list[Order]:
        """Every order that can still trade, as far as is known, oldest first; unknown ones are among them."""
        return await asyncio.to_thread(lambda: self._store.working(venue=venue, account=account, symbol=symbol))

    # -- what venues and operators say ---------------------------------------------------------------------------

    async def observe(
        self, venue: str, account: str, said: OrderReport | Fill, source: Source = Source.STREAM
    ) -> Order | None:
        """Take a venue's statement from a stream or a reconciliation; None if it concerns no order of ours."""
        now_ns = self._now_ns

        def work(transaction: Transaction) -> Order | None:
            if isinstance(said, Fill):
                step = transaction.add_fill(said, now_ns, source)
                return None if step is None else step.order
            order = transaction.order(said.client_id) if said.client_id is not None else None
            if order is not None and (order.intent.venue, order.intent.account) != (venue, account):
                order = None  # somebody else's of that name
            if order is None and said.venue_order_id is not None:
                order = transaction.by_venue_id(venue, account, said.symbol, said.venue_order_id)
            return None if order is None else record_report(transaction, order.client_id, said, source, now_ns)

        order = await self._desk.journal.write(work, durable=False)
        if order is not None:
            self._drive(order)
        return order

    async def control(self, event: ControlEvent) -> None:
        """Halt, reduce or resume trading, arm or disarm; it holds for every process on the same store at once."""
        await self._desk.journal.write(lambda transaction: transaction.control(event))

    async def dismiss(self, client_id: str, *, by: str, reason: str) -> Order:
        """An operator has looked: an order in NEEDS_OPERATOR is not on the venue. Raises UnknownOrder, InvalidOrder."""
        event = OrderEvent(kind=EventKind.DISMISSED, at_ns=self._now_ns, source=Source.OPERATOR, code=by, reason=reason)

        def work(transaction: Transaction) -> Order:
            order = asking.known(transaction, client_id)
            if order.state is not OrderState.NEEDS_OPERATOR:
                raise InvalidOrder("state", order.state.value, "only an order that needs an operator can be dismissed")
            return transaction.append(client_id, event).order

        order = await self._desk.journal.write(work)
        self._drive(order)
        return order

    async def vanished(self, client_id: str, reason: str) -> Order:
        """A reconciliation was told, several times, that the venue has no such order, which rested: only a person can
        tell what became of it. Raises UnknownOrder."""
        event = OrderEvent(kind=EventKind.ABSENT, at_ns=self._now_ns, source=Source.RECONCILIATION, reason=reason)

        def work(transaction: Transaction) -> Order:
            order = asking.known(transaction, client_id)
            resting = order.state in (OrderState.OPEN, OrderState.PARTIALLY_FILLED)
            return transaction.append(client_id, event).order if resting else order

        return await self._desk.journal.write(work)

    async def resume(self) -> list[Order]:
        """Go on with everything that the store says is under way in these accounts; returns those orders."""
        orders = [
            order
            for order in await asyncio.to_thread(self._store.unsettled)
            if (order.intent.venue, order.intent.account) in self._desk.accounts
        ]
        for order in orders:
            self._drive(order)
        return orders

    async def follow(self, client_id: str) -> None:
        """Go on with one order where there is something to do. Raises UnknownOrder."""
        self._drive(await self.status(client_id))

    async def settled(self) -> None:
        """Return once nothing is under way in this process any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- how it goes on ------------------------------------------------------------------------------------------

    @property
    def _now_ns(self) -> int:
        return self._desk.clock.wall_ns()

    def _launch(self, order: Order, to_send: bool) -> None:
        self._drive(order, to_send=to_send)

    def _drive(self, order: Order, *, to_send: bool = False) -> Driver | None:
        """The driver of an order, told of its newest state, or started; None if there is nothing to do."""
        driver = self._drivers.get(order.client_id)
        if driver is not None:
            driver.to_send = driver.to_send or to_send
            driver.saw(order)
            return driver
        driver = Driver(self._desk, order, to_send=to_send)
        if driver.next_step() is None:
            return None
        self._drivers[order.client_id] = driver
        task = asyncio.get_running_loop().create_task(self._run(driver), name=f"order {order.client_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return driver

    async def _run(self, driver: Driver) -> None:
        client_id = driver.order.client_id
        try:
            while driver.next_step() is not None:
                await self._desk.while_the_store_is_away(driver.run)
        except Exception as error:
            alarm(
                "order_driver_failed",
                f"order {client_id} is not followed any more: {error}; run resume once the cause is gone",
                order=client_id,
                error=type(error).__name__,
            )
        finally:
            del self._drivers[client_id]
            driver.release()
