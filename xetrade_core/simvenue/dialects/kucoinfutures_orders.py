"""Orders, fills and fundings of KuCoin futures: from the parameters of a call to a ticket, and from the desk to JSON.

Sizes are contracts, as JSON numbers; what is worth money is text. Every contract is on cross margin and an account in
one-way mode, so that an order that names another mode is refused as the venue refuses it.
Shapes and codes: www.kucoin.com/docs-new, "Futures Trading / Orders" (2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import DeskFill, DeskOrder, DeskRefusal, RefusalKind, Ticket, TimeInForce
from xetrade_core.simvenue.desk.ledger import Entry
from xetrade_core.simvenue.desk.margin import contract_notional, settle_of
from xetrade_core.simvenue.dialects.kucoin_listings import LARGEST, LARGEST_AT_MARKET
from xetrade_core.simvenue.dialects.kucoin_orders import (
    Fields,
    canceled_size,
    kind_of,
    pushed,
    time_in_force,
)
from xetrade_core.simvenue.dialects.kucoin_replies import KucoinRefused, Row
from xetrade_core.simvenue.dialects.numbers import number_of, plain
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

CODES: Mapping[RefusalKind, tuple[str, str]] = {
    RefusalKind.UNKNOWN_SYMBOL: ("100003", "Contract parameter invalid"),
    RefusalKind.BAD_PRICE: ("100001", "There are invalid parameters: price"),
    RefusalKind.BAD_AMOUNT: ("100001", "There are invalid parameters: size"),
    RefusalKind.TOO_SMALL: ("100001", "There are invalid parameters: size"),
    RefusalKind.TOO_LARGE: ("100001", "There are invalid parameters: size"),
    RefusalKind.BAD_CLIENT_ID: ("100001", "There are invalid parameters: clientOid"),
    RefusalKind.DUPLICATE_CLIENT_ID: ("300018", "clientOid parameter repeated"),
    RefusalKind.INSUFFICIENT_FUNDS: ("300003", "Balance not enough, please first deposit at least 2 USDT"),
    RefusalKind.PRICE_BAND: ("300011", "Order price cannot be higher than the limit"),
    RefusalKind.REDUCE_ONLY: ("300009", "No open positions to close."),
    RefusalKind.BUSY: ("300015", "The order placing/cancellation is currently not available."),
    RefusalKind.UNKNOWN_ORDER: ("100001", "error.getOrder.orderNotExist"),
    RefusalKind.NOT_OPEN: ("100004", "Order is in not cancelable state"),
}
CROSS, ONE_WAY = "CROSS", "BOTH"
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_ZERO = Decimal(0)


def words_of(refusal: DeskRefusal) -> tuple[str, str]:
    """The venue's code and words."""
    return CODES.get(refusal.kind, ("300000", "request parameter illegal"))


def currency_code(currency: str) -> str:
    """What the venue calls a currency."""
    return "XBT" if currency == "BTC" else currency


def ticket_of(market: Market, fields: Fields) -> Ticket:
    """The order that the parameters of a call ask for. Raises KucoinRefused or DeskRefusal."""
    kind, side, client_id = fields.get("type", "limit"), fields.get("side"), fields.get("clientOid")
    if side not in ("buy", "sell") or kind not in ("limit", "market"):
        raise KucoinRefused("100001", f"There are invalid parameters: side {side}, type {kind}")
    if client_id is None or not _CLIENT_ID.fullmatch(client_id):
        raise DeskRefusal(RefusalKind.BAD_CLIENT_ID)
    if fields.get("marginMode", "ISOLATED") != CROSS:
        raise KucoinRefused("330005", "The order's margin mode does not match the selected one.")
    if fields.get("positionSide", ONE_WAY) != ONE_WAY:
        raise KucoinRefused("330011", "The order is in Hedge Mode, while the account is set to One-Way Mode.")
    amount = number_of(fields, "size", RefusalKind.BAD_AMOUNT)
    if amount > (LARGEST_AT_MARKET if kind == "market" else LARGEST):
        raise DeskRefusal(RefusalKind.TOO_LARGE)
    return Ticket(
        symbol=market.symbol,
        side=Side.BUY if side == "buy" else Side.SELL,
        amount=amount,
        price=None if kind == "market" else number_of(fields, "price", RefusalKind.BAD_PRICE),
        time_in_force=time_in_force(kind, fields),
        reduce_only=fields.get("reduceOnly", "").lower() == "true",
        client_id=client_id,
    )


