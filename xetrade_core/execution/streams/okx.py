"""OKX's private stream: signed in, then subscribed to the orders of every kind of instrument and to balances.

A push is an order as the REST calls tell it, with the fill that has just happened, if one has. Source:
www.okx.com/docs-v5, "Order channel" and "Account channel" (2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec

from xetrade_core.execution.okx import OkxExecution
from xetrade_core.execution.raw import needed, text
from xetrade_core.execution.streams.words import Addresses, Statement, StreamOver, StreamRefused, decoded
from xetrade_core.venues.venue import WebsocketRules


class OkxStream:
    """One account's stream."""

    addresses: ClassVar = Addresses("wss://ws.okx.com:8443/ws/v5/private", "wss://wspap.okx.com:8443/ws/v5/private")
    renew_every_s: float | None = None

    def __init__(self, execution: OkxExecution) -> None:
        self._execution = execution
        self.rules: WebsocketRules = execution.rules.websocket
        self._symbol: Callable[[str, str], str] = lambda venue_id, kind: venue_id

    async def prepare(self) -> str:
        """See StreamWords. Nothing is added to the address."""
        self._symbol = await self._execution.symbols()
        return ""

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords."""
        return (
            msgspec.json.encode({"op": "login", "args": [self._execution.login()]}),
            _subscribe({"channel": "orders", "instType": "ANY"}),
            _subscribe({"channel": "account", "extraParams": '{"updateInterval": "0"}'}),  # else every few seconds
        )

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords."""
        if frame == b"pong":
            return False
        body = decoded(frame)
        if body.get("event") == "error":
            raise StreamRefused(f"okx opens no private stream: {body.get('msg')} (code {body.get('code')})")
        return body.get("event") in ("login", "subscribe")

    def read(self, frame: bytes) -> Sequence[Statement]:
        """See StreamWords. The fill goes before the state that it leaves."""
        if frame == b"pong":
            return ()
        body = decoded(frame)
        if body.get("event") in ("error", "notice"):
            raise StreamOver(f"okx: {body.get('msg')} (code {body.get('code')})")
        channel = (body.get("arg") or {}).get("channel")
        if channel == "account":
            received_ns = self._execution.clock.wall_ns()
            return [one for row in body.get("data") or () for one in self._execution.held(row, received_ns)]
        if channel != "orders":
            return ()
        said: list[Statement] = []
        for row in body.get("data") or ():
            kind = "spot" if needed(row, "instType") == "SPOT" else "contract"
            symbol = self._symbol(needed(row, "instId"), kind)
            if text(row, "tradeId") is not None:
                said.append(self._execution.fill(row, symbol))
            said.append(self._execution.report(row, symbol))
        return said

    async def renew(self) -> None:
        """See StreamWords."""


def _subscribe(channel: dict[str, str]) -> bytes:
    return msgspec.json.encode({"op": "subscribe", "args": [channel]})
