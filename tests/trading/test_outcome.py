"""What came of a request: by the venue's raw code; what is not certain is not guessed."""

from __future__ import annotations

import pytest

from tests.trading.samples import report, venue
from xetrade_core.model.orders import OrderReport, ReportStatus
from xetrade_core.telemetry import register_secrets
from xetrade_core.trading.execution import ErrorReply, NoReply, NotSent
from xetrade_core.trading.outcome import Outcome, classify


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (report(), Outcome.TAKEN),
        (report(ReportStatus.FILLED), Outcome.TAKEN),
        (report(ReportStatus.REJECTED, code="-2010", reason="no"), Outcome.REFUSED),
        (report(venue_order_id=None), Outcome.AMBIGUOUS),
        (report(venue_order_id=""), Outcome.AMBIGUOUS),
        (ErrorReply("-2010", "insufficient balance", 400), Outcome.REFUSED),
        (ErrorReply("-1013", "PRICE_FILTER", 400), Outcome.REFUSED),
        (ErrorReply("-2010", "insufficient balance", 200), Outcome.REFUSED),
        (ErrorReply("-2010", "insufficient balance", 502), Outcome.AMBIGUOUS),
        (ErrorReply("-2011", "unknown order", 400), Outcome.UNKNOWN_ORDER),
        (ErrorReply("-1003", "too many requests", 429), Outcome.UNSENT),
        (ErrorReply("-1021", "outside recvWindow", 400), Outcome.UNSENT),
        (ErrorReply("-1007", "timeout waiting for backend", 408), Outcome.AMBIGUOUS),
        (ErrorReply("-1016", "maintenance", 503), Outcome.AMBIGUOUS),
        (ErrorReply("-4116", "duplicate", 400), Outcome.AMBIGUOUS),
        (ErrorReply("-9999", "a code that nobody knows", 400), Outcome.AMBIGUOUS),
        (ErrorReply(None, "<html>Bad Gateway</html>", 200), Outcome.AMBIGUOUS),
        (NotSent("connection refused"), Outcome.UNSENT),
        (NoReply("timeout"), Outcome.AMBIGUOUS),
        (ConnectionResetError(), Outcome.AMBIGUOUS),
        (ValueError("a client's own mistake"), Outcome.AMBIGUOUS),
    ],
)
def test_an_outcome_follows_from_the_code_alone(result: OrderReport | Exception, outcome: Outcome) -> None:
    assert classify(venue(), result).outcome is outcome


def test_the_venues_words_are_kept_short_and_without_secrets() -> None:
    register_secrets(["canary-4711"])
    found = classify(venue(), ErrorReply("-2010", "key canary-4711\n" + "x" * 500, 400))
    assert found.code == "-2010"
    assert found.reason is not None
    assert "canary" not in found.reason
    assert "\n" not in found.reason
    assert len(found.reason) <= 200
    assert classify(venue(), NoReply("canary-4711")).reason == "(secret)"
