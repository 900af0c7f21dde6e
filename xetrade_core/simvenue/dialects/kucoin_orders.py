"""Orders and fills of KuCoin spot: from the parameters of a call to a ticket, and from the desk to JSON.

A post-only order that would take is taken and canceled, and so is what an immediate order leaves; nothing in a row says
who canceled. Fees are in quote currency. Error codes name little: most refusals share one and differ by their words.
Shapes and codes: www.kucoin.com/docs-new, "Spot Trading / Orders" (2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    DeskFill,
    DeskOrder,
    DeskRefusal,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.dialects.kucoin_replies import KucoinRefused, Row
from xetrade_core.simvenue.dialects.numbers import number_of, plain
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

Fields = Mapping[str, str]
#: what placing and asking say
CODES: Mapping[RefusalKind, tuple[str, str]] = {
    RefusalKind.UNKNOWN_SYMBOL: ("900001", "symbol not exists"),
    RefusalKind.BAD_PRICE: ("400100", "Price increment invalid."),
    RefusalKind.BAD_AMOUNT: ("600100", "Order size increment invalid."),
    RefusalKind.TOO_SMALL: ("400100", "Order size below the minimum requirement."),
    RefusalKind.TOO_LARGE: ("400100", "Order size above the maximum requirement."),
    RefusalKind.NOTIONAL: ("600101", "The order funds should more then 0.1 USDT."),
    RefusalKind.BAD_CLIENT_ID: ("400100", "validation.createOrder.clientOidInvalid"),
    RefusalKind.DUPLICATE_CLIENT_ID: ("102426", "clientOid duplicate"),
    RefusalKind.INSUFFICIENT_FUNDS: ("200004", "Balance insufficient!"),
    RefusalKind.PRICE_BAND: ("400370", "Max. price exceeded"),
    RefusalKind.BUSY: ("200001", "Order creation for this pair suspended"),
    RefusalKind.UNKNOWN_ORDER: ("400100", "order_not_exist"),
    RefusalKind.NOT_OPEN: ("400100", "order_not_exist_or_not_allow_to_cancel"),
}
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TIMES = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_NAMES = {**{time: name for name, time in _TIMES.items()}, TimeInForce.POST_ONLY: "GTC"}
_ZERO = Decimal(0)
TAKEN: Row = {"liquidity": "taker", "feeType": "takerFee"}


def words_of(refusal: DeskRefusal) -> tuple[str, str]:
    """The venue's code and words; those of a general error for what it has no word for on spot."""
    return CODES.get(refusal.kind, ("400200", "Forbidden to place an order"))


def ticket_of(market: Market, fields: Fields) -> Ticket:
    """The order that the parameters of a call ask for. Raises KucoinRefused or DeskRefusal."""
    kind, side, client_id = fields.get("type", "limit"), fields.get("side"), fields.get("clientOid") or None
    if side not in ("buy", "sell"):
        raise KucoinRefused("400100", "validation.createOrder.side")
    if kind not in ("limit", "market"):
        raise KucoinRefused("400100", "validation.createOrder.type")
    if client_id is not None and not _CLIENT_ID.fullmatch(client_id):
        raise DeskRefusal(RefusalKind.BAD_CLIENT_ID)
    in_quote = kind == "market" and bool(fields.get("funds")) and not fields.get("size")
    return Ticket(
        symbol=market.symbol,
        side=Side.BUY if side == "buy" else Side.SELL,
        amount=None if in_quote else number_of(fields, "size", RefusalKind.BAD_AMOUNT),
        quote_amount=number_of(fields, "funds", RefusalKind.BAD_AMOUNT) if in_quote else None,
        price=None if kind == "market" else number_of(fields, "price", RefusalKind.BAD_PRICE),
        time_in_force=time_in_force(kind, fields),
        client_id=client_id,
    )


def time_in_force(kind: str, fields: Fields) -> TimeInForce:
    """What becomes of the rest; post-only counts for nothing beside an immediate order. Raises KucoinRefused."""
    named = fields.get("timeInForce") or "GTC"
    if named not in _TIMES:
        raise KucoinRefused("400100", "validation.createOrder.timeInForce")
    if kind == "market":
        return TimeInForce.IOC
    passive = fields.get("postOnly", "").lower() == "true" and named == "GTC"
    return TimeInForce.POST_ONLY if passive else _TIMES[named]


def names(order: DeskOrder) -> Row:
    """What placing answers."""
    return {"orderId": str(order.order_id), "clientOid": order.ticket.client_id or ""}


def canceled_size(order: DeskOrder) -> Decimal:
    """What was taken out of the book untraded."""
    return _ZERO if order.state.resting or order.state is State.FILLED else order.remaining


def sizes(order: DeskOrder) -> Row:
    """What the calls that wait for the matching engine add."""
    canceled = canceled_size(order)
    return {
        "originSize": plain(order.amount),
        "dealSize": plain(order.filled),
        "remainSize": plain(order.remaining - canceled),
        "canceledSize": plain(canceled),
        "status": "open" if order.state.resting else "done",
    }


