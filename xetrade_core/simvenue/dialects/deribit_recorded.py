"""Reads recorded Deribit websocket traffic."""

from __future__ import annotations

import msgspec

from xetrade_core.simvenue.dialects.base import Recorded
from xetrade_core.simvenue.venue import Venue


class _Data(msgspec.Struct):
    instrument_name: str = ""
    type: str = ""
    change_id: int = 0
    prev_change_id: int | None = None
    bids: list[tuple[str, float, float]] = []
    asks: list[tuple[str, float, float]] = []


class _Params(msgspec.Struct):
    channel: str
    data: msgspec.Raw


class _Push(msgspec.Struct):
    params: _Params


def read_deribit(venue: Venue, frame: bytes) -> Recorded | None:
    """None for replies, trades and instruments that are not listed. The payload is what the channel's name wraps."""
    try:
        push = msgspec.json.decode(frame, type=_Push).params
        kind, _, rest = push.channel.partition(".")
        market = venue.by_id.get(rest.partition(".")[0])
        if market is None or kind not in ("book", "ticker", "quote"):
            return None
        data = msgspec.json.decode(push.data, type=_Data)
    except msgspec.DecodeError:
        return None
    payload, previous = bytes(push.data), market.sequence if data.prev_change_id is None else data.prev_change_id
    if kind != "book":
        return Recorded(market, kind, payload, previous, previous, market.sequence, [])
    ticks, lots = market.numbers.ticks, market.numbers.lots
    changes = []
    for sign, side in ((1, data.bids), (-1, data.asks)):
        changes += [
            (sign * ticks(str(price)), 0 if word == "delete" else lots(str(size))) for word, price, size in side
        ]
    snapshot = data.type == "snapshot"
    return Recorded(market, kind, payload, previous, data.change_id, data.change_id, changes, snapshot=snapshot)
