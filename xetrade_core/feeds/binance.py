"""Binance's words on the websocket: SUBSCRIBE with stream names, answered by request id.

Binance acknowledges any well-formed stream name, listed or not; that an instrument exists is checked before, in its
instrument list. Source: developers.binance.com, "Live subscribing/unsubscribing to streams" (checked 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from xetrade_core.feeds.request_dialect import RequestDialect
from xetrade_core.feeds.subscriptions import Reply

_LONGEST_REPLY = 4096
_BOOK_ID = re.compile(rb'"s":"([^"]+)"')
_TOO_MANY_REQUESTS = (-1003, 3)


class _Error(msgspec.Struct):
    code: int = 0
    msg: str = ""


class _Control(msgspec.Struct):
    id: int | None = None
    error: _Error | None = None
    code: int | None = None
    msg: str = ""
    e: str | None = None


_DECODER = msgspec.json.Decoder(_Control)


class BinanceDialect(RequestDialect):
    """Spot, USD-M and COIN-M alike. `channel` names a stream, like `{id_lower}@depth@100ms`."""

    words = ("SUBSCRIBE", "UNSUBSCRIBE")

    def read(self, frame: bytes) -> Reply | None:
        """`{"result":null,"id":1}`; errors as `{"error":{"code":2,"msg":".."},"id":1}` or as
        `{"code":2,"msg":".."}`.
        """
        if len(frame) > _LONGEST_REPLY or b'"depthUpdate"' in frame:
            return None
        try:
            control = _DECODER.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if control.e is not None:
            return Reply(closing=True) if control.e == "serverShutdown" else None
        error = control.error or (_Error(control.code, control.msg) if control.code is not None else None)
        if error is None:
            return Reply(control.id)
        return Reply(control.id, error=f"{error.code} {error.msg}", transient=error.code in _TOO_MANY_REQUESTS)

    def book_id(self, frame: bytes) -> str | None:
        """The `s` of a depthUpdate."""
        found = _BOOK_ID.search(frame, 0, 300)
        return found[1].decode() if found else None

    def _request(self, op: str, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """`{"method":"SUBSCRIBE","params":["btcusdt@depth@100ms"],"id":1}`."""
        streams = [self._channel.format(id=each, id_lower=each.lower()) for each in venue_ids]
        return msgspec.json.encode({"method": op, "params": streams, "id": request_id})
