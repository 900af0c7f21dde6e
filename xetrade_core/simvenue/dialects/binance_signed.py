"""Who calls: Binance's keys, signatures and time windows, and its error codes for what it refuses.

A signature is the HMAC SHA256 of what was sent (query, then body, then without the signature itself) under the key's
secret. Codes and texts: developers.binance.com, "Error codes for Binance" (spot) and "Request security".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from xetrade_core.errors import XETradeError
from xetrade_core.simvenue.desk import Account, ApiKey, Desk, DeskRefusal, RefusalKind
from xetrade_core.simvenue.dialects.base import Request

_DEFAULT_WINDOW_MS = 5_000
_LONGEST_WINDOW_MS = 60_000
_AHEAD_MS = 1_000  # a client's clock may be this far ahead

Codes = Mapping[RefusalKind, tuple[int, str]]

SPOT_CODES: Codes = {
    RefusalKind.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    RefusalKind.BAD_PRICE: (-1013, "Filter failure: PRICE_FILTER"),
    RefusalKind.BAD_AMOUNT: (-1013, "Filter failure: LOT_SIZE"),
    RefusalKind.TOO_SMALL: (-1013, "Filter failure: LOT_SIZE"),
    RefusalKind.TOO_LARGE: (-1013, "Filter failure: LOT_SIZE"),
    RefusalKind.NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    RefusalKind.BAD_CLIENT_ID: (
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[\\.A-Z\\:/a-z0-9_-]{1,36}$'.",
    ),
    RefusalKind.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    RefusalKind.INSUFFICIENT_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    RefusalKind.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    RefusalKind.WOULD_NOT_FILL: (-2010, "Order would not fill."),
    RefusalKind.REDUCE_ONLY: (-2010, "Order would not reduce."),
    RefusalKind.PRICE_BAND: (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    RefusalKind.BUSY: (-2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity."),
    RefusalKind.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    RefusalKind.NOT_OPEN: (-2011, "Unknown order sent."),
}


class Refused(XETradeError):
    """A call that the venue refuses, with its own code, words and HTTP status."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


def refused(refusal: DeskRefusal, codes: Codes) -> Refused:
    """What a market says for a refusal of the desk."""
    return Refused(*codes[refusal.kind])


def needed(fields: Mapping[str, str], name: str) -> str:
    """A mandatory parameter. Raises Refused."""
    value = fields.get(name)
    if not value:
        raise Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def whole(fields: Mapping[str, str], name: str) -> int | None:
    """An optional parameter that is a whole number. Raises Refused."""
    value = fields.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise Refused(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(value)


def authenticate(desk: Desk, request: Request, *, trades: bool) -> Account:
    """The account that signed a REST call. Raises Refused."""
    account, issued = require_key(desk, request)
    _check_time(request.query, request.now_ms)
    sent = request.raw_query + request.body.decode(errors="replace")
    if "signature=" not in sent:
        raise Refused(-1102, "Mandatory parameter 'signature' was not sent, was empty/null, or malformed.")
    query = _without_signature(request.raw_query)
    body = _without_signature(request.body.decode(errors="replace"))
    _check_signature(query + body, request.query.get("signature", ""), issued)
    if trades and not issued.trade:
        raise _no_permission()
    return account


def require_key(desk: Desk, request: Request) -> tuple[Account, ApiKey]:
    """The account and key that a REST call names. Raises Refused."""
    key = request.headers.get("X-MBX-APIKEY")
    if not key:
        raise Refused(-2014, "API-key format invalid.", 401)
    return _issued(desk, key)


def authenticate_message(desk: Desk, fields: Mapping[str, str], now_ms: int) -> Account:
    """The account that signed the parameters of a websocket call, in the order of their names. Raises Refused."""
    account, issued = _issued(desk, needed(fields, "apiKey"))
    _check_time(fields, now_ms)
    signature = needed(fields, "signature")
    signed = "&".join(f"{name}={value}" for name, value in sorted(fields.items()) if name != "signature")
    _check_signature(signed, signature, issued)
    return account


def _issued(desk: Desk, key: str) -> tuple[Account, ApiKey]:
    known = desk.key(key)
    if known is None:
        raise _no_permission()
    return known


def _no_permission() -> Refused:
    return Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def _check_time(fields: Mapping[str, str], now_ms: int) -> None:
    needed(fields, "timestamp")
    stamp = whole(fields, "timestamp") or 0
    window = whole(fields, "recvWindow")
    if window is None:
        window = _DEFAULT_WINDOW_MS
    if window > _LONGEST_WINDOW_MS:
        raise Refused(-1131, "recvWindow must be less than 60000.")
    if stamp >= now_ms + _AHEAD_MS:
        raise Refused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - stamp > window:
        raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")


def _check_signature(signed: str, signature: str, issued: ApiKey) -> None:
    right = hmac.new(issued.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), signature.encode()):
        raise Refused(-1022, "Signature for this request is not valid.")


def _without_signature(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
