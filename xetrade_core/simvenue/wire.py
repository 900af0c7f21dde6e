"""Websocket frames as bytes, and the ways to spoil a message.

A frame is encoded once and the same bytes go to every subscriber: a server's frames are not masked, so no connection
needs its own.
"""

from __future__ import annotations

import random
import struct
from typing import Any

import msgspec

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """One unfragmented, unmasked websocket frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def close_frame(code: int, reason: str) -> bytes:
    return encode_frame(CLOSE, struct.pack("!H", code) + reason.encode())


def garble(payload: bytes, variant: str, rng: random.Random) -> bytes:
    """A spoiled copy of a book message; `binary` gives random bytes, to be sent in a binary frame."""
    if variant == "truncated":
        return payload[: rng.randint(1, len(payload) - 1)]
    if variant == "not_json":
        return b"<html><body>502 Bad Gateway</body></html>"
    if variant == "binary":
        return rng.randbytes(64)
    message: dict[str, Any] = msgspec.json.decode(payload)
    body: dict[str, Any] = message["data"][0] if isinstance(message.get("data"), list) else message
    _SPOILERS[variant](message, body)
    return msgspec.json.encode(message)


def spoil_body(body: bytes, rng: random.Random) -> bytes:
    """A REST body cut short."""
    return body[: rng.randint(0, max(0, len(body) - 1))]


def _bids(body: dict[str, Any]) -> list[Any]:
    bids: list[Any] = body["b" if "b" in body else "bids"]
    return bids


def _add_bid(body: dict[str, Any], price: object, size: object) -> None:
    rest = ["0", "1"] if "bids" in body else []
    _bids(body).append([price, size, *rest])


def _wrong_types(message: dict[str, Any], body: dict[str, Any]) -> None:
    for key in ("u", "U", "seqId"):
        if key in body:
            body[key] = "not a number"
    body["b" if "b" in body else "bids"] = {"price": 1}


def _unknown_symbol(message: dict[str, Any], body: dict[str, Any]) -> None:
    if "s" in message:
        message["s"] = "NOSUCHSYMBOL"
    else:
        message["arg"]["instId"] = "NO-SUCHSYMBOL"


_SPOILERS = {
    "wrong_types": _wrong_types,
    "zero_price": lambda message, body: _add_bid(body, "0", "1"),
    "negative_size": lambda message, body: _add_bid(body, "1", "-1"),
    "nan": lambda message, body: _add_bid(body, "NaN", "1"),
    "crossed": lambda message, body: _add_bid(body, "99999999", "1"),
    "unknown_symbol": _unknown_symbol,
}
