"""Reads recorded OKX websocket traffic."""

from __future__ import annotations

import msgspec

from xetrade_core.simvenue.dialects.base import Recorded
from xetrade_core.simvenue.venue import Venue


class _Arg(msgspec.Struct):
    channel: str
    instId: str = ""


class _Data(msgspec.Struct):
    bids: list[tuple[str, str, str, str]] = []
    asks: list[tuple[str, str, str, str]] = []
    prevSeqId: int | None = None
    seqId: int | None = None


class _Push(msgspec.Struct):
    arg: _Arg
    data: list[_Data]
    action: str = ""


def read_okx(venue: Venue, frame: bytes) -> Recorded | None:
    """None for control replies and unlisted instruments. Recordings older than sequence ids are numbered one by one."""
    try:
        push = msgspec.json.decode(frame, type=_Push)
    except msgspec.DecodeError:
        return None
    market = venue.by_id.get(push.arg.instId)
    if market is None or not push.data:
        return None
    data, kind = push.data[0], push.arg.channel
    previous = market.sequence if data.prevSeqId is None else data.prevSeqId
    if kind != "books":
        return Recorded(market, kind, frame, previous, previous, market.sequence, [])
    last = market.sequence + 1 if data.seqId is None else data.seqId
    ticks, lots = market.numbers.ticks, market.numbers.lots
    changes = [(ticks(row[0]), lots(row[1])) for row in data.bids]
    changes += [(-ticks(row[0]), lots(row[1])) for row in data.asks]
    return Recorded(market, kind, frame, previous, last, last, changes, snapshot=push.action == "snapshot")
