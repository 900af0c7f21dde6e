"""Binance: depth streams and their sequencing rules, spot and futures.

Rules as documented by the venue (checked November 2026):
* spot, "How to manage a local order book correctly"
  (https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams): first applied event has `U <=
  lastUpdateId + 1 <= u`, then each `U` is the previous `u + 1`, normally; a message is missing only if it is more;
* USD-M and COIN-M (https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams):
  first applied event spans `lastUpdateId`, then each `pu` is the previous `u`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, cast

import msgspec

from xetrade_core.books.book import Level
from xetrade_core.books.book_set import BookSet, Millis, Price, Run, SequenceId, Size, refusal_reason
from xetrade_core.books.joining import ContiguousSequencer, DepthUpdate, JoiningSequencer
from xetrade_core.books.sequencer import Events

if TYPE_CHECKING:
    from xetrade_core.books.fast.depth_frames import DepthFrames

# REST depth limits. A side with exactly so many levels was cut off there; one with any other number is whole.
DEPTH_LIMITS = frozenset({5, 10, 20, 50, 100, 500, 1000, 5000})


class SpotUpdate(msgspec.Struct, gc=False):
    """Spot depthUpdate."""

    E: Millis
    s: str
    U: SequenceId
    u: SequenceId
    b: list[tuple[Price, Size]]
    a: list[tuple[Price, Size]]


class FuturesUpdate(msgspec.Struct, gc=False):
    """USD-M and COIN-M depthUpdate: `pu` is the `u` of the message before."""

    E: Millis
    s: str
    U: SequenceId
    u: SequenceId
    pu: SequenceId
    b: list[tuple[Price, Size]]
    a: list[tuple[Price, Size]]


class CombinedSpot(msgspec.Struct, gc=False):
    """A combined stream wraps each message."""

    data: SpotUpdate


class CombinedFutures(msgspec.Struct, gc=False):
    """A combined stream wraps each message."""

    data: FuturesUpdate


class DepthSnapshot(msgspec.Struct, gc=False):
    """REST /depth body. Futures give the event time E, spot gives none."""

    lastUpdateId: SequenceId
    bids: list[tuple[Price, Size]]
    asks: list[tuple[Price, Size]]
    E: Millis | None = None


class SpotSequencer(ContiguousSequencer):
    """`U` is the previous `u + 1`, or less."""

    __slots__ = ()

    def _reach(self, levels: Sequence[Level]) -> float | None:
        return _cut_off_at(levels)


class FuturesSequencer(JoiningSequencer):
    """`pu` is the previous `u`."""

    __slots__ = ()

    def _continues(self, update: DepthUpdate) -> bool:
        # The venue asks for U <= lastUpdateId <= u at the join. Ids between pu and U belong to no change of this
        # symbol, so pu <= lastUpdateId is as safe and does not refuse a snapshot taken in between.
        pu, sequence = update.pu, self.sequence  # type: ignore[attr-defined]
        if pu == sequence:
            return update.u >= update.U
        return self._joining and sequence is not None and pu <= sequence <= update.u

    def _precedes(self, update: DepthUpdate, last_update_id: int) -> bool:
        return update.u < last_update_id

    def _follows(self, update: DepthUpdate, before: DepthUpdate) -> bool:
        return update.pu == before.u  # type: ignore[attr-defined, no-any-return]

    def _reach(self, levels: Sequence[Level]) -> float | None:
        return _cut_off_at(levels)


class _BinanceBooks(BookSet):
    """Frames of the raw (`/ws`) and combined (`/stream`) endpoints alike."""

    _symbol_pattern = re.compile(rb'"s":"([^"]*)"')
    _sequencer_class: ClassVar[type[JoiningSequencer]]
    _raw: ClassVar[msgspec.json.Decoder[SpotUpdate] | msgspec.json.Decoder[FuturesUpdate]]
    _combined: ClassVar[msgspec.json.Decoder[CombinedSpot] | msgspec.json.Decoder[CombinedFutures]]
    _rest: ClassVar[msgspec.json.Decoder[DepthSnapshot]] = msgspec.json.Decoder(DepthSnapshot, strict=False)

    def _sequencer(self, symbol: str) -> JoiningSequencer:
        return self._sequencer_class(symbol)

    _fast: DepthFrames | None = None

    def accelerate(self) -> bool:
        """See `BookSet.accelerate`."""
        from xetrade_core.books import fast

        fast.load()
        from xetrade_core.books.fast.depth_frames import DepthFrames

        sequencers = cast("Iterable[JoiningSequencer]", self.sequencers.values())
        self._fast = DepthFrames(sequencers, issubclass(self._sequencer_class, FuturesSequencer))
        return True

    def apply_lines(self, text: bytes, at: int, until_ns: int, skip_other_channels: bool) -> Run:
        """See `BookSet.apply_lines`."""
        if self._fast is None:
            return Run(at)
        return self._fast.apply_lines(text, at, until_ns, skip_other_channels, self._by_venue_id)

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        if self._fast is not None and (taken := self._fast.apply(frame, received_ns, self._by_venue_id)) is not None:
            return taken
        if b'"depthUpdate"' not in frame:
            return self._no_book(frame, received_ns)
        update = self._combined.decode(frame).data if b'"data":' in frame else self._raw.decode(frame)
        sequencer = self._by_venue_id.get(update.s)
        if sequencer is None:
            return self._unasked(update.s, received_ns)
        events: Events = sequencer.update(update, received_ns)
        return events

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> Events:
        """Apply a REST depth body of `symbol`. Still `Buffered`: fetch another, this one was too old."""
        sequencer = self.sequencers[symbol]
        assert isinstance(sequencer, JoiningSequencer)
        try:
            snapshot = self._rest.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return sequencer.refuse_snapshot(refusal_reason(body), received_ns, str(error))
        return sequencer.snapshot(snapshot, received_ns)


class BinanceSpotBooks(_BinanceBooks):
    """Spot books."""

    _sequencer_class = SpotSequencer
    _raw = msgspec.json.Decoder(SpotUpdate, strict=False)
    _combined = msgspec.json.Decoder(CombinedSpot, strict=False)


class BinanceFuturesBooks(_BinanceBooks):
    """USD-M and COIN-M books."""

    _sequencer_class = FuturesSequencer
    _raw = msgspec.json.Decoder(FuturesUpdate, strict=False)
    _combined = msgspec.json.Decoder(CombinedFutures, strict=False)


def _cut_off_at(levels: Sequence[Level]) -> float | None:
    return levels[-1][0] if len(levels) in DEPTH_LIMITS else None
