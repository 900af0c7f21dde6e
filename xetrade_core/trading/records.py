"""Values to rows of the order store and back."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Row

from xetrade_core.model.order_events import ControlEvent, OrderEvent
from xetrade_core.model.orders import Fill, Liquidity, Order, Side
from xetrade_core.trading.holdings import Holding
from xetrade_core.trading.reservations import Line

_ENCODE = msgspec.json.Encoder().encode
_EVENT = msgspec.json.Decoder(OrderEvent)
_CONTROL = msgspec.json.Decoder(ControlEvent)
_ORDER = msgspec.json.Decoder(Order)
_HOLDING = msgspec.json.Decoder(Holding)


def _body(value: msgspec.Struct) -> str:
    return _ENCODE(value).decode()


def event_row(
    seq: int,
    event: OrderEvent | ControlEvent,
    *,
    order_seq: int | None = None,
    client_id: str | None = None,
    version: int | None = None,
) -> dict[str, Any]:
    """One entry of the log; `order_seq` is the first about its order. One about no order has only its number."""
    return {
        "seq": seq,
        "order_seq": order_seq,
        "client_id": client_id,
        "version": version,
        "kind": event.kind.value,
        "at_ns": event.at_ns,
        "body": _body(event),
    }


def order_row(seq: int, order: Order) -> dict[str, Any]:
    """The projection's row of an order whose first entry in the log is `seq`."""
    intent = order.intent
    return {
        "seq": seq,
        "client_id": intent.client_id,
        "version": order.version,
        "state": order.state.value,
        "unsettled": order.unsettled,
        "venue": intent.venue,
        "account": intent.account,
        "symbol": intent.symbol,
        "strategy": intent.strategy,
        "venue_order_id": order.venue_order_id,
        "created_ns": intent.created_ns,
        "updated_ns": order.updated_ns,
        "body": _body(order),
    }


def order_change(seq: int, before: Order, after: Order) -> dict[str, Any]:
    """The columns of the projection's row that differ; `key` is which row.

    What stays is not written again: each index over a column that is written is rewritten, too.
    """
    if after.intent is not before.intent:  # asked for anew, after it had ended without having reached the venue
        row = order_row(seq, after)
        row["key"] = row.pop("seq")
        return row
    row = {
        "key": seq,
        "version": after.version,
        "state": after.state.value,
        "updated_ns": after.updated_ns,
        "body": _body(after),
    }
    if after.unsettled is not before.unsettled:
        row["unsettled"] = after.unsettled
    if after.venue_order_id != before.venue_order_id:
        row["venue_order_id"] = after.venue_order_id
    return row


def fill_row(fill: Fill) -> dict[str, Any]:
    """The fill's row, column by column."""
    row: dict[str, Any] = msgspec.structs.asdict(fill)
    row["side"] = fill.side.value
    row["liquidity"] = fill.liquidity.value if fill.liquidity is not None else None
    return row


def holding_row(line: Line, holding: Holding) -> dict[str, Any]:
    """The holding's row."""
    venue, account, symbol, strategy = line
    names = {"venue": venue, "account": account, "symbol": symbol, "strategy": strategy}
    return names | {"amount": holding.amount, "body": _body(holding)}


def read_event(body: str) -> OrderEvent:
    return _EVENT.decode(body)


def read_control(body: str) -> ControlEvent:
    return _CONTROL.decode(body)


def read_order(body: str) -> Order:
    return _ORDER.decode(body)


def read_holding(body: str) -> Holding:
    return _HOLDING.decode(body)


def read_fill(row: Row[Any]) -> Fill:
    """A row of the fills table as a value."""
    values = {name: row._mapping[name] for name in Fill.__struct_fields__}
    values["side"] = Side(values["side"])
    values["liquidity"] = Liquidity(values["liquidity"]) if values["liquidity"] is not None else None
    return Fill(**values)
