"""How MAX's rows are read: orders, trades and balances, over REST and from its stream.

The stream tells the same in short names, and a side as bid or ask.
"""

from __future__ import annotations

from collections.abc import Mapping

from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, text
from xetrade_core.model.accounts import Balance
from xetrade_core.model.orders import ZERO, Fill, Liquidity, OrderReport, ReportStatus, Side

_BOTH = "self-trade"
_AT_ONCE = frozenset({"market", "ioc_limit"})  # what is left of these the venue itself takes out
_ORDER_NAMES = {
    "i": "id", "ci": "client_oid", "S": "state", "ot": "ord_type", "p": "price", "v": "volume",
    "rv": "remaining_volume", "ev": "executed_volume", "TU": "updated_at",
}  # fmt: skip
_TRADE_NAMES = {
    "i": "id", "oi": "order_id", "sd": "side", "p": "price", "v": "volume", "f": "fee", "fc": "fee_currency",
    "T": "created_at",
}  # fmt: skip
_BALANCE_NAMES = {"cu": "currency", "av": "balance", "l": "locked", "stk": "staked"}


def report(row: Row, symbol: str) -> OrderReport:
    """An order. Raises ValueError."""
    return OrderReport(
        symbol=symbol,
        status=_status(row),
        client_id=text(row, "client_oid"),
        venue_order_id=text(row, "id"),
        filled=number(row, "executed_volume"),
        amount=number(row, "volume"),
        price=number(row, "price") or None,
        exchange_ns=millis(row, "updated_at"),
    )


def _status(row: Row) -> ReportStatus:
    """What an order's state and volumes say together. Raises ValueError."""
    state = needed(row, "state")
    whole = number(row, "remaining_volume") == ZERO
    if state in ("wait", "convert"):  # convert: a stop order that waits for its price
        return ReportStatus.OPEN
    if state in ("done", "finalizing") and whole and number(row, "executed_volume"):
        return ReportStatus.FILLED
    if state == "finalizing":
        return ReportStatus.OPEN
    if state in ("done", "cancel"):
        return ReportStatus.EXPIRED if text(row, "ord_type") in _AT_ONCE else ReportStatus.CANCELED
    if state == "failed":
        return ReportStatus.REJECTED
    raise ValueError(f"state {state!r} is none that MAX documents")


def fills(row: Row, symbol: str, venue: str, account: str, received_ns: int) -> list[Fill]:
    """A trade, as the one or two fills of ours that it is. Raises ValueError.

    One between two orders of the account is told once over REST; so a fill's id is the trade's and the side's. The fee
    is None until the venue has reckoned it.
    """
    side, maker = needed(row, "side"), needed(row, "liquidity") == "maker"
    if side not in ("bid", "ask", _BOTH):
        raise ValueError(f"side {side!r} is none that MAX documents")

    def leg(which: str, order: str, fee: str, *, maker: bool) -> Fill:
        currency = text(row, f"{fee}_currency")
        return Fill(
            venue=venue,
            account=account,
            symbol=symbol,
            trade_id=f"{needed(row, 'id')}-{which}",
            side=Side.BUY if which == "bid" else Side.SELL,
            price=needed_number(row, "price"),
            amount=needed_number(row, "volume"),
            received_ns=received_ns,
            exchange_ns=millis(row, "created_at"),
            venue_order_id=needed(row, order),
            fee=number(row, fee),
            fee_currency=None if currency is None else currency.upper(),
            liquidity=Liquidity.MAKER if maker else Liquidity.TAKER,
        )

    if side != _BOTH:
        return [leg(side, "order_id", "fee", maker=maker)]
    return [
        leg("ask", "order_id", "fee", maker=maker),
        leg("bid", "self_trade_bid_order_id", "self_trade_bid_fee", maker=not maker),
    ]


def balance(row: Row, venue: str, account: str, received_ns: int) -> Balance:
    """One currency. `balance` is what is free; what is staked is owned too. Raises ValueError."""
    free, locked = needed_number(row, "balance"), needed_number(row, "locked")
    total = free + locked + (number(row, "staked") or ZERO)
    return Balance(venue, account, needed(row, "currency").upper(), total, free, received_ns)


def long_order(row: Row) -> Row:
    """An order of the stream in the names of the REST calls."""
    return _long(row, _ORDER_NAMES)


def long_trade(row: Row) -> Row:
    """A trade of the stream in the names of the REST calls. Raises ValueError for one that does not tell its orders."""
    if row.get("sd") == _BOTH:
        raise ValueError("a trade between two orders of the account names one of them only")
    return {**_long(row, _TRADE_NAMES), "liquidity": "maker" if row["m"] else "taker"}


def long_balance(row: Row) -> Row:
    """A balance of the stream in the names of the REST calls."""
    return _long(row, _BALANCE_NAMES)


def _long(row: Row, names: Mapping[str, str]) -> Row:
    return {long: row.get(short) for short, long in names.items()}
