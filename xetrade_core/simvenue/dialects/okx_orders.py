"""Orders and fills of OKX: from the parameters of a call to a ticket, and from the desk to JSON.

Sizes are contracts for swaps and base currency for spot. A post-only order that would take is taken and canceled, and
so is what an immediate order leaves; `cancelSource` says why. Fees are negative when paid.
Shapes: www.okx.com/docs-v5, "Order Book Trading / Trade"; codes: "Error Code".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

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
from xetrade_core.simvenue.desk.margin import DOLLARS, mark_price
from xetrade_core.simvenue.dialects.numbers import number_of, plain
from xetrade_core.simvenue.dialects.okx_listings import LARGEST_AT_MARKET, MOST_USD, MOST_USD_AT_MARKET, instrument_type
from xetrade_core.simvenue.dialects.okx_replies import OkxRefused, Row
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

CODES: Mapping[RefusalKind, tuple[str, str]] = {
    RefusalKind.UNKNOWN_SYMBOL: ("51001", "Instrument ID doesn't exist."),
    RefusalKind.BAD_PRICE: ("51000", "Parameter px error"),
    RefusalKind.BAD_AMOUNT: ("51121", "Order quantity must be a multiple of the lot size."),
    RefusalKind.TOO_SMALL: ("51020", "Your order should meet or exceed the minimum order amount."),
    RefusalKind.TOO_LARGE: ("51202", "Market order quantity exceeds the max."),
    RefusalKind.NOTIONAL: ("51020", "Your order should meet or exceed the minimum order amount."),
    RefusalKind.BAD_CLIENT_ID: ("51000", "Parameter clOrdId error"),
    RefusalKind.DUPLICATE_CLIENT_ID: ("51016", "Duplicated client order ID"),
    RefusalKind.INSUFFICIENT_FUNDS: ("51008", "Order failed. Insufficient balance or margin in account"),
    RefusalKind.WOULD_TAKE: ("51006", "Order price is not within the price limit"),
    RefusalKind.WOULD_NOT_FILL: ("51006", "Order price is not within the price limit"),
    RefusalKind.PRICE_BAND: ("51006", "Order price is not within the price limit"),
    RefusalKind.BUSY: ("51022", "Contract suspended"),
    RefusalKind.REDUCE_ONLY: (
        "51169",
        "Order failed because you don't have any positions in this direction to reduce.",
    ),
    RefusalKind.UNKNOWN_ORDER: ("51603", "Order does not exist"),
    RefusalKind.NOT_OPEN: ("51400", "Cancellation failed as the order has been filled, canceled or does not exist."),
}
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_TYPES = {
    "limit": TimeInForce.GTC,
    "market": TimeInForce.IOC,
    "post_only": TimeInForce.POST_ONLY,
    "fok": TimeInForce.FOK,
    "ioc": TimeInForce.IOC,
}
_TYPE_NAMES = {
    TimeInForce.GTC: "limit",
    TimeInForce.POST_ONLY: "post_only",
    TimeInForce.FOK: "fok",
    TimeInForce.IOC: "ioc",
}
_STATES = {
    State.OPEN: "live",
    State.PARTIALLY_FILLED: "partially_filled",
    State.FILLED: "filled",
    State.CANCELED: "canceled",
    State.EXPIRED: "canceled",
}
_MODES = {"SPOT": ("cash",), "SWAP": ("cross", "isolated")}


def ticket_of(market: Market, fields: Mapping[str, str]) -> Ticket:
    """The order that the parameters of a call ask for. Raises OkxRefused or DeskRefusal."""
    kind, side, client_id = fields.get("ordType", ""), fields.get("side"), fields.get("clOrdId") or None
    instrument = instrument_type(market)
    if fields.get("tdMode") not in _MODES[instrument]:
        raise OkxRefused("51000", "Parameter tdMode error")
    if side not in ("buy", "sell"):
        raise OkxRefused("51000", "Parameter side error")
    if kind not in _TYPES:
        raise OkxRefused("51000", "Parameter ordType error")
    if fields.get("posSide", "net") not in ("net", ""):
        raise OkxRefused("51000", "Parameter posSide error")
    if client_id is not None and not _CLIENT_ID.fullmatch(client_id):
        raise DeskRefusal(RefusalKind.BAD_CLIENT_ID)
    size = number_of(fields, "sz", RefusalKind.BAD_AMOUNT)
    target = fields.get("tgtCcy") or ("quote_ccy" if side == "buy" else "base_ccy")
    in_quote = instrument == "SPOT" and kind == "market" and target == "quote_ccy"
    price = None if kind == "market" else number_of(fields, "px", RefusalKind.BAD_PRICE)
    _require_bounds(market, size / mark_price(market) if in_quote else size, price)
    return Ticket(
        symbol=market.symbol,
        side=Side.BUY if side == "buy" else Side.SELL,
        amount=None if in_quote else size,
        quote_amount=size if in_quote else None,
        price=price,
        time_in_force=_TYPES[kind],
        reduce_only=instrument == "SWAP" and fields.get("reduceOnly", "").lower() == "true",
        client_id=client_id,
    )


def _require_bounds(market: Market, amount: Decimal, price: Decimal | None) -> None:
    """Refuse what the list of instruments says is too much; `price` None: at market. Raises OkxRefused."""
    listing = market.listing
    spot, inverse = listing.settle is None, listing.settle == listing.base
    worth = amount * listing.instrument.contract_size * (Decimal(1) if inverse else price or mark_price(market))
    usd = worth if listing.quote in DOLLARS else Decimal(0)
    if price is not None:
        if usd > MOST_USD[spot]:
            raise OkxRefused("51203", "Limit order amount exceeds the maximum.")
    elif (usd if spot else amount) > LARGEST_AT_MARKET[spot]:
        raise OkxRefused("51202", "Market order amount exceeds the maximum.")
    elif spot and usd > MOST_USD_AT_MARKET:
        raise OkxRefused("51201", f"Value of per market order cannot exceed {plain(MOST_USD_AT_MARKET)} USD.")


def named(order: DeskOrder, now_ms: int) -> Row:
    """What placing, changing and canceling answer about an order."""
    client_id = order.ticket.client_id or ""
    return {"clOrdId": client_id, "ordId": str(order.order_id), "tag": "", "ts": str(now_ms), "sCode": "0", "sMsg": ""}


def not_done(fields: Mapping[str, str], code: str, message: str, now_ms: int) -> Row:
    """What they answer about one that was not done."""
    ids = {"clOrdId": fields.get("clOrdId", ""), "ordId": fields.get("ordId", "")}
    return {**ids, "tag": "", "ts": str(now_ms), "sCode": code, "sMsg": message}


def order_row(order: DeskOrder, last: DeskFill | None = None) -> Row:
    """An order as queries and the stream tell it; `last` is the fill that the row is about."""
    market, ticket = order.market, order.ticket
    fees: dict[str, Decimal] = {}
    for fill in order.fills:
        fees[fill.fee_currency] = fees.get(fill.fee_currency, Decimal(0)) + fill.fee
    last = last or (order.fills[-1] if order.fills else None)
    spot = instrument_type(market) == "SPOT"
    in_quote = ticket.quote_amount is not None
    return {
        "instType": instrument_type(market),
        "instId": market.venue_id,
        "ordId": str(order.order_id),
        "clOrdId": ticket.client_id or "",
        "tag": "",
        "ccy": "",
        "px": "" if ticket.price is None else plain(ticket.price),
        "sz": plain(ticket.quote_amount if ticket.quote_amount is not None else order.amount),
        "tgtCcy": ("quote_ccy" if in_quote else "base_ccy") if spot and ticket.price is None else "",
        "ordType": "market" if ticket.price is None else _TYPE_NAMES[ticket.time_in_force],
        "side": ticket.side.value,
        "posSide": "net",
        "tdMode": "cash" if spot else "cross",
        "accFillSz": plain(order.filled),
        "avgPx": "" if order.average is None else plain(order.average.quantize(Decimal("0.00000001"))),
        "fillPx": plain(last.price) if last else "",
        "fillSz": plain(last.amount) if last else "0",
        "fillTime": str(last.time_ns // NS_PER_MS) if last else "",
        "tradeId": str(last.trade_id) if last else "",
        "state": _STATES[order.state],
        "lever": "" if spot else "10",
        "fee": plain(-sum(fees.values(), Decimal(0))),
        "feeCcy": next(iter(fees), market.listing.settle or market.listing.base),
        "rebate": "0",
        "rebateCcy": market.listing.quote,
        "pnl": plain(sum((fill.realized for fill in order.fills), Decimal(0))),
        "reduceOnly": "true" if ticket.reduce_only else "false",
        "cancelSource": _cancel_source(order),
        "cancelSourceReason": "",
        "source": "",
        "category": "normal",
        "quickMgnType": "",
        "algoId": "",
        "algoClOrdId": "",
        "isTpLimit": "false",
        "stpId": "",
        "stpMode": "cancel_maker",
        "cTime": str(order.created_ns // NS_PER_MS),
        "uTime": str(order.updated_ns // NS_PER_MS),
    }


def _cancel_source(order: DeskOrder) -> str:
    """Who ended it: 1 the user, 13 and 14 nobody to trade with (FOK, IOC), 20 cancel-all-after, 31 post-only."""
    if order.cause is Cause.NO_COUNTERPART:
        return "13" if order.ticket.time_in_force is TimeInForce.FOK else "14"
    sources = {Cause.USER: "1", Cause.DEAD_MAN: "20", Cause.WOULD_TAKE: "31"}
    return sources.get(order.cause, "") if order.cause is not None else ""


def pushed_row(order: DeskOrder, fill: DeskFill | None) -> Row:
    """An order as the stream tells it: with the fill that has just happened, or none."""
    row = order_row(order, fill)
    if fill is None:
        return {**row, "fillSz": "0", "fillPx": "", "tradeId": "", "fillTime": "", "fillFee": "0", "fillFeeCcy": "",
                "execType": "", "amendResult": "", "reqId": "", "code": "0", "msg": ""}  # fmt: skip
    told = {"fillFee": plain(-fill.fee), "fillFeeCcy": fill.fee_currency, "execType": "M" if fill.maker else "T"}
    return {**row, **told, "fillPnl": plain(fill.realized), "amendResult": "", "reqId": "", "code": "0", "msg": ""}


def fill_row(order: DeskOrder, fill: DeskFill) -> Row:
    """A trade as fills and fills-history tell it."""
    return {
        "instType": instrument_type(order.market),
        "instId": order.market.venue_id,
        "tradeId": str(fill.trade_id),
        "ordId": str(fill.order_id),
        "clOrdId": fill.client_id or "",
        "billId": str(fill.trade_id),
        "tag": "",
        "fillPx": plain(fill.price),
        "fillSz": plain(fill.amount),
        "fillPnl": plain(fill.realized),
        "side": fill.side.value,
        "posSide": "net",
        "execType": "M" if fill.maker else "T",
        "feeCcy": fill.fee_currency,
        "fee": plain(-fill.fee),
        "ts": str(fill.time_ns // NS_PER_MS),
        "fillTime": str(fill.time_ns // NS_PER_MS),
    }


def funding_row(market: Market, entry: Entry) -> Row:
    """A funding as the bills tell it: what is paid is negative."""
    paid = entry.amount < 0
    return {
        "billId": str(entry.entry_id),
        "instType": instrument_type(market),
        "instId": market.venue_id,
        "ccy": entry.currency,
        "type": "8",
        "subType": "173" if paid else "174",
        "balChg": plain(entry.amount),
        "posBalChg": "0",
        "bal": "",
        "sz": "",
        "px": "",
        "fee": "0",
        "pnl": plain(entry.amount),
        "mgnMode": "cross",
        "ordId": "",
        "ts": str(entry.time_ns // NS_PER_MS),
    }
