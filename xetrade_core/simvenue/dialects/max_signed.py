"""Who calls: MAX's keys, signed payloads and nonces, over REST and on the websocket.

The payload is the base64 of a JSON object of path, nonce and parameters, which must be those that were sent; the
signature is the hex HMAC SHA256 of that base64 text. A nonce is a time in milliseconds within 30 s of the venue's, once
a key. Sources: the API's description of 2026-08 ("身分驗證"), and Authentication of the websocket documentation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from xetrade_core.errors import XETradeError
from xetrade_core.simvenue.desk import Account, ApiKey, Desk
from xetrade_core.simvenue.dialects.base import Reply, Request

_WINDOW_MS = 30_000
_UNAUTHORIZED = 401


class MaxRefused(XETradeError):
    """A call that the venue refuses, with its own code and words, and the HTTP status that goes with it."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status

    @property
    def reply(self) -> Reply:
        """The venue's answer."""
        body = {"success": False, "error": {"code": self.code, "message": self.message}}
        return Reply(self.status, msgspec.json.encode(body))


class MaxKeys:
    """The keys of one venue, and the nonces that each has used."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._used: dict[str, set[int]] = {}

    def authenticate(self, request: Request, *, trades: bool) -> Account:
        """The account that signed a REST call. Raises MaxRefused."""
        names = ("X-MAX-ACCESSKEY", "X-MAX-PAYLOAD", "X-MAX-SIGNATURE")
        key, payload, signature = (request.headers.get(name, "") for name in names)
        if not (key and payload and signature):
            raise MaxRefused(2001, "Authorization failed", _UNAUTHORIZED)
        account, issued = self._issued(key)
        if not _signed(payload, signature, issued):
            raise MaxRefused(2005, "Signature is incorrect.", _UNAUTHORIZED)
        signed = _decoded(payload)
        if signed.pop("path", None) != request.path or _texts(signed) != _sent(request):
            raise MaxRefused(2014, "Payload is not consistent.", _UNAUTHORIZED)
        code = self._spend(issued, signed.get("nonce"), request.now_ms)
        if code:
            words = "Nonce has already been used by access key." if code == 2006 else "The nonce is invalid."
            raise MaxRefused(code, words, _UNAUTHORIZED)
        if trades and not issued.trade:
            raise MaxRefused(2011, "Out of scope.", _UNAUTHORIZED)
        return account

    def sign_in(self, key: str, nonce: int, signature: str, now_ms: int) -> tuple[Account | None, str]:
        """The account that a websocket's `auth` signed for, or the venue's words of why it did not."""
        known = self._desk.key(key)
        if known is None or not _signed(str(nonce), signature, known[1]):
            return None, "E-1007: authentication failed"
        code = self._spend(known[1], nonce, now_ms)
        if code:
            said = "E-1012: nonce has already been used" if code == 2006 else "E-1006: invalid nonce"
            return None, said
        return known[0], ""

    def _issued(self, key: str) -> tuple[Account, ApiKey]:
        known = self._desk.key(key)
        if known is None:
            raise MaxRefused(2008, "The access key does not exist.", _UNAUTHORIZED)
        return known

    def _spend(self, issued: ApiKey, nonce: object, now_ms: int) -> int:
        """Use a nonce up: 0, or the code of why it cannot be."""
        if not isinstance(nonce, int) or abs(now_ms - nonce) > _WINDOW_MS:
            return 2007
        used = self._used.setdefault(issued.key, set())
        if nonce in used:
            return 2006
        used.add(nonce)
        if len(used) > _WINDOW_MS:
            self._used[issued.key] = {one for one in used if abs(now_ms - one) <= _WINDOW_MS}
        return 0


def _signed(text: str, signature: str, issued: ApiKey) -> bool:
    right = hmac.new(issued.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(right.encode(), signature.encode())


def _decoded(payload: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(base64.b64decode(payload, validate=True), type=dict[str, Any])
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError):
        raise MaxRefused(2014, "Payload is not consistent.", _UNAUTHORIZED) from None


def _sent(request: Request) -> dict[str, list[str]]:
    """The parameters as they were sent: of the query, where a list's name has brackets, and of a JSON body."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(request.raw_query, keep_blank_values=True):
        found.setdefault(name.removesuffix("[]"), []).append(value)
    if request.body:
        try:
            found |= _texts(msgspec.json.decode(request.body, type=dict[str, Any]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise MaxRefused(1001, "body is not valid JSON") from None
    return found


def _texts(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        name: [_text(each) for each in value] if isinstance(value, list) else [_text(value)]
        for name, value in fields.items()
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
