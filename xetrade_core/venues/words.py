"""What a venue says of an error, out of the text that ccxt makes of it."""

from __future__ import annotations

from typing import Any

import msgspec

_WORDS = ("msg", "retMsg", "message", "sMsg", "error")
_SHOWN = 200


def venue_words(text: str) -> str | None:
    """What the venue says in the JSON object of its error that ccxt quotes; None where there is none.

    Where ccxt knows the words it quotes them alone, after the venue's name; never where a URL is among them.
    """
    brace = text.find("{")
    if brace < 0:
        return None if "://" in text else text.partition(" ")[2][:_SHOWN] or None
    try:
        body = msgspec.json.decode(text[brace:].encode())
    except msgspec.DecodeError:
        return None
    words = _said(body)
    return words[:_SHOWN] if words else None


def _said(body: Any) -> str | None:
    """The innermost words: OKX says "All operations failed" above the reason of each."""
    if isinstance(body, list):
        return next((words for row in body if (words := _said(row))), None)
    if not isinstance(body, dict):
        return body if isinstance(body, str) and body else None
    inner = _said(body.get("data"))
    return inner or next((words for name in _WORDS if (words := _said(body.get(name)))), None)
