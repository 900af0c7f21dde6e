"""Orders and holdings made anew from the events, and held against what is stored: the proof that it is a projection.

Reading happens in one snapshot beside running writers. What differs is repaired in small transactions that look at the
events again, so that nothing that was written meanwhile is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from xetrade_core.model.order_events import EventKind
from xetrade_core.model.orders import DELIVERY, Order, Terms
from xetrade_core.trading import records
from xetrade_core.trading.holdings import Holding
from xetrade_core.trading.projection import replay
from xetrade_core.trading.reservations import Line, line_of
from xetrade_core.trading.schema import EVENTS, FILLS, HOLDINGS, ORDERS
from xetrade_core.trading.store import OrderStore

_CHUNK = 2000
_NAMED = 100


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What was counted, and what differed: `differing` names the first of `different` orders.

    `holdings` is how many holdings differed, `fills_off` by how many rows the fills of orders and their events differ
    (nothing is repaired there: a fill's row and its event are both facts).
    """

    orders: int
    events: int
    illegal: int
    different: int
    differing: tuple[str, ...]
    holdings: int
    fills_off: int
    repaired: bool

    @property
    def clean(self) -> bool:
        """Whether the projection was what the events say."""
        return not (self.different or self.holdings or self.fills_off)


def rebuild(store: OrderStore, *, repair: bool = False, progress: Callable[[int], None] | None = None) -> RebuildReport:
    """Sum up every order from its events and compare; `repair` writes what differs. `progress` hears of orders done."""
    counts = {"orders": 0, "events": 0, "illegal": 0}
    different: list[tuple[int, str]] = []
    filled: dict[str, tuple[Line, Terms]] = {}
    with store.reading(snapshot=True) as connection:
        stored = _stored_rows(connection)
        row = next(stored, None)
        for seq, order, length in _orders(connection):
            counts["orders"] += 1
            counts["events"] += length
            counts["illegal"] += len(order.illegal)
            while row is not None and row["seq"] < seq:  # a row without events
                different.append((row["seq"], row["client_id"]))
                row = next(stored, None)
            if row is None or row != records.order_row(seq, order):
                different.append((seq, order.client_id))
            if row is not None and row["seq"] == seq:
                row = next(stored, None)
            if order.fills_amount:
                filled[order.client_id] = (line_of(order.intent), order.intent.terms)
            if progress is not None and counts["orders"] % _CHUNK == 0:
                progress(counts["orders"])
        different += [(left["seq"], left["client_id"]) for left in ([row, *stored] if row is not None else [])]
        holdings, fills = _holdings(connection, filled)
        wrong = _differing_holdings(connection, holdings)
        owned = select(func.count()).select_from(FILLS).where(FILLS.c.client_id.is_not(None))
        fills_off = abs((connection.execute(owned).scalar() or 0) - fills)
    if repair:
        _repair(store, different, wrong)
    return RebuildReport(
        **counts,
        different=len(different),
        differing=tuple(client_id for _, client_id in different[:_NAMED]),
        holdings=len(wrong),
        fills_off=fills_off,
        repaired=repair,
    )


def order_from_events(connection: Connection, seq: int) -> Order | None:
    """The order whose first event is `seq`, summed up; None if there is none."""
    bodies = select(EVENTS.c.body).where(EVENTS.c.order_seq == seq).order_by(EVENTS.c.version)
    order: Order | None = None
    for body in connection.execute(bodies).scalars():
        order = replay(order, records.read_event(body))
    return order


def _orders(connection: Connection) -> Iterator[tuple[int, Order, int]]:
    """The number of its first event, the order, and the number of its events; of every order, as they were made."""
    query = select(EVENTS.c.order_seq, EVENTS.c.body).where(EVENTS.c.order_seq.is_not(None))
    rows = _streamed(connection, query.order_by(EVENTS.c.order_seq, EVENTS.c.version))
    for seq, events in groupby(rows, key=lambda row: row[0]):
        order, length = None, 0
        for _, body in events:
            order = replay(order, records.read_event(body))
            length += 1
        assert order is not None
        yield seq, order, length


