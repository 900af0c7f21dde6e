"""Every error XETrade raises on purpose.

One hierarchy, so that a caller can catch `XETradeError` and know that the message is meant for a person: it names
what was asked, what is allowed, and what to do. The command line prints it on one line and exits 2.
"""

from __future__ import annotations

from collections.abc import Iterable


class XETradeError(Exception):
    """Root of all errors that XETrade raises on purpose; the message is one line for a person."""


class ConfigError(XETradeError):
    """A setting, option or configuration file is wrong; names the field, the value and what is allowed."""

    @classmethod
    def of(cls, field: str, value: object, allowed: str) -> ConfigError:
        return cls(f"{field} = {value!r} is not valid: {allowed}")


class UnknownVenue(XETradeError):
    """The venue is not in the registry."""

    def __init__(self, venue: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown venue {venue!r}: known venues are {', '.join(sorted(known))}")
        self.venue = venue


class UnknownSymbol(XETradeError):
    """The symbol is not listed on the venue, or cannot be read as a symbol."""

    def __init__(self, symbol: str, venue: str, hint: str = "") -> None:
        super().__init__(f"unknown symbol {symbol!r} on {venue}" + (f": {hint}" if hint else ""))
        self.symbol = symbol
        self.venue = venue


class NotTrading(XETradeError):
    """The venue lists the instrument, but it is not trading now."""

    def __init__(self, symbol: str, venue: str, status: str) -> None:
        super().__init__(f"{symbol} on {venue} is not trading: its status is {status}")
        self.symbol = symbol
        self.venue = venue


class VenueRetired(XETradeError):
    """The venue has shut down."""


class NotSupported(XETradeError):
    """The venue has no such thing: MAX has no funding, Derive no REST order book."""


class VenueUnavailable(XETradeError):
    """The venue did not answer, or answered with a server error; the call may be tried again later."""


class VenueRefused(VenueUnavailable):
    """The venue understood the request and said no (a 4xx): trying again as it is will not help."""


class RateLimited(VenueUnavailable):
    """The venue (or our own budget for it) refuses calls until `retry_after_s` seconds from now."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoAnswer(XETradeError):
    """None of the venues that were asked gave an answer; the message says why, venue by venue."""


class BookTooThin(XETradeError):
    """The known levels of a book do not hold the amount that was asked for."""


class LakeError(XETradeError):
    """The lake cannot do what was asked."""


class ObjectNotFound(LakeError):
    """No object of that name is in the lake."""


class LakeConflict(LakeError):
    """An object of that name exists already with other content; nothing was overwritten."""


class LakeUnavailable(LakeError):
    """The lake's store does not answer or refuses; what was sampled stays in the local spool."""


class SchemaViolation(LakeError):
    """Data does not fit the schema of its dataset."""


class CorruptFile(XETradeError):
    """A file of ours cannot be read: a torn log, a damaged Parquet file."""


class StorageFull(XETradeError):
    """The local disk is full; capture seals what it has and stops."""


class SessionError(XETradeError):
    """A capture session cannot start, be found or be stopped."""


class ClockStepped(XETradeError):
    """The wall clock went back too far to wait for it; capture seals what it has and stops, a new session can go on."""
