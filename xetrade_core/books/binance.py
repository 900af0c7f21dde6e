"""Binance: depth streams and their sequencing rules, spot and futures.

Rules as documented by the venue (checked November 2026):
* spot, "How to manage a local order book correctly"
  (https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams): first applied event has `U <=
  lastUpdateId + 1 <= u`, then each `U` is the previous `u + 1`;
* USD-M and COIN-M (https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams):
  first applied event spans `lastUpdateId`, then each `pu` is the previous `u`.
"""

from __future__ import annotations

import re
from collections import deque
from typing import ClassVar, Protocol

import msgspec

from xetrade_core.books.book_set import NS_PER_MS, BookSet, Millis, Price, SequenceId, Size, looks_whole, refusal_reason
from xetrade_core.books.sequencer import BookSequencer, Events
from xetrade_core.model.book_events import Gap, GapCause, RefusalReason

# REST depth limits. A side with exactly so many levels was cut off there; one with any other number is whole.
DEPTH_LIMITS = frozenset({5, 10, 20, 50, 100, 500, 1000, 5000})

BUFFER_MOST = 20_000  # messages kept for a snapshot that does not come (over half an hour at 10/s); the oldest go first


class DepthUpdate(Protocol):
    """What both markets' depthUpdate messages carry; E in ms since the epoch."""

    E: int
    U: int
    u: int
    s: str
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]


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


class BinanceSequencer(BookSequencer):
    """One symbol: joins REST snapshots with the update stream."""

    __slots__ = ("_deeper", "_event_ms", "_joined_at", "_joining", "_waiting")

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self._waiting: deque[tuple[DepthUpdate, int]] = deque(maxlen=BUFFER_MOST)
        self._joining = False  # in sync at a snapshot, no message applied since
        self._joined_at = 0  # lastUpdateId of the snapshot of this epoch
        self._event_ms = 0  # event time of the last applied message
        self._deeper: DepthSnapshot | None = None  # a deeper snapshot, ahead of the stream

    def _continues(self, update: DepthUpdate) -> bool:
        """Whether `update` is the one that must follow `self.sequence`."""
        raise NotImplementedError

    def _precedes(self, update: DepthUpdate, last_update_id: int) -> bool:
        """Whether a snapshot at `last_update_id` contains all of `update`."""
        raise NotImplementedError

    def _follows(self, update: DepthUpdate, before: DepthUpdate) -> bool:
        """Whether `update` comes directly after `before`."""
        raise NotImplementedError

    def update(self, update: DepthUpdate, received_ns: int) -> Events:
        """Apply, buffer, ignore or find a gap."""
        if not self.synced:
            return self._wait(update, received_ns)
        if self._continues(update):
            book = self.book
            book.bids.apply(update.b)
            book.asks.apply(update.a)
            if book.crossed:
                return self.refuse(
                    RefusalReason.CROSSED, received_ns, f"best bid {book.best_bid} >= ask {book.best_ask}"
                )
            self.sequence = update.u
            self.exchange_ns = update.E * NS_PER_MS
            self.received_ns = received_ns
            self.applied_count += 1
            self._event_ms = update.E
            self._joining = False
            self._old_run = 0
            if self._deeper is not None:
                self._deepen(self._deeper)
            return self._applied
        assert self.sequence is not None
        if update.u < update.U:
            return self.refuse(RefusalReason.MALFORMED, received_ns, f"first id {update.U} is after last id {update.u}")
        if update.u <= self.sequence:
            newer = 0 < self._event_ms < update.E
            events = self._ignore_old(newer, received_ns, update.U)
        else:
            events = self.lose(GapCause.SEQUENCE, received_ns, update.U)
        if not self.synced:
            self._wait(update, received_ns)
        return events

    def lose(self, cause: GapCause, received_ns: int, next_sequence: int | None = None) -> Events:
        if self.synced or cause in (GapCause.DISCONNECT, GapCause.STALLED):
            self._waiting.clear()
        self._deeper = None
        return super().lose(cause, received_ns, next_sequence)

    def refuse(self, reason: RefusalReason, received_ns: int, detail: str) -> Events:
        self._waiting.clear()  # what waits is no longer contiguous with what comes
        return super().refuse(reason, received_ns, detail)

    def _wait(self, update: DepthUpdate, received_ns: int) -> Events:
        if self._waiting:
            last = self._waiting[-1][0]
            if update.u <= last.u and update.E <= last.E:
                self.ignored_count += 1
                return self._ignored
            if not self._follows(update, last):
                self._waiting.clear()  # a snapshot must now be newer than this hole
        self._waiting.append((update, received_ns))
        return self._buffered

    def snapshot(self, snapshot: DepthSnapshot, received_ns: int) -> Events:
        """Join a snapshot:

        In sync, or still `Buffered` if it is older than what has come; deepen a book that is in sync.
        """
        if self.synced:
            return self._deepen(snapshot)
        last_id = snapshot.lastUpdateId
        waiting = [(update, ns) for update, ns in self._waiting if not self._precedes(update, last_id)]
        if _levels_cross(snapshot):
            return self.refuse_snapshot(RefusalReason.CROSSED, received_ns, "the snapshot is crossed")
        self.sequence = last_id
        self._joining = True
        if waiting and not self._continues(waiting[0][0]):
            self.sequence = None
            return self._buffered
        self._waiting.clear()
        self.book.replace(snapshot.bids, snapshot.asks, _reach(snapshot.bids), _reach(snapshot.asks))
        self.synced = True
        self.epoch += 1
        self.exchange_ns = None if snapshot.E is None else snapshot.E * NS_PER_MS
        self.received_ns = received_ns
        self._joined_at, self._event_ms, self._old_run = last_id, 0, 0
        events: Events = ()
        for update, ns in waiting:
            events += tuple(e for e in self.update(update, ns) if e is not self._applied[0] and not isinstance(e, Gap))
        return (*events, self._joined(received_ns)) if self.synced else events

    def _deepen(self, snapshot: DepthSnapshot) -> Events:
        assert self.sequence is not None
        self._deeper = None
        if snapshot.lastUpdateId > self.sequence:
            self._deeper = snapshot  # its far levels are true once the stream has caught up
            return self._buffered
        if snapshot.lastUpdateId < self._joined_at:
            self.ignored_count += 1
            return self._ignored
        self.book.bids.deepen(snapshot.bids, _reach(snapshot.bids))
        self.book.asks.deepen(snapshot.asks, _reach(snapshot.asks))
        return self._applied


