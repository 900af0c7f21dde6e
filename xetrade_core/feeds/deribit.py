"""Deribit's words on the websocket: JSON-RPC with a list of channels, answered by the list of those that were taken.

A channel that does not exist is left out of the answer without an error. Once a heartbeat is set, the venue asks
(`test_request`) when the line is idle and closes a connection that does not answer. Source:
https://docs.deribit.com/api-reference/subscription-management/public-subscribe (checked 2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from xetrade_core.feeds.subscriptions import Reply

_LONGEST_REPLY = 65_536  # the answer to a subscription lists its channels
_BOOK_ID = re.compile(rb'"channel":"book\.([^".]+)\.')
_HEARTBEAT_S = 30
_HEARTBEAT_ID, _TEST_ID = 1_000_000_001, 1_000_000_002  # apart from the ids of subscriptions
_TRANSIENT = frozenset({10028, 10040, 10041, 10047, 10066, 11051, 13888})  # too many requests, settlement, maintenance


class _Error(msgspec.Struct):
    code: int
    message: str = ""


class _Params(msgspec.Struct):
    type: str = ""


class _Control(msgspec.Struct):
    id: int | None = None
    method: str = ""
    params: _Params | None = None
    result: object = None
    error: _Error | None = None


_DECODER = msgspec.json.Decoder(_Control)


def rpc(method: str, request_id: int, **params: object) -> bytes:
    """A JSON-RPC request."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


class DeribitDialect:
    """The public channels."""

    opening: Sequence[bytes] = (rpc("public/set_heartbeat", _HEARTBEAT_ID, interval=_HEARTBEAT_S),)

    def __init__(self, channel: str) -> None:
        """`channel` is the book channel, like `book.{id}.100ms`."""
        self._channel = channel

    def subscribe(self, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """`{"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{"channels":["book.BTC-PERPETUAL.100ms"]}}`."""
        return rpc("public/subscribe", request_id, channels=self._channels(venue_ids))

    def unsubscribe(self, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """The same with public/unsubscribe."""
        return rpc("public/unsubscribe", request_id, channels=self._channels(venue_ids))

    def read(self, frame: bytes) -> Reply | None:
        """`{"id":1,"result":["book..",..]}`, `{"id":1,"error":{"code":..,"message":".."}}`, or a test request."""
        if b'"subscription"' in frame or len(frame) > _LONGEST_REPLY:
            return None
        try:
            control = _DECODER.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        if control.method == "heartbeat":
            asks = control.params is not None and control.params.type == "test_request"
            return Reply(answer=rpc("public/test", _TEST_ID)) if asks else None
        if control.id is None:
            return None
        if control.error is not None:
            code = control.error.code
            return Reply(control.id, error=f"{code} {control.error.message}", transient=code in _TRANSIENT)
        if not isinstance(control.result, list):
            return None  # of the heartbeat, or a test
        named = [parts[1] for each in control.result if len(parts := str(each).split(".")) > 2]
        return Reply(control.id, tuple(named), whole=True)

    def book_id(self, frame: bytes) -> str | None:
        """The instrument in the channel's name."""
        found = _BOOK_ID.search(frame, 0, 300)
        return found[1].decode() if found else None

    def _channels(self, venue_ids: Sequence[str]) -> list[str]:
        return [self._channel.format(id=each) for each in venue_ids]
