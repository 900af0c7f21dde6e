"""Reads recorded Binance traffic: combined frames, raw frames and REST depth bodies become `Recorded` messages."""

from __future__ import annotations

import msgspec

from xetrade_core.simvenue.dialects.base import Recorded
from xetrade_core.simvenue.listing import WireNumbers
from xetrade_core.simvenue.venue import Venue

_EVENT_KINDS = {"depthUpdate": "depth", "bookTicker": "bookTicker", "trade": "trade"}
_STREAM_KINDS = ("depth", "bookTicker", "trade")


class _Combined(msgspec.Struct):
    stream: str
    data: msgspec.Raw


class _Event(msgspec.Struct):
    """The fields that any of the known events carries."""

    s: str
    e: str = "bookTicker"  # spot book tickers carry no event type
    U: int | None = None
    u: int = 0
    pu: int | None = None
    b: list[tuple[str, str]] | str = ""
    a: list[tuple[str, str]] | str | int = ""


class _Snapshot(msgspec.Struct):
    lastUpdateId: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


def read_binance(venue: Venue, frame: bytes, symbol: str | None) -> Recorded | None:
    """None for frames that are no market data of a listed symbol. A snapshot is of `symbol`, or else of the only one
    listed.
    """
    try:
        if frame.startswith(b'{"lastUpdateId"'):
            return _snapshot(venue, frame, symbol)
        payload = frame
        if frame.startswith(b'{"stream"'):
            combined = msgspec.json.decode(frame, type=_Combined)
            kind = combined.stream.split("@")[1]
            if kind not in _STREAM_KINDS:
                return None
            payload = bytes(combined.data)
        return _event(venue, payload)
    except msgspec.DecodeError:
        return None


def _snapshot(venue: Venue, frame: bytes, symbol: str | None) -> Recorded | None:
    market = venue.markets.get(symbol) if symbol else next(iter(venue.markets.values()))
    if market is None:
        return None
    snapshot = msgspec.json.decode(frame, type=_Snapshot)
    changes = _changes(market.numbers, snapshot.bids, snapshot.asks)
    last = snapshot.lastUpdateId
    return Recorded(market, "rest", frame, last, last, last, changes, snapshot=True)


def _event(venue: Venue, payload: bytes) -> Recorded | None:
    event = msgspec.json.decode(payload, type=_Event)
    market, kind = venue.by_id.get(event.s), _EVENT_KINDS.get(event.e)
    if market is None or kind is None:
        return None
    changes: list[tuple[int, int]] = []
    if kind == "depth" and isinstance(event.b, list) and isinstance(event.a, list):
        changes = _changes(market.numbers, event.b, event.a)
    first = event.u if event.U is None else event.U
    return Recorded(market, kind, payload, first - 1 if event.pu is None else event.pu, first, event.u, changes)


def _changes(numbers: WireNumbers, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> list[tuple[int, int]]:
    changes = [(numbers.ticks(price), numbers.lots(size)) for price, size in bids]
    return changes + [(-numbers.ticks(price), numbers.lots(size)) for price, size in asks]
