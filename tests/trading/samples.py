"""Instruments, venues, intents and events that tests speak of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import Fill, Intent, OrderReport, OrderType, ReportStatus, Side
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.requests import OrderRequest
from xetrade_core.venues.binance import VENUE as BINANCE
from xetrade_core.venues.venue import Capability, ClientIdRule, ErrorKind, Support, Uniqueness, Venue

D = Decimal
SYMBOL = "BTC/USDT"
SPOT = Instrument(
    venue="binance",
    symbol=SYMBOL,
    venue_id="BTCUSDT",
    market_type=MarketType.SPOT,
    price_tick=D("0.01"),
    lot=D("0.00001"),
    min_amount=D("0.00001"),
    max_amount=D("9000"),
    min_notional=D("5"),
    max_notional=D("9000000"),
)
CODES = {
    "-2010": ErrorKind.ORDER_REJECTED,
    "-5021": ErrorKind.NOTHING_TO_TAKE,
    "-1013": ErrorKind.BAD_REQUEST,
    "-2011": ErrorKind.UNKNOWN_ORDER,
    "-1003": ErrorKind.RATE_LIMITED,
    "-1021": ErrorKind.CLOCK,
    "-1007": ErrorKind.OUTCOME_UNKNOWN,
    "-1016": ErrorKind.UNAVAILABLE,
    "-4116": ErrorKind.DUPLICATE_CLIENT_ID,
}


def venue(unique: Uniqueness = Uniqueness.OPEN_ORDERS, *offered: Capability) -> Venue:
    """A venue with known codes, and what it offers."""
    rule = ClientIdRule(r"[.A-Z:/a-z0-9_-]{1,36}", "clientOrderId", unique, query=True, cancel=True)
    capabilities = dict.fromkeys((Capability.POST_ONLY, *offered), Support.NATIVE)
    return replace(BINANCE, client_ids=rule, errors=CODES, capabilities=capabilities)


def intent(index: int = 0, **changes: Any) -> Intent:
    """A limit order to buy 0.01 at 50,000."""
    price = changes.get("price", D(50_000))
    values: dict[str, Any] = {
        "client_id": client_order_id("test", "", index),
        "venue": "binance",
        "account": "main",
        "symbol": SYMBOL,
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "amount": D("0.01"),
        "price": price,
        "reserve_price": price or D(50_000),
        "created_ns": 1,
        "strategy": "maker",
    }
    return Intent(**(values | changes))


def request(**changes: Any) -> OrderRequest:
    """The same as a request."""
    values: dict[str, Any] = {
        "venue": "binance",
        "account": "main",
        "symbol": SYMBOL,
        "side": Side.BUY,
        "amount": D("0.01"),
        "price": D(50_000),
        "strategy": "maker",
    }
    return OrderRequest(**(values | changes))


def event(kind: EventKind, at_ns: int = 2, **facts: Any) -> OrderEvent:
    """An event of that kind, from the venue's stream unless told."""
    return OrderEvent(kind=kind, at_ns=at_ns, **({"source": Source.STREAM} | facts))


def fill(trade_id: str, amount: str = "0.01", price: str = "50000", **facts: Any) -> Fill:
    """A trade of that account."""
    values: dict[str, Any] = {
        "venue": "binance",
        "account": "main",
        "symbol": SYMBOL,
        "trade_id": trade_id,
        "side": Side.BUY,
        "price": D(price),
        "amount": D(amount),
        "received_ns": 3,
    }
    return Fill(**(values | facts))


def report(status: ReportStatus = ReportStatus.OPEN, **facts: Any) -> OrderReport:
    """A venue's statement."""
    return OrderReport(**({"symbol": SYMBOL, "status": status, "venue_order_id": "v1"} | facts))
