"""Derive's private stream: signed in, then subscribed to the orders, trades and balances of the subaccount.

Its rows are those of the REST calls. Source: docs.derive.xyz, "Authenticate a WebSocket connection" and "Channels"
(2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from xetrade_core.execution.derive import DeriveExecution
from xetrade_core.execution.raw import Row, needed, needed_number
from xetrade_core.execution.streams.words import (
    AccountWords,
    Addresses,
    Statement,
    StreamRefused,
    balance,
    decoded,
)

_LOGIN, _SUBSCRIBE, _GUARD = 1, 2, 3


class DeriveStream(AccountWords[DeriveExecution]):
    """One account's stream."""

    addresses: ClassVar = Addresses("wss://api.derive.xyz/v3/ws", "wss://testnet.api.derive.xyz/v3/ws")

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords."""
        channels = [f"{self.execution.subaccount}.{name}" for name in ("orders", "trades", "balances")]
        return (
            msgspec.json.encode({"id": _LOGIN, "method": "public/login", "params": self.execution.login()}),
            msgspec.json.encode({"id": _SUBSCRIBE, "method": "subscribe", "params": {"channels": channels}}),
        )

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("id") not in (_LOGIN, _SUBSCRIBE, _GUARD):
            return False
        error = body.get("error")
        if error is not None:
            raise StreamRefused(f"derive opens no private stream: {error.get('message')} (code {error.get('code')})")
        if body["id"] == _SUBSCRIBE and any(said != "ok" for said in body["result"]["status"].values()):
            raise StreamRefused("derive opens no private stream: it has no such channel")
        return True

    async def guard(self, within_s: float) -> Sequence[bytes]:
        """See GuardedWords. It is a setting of the wallet: every connection that it signs in is watched over."""
        return (_cancel_on_disconnect(enabled=True),)

    def unguard(self) -> Sequence[bytes]:
        """See GuardedWords."""
        return (_cancel_on_disconnect(enabled=False),)

    def read(self, frame: bytes) -> Sequence[Statement]:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("method") != "subscription":
            return ()
        channel, rows = str(body["params"]["channel"]).partition(".")[2], body["params"]["data"]
        if not isinstance(rows, list):
            raise ValueError(f"{channel} tells no list")
        if channel == "balances":  # positions too are told there, by their instruments
            return [self._balance(row) for row in rows if "-" not in needed(row, "name")]
        said: list[Statement] = []
        for row in rows:
            symbol = self.symbol(needed(row, "instrument_name"), "")
            if channel == "orders":
                said.append(self.execution.report(row, symbol))
            elif channel == "trades":
                said.append(self.execution.fill(row, symbol))
        return said

    def _balance(self, row: Row) -> Statement:
        """The channel tells totals alone."""
        return balance(self.execution, needed(row, "name"), needed_number(row, "new_balance"), None)


def _cancel_on_disconnect(*, enabled: bool) -> bytes:
    return msgspec.json.encode(
        {"id": _GUARD, "method": "private/set_cancel_on_disconnect", "params": {"enabled": enabled}}
    )
