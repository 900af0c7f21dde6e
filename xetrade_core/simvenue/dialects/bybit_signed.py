"""Who calls: Bybit's keys, signatures and time windows, over REST and on the private websocket.

A signature is the HMAC SHA256 of timestamp, key, window, and then the query of a GET or the body of a POST, as sent.
Source: bybit-exchange.github.io/docs/v5, "Integration Guidance" and "Connect".
"""

from __future__ import annotations

import hashlib
import hmac

from xetrade_core.simvenue.desk import Account, ApiKey, Desk
from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.dialects.bybit_replies import BybitRefused

_DEFAULT_WINDOW_MS = 5_000
_AHEAD_MS = 1_000  # a client's clock may be this far ahead
_PREFIX = "X-BAPI-"


def authenticate(desk: Desk, request: Request, *, trades: bool) -> tuple[Account, ApiKey]:
    """The account and key that signed a REST call. Raises BybitRefused."""
    headers = request.headers
    key, stamp, signature = (headers.get(_PREFIX + name, "") for name in ("API-KEY", "TIMESTAMP", "SIGN"))
    if not key or not signature or not stamp.isdigit():
        raise BybitRefused(10001, "empty value: apiTimestamp[] apiKey[] apiSignature[]")
    window = headers.get(_PREFIX + "RECV-WINDOW", "")
    known = desk.key(key)
    if known is None:
        raise BybitRefused(10003, "API key is invalid.")
    account, issued = known
    length = int(window) if window.isdigit() else _DEFAULT_WINDOW_MS
    if not request.now_ms - length <= int(stamp) < request.now_ms + _AHEAD_MS:
        said = "invalid request, please check your server timestamp or recv_window param. "
        raise BybitRefused(
            10002, f"{said}req_timestamp[{stamp}],server_timestamp[{request.now_ms}],recv_window[{length}]"
        )
    sent = request.body.decode(errors="replace") if request.method == "POST" else request.raw_query
    if not _signed(f"{stamp}{key}{window}{sent}", signature, issued):
        raise BybitRefused(10004, "Error sign, please check your signature generation algorithm.")
    if trades and not issued.trade:
        raise BybitRefused(10005, "Permission denied, please check your API key permissions.")
    return account, issued


def authenticate_stream(desk: Desk, args: list[str], now_ms: int) -> Account | None:
    """The account that `auth` on the private websocket signed for; None if it did not."""
    known = desk.key(args[0]) if len(args) == 3 else None
    if known is None or not args[1].isdigit() or int(args[1]) <= now_ms:
        return None
    account, issued = known
    return account if _signed(f"GET/realtime{args[1]}", args[2], issued) else None


def _signed(text: str, signature: str, issued: ApiKey) -> bool:
    right = hmac.new(issued.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(right.encode(), signature.encode())
