"""Every error XETrade raises on purpose.

One hierarchy, so that a caller can catch `XETradeError` and know that the message is meant for a person: it names
what was asked, what is allowed, and what to do. The command line prints it on one line and exits 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal


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


class InvalidOrder(XETradeError):
    """An order that the venue would not take as it is; it was not sent. Names the field, its value, what is allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        shown = format(value, "f") if isinstance(value, Decimal) else value  # never 1E-7
        said = f"{field} is missing" if value is None else f"{field} {shown} is not valid"
        super().__init__(f"{said}: {allowed}")
        self.field = field
        self.value = value
        self.allowed = allowed


class UnknownOrder(XETradeError):
    """No order of that name is in the order store, nor on the venue where that was asked."""

    def __init__(self, name: str, venue: str | None = None) -> None:
        where = "is in the order store" + (f", and {venue} has none such" if venue else "")
        super().__init__(f"unknown order {name!r}: no order of that id {where}")
        self.name = name


class IntentConflict(XETradeError):
    """The key of an intent was used before, for another order; nothing was sent."""

    def __init__(self, client_id: str, field: str, before: object, now: object) -> None:
        was, asked = (format(value, "f") if isinstance(value, Decimal) else value for value in (before, now))
        super().__init__(
            f"order {client_id} exists with {field} {was}, and {asked} is asked: give another order another key"
        )
        self.client_id = client_id
        self.field = field


class OrderError(XETradeError):
    """An order did not become what was asked; `client_id` names it."""

    def __init__(self, message: str, client_id: str) -> None:
        super().__init__(message)
        self.client_id = client_id


class OrderRejected(OrderError):
    """The venue definitely did not take it; `code` and `reason` are the venue's own."""

    what = "order {} was rejected"

    def __init__(self, client_id: str, code: str | None, reason: str | None) -> None:
        said = f"{reason or 'no reason given'}" + (f" (code {code})" if code else "")
        super().__init__(f"{self.what.format(client_id)}: {said}", client_id)
        self.code = code
        self.reason = reason


class OrderOutcomeUnknown(OrderError):
    """The venue may or may not have taken it. It stays reserved and is asked for until the venue tells."""

    def __init__(self, client_id: str, reason: str | None) -> None:
        super().__init__(
            f"order {client_id}: the venue has not told whether it took it ({reason or 'no answer'}); it keeps its "
            "risk reserved and is asked for again; do not place it under another key",
            client_id,
        )
        self.reason = reason


class CancelRefused(OrderRejected):
    """The venue refused to cancel the order, and it still rests there."""

    what = "cancelling order {} was refused"


class AmendRefused(OrderRejected):
    """The order was not changed, by the venue's word or because it had ended before."""

    what = "changing order {} was refused"


class OrderExpired(OrderError):
    """The venue stayed away until the intent's own expiry; it was never taken."""

    def __init__(self, client_id: str, reason: str | None) -> None:
        super().__init__(
            f"order {client_id} expired before the venue could be reached: {reason or 'no answer'}", client_id
        )
        self.reason = reason


class OrderWithdrawn(OrderError):
    """Somebody cancelled it while it waited here; it never was on the venue."""

    def __init__(self, client_id: str) -> None:
        super().__init__(f"order {client_id} was canceled before it was sent: nothing is on the venue", client_id)


class RiskDenied(OrderError):
    """Our own risk check refused it before it was sent: what `limit` would come to, and what is allowed."""

    says = "{} would be {}, allowed is {}"

    def __init__(self, client_id: str, limit: str, asked: object, allowed: object) -> None:
        said = self.says.format(limit, asked, allowed)
        super().__init__(f"order {client_id} was denied: {said}", client_id)
        self.limit = limit
        self.asked = asked
        self.allowed = allowed


class Halted(RiskDenied):
    """Trading is halted or only reducing there. Cancels pass."""

    says = "{0}; {2}"


class NotArmed(RiskDenied):
    """Live trading on that venue is not armed, or the arming expired or does not reach so far."""


class CrossRefused(XETradeError):
    """A cross-venue order that its checks do not let begin; nothing was sent. Names every reason."""


class CrossConflict(XETradeError):
    """The key of a cross-venue order was used before, for another one; nothing was sent."""

    def __init__(self, key: str, field: str, before: object, now: object) -> None:
        super().__init__(
            f"cross order {key} exists with {field} {before}, and {now} is asked: give another one another key"
        )


class CrossNotOver(XETradeError):
    """A cross-venue order was begun and is not over: its legs may be on their venues. It goes on with the same key."""


class CrossBusy(CrossNotOver):
    """Another process drives that cross-venue order, or has taken it over."""


class UnknownCross(XETradeError):
    """No cross-venue order of that key is in the order store."""

    def __init__(self, key: str) -> None:
        super().__init__(f"unknown cross order {key!r}: `xetrade cross list` tells those there are")


class StoreUnavailable(XETradeError):
    """The order store cannot be reached or written; nothing was sent."""


class StoreConflict(XETradeError):
    """Other processes wrote to the order store at the same time too often in a row; nothing was changed."""


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
    """A capture session, or a backfill, cannot start, be found or be stopped."""


class ClockStepped(XETradeError):
    """The wall clock went back too far to wait for it; capture seals what it has and stops, a new session can go on."""
