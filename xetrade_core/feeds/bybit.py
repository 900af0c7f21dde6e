"""Bybit's words on the websocket: `op` with topics, answered by request id.

A request with a topic that does not exist is refused as a whole. Options are answered in another form, which names the
topics that were taken. Source: https://bybit-exchange.github.io/docs/v5/ws/connect (checked 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from xetrade_core.feeds.request_dialect import RequestDialect
from xetrade_core.feeds.subscriptions import Reply

_LONGEST_REPLY = 16_384
_BOOK_ID = re.compile(rb'"topic":"orderbook\.\d+\.([^"]+)"')
_OPTION_ID = re.compile(r".+-[CP](-USDT)?")
_OPTION_LEVELS = "100"


class _Topics(msgspec.Struct):
    successTopics: list[str] = []


class _Control(msgspec.Struct):
    success: bool
    op: str = ""
    req_id: str = ""
    ret_msg: str = ""
    type: str = ""
    data: _Topics | None = None


_DECODER = msgspec.json.Decoder(_Control)


class BybitDialect(RequestDialect):
    """The public channels of all categories.

    `channel` is the book topic, like `orderbook.200.{id}`; options have one of their own depth.
    """

    def read(self, frame: bytes) -> Reply | None:
        """`{"success":true,"ret_msg":"","req_id":"1","op":"subscribe"}`; of options `{"type":"COMMAND_RESP",..}`."""
        if len(frame) > _LONGEST_REPLY or b'"success"' not in frame:
            return None
        try:
            control = _DECODER.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if control.type == "COMMAND_RESP" and control.data is not None:
            taken = tuple(topic.split(".", 2)[2] for topic in control.data.successTopics if topic.count(".") >= 2)
            return Reply(None, taken, whole=True)
        if control.op not in ("subscribe", "unsubscribe"):
            return None
        request_id = int(control.req_id) if control.req_id.isdigit() else None
        error = None if control.success else control.ret_msg or "refused"
        return Reply(request_id, error=error, unsubscribed=control.op == "unsubscribe")

    def book_id(self, frame: bytes) -> str | None:
        """The instrument of the message's topic."""
        found = _BOOK_ID.search(frame, 0, 200)
        return found[1].decode() if found else None

    def _request(self, op: str, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """`{"req_id":"1","op":"subscribe","args":["orderbook.200.BTCUSDT"]}`."""
        topics = [self._topic(each) for each in venue_ids]
        return msgspec.json.encode({"req_id": str(request_id), "op": op, "args": topics})

    def _topic(self, venue_id: str) -> str:
        topic = self._channel.format(id=venue_id)
        return re.sub(r"\d+", _OPTION_LEVELS, topic, count=1) if _OPTION_ID.fullmatch(venue_id) else topic
