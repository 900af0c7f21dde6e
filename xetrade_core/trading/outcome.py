"""What came of a request that was sent once: taken, definitely not taken, never sent, or not known.

Decided by the venue's raw code (`Venue.errors`), never by an error's class or wording. What is not listed is not known:
silence, a server error, a garbled body, a reply without an order id and an unlisted code all mean that the order may
live.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from xetrade_core.model.orders import OrderReport, ReportStatus
from xetrade_core.telemetry import redact_text
from xetrade_core.trading.execution import ErrorReply, NotSent
from xetrade_core.venues.venue import ErrorKind, Venue

REASON_LENGTH = 200
_REFUSALS = frozenset(
    {
        ErrorKind.AUTHENTICATION,
        ErrorKind.PERMISSION,
        ErrorKind.UNKNOWN_SYMBOL,
        ErrorKind.INSUFFICIENT_FUNDS,
        ErrorKind.ORDER_REJECTED,
        ErrorKind.NOTHING_TO_TAKE,
        ErrorKind.BAD_REQUEST,
    }
)
#: turned away at the door: the same request may be taken a moment later
_TURNED_AWAY = frozenset({ErrorKind.RATE_LIMITED, ErrorKind.CLOCK})


class Outcome(StrEnum):
    """What came of it."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNSENT = "unsent"
    UNKNOWN_ORDER = "unknown_order"  # the venue knows no such order: for cancels and amendments
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Classified:
    """An outcome with the venue's words."""

    outcome: Outcome
    report: OrderReport | None = None
    code: str | None = None
    reason: str | None = None
    retry_after_s: float | None = None


def classify(venue: Venue, result: OrderReport | BaseException) -> Classified:
    """What a placement, a cancel or an amendment came to, from its reply or its error."""
    if isinstance(result, OrderReport):
        return _of_report(result)
    reason = redact_text(" ".join(str(result).split()) or type(result).__name__)[:REASON_LENGTH]
    if isinstance(result, NotSent):
        return Classified(Outcome.UNSENT, reason=reason, retry_after_s=result.retry_after_s)
    if not isinstance(result, ErrorReply):
        return Classified(Outcome.AMBIGUOUS, reason=reason)
    outcome = Outcome.AMBIGUOUS
    kind = venue.errors.get(result.code) if result.code is not None else None
    if result.status is None or result.status < 500:
        if kind in _REFUSALS:
            outcome = Outcome.REFUSED
        elif kind in _TURNED_AWAY:
            outcome = Outcome.UNSENT
        elif kind is ErrorKind.UNKNOWN_ORDER:
            outcome = Outcome.UNKNOWN_ORDER
    said = redact_text(" ".join(result.said.split()))[:REASON_LENGTH]
    return Classified(outcome, code=result.code, reason=said or reason)


def _of_report(report: OrderReport) -> Classified:
    if report.status is ReportStatus.REJECTED:
        return Classified(Outcome.REFUSED, report, report.code, report.reason)
    if not report.venue_order_id:
        return Classified(Outcome.AMBIGUOUS, report, reason="the reply names no order id")
    return Classified(Outcome.TAKEN, report, report.code, report.reason)
