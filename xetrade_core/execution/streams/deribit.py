"""Deribit's private stream: signed in, then subscribed to the orders and trades of every instrument, and to balances.

Its rows are those of the REST calls. A portfolio is told with every move of a mark: a balance is passed on when its
total has changed. Source: docs.deribit.com/subscriptions/user (2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from xetrade_core.execution.deribit import DeribitExecution
from xetrade_core.execution.raw import Row, needed
from xetrade_core.execution.streams.words import AccountWords, Addresses, Statement, StreamRefused
from xetrade_core.model.accounts import Balance
from xetrade_core.venues.deribit import VENUE

_ORDERS, _TRADES, _PORTFOLIO = "user.orders.any.any.raw", "user.trades.any.any.raw", "user.portfolio.any"
_NEEDED = frozenset({_ORDERS, _TRADES})
_exact = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class DeribitStream(AccountWords[DeribitExecution]):
    """One account's stream."""

    assert VENUE.testnet is not None
    addresses: ClassVar = Addresses(VENUE.live.ws, VENUE.testnet.ws)

    async def prepare(self) -> str:
        """See StreamWords."""
        self._totals: dict[str, Decimal] = {}  # by currency, as last passed on
        return await super().prepare()

    def greeting(self) -> Sequence[bytes]:
        """See StreamWords."""
        calls = (
            ("public/auth", self.execution.login()),
            ("private/subscribe", {"channels": [_ORDERS, _TRADES, _PORTFOLIO]}),
        )
        return [
            msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            for number, (method, params) in enumerate(calls, 1)
        ]

    def greeted(self, frame: bytes) -> bool:
        """See StreamWords. A channel that is not open to us is left out of the answer."""
        body = _exact.decode(frame)
        error, taken = body.get("error"), body.get("result")
        if error is not None:
            raise StreamRefused(f"deribit opens no private stream: {error.get('message')} (code {error.get('code')})")
        if isinstance(taken, list) and not set(taken) >= _NEEDED:
            raise StreamRefused(f"deribit opens of the private stream only {taken}")
        return taken is not None

    def read(self, frame: bytes) -> Sequence[Statement]:
        """See StreamWords. A trade is told before the state that it leaves, or after it."""
        body = _exact.decode(frame)
        if body.get("method") != "subscription":
            return ()
        channel, data = body["params"]["channel"], body["params"]["data"]
        if channel == _PORTFOLIO:
            return self._balances(data)
        if channel not in _NEEDED:
            return ()
        rows = data if isinstance(data, list) else [data]
        told = self.execution.report if channel == _ORDERS else self.execution.fill
        return [told(row, self.symbol(needed(row, "instrument_name"), "contract")) for row in rows]

    def _balances(self, row: Row) -> list[Balance]:
        held = self.execution.held({"summaries": [row]}, self.execution.clock.wall_ns())
        changed = [one for one in held if self._totals.get(one.currency) != one.total]
        self._totals |= {one.currency: one.total for one in changed}
        return changed