def order_row(order: DeskOrder) -> Row:
    """An order as the queries tell it."""
    market, ticket, price = order.market, order.ticket, order.ticket.price or _ZERO
    canceled = canceled_size(order)
    funds = ticket.quote_amount if ticket.quote_amount is not None else price * order.amount
    return {
        "id": str(order.order_id),
        "clientOid": ticket.client_id or "",
        "symbol": market.venue_id,
        "opType": "DEAL",
        "type": kind_of(order),
        "side": ticket.side.value,
        "price": plain(price),
        "size": plain(order.amount),
        "funds": plain(funds),
        "dealSize": plain(order.filled),
        "dealFunds": plain(order.quote_filled),
        "remainSize": plain(order.remaining - canceled),
        "remainFunds": plain(price * (order.remaining - canceled)),
        "cancelledSize": plain(canceled),
        "cancelledFunds": plain(price * canceled),
        "fee": plain(sum((fill.fee for fill in order.fills), _ZERO)),
        "feeCurrency": market.listing.quote,
        "stp": None,
        "timeInForce": _NAMES[ticket.time_in_force],
        "postOnly": ticket.time_in_force is TimeInForce.POST_ONLY,
        "hidden": False,
        "iceberg": False,
        "visibleSize": "0",
        "cancelAfter": 0,
        "channel": "API",
        "remark": None,
        "tags": None,
        "cancelExist": order.cause is not None and order.state is not State.FILLED,
        "tradeType": "TRADE",
        "inOrderBook": order.state.resting,
        "active": order.state.resting,
        "tax": "0",
        "createdAt": order.created_ns // NS_PER_MS,
        "lastUpdatedAt": order.updated_ns // NS_PER_MS,
    }


def kind_of(order: DeskOrder) -> str:
    """Limit or market."""
    return "market" if order.ticket.price is None else "limit"


def fill_row(order: DeskOrder, fill: DeskFill) -> Row:
    """A trade as the queries tell it: without the client's name of its order."""
    funds = fill.price * fill.amount
    return {
        "id": fill.trade_id,
        "symbol": order.market.venue_id,
        "tradeId": fill.trade_id,
        "orderId": str(fill.order_id),
        "counterOrderId": "0",
        "side": fill.side.value,
        "liquidity": "maker" if fill.maker else "taker",
        "type": kind_of(order),
        "forceTaker": False,
        "price": plain(fill.price),
        "size": plain(fill.amount),
        "funds": plain(funds),
        "fee": plain(fill.fee),
        "feeRate": plain((fill.fee / funds).quantize(Decimal("0.000001"))),
        "feeCurrency": fill.fee_currency,
        "stop": "",
        "tradeType": "TRADE",
        "taxRate": "0",
        "tax": "0",
        "createdAt": fill.time_ns // NS_PER_MS,
    }


def pushed(order: DeskOrder, fill: DeskFill | None, now_ns: int) -> list[Row]:
    """What the stream says of a change: what happened is the `type` of a row, where the order stands its `status`.

    That an order was `received` is told by the second version of the topic alone.
    """
    row: Row = {
        "symbol": order.market.venue_id,
        "orderType": kind_of(order),
        "side": order.ticket.side.value,
        "orderId": str(order.order_id),
        "clientOid": order.ticket.client_id or "",
        "orderTime": order.created_ns // NS_PER_MS,
        "originSize": plain(order.amount),
        "size": plain(order.amount),
        "filledSize": plain(order.filled),
        "remainSize": plain(order.remaining - canceled_size(order)),
        "price": plain(order.ticket.price or _ZERO),
        "ts": now_ns,
    }
    filled: Row = {**row, "type": "filled", "status": "done"}
    if fill is not None:
        row |= {"type": "match", "tradeId": str(fill.trade_id), "status": "open" if fill.maker else "match"}
        row |= {"matchPrice": plain(fill.price), "matchSize": plain(fill.amount)}
        row |= {"liquidity": "maker", "feeType": "makerFee"} if fill.maker else TAKEN
        return [row, filled] if order.state is State.FILLED else [row]
    if not order.state.resting:
        return [{**row, "type": "canceled", "status": "done", "canceledSize": plain(canceled_size(order))}]
    received: Row = {**row, "type": "received", "status": "new"}
    return [received, {**row, "type": "open", "status": "open"}] if rests_at_once(order) else [received]


def rests_at_once(order: DeskOrder) -> bool:
    """Whether an order that has just come in goes into the book as it is."""
    ticket, tick = order.ticket, order.market.listing.instrument.price_tick
    stays = ticket.price is not None and ticket.time_in_force in (TimeInForce.GTC, TimeInForce.POST_ONLY)
    return stays and not order.market.takeable(ticket.side, int((ticket.price or _ZERO) / tick))
