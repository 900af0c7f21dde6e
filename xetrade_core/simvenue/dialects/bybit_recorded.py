"""Reads recorded Bybit websocket traffic, and the venue's own history files: bare frames without a receive time."""

from __future__ import annotations

import msgspec

from xetrade_core.simvenue.dialects.base import Recorded
from xetrade_core.simvenue.market import Market


class _Data(msgspec.Struct):
    s: str
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    u: int


class _Push(msgspec.Struct):
    topic: str
    type: str
    data: _Data


def read_bybit(markets: dict[str, Market], frame: bytes) -> Recorded | None:
    """None for what is no book message of a listed instrument; `markets` by the venue's id."""
    if not frame.startswith(b'{"topic":"orderbook.'):
        return None
    try:
        push = msgspec.json.decode(frame, type=_Push)
    except msgspec.DecodeError:
        return None
    market = markets.get(push.data.s)
    if market is None:
        return None
    ticks, lots = market.numbers.ticks, market.numbers.lots
    changes = [(ticks(price), lots(size)) for price, size in push.data.b]
    changes += [(-ticks(price), lots(size)) for price, size in push.data.a]
    kind, last = push.topic.rpartition(".")[0], push.data.u
    return Recorded(market, kind, frame, last - 1, last, last, changes, snapshot=push.type == "snapshot")