def order_row(order: DeskOrder) -> Row:
    """An order as the queries tell it."""
    market, ticket = order.market, order.ticket
    traded = sum((contract_notional(market, fill.amount, fill.price) for fill in order.fills), _ZERO)
    price = ticket.price if ticket.price is not None else order.average
    worth = _ZERO if price is None else contract_notional(market, order.amount, price)
    updated_ms = order.updated_ns // NS_PER_MS
    canceled = order.cause is not None and bool(canceled_size(order))
    return {
        "id": str(order.order_id),
        "symbol": market.venue_id,
        "type": kind_of(order),
        "side": ticket.side.value,
        "price": plain(ticket.price or _ZERO),
        "size": order.amount,
        "value": plain(worth),
        "dealValue": plain(traded),
        "dealSize": order.filled,
        "stp": "",
        "stop": "",
        "stopPriceType": "",
        "stopTriggered": False,
        "stopPrice": None,
        "timeInForce": "GTC" if ticket.time_in_force is TimeInForce.POST_ONLY else ticket.time_in_force.value.upper(),
        "postOnly": ticket.time_in_force is TimeInForce.POST_ONLY,
        "hidden": False,
        "iceberg": False,
        "leverage": "0",
        "forceHold": False,
        "closeOrder": False,
        "visibleSize": 0,
        "clientOid": ticket.client_id,
        "remark": None,
        "tags": None,
        "isActive": order.state.resting,
        "cancelExist": canceled,
        "createdAt": order.created_ns // NS_PER_MS,
        "updatedAt": updated_ms,
        "endAt": None if order.state.resting else updated_ms,
        "orderTime": order.created_ns,
        "settleCurrency": currency_code(settle_of(market)),
        "marginMode": CROSS,
        "positionSide": ONE_WAY,
        "avgDealPrice": plain((order.average or _ZERO).quantize(Decimal("0.00000001"))),
        "filledSize": order.filled,
        "filledValue": plain(traded),
        "status": "open" if order.state.resting else "done",
        "reduceOnly": ticket.reduce_only,
    }


def fill_row(order: DeskOrder, fill: DeskFill) -> Row:
    """A trade as the queries tell it: without the client's name of its order."""
    worth = contract_notional(order.market, fill.amount, fill.price)
    settle = currency_code(fill.fee_currency)
    return {
        "symbol": order.market.venue_id,
        "tradeId": str(fill.trade_id),
        "orderId": str(fill.order_id),
        "side": fill.side.value,
        "liquidity": "maker" if fill.maker else "taker",
        "forceTaker": False,
        "price": plain(fill.price),
        "size": fill.amount,
        "value": plain(worth),
        "openFeePay": plain(fill.fee),
        "closeFeePay": "0",
        "feeRate": plain((fill.fee / worth).quantize(Decimal("0.000001"))),
        "fixFee": "0",
        "feeCurrency": settle,
        "marginMode": CROSS,
        "positionSide": ONE_WAY,
        "settleCurrency": settle,
        "fee": plain(fill.fee),
        "orderType": kind_of(order),
        "tradeType": "trade",
        "tradeTime": fill.time_ns,
        "createdAt": fill.time_ns // NS_PER_MS,
    }


def funding_row(market: Market, entry: Entry) -> Row:
    """A funding: what was received is positive. What it was reckoned from is left out: the ledger does not keep it."""
    return {
        "id": entry.entry_id,
        "symbol": market.venue_id,
        "timePoint": entry.time_ns // NS_PER_MS,
        "funding": entry.amount,
        "settleCurrency": currency_code(entry.currency),
        "marginMode": CROSS,
    }


def pushed_rows(order: DeskOrder, fill: DeskFill | None, now_ns: int) -> list[Row]:
    """What the stream says of a change: as that of spot does, but that nothing is `received`."""
    more = {"orderTime": order.created_ns, "tradeType": "trade", "marginMode": CROSS, "positionSide": ONE_WAY}
    canceled = plain(canceled_size(order))
    rows = [row for row in pushed(order, fill, now_ns) if row["type"] != "received"]
    return [{"canceledSize": canceled, **row, **more} for row in rows]