class SpotSequencer(BinanceSequencer):
    """`U` is the previous `u + 1`."""

    __slots__ = ()

    def _continues(self, update: DepthUpdate) -> bool:
        due = self.sequence + 1  # type: ignore[operator]  # only asked when in sync
        return update.U == due <= update.u or (self._joining and update.U <= due <= update.u)

    def _precedes(self, update: DepthUpdate, last_update_id: int) -> bool:
        return update.u <= last_update_id

    def _follows(self, update: DepthUpdate, before: DepthUpdate) -> bool:
        return before.u + 1 == update.U


class FuturesSequencer(BinanceSequencer):
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


class _BinanceBooks(BookSet):
    """Frames of the raw (`/ws`) and combined (`/stream`) endpoints alike."""

    _symbol_pattern = re.compile(rb'"s":"([^"]*)"')
    _sequencer_class: ClassVar[type[BinanceSequencer]]
    _raw: ClassVar[msgspec.json.Decoder[SpotUpdate] | msgspec.json.Decoder[FuturesUpdate]]
    _combined: ClassVar[msgspec.json.Decoder[CombinedSpot] | msgspec.json.Decoder[CombinedFutures]]
    _rest: ClassVar[msgspec.json.Decoder[DepthSnapshot]] = msgspec.json.Decoder(DepthSnapshot, strict=False)

    def _sequencer(self, symbol: str) -> BinanceSequencer:
        return self._sequencer_class(symbol)

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        if b'"depthUpdate"' not in frame:
            if looks_whole(frame):
                return ()
            return self._refuse_frame(frame, received_ns, "not a JSON object")
        update = self._combined.decode(frame).data if b'"data":' in frame else self._raw.decode(frame)
        sequencer = self._by_venue_id.get(update.s)
        if sequencer is None:
            detail = f"symbol {update.s!r} was not asked for"
            return self._refuse_unattributed(RefusalReason.UNKNOWN_SYMBOL, received_ns, detail)
        events: Events = sequencer.update(update, received_ns)
        return events

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> Events:
        """Apply a REST depth body of `symbol`. Still `Buffered`: fetch another, this one was too old."""
        sequencer = self.sequencers[symbol]
        assert isinstance(sequencer, BinanceSequencer)
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


def _reach(levels: list[tuple[float, float]]) -> float | None:
    return levels[-1][0] if len(levels) in DEPTH_LIMITS else None


def _levels_cross(snapshot: DepthSnapshot) -> bool:
    bids, asks = snapshot.bids, snapshot.asks
    return bool(bids and asks) and max(bids)[0] >= min(asks)[0]
