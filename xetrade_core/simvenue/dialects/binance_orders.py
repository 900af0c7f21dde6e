"""Orders, fills and balances of Binance spot: from the parameters of a call to a ticket, and from the desk to JSON.

Shapes: developers.binance.com, "Trading endpoints", "Account endpoints" and "User Data Stream" of the spot API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Account,
    Cause,
    DeskFill,
    DeskOrder,
    DeskRefusal,
    OrderChanged,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.dialects.binance_signed import Refused, needed
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
# the NOTIONAL filter, whose maxNotional is not a market order's, and the largest quantities of the LOT_SIZE filters
_LEAST_NOTIONAL, _MOST_NOTIONAL = Decimal(5), Decimal(9_000_000)
_LARGEST = {"MARKET": Decimal(1000), "LIMIT": Decimal(9000), "LIMIT_MAKER": Decimal(9000)}
_TIMES = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
STATUS = {
    State.OPEN: "NEW",
    State.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    State.FILLED: "FILLED",
    State.CANCELED: "CANCELED",
    State.EXPIRED: "EXPIRED",
}


def ticket_of(market: Market, fields: Mapping[str, str], client_id: str) -> Ticket:
    """The order that the parameters of a call ask for. Raises Refused or DeskRefusal."""
    kind, side = needed(fields, "type"), named_side(needed(fields, "side"))
    if kind not in _LARGEST:
        raise Refused(-1116, "Invalid orderType.")
    if not CLIENT_ID.fullmatch(client_id):
        raise DeskRefusal(RefusalKind.BAD_CLIENT_ID)
    ticket = Ticket(
        symbol=market.symbol,
        side=side,
        amount=amount_of(fields, "quantity"),
        price=None if kind == "MARKET" else amount_of(fields, "price"),
        quote_amount=amount_of(fields, "quoteOrderQty") if kind == "MARKET" else None,
        time_in_force=_time_in_force(kind, fields),
        client_id=client_id,
    )
    _require_sizes(kind, ticket)
    return ticket


def _require_sizes(kind: str, ticket: Ticket) -> None:
    if kind != "MARKET":
        for name, value in (("quantity", ticket.amount), ("price", ticket.price)):
            if value is None:
                needed({}, name)
    elif (ticket.amount is None) is (ticket.quote_amount is None):
        needed({}, "quantity")
    if ticket.amount is not None and ticket.amount > _LARGEST[kind]:
        if kind == "MARKET":
            raise Refused(-1013, "Filter failure: MARKET_LOT_SIZE")
        raise DeskRefusal(RefusalKind.TOO_LARGE, f"{ticket.amount}")
    worth = ticket.quote_amount
    if ticket.amount is not None and ticket.price is not None:
        worth = ticket.amount * ticket.price
    if worth is not None and (0 < worth < _LEAST_NOTIONAL or (ticket.price is not None and worth > _MOST_NOTIONAL)):
        raise DeskRefusal(RefusalKind.NOTIONAL, f"{worth}")


def _time_in_force(kind: str, fields: Mapping[str, str]) -> TimeInForce:
    if kind == "LIMIT_MAKER":
        return TimeInForce.POST_ONLY
    if kind == "MARKET":
        return TimeInForce.GTC
    try:
        return _TIMES[needed(fields, "timeInForce")]
    except KeyError:
        raise Refused(-1115, "Invalid timeInForce.") from None


def named_side(name: str) -> Side:
    """The side of that name. Raises Refused."""
    if name not in ("BUY", "SELL"):
        raise Refused(-1117, "Invalid side.")
    return Side.BUY if name == "BUY" else Side.SELL


def amount_of(fields: Mapping[str, str], name: str) -> Decimal | None:
    """An optional parameter that is an amount or a price. Raises Refused."""
    text = fields.get(name)
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        legal = "'^([0-9]{1,20})(\\.[0-9]{1,20})?$'"
        raise Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is {legal}.")
    return value


def eight(value: Decimal) -> str:
    """A number as spot writes it."""
    return f"{value:.8f}"


def _kind(order: DeskOrder) -> str:
    if order.ticket.price is None:
        return "MARKET"
    return "LIMIT_MAKER" if order.ticket.time_in_force is TimeInForce.POST_ONLY else "LIMIT"


def _duration(order: DeskOrder) -> str:
    post_only = order.ticket.time_in_force is TimeInForce.POST_ONLY
    return "GTC" if post_only else order.ticket.time_in_force.value.upper()


def side_of(side: Side) -> str:
    """What the venue calls a side."""
    return "BUY" if side is Side.BUY else "SELL"


def order_body(order: DeskOrder) -> dict[str, object]:
    """An order as placing and canceling answer it, and in the main as queries do."""
    ticket = order.ticket
    return {
        "symbol": order.market.venue_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": ticket.client_id,
        "price": eight(ticket.price or Decimal(0)),
        "origQty": eight(order.amount),
        "executedQty": eight(order.filled),
        "origQuoteOrderQty": eight(ticket.quote_amount or Decimal(0)),
        "cummulativeQuoteQty": eight(order.quote_filled),
        "status": STATUS[order.state],
        "timeInForce": _duration(order),
        "type": _kind(order),
        "side": side_of(ticket.side),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def queried(order: DeskOrder) -> dict[str, object]:
    """An order as a query answers it."""
    created = order.created_ns // NS_PER_MS
    return {
        **order_body(order),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": created,
        "updateTime": order.updated_ns // NS_PER_MS,
        "isWorking": True,
        "workingTime": created,
    }


def placed(order: DeskOrder, response: str) -> dict[str, object]:
    """What placing answers: `response` is ACK, RESULT or FULL."""
    body = order_body(order)
    now_ms = order.updated_ns // NS_PER_MS
    if response == "ACK":
        head = {name: body[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId")}
        return {**head, "transactTime": now_ms}
    body |= {"transactTime": now_ms, "workingTime": now_ms}
    if response == "FULL":
        body["fills"] = [
            {
                "price": eight(fill.price),
                "qty": eight(fill.amount),
                "commission": eight(fill.fee),
                "commissionAsset": fill.fee_currency,
                "tradeId": fill.trade_id,
            }
            for fill in order.fills
        ]
    return body


def canceled(order: DeskOrder, cancel_id: str) -> dict[str, object]:
    """What canceling answers: the client id is that of the cancel, `origClientOrderId` that of the order."""
    body = {**order_body(order), "clientOrderId": cancel_id, "origClientOrderId": order.ticket.client_id}
    return {**body, "transactTime": order.updated_ns // NS_PER_MS}


def trade_row(market: Market, fill: DeskFill) -> dict[str, object]:
    """A row of myTrades."""
    return {
        "symbol": market.venue_id,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": eight(fill.price),
        "qty": eight(fill.amount),
        "quoteQty": eight(fill.price * fill.amount),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_currency,
        "time": fill.time_ns // NS_PER_MS,
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }


def balances(account: Account, names: tuple[str, str, str], currencies: tuple[str, ...]) -> list[dict[str, object]]:
    """Rows of asset, free and locked, under the three `names` that the message has for them."""
    ledger = account.ledger
    return [
        dict(zip(names, (currency, eight(ledger.free(currency)), eight(ledger.locked(currency))), strict=True))
        for currency in currencies
    ]


def execution_report(changed: OrderChanged, cancel_id: str) -> dict[str, object]:
    """The event of an order that is new, has traded, or has ended."""
    order, fill = changed.order, changed.fill
    now_ms = changed.time_ns // NS_PER_MS
    by_user = order.state is State.CANCELED and order.cause is Cause.USER
    happened = "TRADE" if fill else STATUS[order.state]
    return {
        "e": "executionReport",
        "E": now_ms,
        "s": order.market.venue_id,
        "c": cancel_id if by_user else order.ticket.client_id,
        "S": side_of(order.ticket.side),
        "o": _kind(order),
        "f": _duration(order),
        "q": eight(order.amount),
        "p": eight(order.ticket.price or Decimal(0)),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": order.ticket.client_id if by_user else "",
        "x": happened,
        "X": STATUS[order.state],
        "r": "NONE",
        "i": order.order_id,
        "l": eight(fill.amount if fill else Decimal(0)),
        "z": eight(order.filled),
        "L": eight(fill.price if fill else Decimal(0)),
        "n": eight(fill.fee) if fill else "0",
        "N": fill.fee_currency if fill else None,
        "T": now_ms,
        "t": fill.trade_id if fill else -1,
        "I": 0,
        "w": order.state.resting,
        "m": fill.maker if fill else False,
        "M": False,
        "O": order.created_ns // NS_PER_MS,
        "Z": eight(order.quote_filled),
        "Y": eight(fill.price * fill.amount if fill else Decimal(0)),
        "Q": eight(order.ticket.quote_amount or Decimal(0)),
        "W": order.created_ns // NS_PER_MS,
        "V": "EXPIRE_MAKER",
    }
