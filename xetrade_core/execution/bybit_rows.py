"""Bybit's rows as values: orders, trades, coins of a wallet, positions, rights of a key. What cannot be read is a
ValueError.

Shapes: bybit-exchange.github.io/docs/v5, "Trade", "Position", "Account" (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable

from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, text, true
from xetrade_core.model.accounts import Balance, VenuePosition
from xetrade_core.model.orders import ZERO, Fill, Liquidity, OrderReport, ReportStatus, Side
from xetrade_core.venues.bybit import VENUE

#: the kinds of executions that change a position at a price: trades, and those that the venue makes for the account
#: when it deleverages or liquidates (bybit-exchange.github.io/docs/v5/enum, "execType")
TRADED = frozenset({"Trade", "AdlTrade", "BustTrade", "BlockTrade"})
_STATUS = {
    "Created": ReportStatus.OPEN,
    "New": ReportStatus.OPEN,
    "PartiallyFilled": ReportStatus.OPEN,
    "PendingCancel": ReportStatus.OPEN,
    "Untriggered": ReportStatus.OPEN,
    "Triggered": ReportStatus.OPEN,
    "Filled": ReportStatus.FILLED,
    "Cancelled": ReportStatus.CANCELED,
    "PartiallyFilledCanceled": ReportStatus.CANCELED,
    "Deactivated": ReportStatus.CANCELED,
    "Rejected": ReportStatus.REJECTED,
}
_EXPIRED = frozenset({"EC_NoImmediateQtyToFill", "EC_PostOnlyWillTakeLiquidity"})  # nobody canceled these


def acknowledged(row: Row, symbol: str) -> OrderReport:
    """The reply to a placement, an amendment or a cancel: the order's names, and nothing of how it stands."""
    return OrderReport(
        symbol=symbol,
        status=ReportStatus.OPEN,
        client_id=text(row, "orderLinkId"),
        venue_order_id=text(row, "orderId"),
    )


def report_of(row: Row, symbol: str) -> OrderReport:
    """An order, over REST and on the stream. Raises ValueError.

    The amount is None where it was given in quote currency.
    """
    said, reason = needed(row, "orderStatus"), text(row, "rejectReason")
    status = _STATUS.get(said)
    if status is None:
        raise ValueError(f"orderStatus {said!r} is none that Bybit documents")
    if status is ReportStatus.CANCELED and reason in _EXPIRED:
        status = ReportStatus.EXPIRED
    return OrderReport(
        symbol=symbol,
        status=status,
        client_id=text(row, "orderLinkId"),
        venue_order_id=text(row, "orderId"),
        filled=number(row, "cumExecQty"),
        amount=None if row.get("marketUnit") == "quoteCoin" else number(row, "qty"),
        price=number(row, "price") or None,
        exchange_ns=millis(row, "updatedTime"),
        reason=None if reason == "EC_NoError" else reason,
    )


def fill_of(row: Row, symbol: str, account: str, received_ns: int) -> Fill:
    """An execution whose `execType` is among TRADED, over REST and on the stream. Raises ValueError.

    Where the venue names no currency of the fee, a contract's is what it settles in.
    """
    settle = symbol.partition(":")[2].partition("-")[0]
    return Fill(
        venue=VENUE.id,
        account=account,
        symbol=symbol,
        trade_id=needed(row, "execId"),
        side=Side(needed(row, "side").lower()),
        price=needed_number(row, "execPrice"),
        amount=needed_number(row, "execQty"),
        received_ns=received_ns,
        exchange_ns=millis(row, "execTime"),
        venue_order_id=needed(row, "orderId"),
        client_id=text(row, "orderLinkId"),
        fee=number(row, "execFee"),
        fee_currency=text(row, "feeCurrency") or settle or None,
        liquidity=Liquidity.MAKER if true(row["isMaker"]) else Liquidity.TAKER,
    )


def balances_of(wallet: Row, account: str, received_ns: int) -> Iterable[Balance]:
    """The coins of a wallet, over REST and on the stream. What spot orders lock and contracts bind is not free.
    Raises ValueError."""
    for coin in wallet["coin"]:
        total = needed_number(coin, "walletBalance")
        bound = sum((number(coin, name) or ZERO for name in ("locked", "totalOrderIM", "totalPositionIM")), ZERO)
        yield Balance(VENUE.id, account, needed(coin, "coin"), total, total - bound, received_ns)


def positions_of(rows: Iterable[tuple[str, Row]], account: str, received_ns: int) -> Iterable[VenuePosition]:
    """Of each (symbol, row) that is not flat: base currency of linear contracts, dollars of inverse ones. Raises
    ValueError."""
    for symbol, row in rows:
        size = needed_number(row, "size")
        if size != ZERO:
            amount = size if needed(row, "side") == "Buy" else -size
            entry, liquidation = number(row, "avgPrice") or None, number(row, "liqPrice") or None
            yield VenuePosition(VENUE.id, account, symbol, amount, entry, received_ns, liquidation)


def protected_of(row: Row) -> set[str]:
    """The products whose orders the venue cancels for this account when its stream is lost. Raises ValueError."""
    return {str(one["product"]) for one in row["dcpInfos"] if needed(one, "dcpStatus") == "ON"}


def permissions_of(row: Row) -> KeyPermissions:
    """Of the reply about a key. One without addresses is good from everywhere."""
    granted = row["permissions"]
    trades = bool(granted.get("ContractTrade") or granted.get("Spot") or granted.get("Derivatives"))
    ips = row.get("ips") or ["*"]
    return KeyPermissions(
        trade=trades and str(row["readOnly"]) == "0",
        withdraw="Withdraw" in granted.get("Wallet", ()),
        ip_restricted="*" not in ips,
    )
