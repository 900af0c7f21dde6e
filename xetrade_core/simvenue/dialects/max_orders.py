"""Orders, trades and balances of MAX: from the parameters of a call to a ticket, and from the desk to JSON.

Placing is acknowledged with an order that waits, whatever becomes of it at once; a post-only order that would take is
taken and cancelled. Shapes: the API's description of 2026-08 and the websocket documentation's "Private channels";
codes as clients of the venue know them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Account,
    DeskFill,
    DeskOrder,
    DeskRefusal,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.dialects.max_signed import MaxRefused
from xetrade_core.simvenue.dialects.numbers import number_of, plain
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

Row = dict[str, object]
CODES: Mapping[RefusalKind, tuple[int, str, int]] = {
    RefusalKind.UNKNOWN_SYMBOL: (1001, "market does not have a valid value", 400),
    RefusalKind.BAD_PRICE: (2002, "Validation failed: Price is invalid", 400),
    RefusalKind.BAD_AMOUNT: (2002, "Validation failed: Volume is invalid", 400),
    RefusalKind.TOO_SMALL: (2016, "The amount is too small.", 400),
    RefusalKind.TOO_LARGE: (2020, "The volume is too large.", 400),
    RefusalKind.NOTIONAL: (2016, "The amount is too small.", 400),
    RefusalKind.BAD_CLIENT_ID: (1001, "client_oid does not have a valid value", 400),
    RefusalKind.DUPLICATE_CLIENT_ID: (2036, "Duplicated resource: client_oid has already been used.", 400),
    RefusalKind.INSUFFICIENT_FUNDS: (2018, "The account's funds are not enough.", 400),
    RefusalKind.WOULD_TAKE: (2002, "Failed to create order.", 400),
    RefusalKind.WOULD_NOT_FILL: (2002, "Failed to create order.", 400),
    RefusalKind.PRICE_BAND: (2024, "The price has changed.", 400),
    RefusalKind.REDUCE_ONLY: (2002, "Failed to create order.", 400),
    RefusalKind.BUSY: (2034, "Too many orders.", 400),
    RefusalKind.UNKNOWN_ORDER: (2004, "Order is not found.", 404),
    RefusalKind.NOT_OPEN: (2003, "Failed to cancel order: it is not waiting.", 400),
}
_CLIENT_ID = re.compile(r"[ -~]{1,36}")
_TYPES = {
    "limit": TimeInForce.GTC,
    "market": TimeInForce.IOC,
    "post_only": TimeInForce.POST_ONLY,
    "ioc_limit": TimeInForce.IOC,
}
_NAMES = {TimeInForce.GTC: "limit", TimeInForce.POST_ONLY: "post_only", TimeInForce.IOC: "ioc_limit"}
_STATES = {State.OPEN: "wait", State.PARTIALLY_FILLED: "wait", State.FILLED: "done"}  # the others: cancel
_LEAST_QUOTE = {"TWD": Decimal(250)}
_LEAST_OTHER = Decimal(8)


def written(value: Decimal) -> str:
    """A number as MAX writes it: `15` -> `15.0`."""
    text = plain(value)
    return text if "." in text else f"{text}.0"


def least_quote(market: Market) -> Decimal:
    """What an order must come to at least, in quote currency."""
    return _LEAST_QUOTE.get(market.listing.quote, _LEAST_OTHER)


def ticket_of(market: Market, fields: Mapping[str, str]) -> Ticket:
    """The order that the parameters of a call ask for. Raises MaxRefused or DeskRefusal."""
    kind, side, client_id = fields.get("ord_type", "limit"), fields.get("side"), fields.get("client_oid")
    if side not in ("buy", "sell"):
        raise MaxRefused(1001, "side does not have a valid value")
    if kind not in _TYPES:
        raise MaxRefused(1001, "ord_type does not have a valid value")
    if client_id is not None and not _CLIENT_ID.fullmatch(client_id):
        raise DeskRefusal(RefusalKind.BAD_CLIENT_ID)
    amount = number_of(fields, "volume", RefusalKind.BAD_AMOUNT)
    price = None if kind == "market" else number_of(fields, "price", RefusalKind.BAD_PRICE)
    if price is not None and amount * price < least_quote(market):
        raise DeskRefusal(RefusalKind.NOTIONAL)
    return Ticket(
        symbol=market.symbol,
        side=Side.BUY if side == "buy" else Side.SELL,
        amount=amount,
        price=price,
        time_in_force=_TYPES[kind],
        client_id=client_id,
    )


def order_row(order: DeskOrder) -> Row:
    """An order as the REST calls tell it."""
    ticket = order.ticket
    return {
        "id": order.order_id,
        "wallet_type": "spot",
        "market": order.market.venue_id,
        "client_oid": ticket.client_id,
        "group_id": None,
        "side": ticket.side.value,
        "state": _STATES.get(order.state, "cancel"),
        "ord_type": "market" if ticket.price is None else _NAMES[ticket.time_in_force],
        "price": None if ticket.price is None else written(ticket.price),
        "stop_price": None,
        "avg_price": written(order.average or Decimal(0)),
        "volume": written(order.amount),
        "remaining_volume": written(order.remaining),
        "executed_volume": written(order.filled),
        "trades_count": len(order.fills),
        "created_at": order.created_ns // NS_PER_MS,
        "updated_at": order.updated_ns // NS_PER_MS,
    }


def as_taken(order: DeskOrder) -> Row:
    """An order as placing and cancelling answer it: nothing has come of it yet."""
    before = {"state": "wait", "avg_price": "0.0", "remaining_volume": written(order.amount)}
    row = order_row(order)
    return {**row, **before, "executed_volume": "0.0", "trades_count": 0, "updated_at": row["created_at"]}


def pushed_order(order: DeskOrder) -> Row:
    """An order as the stream tells it."""
    row = order_row(order)
    names = {
        "i": "id", "ot": "ord_type", "p": "price", "sp": "stop_price", "ap": "avg_price", "S": "state", "M": "market",
        "v": "volume", "rv": "remaining_volume", "ev": "executed_volume", "tc": "trades_count", "T": "created_at",
        "TU": "updated_at", "gi": "group_id", "ci": "client_oid",
    }  # fmt: skip
    return {
        "sd": "bid" if order.ticket.side is Side.BUY else "ask",
        **{short: row[name] for short, name in names.items()},
    }


def trade_rows(fills: Iterable[DeskFill], markets: Mapping[str, Market]) -> list[Row]:
    """Trades as the REST calls tell them. One between two orders of the account is one row, and the ask's."""
    legs: dict[int, list[DeskFill]] = {}
    for fill in fills:
        legs.setdefault(fill.trade_id, []).append(fill)
    return [_trade(both, markets[both[0].symbol]) for both in legs.values()]


