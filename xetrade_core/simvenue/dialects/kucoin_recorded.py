"""Reads recorded KuCoin traffic: websocket frames and REST bodies of both markets."""

from __future__ import annotations

import msgspec

from xetrade_core.simvenue.dialects.base import Recorded
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Venue

Change = tuple[str, str, str]


class _Changes(msgspec.Struct):
    asks: list[Change]
    bids: list[Change]


class _SpotData(msgspec.Struct):
    symbol: str
    sequenceStart: int
    sequenceEnd: int
    changes: _Changes


class _SpotPush(msgspec.Struct):
    data: _SpotData
    subject: str


class _FuturesData(msgspec.Struct):
    sequence: int
    change: str


class _FuturesPush(msgspec.Struct):
    topic: str
    data: _FuturesData


class _Book(msgspec.Struct):
    sequence: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class _Body(msgspec.Struct):
    data: _Book


_SPOT = msgspec.json.Decoder(_SpotPush)
_FUTURES = msgspec.json.Decoder(_FuturesPush)
_BODY = msgspec.json.Decoder(_Body, strict=False)


def read_kucoin(venue: Venue, frame: bytes, symbol: str | None) -> Recorded | None:
    """None for what is no book of a listed pair. A REST body is of `symbol`."""
    try:
        if frame.startswith(b'{"code":'):
            return _snapshot(venue, frame, symbol)
        if b'"trade.l2update"' not in frame:
            return None
        data = _SPOT.decode(frame).data
    except msgspec.DecodeError:
        return None
    market = venue.by_id.get(data.symbol)
    if market is None:
        return None
    ticks, lots = market.numbers.ticks, market.numbers.lots
    changes = [(ticks(price), lots(size)) for price, size, _ in data.changes.bids]
    changes += [(-ticks(price), lots(size)) for price, size, _ in data.changes.asks]
    real = [change for change in changes if change[0]]  # a change at price 0 is one without effect
    first, last = data.sequenceStart, data.sequenceEnd
    return Recorded(market, "level2", frame, first - 1, first, last, real)


def read_kucoinfutures(venue: Venue, frame: bytes, symbol: str | None) -> Recorded | None:
    """As `read_kucoin`, of contracts."""
    try:
        if frame.startswith(b'{"code":'):
            return _snapshot(venue, frame, symbol)
        if b'"/contractMarket/level2:' not in frame:
            return None
        push = _FUTURES.decode(frame)
    except msgspec.DecodeError:
        return None
    market = venue.by_id.get(push.topic.rpartition(":")[2])
    if market is None:
        return None
    price, side, size = push.data.change.split(",")
    signed = market.numbers.ticks(price) * (1 if side == "buy" else -1)
    last = push.data.sequence
    return Recorded(market, "level2", frame, last - 1, last, last, [(signed, market.numbers.lots(size))])


def _snapshot(venue: Venue, body: bytes, symbol: str | None) -> Recorded | None:
    market: Market | None = venue.markets.get(symbol or "")
    if market is None:
        return None
    book = _BODY.decode(body).data
    ticks, lots = market.numbers.ticks, market.numbers.lots
    changes = [(ticks(price), lots(size)) for price, size in book.bids]
    changes += [(-ticks(price), lots(size)) for price, size in book.asks]
    last = book.sequence
    return Recorded(market, "rest", body, last, last, last, changes, snapshot=True)
