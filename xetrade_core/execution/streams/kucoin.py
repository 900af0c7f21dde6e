"""KuCoin's private stream: a token is asked for, which names where to connect; then it is subscribed to.

A message of a match says neither the fee nor more than the trade's id, so that trades are asked for over REST when one
is told. Source: www.kucoin.com/docs-new/3470074w0, "Get Order (V2)" (2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

import msgspec

from xetrade_core.execution.kucoin import KucoinExecution
from xetrade_core.execution.kucoin_client import KucoinClient
from xetrade_core.execution.kucoinfutures import KucoinFuturesExecution
from xetrade_core.execution.raw import Row, needed, needed_number, number, text
from xetrade_core.execution.streams.words import (
    AccountWords,
    Addresses,
    Heard,
    StreamOver,
    StreamRefused,
    TradeToAskFor,
    balance,
    decoded,
)
from xetrade_core.model.orders import OrderReport, ReportStatus
from xetrade_core.telemetry import register_secrets

_TRADE = "trade"  # the account that is traded from, at the head of why a balance has changed
_STATUS = {
    "received": ReportStatus.OPEN,
    "open": ReportStatus.OPEN,
    "match": ReportStatus.OPEN,
    "update": ReportStatus.OPEN,
    "filled": ReportStatus.FILLED,
    "canceled": ReportStatus.CANCELED,
}


K = TypeVar("K", bound=KucoinClient)


class KucoinWords(AccountWords[K]):
    """What spot and futures have in common."""

    orders: ClassVar[str]
    wallet: ClassVar[str]
    total: ClassVar[str]
    free: ClassVar[str]
    kind: ClassVar[str]
    method: ClassVar[str]

    async def prepare(self) -> str:
        """See StreamWords. The whole address: the venue says it anew for each connection."""
        await super().prepare()
        reply = await self.execution.once("private stream", lambda ccxt: getattr(ccxt, self.method)(), weight=10)
        with self.execution.reading("private stream"):
            return _address(reply["data"])

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords. The venue speaks first (`WebsocketRules.welcome`)."""
        ask = {"type": "subscribe", "privateChannel": True, "response": True}
        topics = enumerate((self.orders, self.wallet), 1)
        return [msgspec.json.encode({**ask, "id": str(number), "topic": topic}) for number, topic in topics]

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("type") == "error":
            raise StreamRefused(
                f"{self.execution.rules.id} opens no private stream: {body.get('data')} (code {body.get('code')})"
            )
        return body.get("type") in ("welcome", "ack")

    def read(self, frame: bytes) -> Sequence[Heard]:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("type") == "error":
            raise StreamOver(f"{self.execution.rules.id}: {body.get('data')} (code {body.get('code')})")
        if body.get("type") != "message" or body.get("topic") not in (self.orders, self.wallet):
            return ()
        row: Row = body["data"]
        if body["topic"] == self.wallet:
            return self._balances(row)
        symbol = self.symbol(needed(row, "symbol"), self.kind)
        report = _report(row, symbol)
        if row["type"] != "match":
            return (report,)
        return (TradeToAskFor(symbol, needed(row, "tradeId"), report.exchange_ns or 0), report)

    def _balances(self, row: Row) -> Sequence[Heard]:
        """What is owned of a currency. Spot tells of every account of the user, futures also of what is free alone."""
        total = number(row, self.total)
        if total is None or not str(row.get("relationEvent", _TRADE)).startswith(_TRADE):
            return ()
        return (balance(self.execution, self.execution.currency(row), total, number(row, self.free)),)


class KucoinStream(KucoinWords[KucoinExecution]):
    """Spot."""

    addresses: ClassVar = Addresses("wss://ws-api-spot.kucoin.com/", "wss://ws-api-spot.kucoin.com/")
    orders, wallet, total, free = "/spotMarket/tradeOrdersV2", "/account/balance", "total", "available"
    kind, method = "spot", "private_post_bullet_private"


class KucoinFuturesStream(KucoinWords[KucoinFuturesExecution]):
    """Futures."""

    addresses: ClassVar = Addresses("wss://ws-api-futures.kucoin.com/", "wss://ws-api-futures.kucoin.com/")
    orders, wallet = "/contractMarket/tradeOrders", "/contractAccount/wallet"
    total, free = "walletBalance", "availableBalance"
    kind, method = "contract", "futuresprivate_post_bullet_private"


def _address(data: Any) -> str:
    """The first server, and the token that is good there."""
    token = needed(data, "token")
    register_secrets([token])
    return f"{needed(data['instanceServers'][0], 'endpoint')}?{urlencode({'token': token, 'connectId': 'orders'})}"


def _report(row: Row, symbol: str) -> OrderReport:
    """Where an order stands. An order that the venue ended looks like one that was canceled."""
    said = needed(row, "type")
    status = _STATUS.get(said)
    if status is None:
        raise ValueError(f"type {said!r} is none that KuCoin documents")
    filled, amount = number(row, "filledSize"), number(row, "originSize") or number(row, "size")
    if said == "update" and row.get("status") == "done":  # what was left was canceled
        status = ReportStatus.FILLED if filled == amount else ReportStatus.CANCELED
    return OrderReport(
        symbol=symbol,
        status=status,
        client_id=text(row, "clientOid"),
        venue_order_id=needed(row, "orderId"),
        filled=filled,
        amount=amount,
        price=number(row, "price") or None,
        exchange_ns=int(needed_number(row, "ts")),
    )
