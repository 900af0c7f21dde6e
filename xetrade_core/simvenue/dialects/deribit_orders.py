"""Orders, trades and bookings of Deribit: from the parameters of a call to a ticket, and from the desk to JSON.

Amounts are in USD for inverse contracts and in base currency for all others, as the desk counts them here. A label may
be that of any number of orders. What an immediate order leaves is canceled, and its row says so.
Shapes: docs.deribit.com/api-reference, "Trading"; codes: "Error codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Cause,
    DeskFill,
    DeskOrder,
    DeskRefusal,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.desk.ledger import Entry
from xetrade_core.simvenue.dialects.json_rpc import RpcError
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

Row = dict[str, object]
Fields = Mapping[str, str]
BAD_PARAMS = -32602
_LABEL = 64
_TYPES = ("limit", "market")
_TIMES = {
    "good_til_cancelled": TimeInForce.GTC,
    "immediate_or_cancel": TimeInForce.IOC,
    "fill_or_kill": TimeInForce.FOK,
}
_TIME_NAMES = {time: name for name, time in _TIMES.items()} | {TimeInForce.POST_ONLY: "good_til_cancelled"}
_STATES = {
    State.OPEN: "open",
    State.PARTIALLY_FILLED: "open",
    State.FILLED: "filled",
    State.CANCELED: "cancelled",
    State.EXPIRED: "cancelled",
}
_CANCELED_BY = {Cause.USER: "user_request", Cause.DEAD_MAN: "cancel_on_disconnect"}
#: kinds of the ledger; all others are of trades
_BOOKED = {"deposit": "deposit", "funding": "settlement", "delivery": "delivery"}
_REFUSED = {
    RefusalKind.UNKNOWN_SYMBOL: (13020, "not_found"),
    RefusalKind.BAD_PRICE: (10043, "price_wrong_tick"),
    RefusalKind.TOO_SMALL: (10002, "qty_too_low"),
    RefusalKind.TOO_LARGE: (10018, "non_pme_max_future_position_size"),
    RefusalKind.NOTIONAL: (10032, "whole_cost_too_low"),
    RefusalKind.INSUFFICIENT_FUNDS: (10009, "not_enough_funds"),
    RefusalKind.WOULD_TAKE: (11054, "post_only_reject"),
    RefusalKind.PRICE_BAND: (10007, "price_too_high"),
    RefusalKind.BUSY: (10012, "book_closed"),
    RefusalKind.UNKNOWN_ORDER: (10004, "order_not_found"),
    RefusalKind.NOT_OPEN: (11044, "not_open_order"),
}
_PARAMS = {
    RefusalKind.BAD_AMOUNT: ("amount", "must be a multiple of contract size"),
    RefusalKind.BAD_CLIENT_ID: ("label", f"must be at most {_LABEL} characters"),
}


def error_of(refusal: DeskRefusal) -> RpcError:
    """The venue's code and words for why the desk says no."""
    if refusal.kind in _PARAMS:
        return RpcError(BAD_PARAMS, "Invalid params", *_PARAMS[refusal.kind])
    if refusal.kind in _REFUSED:
        return RpcError(*_REFUSED[refusal.kind])
    return RpcError(11030, "other_reject", "order", refusal.kind.value)


def ticket_of(market: Market, fields: Fields, side: Side) -> Ticket:
    """The order that the parameters of a call ask for. Raises RpcError or DeskRefusal."""
    kind, label = fields.get("type", "limit"), fields.get("label") or None
    if kind not in _TYPES:
        raise RpcError(BAD_PARAMS, "Invalid params", "type", f"must be one of {', '.join(_TYPES)}")
    time = _TIMES.get(fields.get("time_in_force", "good_til_cancelled"))
    if time is None:
        raise RpcError(BAD_PARAMS, "Invalid params", "time_in_force", f"must be one of {', '.join(_TIMES)}")
    if label is not None and len(label) > _LABEL:
        raise DeskRefusal(RefusalKind.BAD_CLIENT_ID)
    price = None if kind == "market" else number_of(fields, "price")
    if truth_of(fields, "post_only") and price is not None:
        time = TimeInForce.POST_ONLY
        if not truth_of(fields, "reject_post_only"):
            price = _without_taking(market, side, price)
    return Ticket(
        symbol=market.symbol,
        side=side,
        amount=number_of(fields, "amount"),
        price=price,
        time_in_force=time,
        reduce_only=market.listing.settle is not None and truth_of(fields, "reduce_only"),
        client_id=label,
    )


