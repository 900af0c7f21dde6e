"""KuCoin's words on the websocket: a topic with all instruments behind its colon, answered by request id.

The venue says first that it is ready (`welcome`), and refuses a request with an instrument that it does not list as a
whole. Source: www.kucoin.com/docs-new, "WebSocket: introduction" (checked 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from xetrade_core.feeds.request_dialect import RequestDialect
from xetrade_core.feeds.subscriptions import Reply

_LONGEST_REPLY = 16_384
_BOOK_ID = re.compile(rb'"/(?:m|contractM)arket/level2:([^"]+)"')
_TRANSIENT = frozenset({"429", "500", "503"})


class _Control(msgspec.Struct):
    type: str
    id: str = ""
    code: str | int = ""
    data: str = ""


_DECODER = msgspec.json.Decoder(_Control)


class KucoinDialect(RequestDialect):
    """The public channels of spot and futures.

    `channel` is the book topic without its instruments: `/market/level2`.
    """

    def read(self, frame: bytes) -> Reply | None:
        """`{"id":"..","type":"welcome"}`, `{"id":"1","type":"ack"}`, or an error with its code and text."""
        if len(frame) > _LONGEST_REPLY or b'"message"' in frame:
            return None
        try:
            control = _DECODER.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if control.type == "welcome":
            return Reply(welcome=True)
        request_id = int(control.id) if control.id.isdigit() else None
        if control.type == "ack":
            return Reply(request_id)
        if control.type != "error":
            return None
        code = str(control.code)
        return Reply(request_id, error=f"{code} {control.data}", transient=code in _TRANSIENT)

    def book_id(self, frame: bytes) -> str | None:
        """The instrument of the message's topic."""
        found = _BOOK_ID.search(frame)
        return found[1].decode() if found else None

    def _request(self, kind: str, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """`{"id":"1","type":"subscribe","topic":"/market/level2:BTC-USDT,ETH-USDT","response":true}`."""
        topic = f"{self._channel}:{','.join(venue_ids)}"
        return msgspec.json.encode({"id": str(request_id), "type": kind, "topic": topic, "response": True})
