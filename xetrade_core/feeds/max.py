"""MAX's words on the websocket: an action with a list of subscriptions, answered by the list that was taken.

Source: https://github.com/maicoin/max-websocket-docs (checked 2026-11). The list's key is plural when subscribing and
singular when unsubscribing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from xetrade_core.books.max import CHANNEL_LEVELS
from xetrade_core.feeds.subscriptions import Reply

_LONGEST_REPLY = 65_536
_BOOK_ID = re.compile(rb'"M":"([^"]+)"')


class _Subscription(msgspec.Struct):
    market: str = ""


class _Control(msgspec.Struct):
    e: str
    i: str = ""
    s: list[_Subscription] = []
    E: list[str] = []


_DECODER = msgspec.json.Decoder(_Control)


class MaxDialect:
    """The public channels."""

    opening: Sequence[bytes] = ()

    def __init__(self, channel: str) -> None:
        """`channel` is the book channel: `book`."""
        self._channel = channel

    def subscribe(self, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """`{"action":"sub","subscriptions":[{"channel":"book","market":"btctwd","depth":50}],"id":"1"}`."""
        return self._request("sub", "subscriptions", request_id, venue_ids)

    def unsubscribe(self, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """The same with `unsub` and `subscription`."""
        return self._request("unsub", "subscription", request_id, venue_ids)

    def read(self, frame: bytes) -> Reply | None:
        """`{"e":"subscribed","s":[..],"i":"1"}`, `unsubscribed`, or `{"e":"error","E":["E-1004: .."],"i":"1"}`."""
        if b'"c":' in frame[:200] or len(frame) > _LONGEST_REPLY:
            return None
        try:
            control = _DECODER.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        request_id = int(control.i) if control.i.isdigit() else None
        if control.e == "error":
            return Reply(request_id, error="; ".join(control.E) or "an error without a text")
        if control.e not in ("subscribed", "unsubscribed"):
            return None
        named = tuple(each.market for each in control.s)
        return Reply(request_id, named, unsubscribed=control.e == "unsubscribed", whole=True)

    def book_id(self, frame: bytes) -> str | None:
        """The market `M` of a book message."""
        found = _BOOK_ID.search(frame, 0, 300)
        return found[1].decode() if found else None

    def _request(self, action: str, key: str, request_id: int, venue_ids: Sequence[str]) -> bytes:
        wanted = [{"channel": self._channel, "market": each, "depth": CHANNEL_LEVELS} for each in venue_ids]
        return msgspec.json.encode({"action": action, key: wanted, "id": str(request_id)})
