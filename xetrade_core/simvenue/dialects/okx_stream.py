"""OKX's private websocket: login, channels, and the events of an account.

Orders that trade at once are told once they have, not when they come in. Source: www.okx.com/docs-v5, "WebSocket" and
the private channels of each part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.simvenue.desk import Desk, DeskEvent, LedgerChanged, OrderChanged, TimeInForce
from xetrade_core.simvenue.dialects.base import PrivateMessage, Session
from xetrade_core.simvenue.dialects.okx_account import OkxAccount
from xetrade_core.simvenue.dialects.okx_listings import instrument_type
from xetrade_core.simvenue.dialects.okx_orders import pushed_row
from xetrade_core.simvenue.dialects.okx_replies import Row
from xetrade_core.simvenue.dialects.okx_signed import authenticate_stream

PATH = "/ws/v5/private"
_CHANNELS = ("orders", "account", "positions")
_KINDS = ("ANY", "SPOT", "SWAP")
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)
Said = tuple[str, str]
"""A code and words of a refusal."""


class OkxStream:
    """The private connections of one venue."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def login(self, session: Session, fields: Mapping[str, str]) -> Said | None:
        """Sign a connection in; what is wrong with it, if something is."""
        account, code, words = authenticate_stream(self._desk, fields, self._desk.now_ns // NS_PER_MS)
        if account is None:
            return code, words
        session.account = account.name
        return None

    def subscribe(self, session: Session, fields: Mapping[str, str], *, leave: bool) -> Said | None:
        """Take or leave a channel; what is wrong with it, if something is."""
        channel = fields.get("channel", "")
        if session.account is None:
            return "60011", "Please log in"
        topic = _topic(channel, fields.get("instType", ""), fields.get("instId", ""))
        if channel not in _CHANNELS or (channel != "account" and fields.get("instType") not in _KINDS):
            return "60018", f"Wrong URL or channel:{channel} doesn't exist. Please use the correct URL and channel."
        if leave:
            session.topics.discard(topic)
        else:
            session.topics.add(topic)
        return None

    def render(self, event: DeskEvent) -> Sequence[PrivateMessage]:
        """The messages about an event, for those who take a kind of instrument, all, or one."""
        if isinstance(event, OrderChanged):
            order = event.order
            immediate = order.ticket.price is None or order.ticket.time_in_force in _AT_ONCE
            if immediate and order.state.resting and event.fill is None:
                return ()
            kind, name = instrument_type(order.market), order.market.venue_id
            return _messages("orders", kind, name, pushed_row(order, event.fill))
        account = OkxAccount(self._desk, self._desk.accounts[event.account])
        if isinstance(event, LedgerChanged):
            body = {"arg": {"channel": "account", "uid": "1"}, "data": [account.balance(event.currencies)]}
            return (PrivateMessage(msgspec.json.encode(body), _topic("account", "", "")),)
        market = self._desk.markets[event.symbol]
        return _messages("positions", instrument_type(market), market.venue_id, account.position(market))


def _topic(channel: str, kind: str, name: str) -> str:
    return f"{channel}|{kind}|{name}" if channel != "account" else channel


def _messages(channel: str, kind: str, name: str, row: Row) -> list[PrivateMessage]:
    found = []
    for wanted in ("ANY", kind):
        for of in ("", name):
            argument = {"channel": channel, "instType": wanted, "uid": "1"} | ({"instId": of} if of else {})
            body = msgspec.json.encode({"arg": argument, "data": [row]})
            found.append(PrivateMessage(body, _topic(channel, wanted, of)))
    return found
