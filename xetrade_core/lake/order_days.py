"""Orders in the lake: written by venue and day of their intent, read again as rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from xetrade_core.errors import SchemaViolation
from xetrade_core.lake.day_tables import WrittenDay, read_day, write_day
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import ORDERS
from xetrade_core.lake.trades import arrow_array
from xetrade_core.model.orders import Order

_VALUES: dict[str, Callable[[Order], object]] = {
    "timestamp": lambda order: order.intent.created_ns,
    "exchange": lambda order: order.intent.venue,
    "account": lambda order: order.intent.account,
    "symbol": lambda order: order.intent.symbol,
    "strategy": lambda order: order.intent.strategy or None,
    "client_id": lambda order: order.client_id,
    "venue_order_id": lambda order: order.venue_order_id,
    "side": lambda order: order.intent.side.value,
    "type": lambda order: order.intent.type.value,
    "time_in_force": lambda order: order.intent.time_in_force.value,
    "state": lambda order: order.state.value,
    "price": lambda order: order.price,
    "amount": lambda order: order.amount,
    "filled": lambda order: order.filled,
    "fills_amount": lambda order: order.fills_amount,
    "fills_value": lambda order: order.fills_value,
    "post_only": lambda order: order.intent.post_only,
    "reduce_only": lambda order: order.intent.reduce_only,
    "live": lambda order: order.intent.live,
    "sent": lambda order: order.sent,
    "events": lambda order: order.version,
    "code": lambda order: order.code,
    "reason": lambda order: order.reason,
    "updated_timestamp": lambda order: order.updated_ns,
}


def order_table(orders: Sequence[Order]) -> pa.Table:
    """Orders as rows of the dataset. Raises SchemaViolation where a number has more than 18 digits after the point."""
    try:
        return pa.table(
            {
                field.name: arrow_array([_VALUES[field.name](order) for order in orders], field.type)
                for field in ORDERS.schema
            }
        )
    except pa.ArrowInvalid as error:
        raise SchemaViolation(f"orders cannot be kept: {' '.join(str(error).split())}") from error


def write_orders(store: ObjectStore, venue: str, day_ns: int, orders: Sequence[Order]) -> WrittenDay:
    """The orders of a venue's day in place of those that are there. Raises what `write_day` does."""
    return write_day(store, ORDERS, venue, day_ns, order_table(orders))


def read_orders(store: ObjectStore, venue: str, day_ns: int) -> list[dict[str, Any]]:
    """The orders of a venue's day, oldest first, with Decimals for money; none where there is no file."""
    table = read_day(store, ORDERS, venue, day_ns)
    rows: list[dict[str, Any]] = [] if table is None else table.to_pylist()
    return rows
