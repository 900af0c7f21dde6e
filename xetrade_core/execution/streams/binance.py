"""Binance's user data streams: spot's on its websocket API, opened by a signature, and the futures' by a listen key.

Shapes: developers.binance.com, "User Data Stream" of spot (2026-11), USD-M and COIN-M. A fill and the state that it
leaves are one event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from xetrade_core.execution.binance import STATUS, BinanceExecution
from xetrade_core.execution.binance_futures import BinanceFuturesExecution
from xetrade_core.execution.raw import Row, millis, needed, needed_number, number, text, true
from xetrade_core.execution.streams.words import (
    AccountWords,
    Addresses,
    Statement,
    StreamOver,
    StreamRefused,
    balance,
    decoded,
)
from xetrade_core.model.accounts import Balance
from xetrade_core.model.orders import ZERO, Fill, Liquidity, OrderReport, Side
from xetrade_core.telemetry import register_secrets

_SUBSCRIBE = "userDataStream.subscribe.signature"
_HALF_AN_HOUR_S = 1800.0


def statements(row: Row, symbol: str, client_id: str, execution: BinanceExecution) -> list[Statement]:
    """What an `executionReport` or the `o` of an ORDER_TRADE_UPDATE says: the fill, if there is one, and the state."""
    said: list[Statement] = []
    status = STATUS.get(needed(row, "X"))
    if status is None:
        raise ValueError(f"status {row['X']!r} is none that Binance documents")
    when_ns, order_id = millis(row, "T"), needed(row, "i")
    if row["x"] == "TRADE":
        said.append(
            Fill(
                venue=execution.rules.id,
                account=execution.account,
                symbol=symbol,
                trade_id=needed(row, "t"),
                side=Side(needed(row, "S").lower()),
                price=needed_number(row, "L"),
                amount=needed_number(row, "l"),
                received_ns=execution.clock.wall_ns(),
                exchange_ns=when_ns,
                venue_order_id=order_id,
                client_id=client_id,
                fee=number(row, "n") or ZERO,
                fee_currency=text(row, "N"),
                liquidity=Liquidity.MAKER if true(row["m"]) else Liquidity.TAKER,
            )
        )
    said.append(
        OrderReport(
            symbol=symbol,
            status=status,
            client_id=client_id,
            venue_order_id=order_id,
            filled=number(row, "z"),
            amount=number(row, "q"),
            price=number(row, "p") or None,
            exchange_ns=when_ns,
        )
    )
    return said


class BinanceSpotStream(AccountWords[BinanceExecution]):
    """Spot: subscribed with a signature, nothing to renew."""

    addresses: ClassVar = Addresses(
        "wss://ws-api.binance.com:443/ws-api/v3", "wss://ws-api.testnet.binance.vision/ws-api/v3"
    )

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords."""
        stamp = str(self.execution.venue_ms())
        key, _ = self.execution.signed("")
        named = {"apiKey": key, "timestamp": stamp}
        _, signature = self.execution.signed("&".join(f"{name}={value}" for name, value in sorted(named.items())))
        params = {"apiKey": key, "timestamp": int(stamp), "signature": signature}
        return (msgspec.json.encode({"id": "1", "method": _SUBSCRIBE, "params": params}),)

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("id") != "1":
            return False
        if body.get("status") != 200:
            error = body.get("error") or {}
            raise StreamRefused(f"binance opens no private stream: {error.get('msg')} (code {error.get('code')})")
        return True

    def read(self, frame: bytes) -> Sequence[Statement]:
        """See StreamWords. A cancel has a client id of its own; the order's is `C` then."""
        event = decoded(frame).get("event") or {}
        if event.get("e") == "eventStreamTerminated":
            raise StreamOver("binance ends the stream")
        if event.get("e") == "outboundAccountPosition":
            return [self._balance(row) for row in event["B"]]
        if event.get("e") != "executionReport":
            return ()
        client_id = text(event, "C") or needed(event, "c")
        return statements(event, self.symbol(needed(event, "s"), "spot"), client_id, self.execution)

    def _balance(self, row: Row) -> Balance:
        free, locked = needed_number(row, "f"), needed_number(row, "l")
        return balance(self.execution, needed(row, "a"), free + locked, free)


class BinanceFuturesStream(AccountWords[BinanceFuturesExecution]):
    """USD-M and COIN-M: what a listen key opens, for an hour after it was last asked for."""

    addresses: ClassVar[Addresses]
    post_key: ClassVar[str]
    put_key: ClassVar[str]
    separator: ClassVar[str]
    renew_every_s: float | None = _HALF_AN_HOUR_S

    async def prepare(self) -> str:
        """See StreamWords."""
        await super().prepare()
        row = await self.execution.once("private stream", lambda ccxt: getattr(ccxt, self.post_key)())
        with self.execution.reading("private stream"):
            key = needed(row, "listenKey")
        register_secrets([key])
        return self.separator + key

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords. The key has said everything."""
        return ()

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords."""
        return True

    def read(self, frame: bytes) -> Sequence[Statement]:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("e") == "listenKeyExpired":
            raise StreamOver("the listen key has run out")
        if body.get("e") == "ACCOUNT_UPDATE":
            wallets = body["a"].get("B") or ()
            return [balance(self.execution, needed(one, "a"), needed_number(one, "wb"), None) for one in wallets]
        if body.get("e") != "ORDER_TRADE_UPDATE":
            return ()
        row: dict[str, Any] = body["o"]
        return statements(row, self.symbol(needed(row, "s"), "contract"), needed(row, "c"), self.execution)

    async def renew(self) -> None:
        """See StreamWords."""
        await self.execution.once("private stream", lambda ccxt: getattr(ccxt, self.put_key)())


class BinanceUsdmStream(BinanceFuturesStream):
    """USD-M."""

    addresses = Addresses("wss://fstream.binance.com/private/ws", "wss://fstream.binancefuture.com/private/ws")
    post_key, put_key, separator = "fapiPrivatePostListenKey", "fapiPrivatePutListenKey", "?listenKey="


class BinanceCoinmStream(BinanceFuturesStream):
    """COIN-M."""

    addresses = Addresses("wss://dstream.binance.com/ws", "wss://dstream.binancefuture.com/ws")
    post_key, put_key, separator = "dapiPrivatePostListenKey", "dapiPrivatePutListenKey", "/"
