"""A recorded file as a feed: the same frames to the same books and sink, as fast as they go or at a pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from xetrade_core.books.book_set import BookSet
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError
from xetrade_core.feeds.feed import FeedSink, FeedStatus, SymbolStatus
from xetrade_core.feeds.recording import Recorded, RecordedFrame, RecordedLoss, read_recordings
from xetrade_core.model.book_events import BookEvent, Synced
from xetrade_core.venues.instruments import named_instrument
from xetrade_core.venues.registry import venue as known_venue

_YIELD_EVERY = 1000


class RecordedFeed:
    """Frames of some symbols of one venue, out of files.

    `speed` None: as fast as possible, each frame stamped with its *recorded* time, so that the same files give the same
    rows. A number: live, so many times as fast as it was, each frame stamped with the clock's time.
    """

    def __init__(
        self, venue: str, symbols: Sequence[str], paths: Sequence[Path], clock: Clock, *, speed: float | None = None
    ) -> None:
        """Raises UnknownVenue, UnknownSymbol, ConfigError."""
        if not symbols or not paths:
            raise ConfigError("a recorded feed needs at least one symbol and one file")
        if speed is not None and speed <= 0:
            raise ConfigError.of("speed", speed, "a number above 0 (1 is the recorded pace), or none for no pacing")
        rules = known_venue(venue)
        self.venue = venue
        self.instruments = tuple(named_instrument(rules, symbol) for symbol in symbols)
        self.books: BookSet = rules.books(self.instruments)
        self._paths = tuple(paths)
        self._clock = clock
        self._speed = speed
        self._only = symbols[0] if len(symbols) == 1 else None
        self._resyncs = dict.fromkeys(self.books.sequencers, 0)
        self._frames = 0
        self._last_ns: int | None = None

    async def run(self, sink: FeedSink) -> None:
        """Play the files to their end; raises CorruptFile, or ConfigError for a snapshot that says not whose it is."""
        if self._speed is None:
            for count, record in enumerate(read_recordings(self._paths)):
                self.play_one(record, sink)
                if count % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            return
        origin_ns = started_ns = None
        for record in read_recordings(self._paths):
            now = self._clock.monotonic_ns()
            if origin_ns is None or started_ns is None:
                origin_ns, started_ns = record.received_ns, now
            due_ns = started_ns + round((record.received_ns - origin_ns) / self._speed)
            if due_ns > now:
                await self._clock.sleep((due_ns - now) / NS_PER_S)
            self.play_one(record, sink, self._clock.wall_ns())

    def play(self, sink: FeedSink) -> None:
        """As `run` without pacing, for callers outside an event loop."""
        for record in read_recordings(self._paths):
            self.play_one(record, sink)

    def play_one(self, record: Recorded, sink: FeedSink, received_ns: int | None = None) -> None:
        """Apply one record, at its own time or at `received_ns`. Notes that are no event change nothing."""
        at_ns = record.received_ns if received_ns is None else received_ns
        self._last_ns = at_ns
        if isinstance(record, RecordedLoss):
            symbols = tuple(symbol for symbol in record.symbols if symbol in self.books.sequencers)
            sink.lost(at_ns, symbols, record.cause)
            self._told(sink, self.books.lose(symbols, record.cause, at_ns))
        elif isinstance(record, RecordedFrame):
            self._frames += 1
            if record.symbol is None:
                sink.frame(at_ns, record.frame, "ws")
                self._told(sink, self.books.feed(record.frame, at_ns))
            elif (symbol := self._snapshot_symbol(record.symbol)) in self.books.sequencers:
                sink.frame(at_ns, record.frame, f"rest:{symbol}")
                self._told(sink, self.books.snapshot(symbol, record.frame, at_ns))

    def _snapshot_symbol(self, symbol: str) -> str:
        if symbol:
            return symbol
        if self._only is None:
            raise ConfigError("the recording does not say whose its REST snapshots are: replay it with one symbol only")
        return self._only

    def _told(self, sink: FeedSink, events: tuple[BookEvent, ...]) -> None:
        sink.events(events)
        for event in events:
            if type(event) is Synced:
                self._resyncs[event.symbol] += 1

    def status(self) -> FeedStatus:
        """See FeedStatus; there are no connections, and nothing is stale."""
        sequencers = self.books.sequencers
        return FeedStatus(
            venue=self.venue,
            connections=0,
            connections_wanted=0,
            last_frame_age_s=None,
            frames=self._frames,
            reconnects=0,
            rotations=0,
            resyncs=sum(self._resyncs.values()),
            refused=self.books.unattributed_refusals + sum(s.refused_count for s in sequencers.values()),
            handling_errors=0,
            queue_depth=0,
            dropped=0,
            unread_bytes=0,
            budget_used=0,
            budget_paused_s=0.0,
            symbols=tuple(
                SymbolStatus(symbol, row.synced, stale=False, age_s=None, resyncs=self._resyncs[symbol])
                for symbol, row in sequencers.items()
            ),
        )
