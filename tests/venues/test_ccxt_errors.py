"""ccxt's errors become ours: by the venue's raw code first, then by ccxt's class; never with a URL's query."""

from __future__ import annotations

from dataclasses import replace

import ccxt
import pytest

from xetrade_core.errors import (
    NotSupported,
    RateLimited,
    UnknownSymbol,
    VenueRefused,
    VenueUnavailable,
    XETradeError,
)
from xetrade_core.telemetry import register_secrets
from xetrade_core.venues.ccxt_errors import translated
from xetrade_core.venues.registry import venue
from xetrade_core.venues.transport import Call
from xetrade_core.venues.venue import ErrorKind

VENUE = replace(
    venue("binance"),
    errors={
        "-1003": ErrorKind.RATE_LIMITED,
        "-1001": ErrorKind.UNAVAILABLE,
        "-1021": ErrorKind.CLOCK,
        "-1121": ErrorKind.UNKNOWN_SYMBOL,
        "-2015": ErrorKind.AUTHENTICATION,
        "-1102": ErrorKind.BAD_REQUEST,
    },
)
WHAT = "order book of BTC/USDT"


def ours(error: Exception, status: int | None = None, code: str | None = None) -> XETradeError:
    return translated(error, Call(status=status, code=code), VENUE, WHAT, 60.0)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("-1003", RateLimited),
        ("-1001", VenueUnavailable),
        ("-1021", VenueUnavailable),
        ("-1121", UnknownSymbol),
        ("-2015", VenueRefused),
        ("-1102", VenueRefused),
    ],
)
@pytest.mark.parametrize("raised", [ccxt.ExchangeError, ccxt.ExchangeNotAvailable, ccxt.BadSymbol, ccxt.DDoSProtection])
def test_a_known_code_decides_whatever_class_ccxt_raises(
    code: str, kind: type[XETradeError], raised: type[Exception]
) -> None:
    assert type(ours(raised("binance {...}"), 400, code)) is kind


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ccxt.RequestTimeout("binance GET"), None, VenueUnavailable),
        (ccxt.ExchangeNotAvailable("binance GET"), None, VenueUnavailable),
        (ccxt.OnMaintenance("binance"), 503, VenueUnavailable),
        (ccxt.ExchangeNotAvailable("binance 404"), 404, VenueRefused),
        (ccxt.DDoSProtection("binance"), 418, RateLimited),
        (ccxt.RateLimitExceeded("binance"), None, RateLimited),
        (ccxt.BadSymbol("binance"), None, UnknownSymbol),
        (ccxt.NotSupported("binance fetchX() is not supported yet"), None, NotSupported),
        (ccxt.BadRequest("binance limit argument must be 20 or 100"), None, VenueRefused),
        (ccxt.ExchangeError("binance {code: -1}"), 400, VenueRefused),
        (ccxt.ExchangeError("binance {code: -1}"), 502, VenueUnavailable),
        (IndexError("list index out of range"), None, VenueUnavailable),
        (TypeError("'NoneType' object is not subscriptable"), None, VenueUnavailable),
    ],
)
def test_without_a_known_code_the_class_and_the_status_decide(
    error: Exception, status: int | None, kind: type[XETradeError]
) -> None:
    found = ours(error, status, "-9999" if status == 400 else None)
    assert type(found) is kind
    assert "\n" not in str(found)


def test_a_limit_says_for_how_long_and_a_window_where_the_venue_does_not() -> None:
    stated = translated(ccxt.DDoSProtection("x"), Call(status=429, retry_after_s=7), VENUE, WHAT, 60.0)
    unstated = translated(ccxt.DDoSProtection("x"), Call(status=429), VENUE, WHAT, 60.0)
    assert isinstance(stated, RateLimited)
    assert isinstance(unstated, RateLimited)
    assert (stated.retry_after_s, unstated.retry_after_s) == (7, 60)


def test_no_query_and_no_secret_is_kept() -> None:
    register_secrets(["KEYcanary987654"])
    said = str(
        ours(
            ccxt.RequestTimeout(
                "binance GET https://api.binance.com/api/v3/account?timestamp=1&signature=abcdef KEYcanary987654"
            )
        )
    )
    assert "https://api.binance.com/api/v3/account" in said
    assert "signature" not in said
    assert "KEYcanary987654" not in said
    assert "(secret)" in said


def test_a_long_page_of_html_is_cut() -> None:
    assert len(str(ours(ccxt.ExchangeNotAvailable("binance " + "<html> " * 500), 502))) < 300


def test_of_a_body_only_the_venues_words_are_told() -> None:
    body = '{"jsonrpc":"2.0","error":{"message":"system_maintenance","code":11051},"usIn":0,"testnet":false}'
    assert str(ours(ccxt.OnMaintenance(f"deribit {body}"), 503)).endswith(
        "OnMaintenance (status 503): system_maintenance"
    )