def _without_taking(market: Market, side: Side, price: Decimal) -> Decimal:
    """The price of a post-only order that is not to be refused: at most one tick inside the spread."""
    tick = market.listing.instrument.price_tick
    best = market.levels.best_ask if side is Side.BUY else market.levels.best_bid
    if best is None:
        return price
    return min(price, (best - 1) * tick) if side is Side.BUY else max(price, (best + 1) * tick)


def number_of(fields: Fields, name: str) -> Decimal:
    """A mandatory number of a call. Raises RpcError."""
    try:
        value = Decimal(fields.get(name) or "")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value <= 0:
        raise RpcError(BAD_PARAMS, "Invalid params", name, "must be a positive number")
    return value


def truth_of(fields: Fields, name: str) -> bool:
    """An optional truth value of a call; false where it is not there."""
    return fields.get(name, "").lower() == "true"


def order_row(order: DeskOrder) -> Row:
    """An order as calls and the stream tell it."""
    ticket, state = order.ticket, _STATES[order.state]
    row: Row = {
        "web": False,
        "time_in_force": _TIME_NAMES[ticket.time_in_force],
        "replaced": order.amendments > 0,
        "reduce_only": ticket.reduce_only,
        "price": "market_price" if ticket.price is None else ticket.price,
        "post_only": ticket.time_in_force is TimeInForce.POST_ONLY,
        "order_type": "market" if ticket.price is None else "limit",
        "order_state": state,
        "order_id": str(order.order_id),
        "max_show": order.amount,
        "last_update_timestamp": order.updated_ns // NS_PER_MS,
        "label": ticket.client_id or "",
        "is_rebalance": False,
        "is_liquidation": False,
        "instrument_name": order.market.venue_id,
        "filled_amount": order.filled,
        "direction": ticket.side.value,
        "creation_timestamp": order.created_ns // NS_PER_MS,
        "average_price": Decimal(0) if order.average is None else order.average.quantize(Decimal("0.0001")),
        "api": True,
        "amount": order.amount,
    }
    if state == "cancelled" and order.cause in _CANCELED_BY:
        row["cancel_reason"] = _CANCELED_BY[order.cause]
    return row


def trade_id(fill: DeskFill, market: Market) -> str:
    """A trade's name, private and public."""
    return f"{market.listing.base}-{fill.trade_id}"


def trade_row(order: DeskOrder, fill: DeskFill) -> Row:
    """A trade as calls and the stream tell it; `fee` is negative for a rebate."""
    market = order.market
    return {
        "trade_seq": fill.trade_id,
        "trade_id": trade_id(fill, market),
        "timestamp": fill.time_ns // NS_PER_MS,
        "tick_direction": 0,
        "state": _STATES[order.state],
        "risk_reducing": False,
        "reduce_only": order.ticket.reduce_only,
        "profit_loss": fill.realized,
        "price": fill.price,
        "post_only": order.ticket.time_in_force is TimeInForce.POST_ONLY,
        "order_type": "market" if order.ticket.price is None else "limit",
        "order_id": str(fill.order_id),
        "matching_id": None,
        "mark_price": fill.price,
        "liquidity": "M" if fill.maker else "T",
        "label": fill.client_id or "",
        "instrument_name": market.venue_id,
        "index_price": fill.price,
        "fee_currency": fill.fee_currency,
        "fee": fill.fee,
        "direction": fill.side.value,
        "api": True,
        "amount": fill.amount,
    }


def booking_row(entry: Entry, market: Market | None) -> Row:
    """A row of the transaction log. `interest_pl` is the funding that it holds; a delivery says what it has closed."""
    kind = _BOOKED.get(entry.kind, "trade")
    funding = entry.amount if entry.kind == "funding" else None
    ended = entry.delivered
    commission = -entry.amount if entry.kind == "fee" else Decimal(0) if ended is None else ended.fee
    return {
        "username": "simulated",
        "user_seq": entry.entry_id,
        "user_id": 1,
        "type": kind,
        "trade_id": entry.reference if kind == "trade" else None,
        "timestamp": entry.time_ns // NS_PER_MS,
        "side": "-" if ended is None else "close buy" if ended.quantity > 0 else "close sell",
        "price": None if ended is None else ended.price,
        "settlement_price": None if ended is None else ended.price,
        "amount": None if ended is None else abs(ended.quantity),
        "position": None if ended is None else Decimal(0),
        "order_id": None,
        "interest_pl": funding,
        "instrument_name": None if market is None else market.venue_id,
        "info": {},
        "id": entry.entry_id,
        "currency": entry.currency,
        "commission": commission,
        "change": entry.amount,
        "cashflow": entry.amount if ended is None else entry.amount + ended.fee,
    }