def _trade(legs: list[DeskFill], market: Market) -> Row:
    fill = next((leg for leg in legs if leg.side is Side.SELL), legs[0])
    bid = next((leg for leg in legs if leg.side is Side.BUY), None) if len(legs) > 1 else None
    side = "self-trade" if bid else _side(fill)
    return {
        "id": fill.trade_id,
        "order_id": fill.order_id,
        "wallet_type": "spot",
        "price": written(fill.price),
        "volume": written(fill.amount),
        "funds": written(fill.price * fill.amount),
        "market": market.venue_id,
        "market_name": f"{market.listing.base}/{market.listing.quote}",
        "side": side,
        "fee": written(fill.fee),
        "fee_currency": fill.fee_currency.lower(),
        "fee_discounted": False,
        "self_trade_bid_fee": written(bid.fee) if bid else None,
        "self_trade_bid_fee_currency": bid.fee_currency.lower() if bid else None,
        "self_trade_bid_fee_discounted": False if bid else None,
        "self_trade_bid_order_id": bid.order_id if bid else None,
        "liquidity": "maker" if fill.maker else "taker",
        "created_at": fill.time_ns // NS_PER_MS,
    }


def pushed_trade(fill: DeskFill, market: Market, *, fee: bool) -> Row:
    """A trade as the stream tells it: the fast flavour comes before the fee is known."""
    now_ms = fill.time_ns // NS_PER_MS
    row: Row = {"i": fill.trade_id, "M": market.venue_id, "sd": _side(fill), "p": written(fill.price)}
    row |= {"v": written(fill.amount), "fn": written(fill.price * fill.amount), "m": fill.maker, "oi": fill.order_id}
    row |= {"T": now_ms, "TU": now_ms}
    return row | ({"f": written(fill.fee), "fc": fill.fee_currency.lower(), "fd": False} if fee else {})


def _side(fill: DeskFill) -> str:
    return "bid" if fill.side is Side.BUY else "ask"


def balance_rows(account: Account, currencies: Iterable[str]) -> list[Row]:
    """Balances as the REST call tells them: what is free, and what is locked beside it."""
    ledger = account.ledger
    return [
        {
            "currency": one.lower(),
            "balance": written(ledger.free(one)),
            "locked": written(ledger.locked(one)),
            "staked": None,
        }
        for one in currencies
    ]


def pushed_balances(account: Account, currencies: Iterable[str], now_ms: int) -> list[Row]:
    """Balances as the stream tells them."""
    rows = balance_rows(account, currencies)
    return [
        {"cu": row["currency"], "av": row["balance"], "l": row["locked"], "stk": None, "TU": now_ms} for row in rows
    ]
