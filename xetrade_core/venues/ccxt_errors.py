"""ccxt's errors as ours: by the venue's raw code first, as ccxt's classes depend on the URL and on wording.

Nothing of ccxt's message is kept but what the venue said: its messages hold whole URLs, signatures included.
"""

from __future__ import annotations

import re

from xetrade_core.errors import NotSupported, RateLimited, UnknownSymbol, VenueRefused, VenueUnavailable, XETradeError
from xetrade_core.telemetry import redact_text
from xetrade_core.venues.transport import LIMITED, Call, UnreadableReply
from xetrade_core.venues.venue import ErrorKind, Venue
from xetrade_core.venues.words import venue_words

_SHOWN = 200
_SILENT = {"ExchangeNotAvailable": "cannot be reached", "RequestTimeout": "no answer in time"}
_QUERY = re.compile(r"\?\S*")
_RETRYABLE = frozenset({ErrorKind.UNAVAILABLE, ErrorKind.CLOCK, ErrorKind.OUTCOME_UNKNOWN})


def translated(error: Exception, call: Call, venue: Venue, what: str, pause_s: float) -> XETradeError:
    """The error of ours for what ccxt raised while it did `what` (like "book of BTC/USDT"); never ccxt's own text raw.

    `pause_s` is how long to be silent when the venue names no time.
    """
    message = f"{venue.id} {what}: {_said(error, call)}"
    kind = venue.errors.get(call.code) if call.code is not None else None
    if kind is ErrorKind.RATE_LIMITED or call.status in LIMITED or call.retry_after_s is not None:
        seconds = pause_s if call.retry_after_s is None else call.retry_after_s
        return RateLimited(f"{message}; no calls for {seconds:g} s", seconds)
    if kind is ErrorKind.UNKNOWN_SYMBOL:
        return UnknownSymbol(what.rpartition(" ")[2], venue.id, _said(error, call))
    if kind in _RETRYABLE or (kind is None and call.status is not None and call.status >= 500):
        return VenueUnavailable(message)
    if kind is not None:
        return VenueRefused(message)
    return _by_class(error, call, venue, what, message, pause_s)


def _by_class(error: Exception, call: Call, venue: Venue, what: str, message: str, pause_s: float) -> XETradeError:
    import ccxt

    if isinstance(error, ccxt.NotSupported):
        return NotSupported(f"{venue.id} has no {what}")
    if isinstance(error, (ccxt.DDoSProtection, ccxt.RateLimitExceeded)):
        return RateLimited(f"{message}; no calls for {pause_s:g} s", pause_s)
    if isinstance(error, ccxt.BadSymbol):
        return UnknownSymbol(what.rpartition(" ")[2], venue.id, _said(error, call))
    if isinstance(error, ccxt.OperationFailed) and not (call.status is not None and 400 <= call.status < 500):
        return VenueUnavailable(message)
    if isinstance(error, ccxt.BaseError) and (call.status is not None or isinstance(error, ccxt.BadRequest)):
        return VenueRefused(message)
    return VenueUnavailable(f"{message}: its reply cannot be read")


def _said(error: Exception, call: Call) -> str:
    """What went wrong in a few words, without the query of any URL and without a known secret."""
    if isinstance(error.__cause__, UnreadableReply):
        error = error.__cause__
    words = venue_words(str(error)) if "{" in str(error) else None
    text = redact_text(_QUERY.sub("", " ".join((words or str(error)).split())))[:_SHOWN].strip()
    marks = [f"status {call.status}"] if call.status is not None and call.status != 200 else []
    marks += [f"code {call.code}"] if call.code is not None else []
    facts = f" ({', '.join(marks)})" if marks else ""
    name = type(error).__name__
    return (_SILENT.get(name, name) if call.status is None else name) + facts + (f": {text}" if text else "")
