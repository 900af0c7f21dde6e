"""What a venue's reply says, whatever client asked: when to come back, its own error code, whether it is whole."""

from __future__ import annotations

import math
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S

_LONGEST_PAUSE_S = 7 * 86400.0
_UNIX_TIME = 1e9  # a Retry-After as large as this is no delay but a moment, as MAX sends it
_UNIX_MILLIS = 1e12


def retry_after_s(header: str | None, wall_ns: int) -> float | None:
    """Seconds that a Retry-After asks for: a delay, an HTTP date, or a Unix timestamp (MAX); None if it is neither."""
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError):
            return None
        return _bounded(max(0.0, moment - wall_ns / NS_PER_S))
    if not math.isfinite(seconds):
        return None
    if seconds >= _UNIX_TIME:
        moment_ns = seconds * (NS_PER_MS if seconds >= _UNIX_MILLIS else NS_PER_S)
        seconds = max(0.0, (moment_ns - wall_ns) / NS_PER_S)
    return _bounded(seconds)


def _bounded(seconds: float) -> float | None:
    return seconds if 0 <= seconds < _LONGEST_PAUSE_S else None


def is_json(body: bytes) -> bool:
    """Whether a body is whole JSON: ccxt takes one that was cut short for text, and makes an empty book of it."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


class _Fields(msgspec.Struct):
    code: Any = None  # Binance, OKX, KuCoin
    retCode: Any = None  # Bybit
    ret_code: Any = None
    error: Any = None  # Deribit, Derive, MAX: an object with a code
    data: Any = None  # OKX: rows with an sCode each


_fields = msgspec.json.Decoder(_Fields)
_FINE = frozenset({"0", "200", "200000"})  # what Binance, OKX, Bybit and KuCoin call success


def raw_code(body: bytes) -> str | None:
    """The venue's own error code in the body of a reply, as text; None where it reports success or nothing readable.

    Of OKX's two codes the one of the row says more, so it wins.
    """
    if not (b'code"' in body or b'Code"' in body or b'"error"' in body) or not body.lstrip().startswith(b"{"):
        return None  # most answers, which need no reading for it
    try:
        fields = _fields.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    rows = fields.data if isinstance(fields.data, list) else []
    inner = fields.error.get("code") if isinstance(fields.error, dict) else None
    candidates = [row.get("sCode") for row in rows if isinstance(row, dict)]
    for value in (*candidates, inner, fields.retCode, fields.ret_code, fields.code):
        if isinstance(value, (int, str)) and not isinstance(value, bool) and str(value) not in _FINE and str(value):
            return str(value)
    return None
