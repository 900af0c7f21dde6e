"""Reads recorded MAX websocket traffic, of the deepest book channel."""

from __future__ import annotations

import msgspec

from xetrade_core.simvenue.dialects.base import Recorded
from xetrade_core.simvenue.venue import Venue


class _Book(msgspec.Struct):
    c: str
    e: str
    M: str
    a: list[tuple[str, str]]
    b: list[tuple[str, str]]
    fi: int
    li: int


def read_max(venue: Venue, frame: bytes) -> Recorded | None:
    """None for replies, other channels and markets that are not listed."""
    try:
        book = msgspec.json.decode(frame, type=_Book)
    except msgspec.DecodeError:
        return None
    market = venue.by_id.get(book.M)
    if market is None or book.c != "book":
        return None
    ticks, lots = market.numbers.ticks, market.numbers.lots
    changes = [(ticks(price), lots(size)) for price, size in book.b]
    changes += [(-ticks(price), lots(size)) for price, size in book.a]
    snapshot = book.e == "snapshot"
    return Recorded(market, "book50", frame, book.fi - 1, book.fi, book.li, changes, snapshot=snapshot)
