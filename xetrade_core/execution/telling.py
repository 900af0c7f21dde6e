"""From what ccxt raised to what is certain: not sent, refused by the venue, or not known.

Decided by what passed the wire and by the venue's raw code, never by ccxt's class: a class depends on the URL and on
wording. ccxt's own messages hold whole URLs, signatures included, so only the venue's words are kept.
"""

from __future__ import annotations

from typing import Any

import msgspec

from xetrade_core.errors import RateLimited
from xetrade_core.trading.execution import ErrorReply, ExecutionError, NoReply, NotSent
from xetrade_core.venues.transport import LIMITED, Call, UnreadableReply

_WORDS = ("msg", "retMsg", "message", "sMsg", "error")
_SHOWN = 200


def told(error: Exception, call: Call, what: str) -> ExecutionError:
    """The error of one call of a private client, while it did `what` (like "order on binance")."""
    if isinstance(error, ExecutionError):
        return error
    if isinstance(error, RateLimited):  # of our own budget, before anything was sent
        return NotSent(f"{what}: {error}", error.retry_after_s)
    name = type(error).__name__
    if call.unsent == call.requests:
        return NotSent(f"{what}: {'no connection' if call.requests else 'not asked for'} ({name})")
    if call.status in LIMITED or call.retry_after_s is not None:
        return NotSent(f"{what}: turned away (status {call.status})", call.retry_after_s)
    if call.code is not None:
        return ErrorReply(call.code, venue_words(str(error)) or f"{what} was refused", call.status)
    if isinstance(error.__cause__, UnreadableReply):
        return NoReply(f"{what}: a reply that cannot be read")
    status = "" if call.status is None else f", status {call.status}"
    return NoReply(f"{what}: no reply that says what came of it ({name}{status})")


def venue_words(text: str) -> str | None:
    """What the venue says in the JSON object of its error that ccxt quotes; None where there is none.

    Where ccxt knows the words it quotes them alone, after the venue's name; never where a URL is among them.
    """
    brace = text.find("{")
    if brace < 0:
        return None if "://" in text else text.partition(" ")[2][:_SHOWN] or None
    try:
        body = msgspec.json.decode(text[brace:].encode())
    except msgspec.DecodeError:
        return None
    words = _said(body)
    return words[:_SHOWN] if words else None


def _said(body: Any) -> str | None:
    """The innermost words: OKX says "All operations failed" above the reason of each."""
    if isinstance(body, list):
        return next((words for row in body if (words := _said(row))), None)
    if not isinstance(body, dict):
        return body if isinstance(body, str) and body else None
    inner = _said(body.get("data"))
    return inner or next((words for name in _WORDS if (words := _said(body.get(name)))), None)
