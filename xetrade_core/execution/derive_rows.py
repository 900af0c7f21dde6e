"""Derive's rows as values: orders, trades, collateral, scopes of a session key. What cannot be read is a ValueError.

Shapes: docs.derive.xyz, "Orderbook", "History" and "Subaccounts" (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable

from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, text
from xetrade_core.model.accounts import Balance
from xetrade_core.model.orders import ZERO, Fill, Liquidity, OrderReport, ReportStatus, Side
from xetrade_core.venues.derive import VENUE

#: what everything is paid in, fees and funding too
CASH = "USDC"
_STATUS = {
    "open": ReportStatus.OPEN,
    "untriggered": ReportStatus.OPEN,
    "filled": ReportStatus.FILLED,
    "cancelled": ReportStatus.CANCELED,
    "expired": ReportStatus.EXPIRED,
    "rejected": ReportStatus.REJECTED,
}
_LEFT_UNTRADED = "ioc_or_market_partial_fill"
#: the scopes that let a key place orders of every kind
_TRADING = frozenset({"admin", "all", "trade", "trade:all", "trade:orderbook"})
#: the scopes by which a key can take money out of the subaccount
_TAKING = frozenset({"admin", "all", "withdraw", "transfer"})
_WITHIN_THE_WALLET = "transfer:existing_subaccount"


def report_of(row: Row, symbol: str) -> OrderReport:
    """An order, over REST and on the stream. Raises ValueError.

    A market order's limit price is not a price that was asked for.
    """
    said, why = needed(row, "order_status"), text(row, "cancel_reason")
    status = _STATUS.get(said)
    if status is None:
        raise ValueError(f"order_status {said!r} is none that Derive documents")
    if status is ReportStatus.CANCELED and why == _LEFT_UNTRADED:
        status = ReportStatus.EXPIRED
    market = needed(row, "order_type") == "market"
    return OrderReport(
        symbol=symbol,
        status=status,
        client_id=text(row, "label"),
        venue_order_id=needed(row, "order_id"),
        filled=number(row, "filled_amount"),
        amount=number(row, "amount"),
        price=None if market else number(row, "limit_price"),
        exchange_ns=millis(row, "last_update_timestamp"),
        reason=why,
    )


def fill_of(row: Row, symbol: str, account: str, received_ns: int) -> Fill:
    """A trade of the account, over REST and on the stream. Raises ValueError. Whatever is traded, fees are in USDC."""
    return Fill(
        venue=VENUE.id,
        account=account,
        symbol=symbol,
        trade_id=needed(row, "trade_id"),
        side=Side(needed(row, "direction")),
        price=needed_number(row, "trade_price"),
        amount=needed_number(row, "trade_amount"),
        received_ns=received_ns,
        exchange_ns=millis(row, "timestamp"),
        venue_order_id=needed(row, "order_id"),
        client_id=text(row, "label"),
        fee=number(row, "trade_fee"),
        fee_currency=CASH,
        liquidity=Liquidity(needed(row, "liquidity_role")),
    )


def balances_of(subaccount: Row, account: str, received_ns: int) -> Iterable[Balance]:
    """The collateral of a subaccount. All of it is one margin, stated in dollars: what is bound is shown of the cash.
    Raises ValueError."""
    bound = -needed_number(subaccount, "positions_initial_margin") - needed_number(subaccount, "open_orders_margin")
    for one in subaccount["collaterals"]:
        currency, total = needed(one, "currency"), needed_number(one, "amount")
        free = max(ZERO, total - bound) if currency == CASH else total
        yield Balance(VENUE.id, account, currency, total, free, received_ns)


def permissions_of(row: Row) -> KeyPermissions:
    """What a session key may do: scopes are a tree, and a branch grants all that is under it."""
    scopes = {str(one) for one in row["protocol_scopes"]}
    return KeyPermissions(
        trade=any(one in _TRADING or one.startswith("trade:orderbook:") for one in scopes),
        withdraw=any(one.split(":")[0] in _TAKING for one in scopes - {_WITHIN_THE_WALLET}),
        ip_restricted=bool(row.get("ip_whitelist")),
    )
