"""Websocket frames as bytes, and the ways to spoil a message.

A frame is encoded once and the same bytes go to every subscriber: a server's frames are not masked, so no connection
needs its own.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class BookShape:
    """Where a venue's book message holds what can be spoiled.

    `body` leads from the message to the object with the sides, `bids` from there to the bids, `symbol` from the message
    to the instrument's name; each step is a key or an index. `ids` are the body's sequence fields. `row` makes a level:
    a list, to be added to the bids, or the text of the only one that a message holds.
    """

    ids: tuple[str, ...]
    symbol: tuple[str | int, ...]
    body: tuple[str | int, ...] = ()
    bids: tuple[str, ...] = ("bids",)
    row: Callable[[str, str], list[str] | str] = lambda price, size: [price, size]


def garble(payload: bytes, variant: str, rng: random.Random, shape: BookShape) -> bytes:
    """A spoiled copy of a book message; `binary` gives random bytes, to be sent in a binary frame."""
    if variant == "truncated":
        return payload[: rng.randint(1, len(payload) - 1)]
    if variant == "not_json":
        return b"<html><body>502 Bad Gateway</body></html>"
    if variant == "binary":
        return rng.randbytes(64)
    message = msgspec.json.decode(payload)
    body = _at(message, shape.body)
    sides = _at(body, shape.bids[:-1])
    if variant == "wrong_types":
        body.update((key, "not a number") for key in shape.ids if key in body)
        sides[shape.bids[-1]] = {"price": 1}
    elif variant == "unknown_symbol":
        _at(message, shape.symbol[:-1])[shape.symbol[-1]] = "NO-SUCHSYMBOL"
    else:
        row = shape.row(*_BAD_LEVELS[variant])
        sides[shape.bids[-1]] = row if isinstance(row, str) else [*sides[shape.bids[-1]], row]
    return msgspec.json.encode(message)


def spoil_body(body: bytes, rng: random.Random) -> bytes:
    """A REST body cut short."""
    return body[: rng.randint(0, max(0, len(body) - 1))]


def without(body: bytes, names: Collection[str]) -> bytes:
    """A JSON body without the fields of these names, wherever they stand."""

    def spare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spare(each) for key, each in value.items() if key not in names}
        return [spare(each) for each in value] if isinstance(value, list) else value

    return msgspec.json.encode(spare(msgspec.json.decode(body))) if body else body


_BAD_LEVELS = {
    "zero_price": ("0", "1"),
    "negative_size": ("1", "-1"),
    "nan": ("NaN", "1"),
    "crossed": ("99999999", "1"),
}


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value
