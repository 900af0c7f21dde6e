"""Orders, fills and events of Binance's futures: from the parameters of a call to a ticket, and from the desk to JSON.

Shapes: developers.binance.com, "Derivatives Trading", USD-M and COIN-M, "Trade" and "User Data Streams"; codes: "Error
Code" there. COIN-M counts in contracts and adds up in coins (`cumBase`), and its messages also name the pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import (
    Account,
    DeskFill,
    DeskOrder,
    DeskRefusal,
    OrderChanged,
    PositionSide,
    RefusalKind,
    Ticket,
    TimeInForce,
)
from xetrade_core.simvenue.desk.margin import contract_notional, mark_price
from xetrade_core.simvenue.dialects.binance_orders import CLIENT_ID, STATUS, amount_of, named_side, side_of
from xetrade_core.simvenue.dialects.binance_signed import SPOT_CODES, Codes, Refused, needed
from xetrade_core.simvenue.engine import Side
from xetrade_core.simvenue.market import Market

CODES: Codes = {
    **SPOT_CODES,
    RefusalKind.BAD_PRICE: (-4014, "Price not increased by tick size."),
    RefusalKind.BAD_AMOUNT: (-1111, "Precision is over the maximum defined for this asset."),
    RefusalKind.TOO_SMALL: (-4003, "Quantity less than or equal to zero."),
    RefusalKind.TOO_LARGE: (-4005, "Quantity greater than max quantity."),
    RefusalKind.NOTIONAL: (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
    RefusalKind.BAD_CLIENT_ID: (-4015, "Client order id is not valid."),
    RefusalKind.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    RefusalKind.INSUFFICIENT_FUNDS: (-2019, "Margin is insufficient."),
    RefusalKind.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    RefusalKind.WOULD_NOT_FILL: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    RefusalKind.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    RefusalKind.BUSY: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
}
_LEAST_NOTIONAL = Decimal(5)  # MIN_NOTIONAL of USD-M; COIN-M has none
_LARGEST = {"MARKET": Decimal(1000), "LIMIT": Decimal(9000)}
_BAND = (Decimal("1.05"), Decimal("0.95"))  # PERCENT_PRICE: a buy at most, a sell at least, of the mark
_TIMES = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTX": TimeInForce.POST_ONLY,
}
_TIME_NAMES = {time: name for name, time in _TIMES.items()}
_SIDES = {"BOTH": PositionSide.NET, "LONG": PositionSide.LONG, "SHORT": PositionSide.SHORT}
_SIDE_NAMES = {side: name for name, side in _SIDES.items()}


class Style(Protocol):
    """What differs in the messages of USD-M and COIN-M."""

    inverse: bool

    def rest_pair(self, market: Market) -> dict[str, object]:
        """The pair's name where messages tell it."""
        ...


def ticket_of(account: Account, market: Market, fields: Mapping[str, str], client_id: str) -> Ticket:
    """The order that the parameters of a call ask for. Raises Refused or DeskRefusal."""
    kind, side = needed(fields, "type"), named_side(needed(fields, "side"))
    if kind not in _LARGEST:
        raise Refused(-1116, "Invalid orderType.")
    if not CLIENT_ID.fullmatch(client_id):
        raise DeskRefusal(RefusalKind.BAD_CLIENT_ID)
    position_side, closes = _position_side(account, side, fields)
    ticket = Ticket(
        symbol=market.symbol,
        side=side,
        amount=amount_of(fields, "quantity"),
        price=None if kind == "MARKET" else amount_of(fields, "price"),
        time_in_force=_time_in_force(kind, fields),
        reduce_only=closes,
        client_id=client_id,
        position_side=position_side,
    )
    for name, value in (("quantity", ticket.amount), ("price", ticket.price if kind == "LIMIT" else Decimal(0))):
        if value is None:
            needed({}, name)
    if ticket.amount is not None and ticket.amount > _LARGEST[kind]:
        raise DeskRefusal(RefusalKind.TOO_LARGE, f"{ticket.amount}")
    require_worth(market, ticket)
    return ticket


