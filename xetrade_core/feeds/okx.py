"""OKX's words on the websocket: `op` with one argument an instrument, answered one by one.

Source: https://www.okx.com/docs-v5/en/#overview-websocket (checked 2026-11). An error names the instrument only within
its message text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from xetrade_core.feeds.request_dialect import RequestDialect
from xetrade_core.feeds.subscriptions import Reply

_LONGEST_REPLY = 4096
_BOOK_ID = re.compile(rb'"instId":"([^"]+)"')
_NAMED = re.compile(r"instId:([^\s,\"]+)")
_TRANSIENT = frozenset({"50001", "50011", "50013", "50026", "60014", "63999"})  # too many requests, busy, internal
_CLOSING = "64008"


class _Arg(msgspec.Struct):
    instId: str = ""


class _Control(msgspec.Struct):
    event: str
    id: str = ""
    arg: _Arg | None = None
    code: str = ""
    msg: str = ""


_DECODER = msgspec.json.Decoder(_Control)


class OkxDialect(RequestDialect):
    """The public channels. `channel` is the book channel: `books`."""

    def read(self, frame: bytes) -> Reply | None:
        """`{"event":"subscribe","arg":{..}}`, `{"event":"error","code":"60018","msg":".."}`, or a notice of closing."""
        if len(frame) > _LONGEST_REPLY or b'"event"' not in frame:
            return None
        try:
            control = _DECODER.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        request_id = int(control.id) if control.id.isdigit() else None
        if control.event in ("subscribe", "unsubscribe") and control.arg is not None:
            return Reply(request_id, (control.arg.instId,), unsubscribed=control.event == "unsubscribe")
        if control.event == "notice" and control.code == _CLOSING:
            return Reply(closing=True)
        if control.event != "error":
            return None
        named = (control.arg.instId,) if control.arg is not None else tuple(_NAMED.findall(control.msg))
        error = f"{control.code} {control.msg}"
        return Reply(request_id, named, error=error, transient=control.code in _TRANSIENT)

    def book_id(self, frame: bytes) -> str | None:
        """The `instId` of the message's `arg`."""
        found = _BOOK_ID.search(frame, 0, 300)
        return found[1].decode() if found else None

    def _request(self, op: str, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """`{"id":"1","op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}`."""
        args = [{"channel": self._channel, "instId": each} for each in venue_ids]
        return msgspec.json.encode({"id": str(request_id), "op": op, "args": args})
