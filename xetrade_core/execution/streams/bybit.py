"""Bybit's private stream: signed in, then subscribed to orders and executions of every category and to the wallet.

Its rows are those of the REST calls. Source: bybit-exchange.github.io/docs/v5, "Private stream" (2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from xetrade_core.execution.bybit import PROTECTED, BybitExecution
from xetrade_core.execution.bybit_rows import TRADED, balances_of
from xetrade_core.execution.raw import needed
from xetrade_core.execution.streams.words import AccountWords, Addresses, Statement, StreamRefused, decoded

_VALID_MS = 10_000  # how long the signature of a sign-in is good


class BybitStream(AccountWords[BybitExecution]):
    """One account's stream."""

    addresses: ClassVar = Addresses("wss://stream.bybit.com/v5/private", "wss://stream-testnet.bybit.com/v5/private")

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords."""
        until = str(self.execution.venue_ms() + _VALID_MS)
        key, signature = self.execution.signed(f"GET/realtime{until}")
        return (
            msgspec.json.encode({"op": "auth", "args": [key, until, signature]}),
            msgspec.json.encode({"op": "subscribe", "args": ["order", "execution", "wallet"]}),
        )

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("op") not in ("auth", "subscribe", "unsubscribe"):
            return False
        if body.get("success") is not True:
            raise StreamRefused(f"bybit opens no private stream: {body.get('op')}: {body.get('ret_msg')}")
        return True

    async def guard(self, within_s: float) -> Sequence[bytes]:
        """See GuardedWords. The venue watches over connections that take its topics."""
        await self.execution.protect(within_s)
        return (_topics("subscribe"),)

    def unguard(self) -> Sequence[bytes]:
        """See GuardedWords."""
        return (_topics("unsubscribe"),)

    def read(self, frame: bytes) -> Sequence[Statement]:
        """See StreamWords. Fundings are executions too, and no trades."""
        body = decoded(frame)
        topic = body.get("topic")
        if topic == "wallet":
            received_ns = self.execution.clock.wall_ns()
            return [one for row in body["data"] for one in balances_of(row, self.execution.account, received_ns)]
        if topic not in ("order", "execution"):
            return ()
        said: list[Statement] = []
        for row in body["data"]:
            symbol = self.symbol(needed(row, "symbol"), "spot" if row["category"] == "spot" else "contract")
            if topic == "order":
                said.append(self.execution.report(row, symbol))
            elif row["execType"] in TRADED:
                said.append(self.execution.fill(row, symbol))
        return said


def _topics(op: str) -> bytes:
    return msgspec.json.encode({"op": op, "args": list(PROTECTED.values())})
