"""Derive's words on the websocket: JSON-RPC with a list of channels, answered by a status for each.

Source: https://docs.derive.xyz/api-reference/channels/orderbook (checked 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from xetrade_core.feeds.request_dialect import RequestDialect
from xetrade_core.feeds.subscriptions import Reply

_LONGEST_REPLY = 65_536
_BOOK_ID = re.compile(rb'"channel":"orderbook\.([^".]+)\.')
_TRANSIENT = frozenset({-32000, -32100, -32603})  # rate, concurrent clients, internal error


class _Error(msgspec.Struct):
    code: int
    message: str = ""


class _Result(msgspec.Struct):
    status: dict[str, str] = {}


class _Control(msgspec.Struct):
    id: int
    result: _Result | None = None
    error: _Error | None = None


_DECODER = msgspec.json.Decoder(_Control)


class DeriveDialect(RequestDialect):
    """The public channels. `channel` is the book channel, like `orderbook.{id}.1.100`."""

    def read(self, frame: bytes) -> Reply | None:
        """`{"id":1,"result":{"status":{"orderbook..":"ok"}}}` or `{"id":1,"error":{"code":..,"message":".."}}`."""
        if b'"subscription"' in frame or len(frame) > _LONGEST_REPLY:
            return None
        try:
            control = _DECODER.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if control.error is not None:
            code = control.error.code
            return Reply(control.id, error=f"{code} {control.error.message}", transient=code in _TRANSIENT)
        if control.result is None:
            return None
        taken = [channel.split(".") for channel, status in control.result.status.items() if status == "ok"]
        return Reply(control.id, tuple(parts[1] for parts in taken if len(parts) > 1), whole=True)

    def book_id(self, frame: bytes) -> str | None:
        """The instrument in the channel's name."""
        found = _BOOK_ID.search(frame, 0, 300)
        return found[1].decode() if found else None

    def _request(self, op: str, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """`{"id":1,"method":"subscribe","params":{"channels":["orderbook.BTC-PERP.1.100"]}}`."""
        channels = [self._channel.format(id=each) for each in venue_ids]
        return msgspec.json.encode({"id": request_id, "method": op, "params": {"channels": channels}})