def _position_side(account: Account, side: Side, fields: Mapping[str, str]) -> tuple[PositionSide, bool]:
    """Which position an order is for, and whether it may only reduce it."""
    named = fields.get("positionSide", "BOTH")
    if named not in _SIDES:
        raise Refused(-1129, "Invalid positionSide.")
    position_side = _SIDES[named]
    if account.hedged is (position_side is PositionSide.NET):
        raise Refused(-4061, "Order's position side does not match user's setting.")
    if not account.hedged:
        return position_side, fields.get("reduceOnly", "false").lower() == "true"
    if "reduceOnly" in fields:
        raise Refused(-1106, "Parameter 'reduceonly' sent when not required.")
    return position_side, (side is Side.BUY) is (position_side is PositionSide.SHORT)


def _time_in_force(kind: str, fields: Mapping[str, str]) -> TimeInForce:
    if kind == "MARKET":
        return TimeInForce.GTC
    try:
        return _TIMES[needed(fields, "timeInForce")]
    except KeyError:
        raise Refused(-1115, "Invalid timeInForce.") from None


def require_worth(market: Market, ticket: Ticket) -> None:
    """Raise what the notional and price band filters say against an order."""
    mark = mark_price(market)
    linear = market.listing.settle == market.listing.quote
    if linear and ticket.amount and not ticket.reduce_only:
        worth = contract_notional(market, ticket.amount, ticket.price or mark)
        if worth < _LEAST_NOTIONAL:
            raise DeskRefusal(RefusalKind.NOTIONAL, f"{worth}")
    if ticket.price is None:
        return
    tick = market.listing.instrument.price_tick
    most, least = (mark * share // tick * tick for share in _BAND)
    if ticket.side is Side.BUY and ticket.price > most:
        raise Refused(-4016, f"Limit price can't be higher than {most}.")
    if ticket.side is Side.SELL and 0 < ticket.price < least:
        raise Refused(-4024, f"Limit price can't be lower than {least}.")


def amended(order: DeskOrder, fields: Mapping[str, str]) -> Ticket:
    """The ticket of an order as a call wants to change it. Raises Refused or DeskRefusal."""
    amount, price = amount_of(fields, "quantity"), amount_of(fields, "price")
    ticket = replace(order.ticket, amount=amount or order.amount, price=price or order.ticket.price)
    if (ticket.amount, ticket.price) == (order.amount, order.ticket.price):
        raise Refused(-5027, "No need to modify the order.")
    require_worth(order.market, ticket)
    return ticket


def price_text(market: Market, price: Decimal | None) -> str:
    """A price with the digits of its market; 0 for none."""
    return f"{price or Decimal(0):.{market.listing.price_decimals}f}"


def size_text(market: Market, amount: Decimal) -> str:
    """An amount with the digits of its market."""
    return f"{amount:.{market.listing.size_decimals}f}"


def eight(value: Decimal) -> str:
    """Money."""
    return f"{value:.8f}"


def _kind(order: DeskOrder) -> str:
    return "MARKET" if order.ticket.price is None else "LIMIT"


def coins(market: Market, fills: list[DeskFill]) -> Decimal:
    """The worth of fills in settlement currency."""
    return sum((contract_notional(market, fill.amount, fill.price) for fill in fills), Decimal(0))


def average(style: Style, order: DeskOrder) -> Decimal:
    """The mean price of what has traded: harmonic where the contract is inverse; 0 before that."""
    if not order.fills:
        return Decimal(0)
    if not style.inverse:
        return order.average or Decimal(0)
    return order.filled * order.market.listing.instrument.contract_size / coins(order.market, order.fills)


def order_body(style: Style, order: DeskOrder) -> dict[str, object]:
    """An order as placing, changing and canceling answer it."""
    market, ticket = order.market, order.ticket
    worth = eight(coins(market, order.fills))
    return {
        "orderId": order.order_id,
        "symbol": market.venue_id,
        **style.rest_pair(market),
        "status": STATUS[order.state],
        "clientOrderId": ticket.client_id,
        "price": price_text(market, ticket.price),
        "avgPrice": f"{average(style, order):.5f}",
        "origQty": size_text(market, order.amount),
        "executedQty": size_text(market, order.filled),
        "cumQty": size_text(market, order.filled),
        **({"cumBase": worth} if style.inverse else {"cumQuote": worth}),
        "timeInForce": _TIME_NAMES[ticket.time_in_force],
        "type": _kind(order),
        "reduceOnly": ticket.reduce_only,
        "closePosition": False,
        "side": side_of(ticket.side),
        "positionSide": _SIDE_NAMES[ticket.position_side],
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": _kind(order),
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": order.updated_ns // NS_PER_MS,
    }


def queried(style: Style, order: DeskOrder) -> dict[str, object]:
    """An order as a query answers it."""
    return {**order_body(style, order), "time": order.created_ns // NS_PER_MS}


def trade_row(style: Style, market: Market, fill: DeskFill) -> dict[str, object]:
    """A row of userTrades."""
    worth = eight(contract_notional(market, fill.amount, fill.price))
    money: dict[str, object] = {"quoteQty": worth}
    if style.inverse:
        money = {"baseQty": worth, "marginAsset": fill.fee_currency}
    return {
        "symbol": market.venue_id,
        **style.rest_pair(market),
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "side": side_of(fill.side),
        "price": price_text(market, fill.price),
        "qty": size_text(market, fill.amount),
        "realizedPnl": eight(fill.realized),
        **money,
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_currency,
        "time": fill.time_ns // NS_PER_MS,
        "positionSide": _SIDE_NAMES[fill.position_side],
        "buyer": fill.side is Side.BUY,
        "maker": fill.maker,
    }


def order_event(style: Style, changed: OrderChanged) -> dict[str, object]:
    """ORDER_TRADE_UPDATE: an order is new or changed, has traded, or has ended."""
    order, fill = changed.order, changed.fill
    market, ticket = order.market, order.ticket
    now_ms = changed.time_ns // NS_PER_MS
    happened = "TRADE" if fill else STATUS[order.state]
    if fill is None and order.state.resting:
        happened = "AMENDMENT" if order.amendments else "NEW"
    body: dict[str, object] = {
        "s": market.venue_id,
        "c": ticket.client_id,
        "S": side_of(ticket.side),
        "o": _kind(order),
        "f": _TIME_NAMES[ticket.time_in_force],
        "q": size_text(market, order.amount),
        "p": price_text(market, ticket.price),
        "ap": f"{average(style, order):.5f}",
        "sp": "0",
        "x": happened,
        "X": STATUS[order.state],
        "i": order.order_id,
        "l": size_text(market, fill.amount if fill else Decimal(0)),
        "z": size_text(market, order.filled),
        "L": price_text(market, fill.price if fill else None),
        "T": now_ms,
        "t": fill.trade_id if fill else 0,
        "b": "0",
        "a": "0",
        "m": fill.maker if fill else False,
        "R": ticket.reduce_only,
        "wt": "CONTRACT_PRICE",
        "ot": _kind(order),
        "ps": _SIDE_NAMES[ticket.position_side],
        "cp": False,
        "rp": eight(fill.realized if fill else Decimal(0)),
        "pP": False,
        "si": 0,
        "ss": 0,
        "V": "EXPIRE_MAKER",
        "pm": "NONE",
        "gtd": 0,
    }
    if fill is not None:
        body |= {"N": fill.fee_currency, "n": eight(fill.fee)}
    return {"e": "ORDER_TRADE_UPDATE", "T": now_ms, "E": now_ms, "o": body}


def side_name(side: PositionSide) -> str:
    """BOTH, LONG or SHORT."""
    return _SIDE_NAMES[side]
