"""KuCoin spot's private topics: orders in two versions, and balances. Source: www.kucoin.com/docs-new/3470074w0."""

from __future__ import annotations

from collections.abc import Sequence

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Desk, DeskEvent, LedgerChanged, OrderChanged
from xetrade_core.simvenue.dialects.base import PrivateMessage
from xetrade_core.simvenue.dialects.kucoin_orders import pushed
from xetrade_core.simvenue.dialects.kucoin_private import balance_row
from xetrade_core.simvenue.dialects.kucoin_replies import Row, encode

ORDERS, NEWER_ORDERS, BALANCE = "/spotMarket/tradeOrders", "/spotMarket/tradeOrdersV2", "/account/balance"
TOPICS = (ORDERS, NEWER_ORDERS, BALANCE)


def render(desk: Desk, event: DeskEvent) -> Sequence[PrivateMessage]:
    """The messages about an event."""
    if isinstance(event, OrderChanged):
        found = []
        for row in pushed(event.order, event.fill, event.time_ns):
            topics = (NEWER_ORDERS,) if row["type"] == "received" else (ORDERS, NEWER_ORDERS)
            found += [private(topic, "orderChange", row) for topic in topics]
        return found
    if not isinstance(event, LedgerChanged):
        return ()
    account, time_ms = desk.accounts[event.account], str(event.time_ns // NS_PER_MS)
    changes = []
    for currency in event.currencies:
        held = balance_row(account, currency, "trade")
        change: Row = {"accountId": held["id"], "currency": currency, "total": held["balance"], "hold": held["holds"]}
        change |= {"available": held["available"], "availableChange": "0", "holdChange": "0", "time": time_ms}
        changes.append(private(BALANCE, "account.balance", {**change, "relationEvent": "trade.setted"}))
    return changes


def private(topic: str, subject: str, data: Row, wide: str = "") -> PrivateMessage:
    """A message of a private topic; `wide` is the topic it is subscribed by, if that is another."""
    body = {"topic": topic, "type": "message", "subject": subject, "userId": "1", "channelType": "private"}
    return PrivateMessage(encode({**body, "data": data}), wide or topic)
