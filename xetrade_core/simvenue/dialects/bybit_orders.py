"""Orders and executions of Bybit: from the parameters of a call to a ticket, and from the desk to JSON.

Shapes: bybit-exchange.github.io/docs/v5, "Trade", "Position", "Private stream"; codes: "Error Codes". Spot and
contracts have codes of their own. An order that is post-only and would take is taken and canceled, and so is what an
immediate order leaves (`rejectReason` says why).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Account,
    Cause,
    DeskFill,
    DeskOrder,
    DeskRefusal,
    PositionSide,
    RefusalKind,
    State,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.desk.ledger import Entry
from xetrade_core.simvenue.desk.margin import contract_notional, mark_price
from xetrade_core.simvenue.dialects.bybit_listings import category_of
from xetrade_core.simvenue.dialects.bybit_replies import BybitRefused
from xetrade_core.simvenue.dialects.numbers import number_of, plain
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

Row = dict[str, object]
Codes = Mapping[RefusalKind, tuple[int, str]]

CONTRACT_CODES: Codes = {
    RefusalKind.UNKNOWN_SYMBOL: (10001, "params error: Symbol Is Invalid"),
    RefusalKind.BAD_PRICE: (10001, "params error: Price invalid"),
    RefusalKind.BAD_AMOUNT: (10001, "Qty invalid"),
    RefusalKind.TOO_SMALL: (10001, "The number of contracts exceeds minimum limit allowed"),
    RefusalKind.TOO_LARGE: (10001, "The number of contracts exceeds maximum limit allowed: too large"),
    RefusalKind.NOTIONAL: (110094, "Order does not meet minimum order value 5USDT"),
    RefusalKind.BAD_CLIENT_ID: (10001, "params error: OrderLinkID invalid"),
    RefusalKind.DUPLICATE_CLIENT_ID: (110072, "OrderLinkedID is duplicate"),
    RefusalKind.INSUFFICIENT_FUNDS: (110007, "ab not enough for new order"),
    RefusalKind.WOULD_TAKE: (110003, "Order price exceeds the allowable range."),
    RefusalKind.WOULD_NOT_FILL: (110003, "Order price exceeds the allowable range."),
    RefusalKind.PRICE_BAND: (110003, "Order price exceeds the allowable range."),
    RefusalKind.BUSY: (110003, "Order price exceeds the allowable range."),
    RefusalKind.REDUCE_ONLY: (110017, "Reduce-only rule not satisfied"),
    RefusalKind.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    RefusalKind.NOT_OPEN: (110001, "order not exists or too late to cancel"),
}
SPOT_CODES: Codes = {
    **CONTRACT_CODES,
    RefusalKind.UNKNOWN_SYMBOL: (170121, "Invalid symbol."),
    RefusalKind.BAD_PRICE: (170134, "Order price has too many decimals."),
    RefusalKind.BAD_AMOUNT: (170137, "Order quantity has too many decimals."),
    RefusalKind.TOO_SMALL: (170136, "Order quantity exceeded lower limit."),
    RefusalKind.TOO_LARGE: (170382, "Order quantity too large."),
    RefusalKind.NOTIONAL: (170140, "Order value exceeded lower limit."),
    RefusalKind.DUPLICATE_CLIENT_ID: (170141, "Duplicate clientOrderId"),
    RefusalKind.INSUFFICIENT_FUNDS: (170131, "Insufficient balance."),
    RefusalKind.WOULD_TAKE: (170218, "The LIMIT-MAKER order is rejected due to invalid price."),
    RefusalKind.WOULD_NOT_FILL: (170210, "New order rejected."),
    RefusalKind.PRICE_BAND: (170132, "Order price is too high."),
    RefusalKind.BUSY: (170210, "New order rejected."),
    RefusalKind.UNKNOWN_ORDER: (170213, "Order does not exist."),
    RefusalKind.NOT_OPEN: (170213, "Order does not exist."),
}
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_LEAST_WORTH = Decimal(5)
_MOST = {"spot": Decimal(9_000), "linear": Decimal(1_190_000), "inverse": Decimal(1_190_000)}
_MOST_AT_MARKET = {"spot": Decimal(4_500), "linear": Decimal(500_000), "inverse": Decimal(500_000)}
_POST_ONLY_TIMES = {"spot": 5, "linear": 1, "inverse": 1}
_TIMES = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "PostOnly": TimeInForce.POST_ONLY,
}
_TIME_NAMES = {time: name for name, time in _TIMES.items()}
_INDEXES = {PositionSide.NET: 0, PositionSide.LONG: 1, PositionSide.SHORT: 2}
_POSITIONS = {str(index): side for side, index in _INDEXES.items()}
_STATUS = {
    State.OPEN: "New",
    State.PARTIALLY_FILLED: "PartiallyFilled",
    State.FILLED: "Filled",
    State.CANCELED: "Cancelled",
    State.EXPIRED: "Cancelled",
}
_CANCEL_TYPES = {Cause.USER: "CancelByUser", Cause.DEAD_MAN: "CancelByDCP"}
_REASONS = {Cause.WOULD_TAKE: "EC_PostOnlyWillTakeLiquidity", Cause.NO_COUNTERPART: "EC_NoImmediateQtyToFill"}


def codes_of(category: str) -> Codes:
    """What a category says for each refusal."""
    return SPOT_CODES if category == "spot" else CONTRACT_CODES


def ticket_of(account: Account, market: Market, fields: Mapping[str, str]) -> Ticket:
    """The order that the parameters of a call ask for. Raises BybitRefused or DeskRefusal."""
    side, kind, client_id = fields.get("side"), fields.get("orderType"), fields.get("orderLinkId") or None
    if side not in ("Buy", "Sell"):
        raise BybitRefused(10001, "params error: Side invalid")
    if kind not in ("Limit", "Market"):
        raise BybitRefused(10001, "params error: OrderType invalid")
    if client_id is not None and not _CLIENT_ID.fullmatch(client_id):
        raise DeskRefusal(RefusalKind.BAD_CLIENT_ID)
    amount = number_of(fields, "qty", RefusalKind.BAD_AMOUNT)
    spot = category_of(market.listing) == "spot"
    in_quote = (
        spot and kind == "Market" and fields.get("marketUnit", "quoteCoin" if side == "Buy" else "") == "quoteCoin"
    )
    ticket = Ticket(
        symbol=market.symbol,
        side=Side.BUY if side == "Buy" else Side.SELL,
        amount=None if in_quote else amount,
        quote_amount=amount if in_quote else None,
        price=number_of(fields, "price", RefusalKind.BAD_PRICE) if kind == "Limit" else None,
        time_in_force=_time_in_force(kind, fields),
        reduce_only=not spot and fields.get("reduceOnly", "").lower() == "true",
        client_id=client_id,
        position_side=PositionSide.NET if spot else _position(account, fields),
    )
    _require_size(market, ticket)
    return ticket


def _time_in_force(kind: str, fields: Mapping[str, str]) -> TimeInForce:
    named = fields.get("timeInForce") or "GTC"
    if named not in _TIMES:
        raise BybitRefused(10001, "params error: TimeInForce invalid")
    return TimeInForce.IOC if kind == "Market" else _TIMES[named]


def _position(account: Account, fields: Mapping[str, str]) -> PositionSide:
    side = _POSITIONS.get(fields.get("positionIdx") or "0")
    if side is None or account.hedged is (side is PositionSide.NET):
        raise BybitRefused(10001, "position idx not match position mode")
    return side


def _require_size(market: Market, ticket: Ticket) -> None:
    """Raises DeskRefusal for what the limits of instruments-info forbid."""
    category = category_of(market.listing)
    if ticket.amount is not None:
        _require_no_more(category, ticket, ticket.amount)
    worth = ticket.quote_amount
    on_grid = ticket.amount is not None and not ticket.amount % market.listing.instrument.lot
    if ticket.amount is not None and on_grid and category != "inverse":
        worth = ticket.amount * (ticket.price or mark_price(market))
    if worth is not None and 0 < worth < _LEAST_WORTH and not ticket.reduce_only:
        raise DeskRefusal(RefusalKind.NOTIONAL)


def _require_no_more(category: str, ticket: Ticket, amount: Decimal) -> None:
    """Raises DeskRefusal; of a market order on spot BybitRefused, as that has a code of its own."""
    if ticket.price is None:
        most = _MOST_AT_MARKET[category]
        if category == "spot" and amount > most:
            said = "The quantity of a single market order must be less than the maximum allowed per order"
            raise BybitRefused(170381, f"{said}: {most}")
    else:
        most = _MOST[category] * (_POST_ONLY_TIMES[category] if ticket.time_in_force is TimeInForce.POST_ONLY else 1)
    if amount > most:
        raise DeskRefusal(RefusalKind.TOO_LARGE)


def worth_of(market: Market, fills: list[DeskFill]) -> Decimal:
    """What fills come to, in quote currency, or in coins where the contract is inverse."""
    return sum((contract_notional(market, fill.amount, fill.price) for fill in fills), Decimal(0))


def _average(order: DeskOrder) -> str:
    if not order.filled:
        return ""
    worth = worth_of(order.market, order.fills)
    inverse = category_of(order.market.listing) == "inverse"
    return plain((order.filled / worth if inverse else worth / order.filled).quantize(Decimal("0.00000001")))


def named(order: DeskOrder) -> Row:
    """What placing, changing and canceling answer: nothing but the names."""
    return {"orderId": str(order.order_id), "orderLinkId": order.ticket.client_id or ""}


def order_row(order: DeskOrder) -> Row:
    """An order as queries and the stream tell it."""
    market, ticket = order.market, order.ticket
    category = category_of(market.listing)
    amount = ticket.quote_amount if ticket.quote_amount is not None else order.amount
    status = _STATUS[order.state]
    if category == "spot" and status == "Cancelled" and order.filled:
        status = "PartiallyFilledCanceled"
    fees: dict[str, Decimal] = {}
    for fill in order.fills:
        fees[fill.fee_currency] = fees.get(fill.fee_currency, Decimal(0)) + fill.fee
    row: Row = {
        **named(order),
        "symbol": market.venue_id,
        "side": ticket.side.name.capitalize(),
        "orderType": "Market" if ticket.price is None else "Limit",
        "price": plain(ticket.price or Decimal(0)),
        "qty": plain(amount),
        "timeInForce": _TIME_NAMES[ticket.time_in_force],
        "orderStatus": status,
        "cancelType": _CANCEL_TYPES.get(order.cause, "UNKNOWN") if order.cause else "UNKNOWN",
        "rejectReason": _REASONS.get(order.cause, "EC_NoError") if order.cause else "EC_NoError",
        "avgPrice": _average(order),
        "leavesQty": plain(order.remaining) if order.state.resting else "0",
        "leavesValue": plain(order.remaining * (ticket.price or Decimal(0))) if order.state.resting else "0",
        "cumExecQty": plain(order.filled),
        "cumExecValue": plain(worth_of(market, order.fills)),
        "cumExecFee": plain(sum(fees.values(), Decimal(0))),
        "cumFeeDetail": {currency: plain(fee) for currency, fee in fees.items()},
        "positionIdx": _INDEXES[ticket.position_side],
        "reduceOnly": ticket.reduce_only,
        "closeOnTrigger": False,
        "isLeverage": "0",
        "stopOrderType": "",
        "triggerPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "marketUnit": "quoteCoin" if ticket.quote_amount is not None else "baseCoin" if category == "spot" else "",
        "createType": "CreateByUser",
        "smpType": "None",
        "createdTime": str(order.created_ns // NS_PER_MS),
        "updatedTime": str(order.updated_ns // NS_PER_MS),
    }
    return row if category == "spot" else {**row, "tpslMode": ""}


def execution_row(order: DeskOrder, fill: DeskFill) -> Row:
    """A trade as execution/list and the stream tell it."""
    market = order.market
    worth = contract_notional(market, fill.amount, fill.price)
    return {
        **named(order),
        "symbol": market.venue_id,
        "side": fill.side.name.capitalize(),
        "orderPrice": plain(order.ticket.price or Decimal(0)),
        "orderQty": plain(order.amount),
        "leavesQty": plain(order.remaining),
        "orderType": "Market" if order.ticket.price is None else "Limit",
        "stopOrderType": "",
        "createType": "CreateByUser",
        "execId": str(fill.trade_id),
        "execPrice": plain(fill.price),
        "execQty": plain(fill.amount),
        "execType": "Trade",
        "execValue": plain(worth),
        "execFee": plain(fill.fee),
        "feeCurrency": fill.fee_currency,
        "feeRate": "",
        "execPnl": plain(fill.realized),
        "isMaker": fill.maker,
        "isLeverage": "0",
        "closedSize": "",
        "execTime": str(fill.time_ns // NS_PER_MS),
        "seq": fill.trade_id,
    }


def funding_row(market: Market, entry: Entry) -> Row:
    """A funding as execution/list tells it: what is paid is a positive fee."""
    return {
        "orderId": f"funding-{entry.entry_id}",
        "orderLinkId": "",
        "symbol": market.venue_id,
        "side": "Buy" if entry.amount < 0 else "Sell",
        "orderType": "UNKNOWN",
        "createType": "",
        "execId": f"funding-{entry.entry_id}",
        "execPrice": plain(mark_price(market)),
        "execQty": "0",
        "execType": "Funding",
        "execValue": "0",
        "execFee": plain(-entry.amount),
        "feeCurrency": entry.currency,
        "feeRate": "",
        "isMaker": False,
        "execTime": str(entry.time_ns // NS_PER_MS),
        "seq": entry.entry_id,
    }


def index_of(side: PositionSide) -> int:
    """The positionIdx of a position."""
    return _INDEXES[side]
