"""Who calls: OKX's keys, passphrases, signatures and times, over REST and on the private websocket.

A signature is the base64 of the HMAC SHA256 of timestamp, method, path with its query, and body, as sent.
Source: www.okx.com/docs-v5, "REST Authentication" and "WebSocket / Login".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from xetrade_core.simvenue.desk import Account, ApiKey, Desk
from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.dialects.okx_replies import OkxRefused

_WINDOW_MS = 30_000
_LOGIN = "GET/users/self/verify"
_UNAUTHORIZED = 401


def authenticate(desk: Desk, request: Request, *, trades: bool) -> tuple[Account, ApiKey]:
    """The account and key that signed a REST call. Raises OkxRefused."""
    headers = {
        name: request.headers.get(f"OK-ACCESS-{name}", "") for name in ("KEY", "SIGN", "TIMESTAMP", "PASSPHRASE")
    }
    for code, name in (("50103", "KEY"), ("50106", "SIGN"), ("50107", "TIMESTAMP"), ("50104", "PASSPHRASE")):
        if not headers[name]:
            raise OkxRefused(code, f'Request header "OK-ACCESS-{name}" can\'t be empty.', _UNAUTHORIZED)
    stamp = _millis(headers["TIMESTAMP"])
    if stamp is None:
        raise OkxRefused("50112", "Invalid OK-ACCESS-TIMESTAMP", _UNAUTHORIZED)
    if abs(request.now_ms - stamp) > _WINDOW_MS:
        raise OkxRefused("50102", "Timestamp request expired", _UNAUTHORIZED)
    known = desk.key(headers["KEY"])
    if known is None:
        raise OkxRefused("50111", "Invalid OK-ACCESS-KEY", _UNAUTHORIZED)
    account, issued = known
    if headers["PASSPHRASE"] != issued.passphrase:
        raise OkxRefused("50105", 'Request header "OK-ACCESS-PASSPHRASE" incorrect.', _UNAUTHORIZED)
    query = f"?{request.raw_query}" if request.raw_query else ""
    sent = f"{headers['TIMESTAMP']}{request.method}{request.path}{query}{request.body.decode(errors='replace')}"
    if not _signed(sent, headers["SIGN"], issued):
        raise OkxRefused("50113", "Invalid Sign", _UNAUTHORIZED)
    if trades and not issued.trade:
        raise OkxRefused("50120", "This API key doesn't have permission to use this function", 403)
    return account, issued


def authenticate_stream(desk: Desk, fields: Mapping[str, str], now_ms: int) -> tuple[Account | None, str, str]:
    """The account that a `login` signed for, or the code and words of why it did not."""
    known = desk.key(fields.get("apiKey", ""))
    stamp = fields.get("timestamp", "")
    if known is None:
        return None, "60005", "Invalid apiKey"
    if not stamp.isdigit() or abs(now_ms - int(stamp) * 1000) > _WINDOW_MS:
        return None, "60006", "Timestamp request expired"
    account, issued = known
    if fields.get("passphrase") != issued.passphrase:
        return None, "60024", "Wrong passphrase"
    if not _signed(stamp + _LOGIN, fields.get("sign", ""), issued):
        return None, "60007", "Invalid sign"
    return account, "0", ""


def _millis(stamp: str) -> int | None:
    """An ISO 8601 time as milliseconds; None if it is none."""
    try:
        moment = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    except ValueError:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _signed(text: str, signature: str, issued: ApiKey) -> bool:
    right = base64.b64encode(hmac.new(issued.secret.encode(), text.encode(), hashlib.sha256).digest())
    return hmac.compare_digest(right, signature.encode())
