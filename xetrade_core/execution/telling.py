"""From what ccxt raised to what is certain: not sent, refused by the venue, or not known.

Decided by what passed the wire and by the venue's raw code, never by ccxt's class: a class depends on the URL and on
wording. ccxt's own messages hold whole URLs, signatures included, so only the venue's words are kept.
"""

from __future__ import annotations

from xetrade_core.errors import RateLimited
from xetrade_core.trading.execution import ErrorReply, ExecutionError, NoReply, NotSent
from xetrade_core.venues.transport import LIMITED, Call, UnreadableReply
from xetrade_core.venues.words import venue_words


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
