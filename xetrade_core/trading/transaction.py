"""One piece of work on the order store: what it sees, what it changes, and how that is taken back.

Everything is decided in memory and written at the end in a few statements. Each change leaves behind how it is undone,
so that work that fails leaves nothing, and a transaction that the database refuses can be tried again from the start.
That is never said with the transaction itself: it would be a circle of objects, which only the garbage collector frees,
and that stops the event loop for milliseconds.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from xetrade_core.model.order_events import ControlEvent, EventKind, OrderEvent, Source
from xetrade_core.model.orders import Fill, Order, Side
from xetrade_core.trading import records
from xetrade_core.trading.holdings import Holding
from xetrade_core.trading.projection import Step, Verdict, apply
from xetrade_core.trading.reservations import Line, line_of
from xetrade_core.trading.risk import Denial, RiskBook
from xetrade_core.trading.schema import EVENTS, FILLS, HOLDINGS, ORDERS
from xetrade_core.trading.statements import Prepared

if TYPE_CHECKING:
    from xetrade_core.trading.store import Memory

_NEW_EVENT = Prepared(insert(EVENTS))
_NEW_ORDER = Prepared(insert(ORDERS))
_NEW_FILL = insert(FILLS)
_NEW_HOLDING = insert(HOLDINGS)
_CHANGED_HOLDING = (
    update(HOLDINGS)
    .where(
        HOLDINGS.c.venue == bindparam("in_venue"),
        HOLDINGS.c.account == bindparam("in_account"),
        HOLDINGS.c.symbol == bindparam("in_symbol"),
        HOLDINGS.c.strategy == bindparam("in_strategy"),
    )
    .values(amount=bindparam("amount"), body=bindparam("body"))
)
_CLAIMED = (
    update(FILLS)
    .where(
        FILLS.c.venue == bindparam("in_venue"),
        FILLS.c.account == bindparam("in_account"),
        FILLS.c.symbol == bindparam("in_symbol"),
        FILLS.c.trade_id == bindparam("in_trade_id"),
    )
    .values(client_id=bindparam("owner"))
)
_SEQ = Prepared(select(ORDERS.c.seq).where(ORDERS.c.client_id == bindparam("key")))
_ORDER = Prepared(select(ORDERS.c.body).where(ORDERS.c.client_id == bindparam("key")))
_BY_VENUE_ID = select(ORDERS.c.body).where(
    ORDERS.c.venue_order_id == bindparam("id"),
    ORDERS.c.venue == bindparam("venue"),
    ORDERS.c.account == bindparam("account"),
    ORDERS.c.symbol == bindparam("symbol"),
)
_UNCLAIMED = select(FILLS).where(
    FILLS.c.client_id.is_(None),
    FILLS.c.venue_order_id == bindparam("id"),
    FILLS.c.venue == bindparam("venue"),
    FILLS.c.account == bindparam("account"),
    FILLS.c.symbol == bindparam("symbol"),
)
_ANY_UNCLAIMED = Prepared(_UNCLAIMED.with_only_columns(FILLS.c.trade_id))
_RECORDED = select(FILLS.c.side, FILLS.c.venue_order_id)
_FILL_KEY = tuple_(FILLS.c.venue, FILLS.c.account, FILLS.c.symbol, FILLS.c.trade_id)


class Alert(NamedTuple):
    """What a person must hear once the transaction is committed."""

    order: Order
    event: OrderEvent
    verdict: Verdict


class Transaction:
    """Orders as they stand now, and what is appended to them. Not thread-safe; lives as long as its transaction."""

    def __init__(self, memory: Memory, connection: Connection) -> None:
        self._memory = memory
        self._connection = connection
        self._undo: list[tuple[Any, ...]] = []  # what takes a change back, and what it is given
        self._seen: dict[str, Order | None] = {}
        self._events: list[dict[str, object]] = []
        self._created: dict[str, int] = {}  # with the number of their first event
        self._changed: dict[str, tuple[int, Order]] = {}  # likewise, and as they are in the database
        self._fills: dict[tuple[str, str, str, str], Fill] = {}
        self._claimed: dict[tuple[str, str, str, str], str] = {}
        self._holdings: dict[Line, None] = {}
        self.alerts: list[Alert] = []

    @property
    def risk(self) -> RiskBook:
        """Reservations and holdings as they stand now, changes of this transaction included."""
        return self._memory.risk

    @property
    def dirty(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._events or self._fills)

    def working(self) -> tuple[Order, ...]:
        """Every order that can still trade, as far as we know."""
        return tuple(order for order in self._memory.weighing.values() if order.state.working)

    def order(self, client_id: str) -> Order | None:
        """The order of that client id."""
        order = self._memory.weighing.get(client_id)
        if order is not None:
            return order
        if client_id not in self._seen:
            found = _ORDER.rows(self._connection, {"key": client_id})
            self._seen[client_id] = records.read_order(found[0][0]) if found else None
        return self._seen[client_id]

    def by_venue_id(self, venue: str, account: str, symbol: str, venue_order_id: str) -> Order | None:
        """The order in `symbol` that the venue calls `venue_order_id`."""
        client_id = self._memory.venue_ids.get((venue, account, symbol, venue_order_id))
        if client_id is not None:
            return self.order(client_id)
        for order in self._seen.values():  # it may have ended in this transaction, of which the database knows nothing
            if order is not None and (*line_of(order.intent)[:3], order.venue_order_id) == (
                venue, account, symbol, venue_order_id,
            ):  # fmt: skip
                return order
        found = {"id": venue_order_id, "venue": venue, "account": account, "symbol": symbol}
        body = self._connection.execute(_BY_VENUE_ID, found).scalar()
        return None if body is None else self.order(records.read_order(body).client_id)

    def append(self, client_id: str, event: OrderEvent) -> Step:
        """Add an event to an order; an illegal one is recorded without effect. ValueError: the order does not exist."""
        before = self.order(client_id)
        step = apply(before, event)
        if step.verdict in (Verdict.UNCHANGED, Verdict.ILLEGAL_AGAIN):
            return step
        seq = self._memory.last_seq + 1 if before is None else self._seq(client_id)
        self._log(step.event, order_seq=seq, client_id=client_id, version=step.order.version)
        self._put(seq, before, step.order)
        if step.verdict is not Verdict.CHANGED:
            self.alerts.append(Alert(step.order, step.event, step.verdict))
            self._undo.append((self.alerts.pop,))
        if event.fill is not None and step.verdict is not Verdict.ILLEGAL:
            line = line_of(step.order.intent)
            self._hold(line, self.risk.holding(line).after(event.fill, step.order.intent.terms))
        if step.order.venue_order_id is not None and (before is None or before.venue_order_id is None):
            return self._claim(step)
        return step

    def add_fill(self, fill: Fill, at_ns: int, source: Source) -> Step | None:
        """Record one trade, once: None if it is known, or belongs to no order of ours (it is kept all the same)."""
        new = self._unless_known(fill)
        if new is None:
            return None
        fill = new
        order = self.order(fill.client_id) if fill.client_id is not None else None
        if order is not None and line_of(order.intent)[:3] != (fill.venue, fill.account, fill.symbol):
            order = None  # somebody else's of that name
        if order is None and fill.venue_order_id is not None:
            order = self.by_venue_id(fill.venue, fill.account, fill.symbol, fill.venue_order_id)
        owner = None if order is None else order.client_id
        fill = msgspec.structs.replace(fill, client_id=owner)
        self._fills[fill.identity] = fill
        self._undo.append((self._fills.pop, fill.identity))
        for line in self.risk.lines_in(fill.venue, fill.account, fill.symbol) if fill.delivers else ():
            self._hold(line, self.risk.holding(line).delivered(fill))
        return None if owner is None else self.append(owner, _fill_event(fill, at_ns, source))

    def check_amendment(self, order: Order, event: OrderEvent, *, venue_reduces: bool) -> Denial | None:
        """Why risk would not have the order with the amount and price of `event`; None if it may be changed so.

        Of it counts what its fills have not told yet: the rest is held already.
        """
        rest = (order.amount if event.amount is None else event.amount) - order.fills_amount
        changes = {"amount": rest, "price": event.price, "reserve_price": event.reserve_price}
        wanted = msgspec.structs.replace(order.intent, **changes)
        self.risk.replace(order, None)
        try:
            return self.risk.check(wanted, event.at_ns, venue_reduces=venue_reduces, traded=order.fills_amount)
        finally:
            self.risk.replace(None, order)

    def control(self, event: ControlEvent) -> None:
        """Record an operator's word; it holds from now on."""
        self._log(event)
        self._undo.append((self.risk.control(event),))

    # -- bookkeeping ---------------------------------------------------------------------------------------------

    def mark(self) -> int:
        """A point that `undo` can go back to."""
        return len(self._undo)

    def undo(self, mark: int = 0) -> None:
        """Take back everything since `mark`."""
        while len(self._undo) > mark:
            work, *given = self._undo.pop()
            work(*given)

    def write(self) -> None:
        """Write everything to the database; the commit is the caller's."""
        connection = self._connection
        execute = connection.execute
        if self._events:
            _NEW_EVENT.many(connection, self._events)
        if self._created:
            _NEW_ORDER.many(
                connection, [records.order_row(seq, self._now(name)) for name, seq in self._created.items()]
            )
        changed: dict[tuple[str, ...], list[dict[str, object]]] = {}
        for name, (seq, before) in self._changed.items():
            row = records.order_change(seq, before, self._now(name))
            changed.setdefault(tuple(row), []).append(row)
        for columns, rows in changed.items():
            _changing(columns).many(connection, rows)
        if self._fills:
            execute(_NEW_FILL, [records.fill_row(fill) for fill in self._fills.values()])
        for identity, owner in self._claimed.items():
            execute(_CLAIMED, _keyed("venue", "account", "symbol", "trade_id", values=identity) | {"owner": owner})
        for line in self._holdings:
            row = records.holding_row(line, self.risk.holding(line))
            key = _keyed("venue", "account", "symbol", "strategy", values=line)
            if not execute(_CHANGED_HOLDING, key | {"amount": row["amount"], "body": row["body"]}).rowcount:
                execute(_NEW_HOLDING, row)

    def _now(self, client_id: str) -> Order:
        order = self.order(client_id)
        assert order is not None
        return order

    def _seq(self, client_id: str) -> int:
        """The number of the first event of an order that there is."""
        seq = self._created.get(client_id) or self._memory.seqs.get(client_id)
        if seq is None and client_id in self._changed:
            seq = self._changed[client_id][0]
        if seq is None:
            [[seq]] = _SEQ.rows(self._connection, {"key": client_id})
        return seq

    def _log(self, event: OrderEvent | ControlEvent, **order: Any) -> None:
        memory, events = self._memory, self._events
        memory.last_seq += 1
        events.append(records.event_row(memory.last_seq, event, **order))
        self._undo.append((_unlog, memory, events))

    def _put(self, seq: int, before: Order | None, after: Order) -> None:
        """Make `after` the order, in memory and in risk."""
        memory, seen, client_id = self._memory, self._seen, after.client_id
        if before is None:
            self._created[client_id] = seq
            self._undo.append((self._created.pop, client_id))
        elif client_id not in self._created and client_id not in self._changed:
            self._changed[client_id] = (seq, before)
            self._undo.append((self._changed.pop, client_id))
        memory.put(before, after, seq)
        seen[client_id] = after
        self._undo.append((_unput, memory, seen, seq, before, after))

    def _hold(self, line: Line, after: Holding) -> None:
        before = self.risk.holding(line)
        self.risk.hold(line, after)
        self._undo.append((self.risk.hold, line, before))
        if line not in self._holdings:  # else a row would be written for a line that nothing is left of
            self._holdings[line] = None
            self._undo.append((self._holdings.pop, line))

    def _unless_known(self, fill: Fill) -> Fill | None:
        """The fill as it is to be recorded; None if it is."""
        recorded = self._recorded(fill)
        if recorded is None:
            return fill
        if not fill.faces(*recorded):
            return None
        fill = fill.told_apart()
        return fill if self._recorded(fill) is None else None

    def _recorded(self, fill: Fill) -> tuple[Side, str | None] | None:
        """Side and order of the fill that is recorded by that id."""
        known = self._fills.get(fill.identity)
        if known is not None:
            return known.side, known.venue_order_id
        row = self._connection.execute(_RECORDED.where(_FILL_KEY == fill.identity)).first()
        return None if row is None else (Side(row.side), row.venue_order_id)

    def _claim(self, step: Step) -> Step:
        """Trades that came before we knew the venue's id of their order find it now."""
        order, event = step.order, step.event
        venue, account, symbol, _ = line_of(order.intent)
        key = {"id": order.venue_order_id, "venue": venue, "account": account, "symbol": symbol}
        kept = []
        if _ANY_UNCLAIMED.rows(self._connection, key):
            kept = [records.read_fill(row) for row in self._connection.execute(_UNCLAIMED, key)]
        place = (venue, account, symbol, order.venue_order_id)
        new = [fill for fill in self._fills.values() if fill.client_id is None]
        for fill in kept + [one for one in new if (one.venue, one.account, one.symbol, one.venue_order_id) == place]:
            owned = msgspec.structs.replace(fill, client_id=order.client_id)
            if fill.identity in self._fills:
                self._fills[fill.identity] = owned
                self._undo.append((self._fills.__setitem__, fill.identity, fill))
            else:
                self._claimed[fill.identity] = order.client_id
                self._undo.append((self._claimed.pop, fill.identity))
            step = self.append(order.client_id, _fill_event(owned, event.at_ns, event.source))
        return step


@cache
def _changing(columns: tuple[str, ...]) -> Prepared:
    """The statement that writes those columns of the order whose first event is `key`."""
    return Prepared(
        update(ORDERS)
        .where(ORDERS.c.seq == bindparam("key"))
        .values({name: bindparam(name) for name in columns if name != "key"})
    )


def _unlog(memory: Memory, events: list[dict[str, object]]) -> None:
    memory.last_seq -= 1
    events.pop()


def _unput(memory: Memory, seen: dict[str, Order | None], seq: int, before: Order | None, after: Order) -> None:
    memory.put(after, before, seq)
    seen[after.client_id] = before


def _fill_event(fill: Fill, at_ns: int, source: Source) -> OrderEvent:
    return OrderEvent(kind=EventKind.FILL, at_ns=at_ns, source=source, fill=fill, venue_order_id=fill.venue_order_id)


def _keyed(*names: str, values: tuple[str, ...]) -> dict[str, object]:
    return {f"in_{name}": value for name, value in zip(names, values, strict=True)}
