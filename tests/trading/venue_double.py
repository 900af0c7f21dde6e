"""A small venue in this process behind the `Execution` protocol: a double, to enumerate what may go wrong.

It keeps orders and trades as a venue does, and can be told to fail in every way that a wire fails. It knows the truth,
so that a test can compare. The real wire is tested elsewhere, against the simulated venues.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from tests.trading.samples import SYMBOL
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import Fill, Intent, OrderReport, OrderType, ReportStatus, Side, TimeInForce
from xetrade_core.trading.execution import ErrorReply, NoReply, NotSent, OrderRef
from xetrade_core.venues.venue import Uniqueness


class Fault(StrEnum):
    """What goes wrong with one call."""

    NONE = "none"
    NO_CONNECTION = "no_connection"  # certainly not sent
    LOST = "lost"  # never arrives, and nobody is told
    NO_REPLY = "no_reply"  # acted on, the reply is lost
    LATE = "late"  # acted on seconds after the caller has given up
    SERVER_ERROR = "server_error"  # acted on, answered with a 502
    GARBLED = "garbled"  # acted on, answered with something that is no reply
    NO_ID = "no_id"  # acted on, the reply names no order id
    REFUSED = "refused"  # definitely refused
    LIMITED = "limited"  # turned away by a rate limit
    HANGS = "hangs"  # acted on, and the connection stays silent for ever


@dataclass(slots=True)
class VenueOrder:
    """One order as the venue has it."""

    venue_order_id: str
    client_id: str | None
    symbol: str
    side: Side
    amount: Decimal
    price: Decimal | None
    status: ReportStatus = ReportStatus.OPEN
    trades: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((trade.amount for trade in self.trades), Decimal(0))

    def report(self) -> OrderReport:
        return OrderReport(
            symbol=self.symbol,
            status=self.status,
            client_id=self.client_id,
            venue_order_id=self.venue_order_id,
            filled=self.filled,
            amount=self.amount,
            price=self.price,
        )


class VenueDouble:
    """One account. `faults` are for the next placements, cancels, amendments and questions, one each."""

    def __init__(self, clock: Clock, unique: Uniqueness = Uniqueness.OPEN_ORDERS) -> None:
        self._clock = clock
        self._unique = unique
        self.orders: list[VenueOrder] = []
        self.faults: dict[str, deque[Fault]] = {name: deque() for name in ("place", "cancel", "amend", "find", "fills")}
        self.calls: list[str] = []
        self.held: dict[str, Decimal] = {}
        self.stated: dict[str, Decimal] = {}
        self.fill_at_once: Decimal | None = None
        self.behind_ns = 0  # how far its clock is behind
        self.before_cancel: Callable[[VenueOrder], None] | None = None
        self._late: list[tuple[int, Callable[[], object]]] = []

    # -- the truth -----------------------------------------------------------------------------------------------

    def of(self, client_id: str) -> list[VenueOrder]:
        """Every order that was ever taken under a client id: more than one is a doubled order."""
        self._happen()
        return [order for order in self.orders if order.client_id == client_id]

    def trade(self, order: VenueOrder, amount: Decimal, price: Decimal | None = None) -> Fill:
        """Fill some of an order."""
        made = Fill(
            venue="binance",
            account="main",
            symbol=order.symbol,
            trade_id=f"{order.venue_order_id}-{len(order.trades)}",
            side=order.side,
            price=price or order.price or Decimal(50_000),
            amount=amount,
            received_ns=self._clock.wall_ns(),
            exchange_ns=self._clock.wall_ns() - self.behind_ns,
            venue_order_id=order.venue_order_id,
        )
        order.trades.append(made)
        if order.filled >= order.amount:
            order.status = ReportStatus.FILLED
        return made

    # -- the protocol --------------------------------------------------------------------------------------------

    async def place(self, intent: Intent) -> OrderReport:
        return await self._act("place", lambda: self._take(intent))

    async def cancel(self, ref: OrderRef) -> OrderReport:
        return await self._act("cancel", lambda: self._cancel(ref))

    async def amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        return await self._act("amend", lambda: self._amend(ref, intent))

    async def cancel_all(self, symbol: str | None) -> None:
        self.calls.append("cancel_all")
        await asyncio.sleep(0)
        for order in self._open(symbol):
            order.status = ReportStatus.CANCELED

    async def find(self, ref: OrderRef) -> OrderReport | None:
        fault = await self._ask("find")
        if fault is not Fault.NONE:
            raise NoReply(f"the venue does not answer: {fault}")
        found = self._lookup(ref)
        return None if found is None else found.report()

    async def open_orders(self, symbol: str | None) -> tuple[OrderReport, ...]:
        await asyncio.sleep(0)
        return tuple(order.report() for order in self._open(symbol))

    async def fills_since(self, symbol: str, since_ns: int) -> tuple[Fill, ...]:
        if await self._ask("fills") is not Fault.NONE:
            raise NoReply("the venue does not answer")
        return tuple(trade for order in self.orders for trade in order.trades if (trade.exchange_ns or 0) >= since_ns)

    async def balances(self) -> tuple[Balance, ...]:
        now_ns = self._clock.wall_ns()
        total = dict(self.held)
        for order in self.orders:
            base, quote = order.symbol.split("/")
            for trade in order.trades:
                total[base] = total.get(base, Decimal(0)) + trade.amount * trade.side.sign
                total[quote] = total.get(quote, Decimal(0)) - trade.amount * trade.price * trade.side.sign
        return tuple(Balance("binance", "main", name, held, held, now_ns) for name, held in total.items())

    async def positions(self) -> tuple[VenuePosition, ...]:
        now_ns = self._clock.wall_ns()
        return tuple(VenuePosition("binance", "main", name, held, None, now_ns) for name, held in self.stated.items())

    async def close(self) -> None:
        return

    # -- how it works --------------------------------------------------------------------------------------------

    def _happen(self) -> None:
        """Let what was late arrive, once it is time."""
        due = [act for at_ns, act in self._late if at_ns <= self._clock.wall_ns()]
        self._late = [late for late in self._late if late[0] > self._clock.wall_ns()]
        for act in due:
            try:
                act()
            except ErrorReply:
                continue

    async def _ask(self, what: str) -> Fault:
        await asyncio.sleep(0)
        self._happen()
        await asyncio.sleep(0)
        return self.faults[what].popleft() if self.faults[what] else Fault.NONE

    async def _act(self, what: str, act: Callable[[], OrderReport]) -> OrderReport:
        self.calls.append(what)
        await asyncio.sleep(0)
        self._happen()
        fault = self.faults[what].popleft() if self.faults[what] else Fault.NONE
        if fault is Fault.NO_CONNECTION:
            raise NotSent("connection refused")
        if fault is Fault.LIMITED:
            raise ErrorReply("-1003", "too many requests", 429)
        if fault is Fault.REFUSED:
            raise ErrorReply("-2010", "Account has insufficient balance", 400)
        if fault is Fault.LATE:
            self._late.append((self._clock.wall_ns() + 5 * NS_PER_S, act))
        if fault in (Fault.LATE, Fault.LOST):
            await asyncio.sleep(1)
            raise NoReply("timeout")
        report = act()
        await asyncio.sleep(0)
        if fault is Fault.HANGS:
            await asyncio.sleep(10**6)
        if fault is Fault.SERVER_ERROR:
            raise ErrorReply("-1000", "Bad Gateway", 502)
        if fault is Fault.NO_REPLY:
            raise NoReply("connection reset")
        if fault is Fault.GARBLED:
            raise ValueError("Expecting value: line 1 column 1")
        return OrderReport(symbol=report.symbol, status=report.status) if fault is Fault.NO_ID else report

    def _take(self, intent: Intent) -> OrderReport:
        same = [order for order in self.orders if order.client_id == intent.client_id]
        if self._unique is Uniqueness.OPEN_ORDERS:
            same = [order for order in same if order.status is ReportStatus.OPEN]
        if same and self._unique is not Uniqueness.NEVER:
            raise ErrorReply("-4116", "ClientOrderId is duplicated", 400)
        order = VenueOrder(
            f"v{len(self.orders) + 1}", intent.client_id, intent.symbol, intent.side, intent.amount, intent.price
        )
        self.orders.append(order)
        if intent.type is OrderType.MARKET or self.fill_at_once is not None:
            self.trade(order, min(self.fill_at_once or intent.amount, intent.amount))
        if intent.time_in_force is not TimeInForce.GTC and order.status is ReportStatus.OPEN:
            order.status = ReportStatus.CANCELED
        return order.report()

    def _lookup(self, ref: OrderRef) -> VenueOrder | None:
        self._happen()
        for order in self.orders:
            if ref.venue_order_id is not None and order.venue_order_id == ref.venue_order_id:
                return order
            if ref.venue_order_id is None and order.client_id == ref.client_id:
                return order
        return None

    def _cancel(self, ref: OrderRef) -> OrderReport:
        order = self._lookup(ref)
        if order is not None and self.before_cancel is not None:
            self.before_cancel(order)
        if order is None or order.status is not ReportStatus.OPEN:
            raise ErrorReply("-2011", "Unknown order sent.", 400)
        order.status = ReportStatus.CANCELED
        return order.report()

    def _amend(self, ref: OrderRef, intent: Intent) -> OrderReport:
        order = self._lookup(ref)
        if order is None or order.status is not ReportStatus.OPEN:
            raise ErrorReply("-2011", "Unknown order sent.", 400)
        order.amount, order.price = intent.amount, intent.price
        return order.report()

    def _open(self, symbol: str | None) -> list[VenueOrder]:
        self._happen()
        return [one for one in self.orders if one.status is ReportStatus.OPEN and symbol in (None, one.symbol)]

    def somebody_elses(self) -> VenueOrder:
        """An order that was placed by hand on the venue's own page."""
        order = VenueOrder(f"v{len(self.orders) + 1}", None, SYMBOL, Side.BUY, Decimal(1), Decimal(40_000))
        self.orders.append(order)
        return order
