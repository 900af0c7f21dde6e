"""Deribit's rows as values: orders, trades, scopes of a key. What cannot be read is a ValueError.

Shapes: docs.deribit.com/api-reference, "Trading" (2026-11).
"""

from __future__ import annotations

from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, text
from xetrade_core.model.orders import Fill, Liquidity, OrderReport, ReportStatus, Side, TimeInForce
from xetrade_core.venues.deribit import VENUE

_STATES = {
    "open": ReportStatus.OPEN,
    "untriggered": ReportStatus.OPEN,
    "triggered": ReportStatus.OPEN,
    "filled": ReportStatus.FILLED,
    "cancelled": ReportStatus.CANCELED,
    "rejected": ReportStatus.REJECTED,
}
TIMES = {
    TimeInForce.GTC: "good_til_cancelled",
    TimeInForce.IOC: "immediate_or_cancel",
    TimeInForce.FOK: "fill_or_kill",
}
_AT_ONCE = frozenset({TIMES[TimeInForce.IOC], TIMES[TimeInForce.FOK]})


def report_of(row: Row, symbol: str) -> OrderReport:
    """An order, over REST and on the stream. Raises ValueError.

    Nobody cancels what had to trade at once: its rest has expired.
    """
    said, price = needed(row, "order_state"), text(row, "price")
    status = _STATES.get(said)
    if status is None:
        raise ValueError(f"order_state {said!r} is none that Deribit documents")
    at_once = text(row, "time_in_force") in _AT_ONCE or text(row, "order_type") == "market"
    return OrderReport(
        symbol=symbol,
        status=ReportStatus.EXPIRED if status is ReportStatus.CANCELED and at_once else status,
        client_id=text(row, "label"),
        venue_order_id=text(row, "order_id"),
        filled=number(row, "filled_amount"),
        amount=number(row, "amount"),
        price=None if price == "market_price" else number(row, "price"),
        exchange_ns=millis(row, "last_update_timestamp"),
        reason=text(row, "cancel_reason") or text(row, "reject_reason"),
    )


def fill_of(row: Row, symbol: str, account: str, received_ns: int) -> Fill:
    """A trade of the account, over REST and on the stream. Raises ValueError."""
    return Fill(
        venue=VENUE.id,
        account=account,
        symbol=symbol,
        trade_id=needed(row, "trade_id"),
        side=Side(needed(row, "direction")),
        price=needed_number(row, "price"),
        amount=needed_number(row, "amount"),
        received_ns=received_ns,
        exchange_ns=millis(row, "timestamp"),
        venue_order_id=needed(row, "order_id"),
        client_id=text(row, "label"),
        fee=number(row, "fee"),
        fee_currency=text(row, "fee_currency"),
        liquidity=Liquidity.MAKER if needed(row, "liquidity") == "M" else Liquidity.TAKER,
    )


def currencies_of(symbol: str) -> tuple[str, ...]:
    """The currencies that the venue may list a symbol under: what a contract settles in, or both of a spot pair."""
    pair, _, settled = symbol.partition(":")
    return (settled.partition("-")[0],) if settled else tuple(reversed(pair.split("/")))


def permissions_of(scope: str) -> KeyPermissions:
    """Of a scope like `account:read trade:read_write wallet:none`."""
    granted = dict(part.partition(":")[::2] for part in scope.split())
    return KeyPermissions(trade=granted.get("trade") == "read_write", withdraw=granted.get("wallet") == "read_write")