def _stored_rows(connection: Connection) -> Iterator[dict[str, Any]]:
    names = [column.name for column in ORDERS.columns]
    for row in _streamed(connection, select(ORDERS).order_by(ORDERS.c.seq)):
        yield dict(zip(names, row, strict=True))


def _holdings(connection: Connection, filled: dict[str, tuple[Line, Terms]]) -> tuple[dict[Line, Holding], int]:
    """Holdings from the fills in the order of the log, and how many fills there are. Deliveries, which are in no log of
    an order, come after all of them."""
    found: dict[Line, Holding] = {}
    count = 0
    query = select(EVENTS.c.client_id, EVENTS.c.body).where(EVENTS.c.kind == EventKind.FILL.value)
    for client_id, body in _streamed(connection, query.order_by(EVENTS.c.seq)):
        event = records.read_event(body)
        count += 1
        if event.fill is not None and event.legal:
            line, terms = filled[client_id]
            found[line] = found.get(line, Holding()).after(event.fill, terms)
    deliveries = select(FILLS).where(FILLS.c.client_id.is_(None), FILLS.c.trade_id.startswith(DELIVERY))
    for delivery in map(records.read_fill, connection.execute(deliveries)):
        for line in [line for line in found if line[:3] == delivery.identity[:3]]:
            found[line] = found[line].delivered(delivery)
    return found, count


def _differing_holdings(connection: Connection, right: dict[Line, Holding]) -> dict[Line, Holding | None]:
    """Lines whose row is not what the fills make of it, with what it should be (None: no row)."""
    found = connection.execute(select(HOLDINGS))
    rows = {(row.venue, row.account, row.symbol, row.strategy): row.body for row in found}
    wrong: dict[Line, Holding | None] = {
        line: holding for line, holding in right.items() if rows.get(line) != records.holding_row(line, holding)["body"]
    }
    return wrong | dict.fromkeys(rows.keys() - right.keys())


def _repair(store: OrderStore, different: list[tuple[int, str]], holdings: dict[Line, Holding | None]) -> None:
    """Write what the events say, a chunk a transaction; orders first, as holdings are read through them."""

    def orders(keys: list[tuple[int, str]]) -> Callable[[Connection], None]:
        seqs = [seq for seq, _ in keys]

        def work(connection: Connection) -> None:
            found = {seq: order for seq in seqs if (order := order_from_events(connection, seq)) is not None}
            # a row under another number stands in the way of the right one; one of those keys may be written already
            names = [order.client_id for order in found.values()]
            connection.execute(delete(ORDERS).where(ORDERS.c.seq.in_(seqs) | ORDERS.c.client_id.in_(names)))
            if found:
                connection.execute(insert(ORDERS), [records.order_row(seq, order) for seq, order in found.items()])

        return work

    for start in range(0, len(different), _CHUNK):
        store.repair(orders(different[start : start + _CHUNK]))
    if holdings:
        store.repair(_write_holdings)


def _write_holdings(connection: Connection) -> None:
    """All holdings anew, from the log as it is now."""
    bodies = connection.execute(select(ORDERS.c.body)).scalars()
    lines = {order.client_id: (line_of(order.intent), order.intent.terms) for order in map(records.read_order, bodies)}
    found, _ = _holdings(connection, lines)
    connection.execute(delete(HOLDINGS))
    if found:
        connection.execute(insert(HOLDINGS), [records.holding_row(line, one) for line, one in found.items()])


def _streamed(connection: Connection, query: Any) -> Iterator[Any]:
    """Rows in bounded memory, as plain tuples."""
    result = connection.execute(query, execution_options={"yield_per": _CHUNK})
    for part in result.partitions():
        yield from part
