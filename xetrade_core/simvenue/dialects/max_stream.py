"""MAX's private channels: signed in on the same websocket as the public ones, with filters of what is wanted.

Orders and balances, and trades of one of three flavours. Source: "Private channels" of the websocket documentation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Account, Desk, DeskEvent, LedgerChanged, OrderChanged
from xetrade_core.simvenue.dialects.base import PrivateMessage, Session
from xetrade_core.simvenue.dialects.max_orders import pushed_balances, pushed_order, pushed_trade
from xetrade_core.simvenue.dialects.max_signed import MaxKeys

_FILTERS = ("order", "trade", "account", "trade_update", "fast_trade_update")
_DEFAULT = ("order", "trade", "account")
_SHOWN_TRADES = 100
_FLAVOURS = (("trade", "trade_update"), ("trade_update", "trade_update"), ("fast_trade_update", "fast_trade_update"))


class SignIn(msgspec.Struct):
    """The parts of an `auth` action."""

    apiKey: str = ""
    nonce: int = 0
    signature: str = ""
    filters: list[str] = []
    id: str = ""


class MaxStream:
    """The private side of one venue's websocket."""

    def __init__(self, desk: Desk, keys: MaxKeys) -> None:
        self._desk, self._keys = desk, keys

    def sign_in(self, session: Session, text: str, now_ms: int) -> tuple[Mapping[str, object], Sequence[bytes]]:
        """The answer to an `auth`, and the snapshots that follow a good one."""
        try:
            asked = msgspec.json.decode(text, type=SignIn)
        except msgspec.ValidationError:
            return {"e": "error", "E": ["E-1006: invalid nonce"]}, ()
        account, problem = self._keys.sign_in(asked.apiKey, asked.nonce, asked.signature, now_ms)
        wanted = set(asked.filters or _DEFAULT)
        if account is None or not wanted <= set(_FILTERS):
            return {"e": "error", "E": [problem or "E-1004: invalid action"]}, ()
        session.account = account.name
        session.topics |= wanted
        return {"e": "authenticated"}, self._snapshots(account, wanted, now_ms)

    def _snapshots(self, account: Account, wanted: set[str], now_ms: int) -> list[bytes]:
        found: list[bytes] = []
        if "order" in wanted:
            rows = [pushed_order(order) for order in self._desk.open_orders(account)]
            found.append(_message("order_snapshot", {"o": rows}, now_ms))
        if "trade" in wanted:
            fills = self._desk.fills(account)[-_SHOWN_TRADES:]
            rows = [pushed_trade(fill, self._desk.markets[fill.symbol], fee=True) for fill in fills]
            found.append(_message("trade_snapshot", {"t": rows}, now_ms))
        if "account" in wanted:
            rows = pushed_balances(account, account.ledger.currencies, now_ms)
            found.append(_message("account_snapshot", {"B": rows}, now_ms))
        return found

    def render(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        """The messages about an event: an order and its trade, or balances."""
        now_ms = event.time_ns // NS_PER_MS
        if isinstance(event, LedgerChanged):
            return [self._balances(event.account, event.currencies, now_ms)]
        if not isinstance(event, OrderChanged):
            return ()
        order, fill = event.order, event.fill
        found = [PrivateMessage(_message("order_update", {"o": [pushed_order(order)]}, now_ms), "order")]
        if fill is None:  # what it locks or gives back; a trade's balances come with the booking
            listing = order.market.listing
            found.append(self._balances(event.account, (listing.base, listing.quote), now_ms))
            return found
        for topic, name in _FLAVOURS:
            row = pushed_trade(fill, order.market, fee=topic != "fast_trade_update")
            found.append(PrivateMessage(_message(name, {"t": [row]}, now_ms), topic))
        return found

    def _balances(self, name: str, currencies: tuple[str, ...], now_ms: int) -> PrivateMessage:
        rows = pushed_balances(self._desk.accounts[name], currencies, now_ms)
        return PrivateMessage(_message("account_update", {"B": rows}, now_ms), "account")


def _message(event: str, body: Mapping[str, object], now_ms: int) -> bytes:
    return msgspec.json.encode({"c": "user", "e": event, **body, "T": now_ms})
