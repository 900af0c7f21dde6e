"""Bybit's envelopes: what a REST call answers, and what a websocket pushes."""

from __future__ import annotations

import msgspec

from xetrade_core.clock import NS_PER_MS
from xetrade_core.errors import XETradeError
from xetrade_core.simvenue.dialects.base import Reply, Request


class BybitRefused(XETradeError):
    """A call that the venue refuses, with its own code and words; the HTTP status is 200 all the same."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


def answered(request: Request, result: object) -> Reply:
    """A call that succeeded."""
    body = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": request.now_ms}
    return Reply(200, msgspec.json.encode(body))


def refused(request: Request, code: int, message: str) -> Reply:
    """A call that did not."""
    body = {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": request.now_ms}
    return Reply(200, msgspec.json.encode(body))


def pushed(topic: str, kind: str, data: object, now_ns: int) -> bytes:
    """A message of a public topic."""
    now_ms = now_ns // NS_PER_MS
    return msgspec.json.encode({"topic": topic, "type": kind, "ts": now_ms, "data": data, "cts": now_ms})


def told(topic: str, data: list[dict[str, object]], now_ns: int, message_id: int) -> bytes:
    """A message of a private topic."""
    head = {"id": f"sim-{message_id}", "topic": topic, "creationTime": now_ns // NS_PER_MS}
    return msgspec.json.encode({**head, "data": data})
