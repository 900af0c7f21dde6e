"""Bybit's private stream: signed in, then subscribed to orders and executions of every category.

Its rows are those of the REST calls. Source: bybit-exchange.github.io/docs/v5, "Private stream" (2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec

from xetrade_core.execution.bybit import BybitExecution
from xetrade_core.execution.raw import needed
from xetrade_core.execution.streams.words import Addresses, Statement, StreamRefused, decoded
from xetrade_core.venues.venue import WebsocketRules

_VALID_MS = 10_000  # how long the signature of a sign-in is good


class BybitStream:
    """One account's stream."""

    addresses: ClassVar = Addresses("wss://stream.bybit.com/v5/private", "wss://stream-testnet.bybit.com/v5/private")
    renew_every_s: float | None = None

    def __init__(self, execution: BybitExecution) -> None:
        self._execution = execution
        self.rules: WebsocketRules = execution.rules.websocket
        self._symbol: Callable[[str, str], str] = lambda venue_id, kind: venue_id

    async def prepare(self) -> str:
        """See StreamWords. Nothing is added to the address."""
        self._symbol = await self._execution.symbols()
        return ""

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords."""
        until = str(self._execution.venue_ms() + _VALID_MS)
        key, signature = self._execution.signed(f"GET/realtime{until}")
        return (
            msgspec.json.encode({"op": "auth", "args": [key, until, signature]}),
            msgspec.json.encode({"op": "subscribe", "args": ["order", "execution"]}),
        )

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("op") not in ("auth", "subscribe"):
            return False
        if body.get("success") is not True:
            raise StreamRefused(f"bybit opens no private stream: {body.get('op')}: {body.get('ret_msg')}")
        return True

    def read(self, frame: bytes) -> Sequence[Statement]:
        """See StreamWords. Fundings and liquidation fees are executions too, and no trades."""
        body = decoded(frame)
        topic = body.get("topic")
        if topic not in ("order", "execution"):
            return ()
        said: list[Statement] = []
        for row in body["data"]:
            symbol = self._symbol(needed(row, "symbol"), "spot" if row["category"] == "spot" else "contract")
            if topic == "order":
                said.append(self._execution.report(row, symbol))
            elif row["execType"] == "Trade":
                said.append(self._execution.fill(row, symbol))
        return said

    async def renew(self) -> None:
        """See StreamWords."""
