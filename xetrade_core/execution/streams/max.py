"""MAX's private channels: signed in on the one websocket, with filters for orders, trades and balances.

Source: maicoin.github.io/max-websocket-docs, "Private channels" (2024-12).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xetrade_core.execution.max import MaxExecution
from xetrade_core.execution.max_rows import long_balance, long_order, long_trade, report
from xetrade_core.execution.raw import Row, needed
from xetrade_core.execution.streams.words import AccountWords, Addresses, Statement, StreamOver, StreamRefused, decoded

_URL = "wss://max-stream.maicoin.com/ws"


class MaxStream(AccountWords[MaxExecution]):
    """One account's stream. There is no testnet."""

    addresses: ClassVar = Addresses(_URL, _URL)

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords."""
        return (self.execution.login(),)

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords."""
        body = decoded(frame)
        if body.get("e") == "error":
            raise StreamRefused(f"max opens no private stream: {_words(body.get('E'))}")
        return body.get("e") == "authenticated"

    def read(self, frame: bytes) -> Sequence[Statement]:
        """See StreamWords. A snapshot is no news: what is there at first is asked for over REST."""
        body = decoded(frame)
        event = body.get("e")
        if event == "error":
            raise StreamOver(f"max: {_words(body.get('E'))}")
        if event == "order_update":
            return [report(long_order(row), self._market(row)) for row in body["o"]]
        if event == "trade_update":
            return [fill for row in body["t"] for fill in self.execution.fills(long_trade(row), self._market(row))]
        if event == "account_update":
            return [self.execution.held(long_balance(row)) for row in body["B"]]
        return ()

    def _market(self, row: Row) -> str:
        return self.symbol(needed(row, "M"), "spot")


def _words(problems: object) -> str:
    return ", ".join(str(one) for one in problems) if isinstance(problems, list) else "no reason given"
