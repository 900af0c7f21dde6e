"""KuCoin: the level 2 channels of spot and futures, and their sequencing.

Rules as documented by the venue (www.kucoin.com/docs-new, "Orderbook - Increment", checked November 2026):
* spot: changes with `sequenceStart` to `sequenceEnd`; the first on top of a snapshot has `sequenceStart <= sequence + 1
  <= sequenceEnd`, then each starts at the last end plus one or before, and ends after it. A change at price 0 carries
  nothing but its sequence;
* futures: one change a message, `sequence` is the last plus one; sizes are in contracts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import msgspec

from xetrade_core.books.book import Level
from xetrade_core.books.book_set import BookSet, Millis, Price, SequenceId, Size, refusal_reason
from xetrade_core.books.joining import BookSnapshot, ContiguousSequencer
from xetrade_core.books.sequencer import Events

_CUT_OFF = frozenset({20, 100})  # levels a side of a part of the book; one with any other number is whole
_NS_PER_MS = 1_000_000

PriceOrNone = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
Change = tuple[PriceOrNone, Size, SequenceId]


class Changes(msgspec.Struct, gc=False):
    """Levels that have changed, each with its sequence."""

    asks: list[Change]
    bids: list[Change]


class SpotData(msgspec.Struct, gc=False):
    """`time` in ms since the epoch; before 2022 there was none."""

    symbol: str
    sequenceStart: SequenceId
    sequenceEnd: SequenceId
    changes: Changes
    time: Millis = 0


class SpotMessage(msgspec.Struct, gc=False):
    """A frame of `/market/level2`."""

    data: SpotData


class FuturesData(msgspec.Struct, gc=False):
    """`change` is `price,side,size`."""

    sequence: SequenceId
    change: str
    timestamp: Millis


class FuturesMessage(msgspec.Struct, gc=False):
    """A frame of `/contractMarket/level2`; only its topic names the instrument."""

    topic: str
    data: FuturesData


class SpotBook(msgspec.Struct, gc=False):
    """The REST body's data; `time` in ms."""

    sequence: SequenceId
    bids: list[tuple[Price, Size]]
    asks: list[tuple[Price, Size]]
    time: Millis | None = None


class FuturesBook(msgspec.Struct, gc=False):
    """The REST body's data; `ts` in ns."""

    sequence: SequenceId
    bids: list[tuple[Price, Size]]
    asks: list[tuple[Price, Size]]
    ts: Annotated[int, msgspec.Meta(ge=0, lt=2**63 - 1)] = 0


class SpotReply(msgspec.Struct, gc=False):
    """A REST body."""

    data: SpotBook


class FuturesReply(msgspec.Struct, gc=False):
    """A REST body."""

    data: FuturesBook


class Update(msgspec.Struct, gc=False):
    """A message as the sequencer takes it."""

    E: int
    U: int
    u: int
    b: list[Level]
    a: list[Level]


class Snapshot(msgspec.Struct, gc=False):
    """A snapshot as the sequencer takes it."""

    lastUpdateId: int
    bids: list[Level]
    asks: list[Level]
    E: int | None


class KucoinSequencer(ContiguousSequencer):
    """One instrument: joins REST snapshots with the stream."""

    __slots__ = ()

    def _reach(self, levels: Sequence[Level]) -> float | None:
        return levels[-1][0] if len(levels) in _CUT_OFF else None


class _KucoinBooks(BookSet):
    """What the two markets share."""

    def _sequencer(self, symbol: str) -> KucoinSequencer:
        return KucoinSequencer(symbol)

    def _book(self, body: bytes) -> BookSnapshot:
        """The snapshot of a REST body; raises msgspec.DecodeError."""
        raise NotImplementedError

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> Events:
        """Apply a REST body of `symbol`. Still `Buffered`: fetch another, this one was too old."""
        sequencer = self.sequencers[symbol]
        assert isinstance(sequencer, KucoinSequencer)
        try:
            snapshot = self._book(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return sequencer.refuse_snapshot(refusal_reason(body), received_ns, str(error))
        return sequencer.snapshot(snapshot, received_ns)


class KucoinSpotBooks(_KucoinBooks):
    """Spot books."""

    _symbol_pattern = re.compile(rb'"/market/level2:([^"]*)"')
    _decoder = msgspec.json.Decoder(SpotMessage, strict=False)
    _reply = msgspec.json.Decoder(SpotReply, strict=False)

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        if b'"trade.l2update"' not in frame:
            return self._no_book(frame, received_ns)
        data = self._decoder.decode(frame).data
        sequencer = self._by_venue_id.get(data.symbol)
        if sequencer is None:
            return self._unasked(data.symbol, received_ns)
        bids, asks = data.changes.bids, data.changes.asks
        update = Update(
            data.time,
            data.sequenceStart,
            data.sequenceEnd,
            [(price, size) for price, size, _ in bids if price] if bids else [],
            [(price, size) for price, size, _ in asks if price] if asks else [],
        )
        events: Events = sequencer.update(update, received_ns)
        return events

    def _book(self, body: bytes) -> BookSnapshot:
        data = self._reply.decode(body).data
        return Snapshot(data.sequence, data.bids, data.asks, data.time)


class KucoinFuturesBooks(_KucoinBooks):
    """Futures books."""

    _symbol_pattern = re.compile(rb'"/contractMarket/level2:([^"]*)"')
    _decoder = msgspec.json.Decoder(FuturesMessage, strict=False)
    _reply = msgspec.json.Decoder(FuturesReply, strict=False)
    _change = msgspec.json.Decoder(tuple[Price, Size], strict=False)

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        if b'"/contractMarket/level2:' not in frame:
            return self._no_book(frame, received_ns)
        message = self._decoder.decode(frame)
        venue_id = message.topic.rpartition(":")[2]
        sequencer = self._by_venue_id.get(venue_id)
        if sequencer is None:
            return self._unasked(venue_id, received_ns)
        data = message.data
        price, _, rest = data.change.partition(",")
        side, _, size = rest.partition(",")
        level = self._change.decode(f'["{price}","{size}"]')  # the bounds of any other price and size hold
        if side not in ("buy", "sell"):
            raise msgspec.ValidationError(f"a change is 'price,side,size', not {data.change!r}")
        bids, asks = ([level], []) if side == "buy" else ([], [level])
        update = Update(data.timestamp, data.sequence, data.sequence, bids, asks)
        events: Events = sequencer.update(update, received_ns)
        return events

    def _book(self, body: bytes) -> BookSnapshot:
        data = self._reply.decode(body).data
        return Snapshot(data.sequence, data.bids, data.asks, data.ts // _NS_PER_MS or None)
