"""A recorded file as a feed: the same frames to the same books and sink, as fast as they go or at a pace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from xetrade_core.books.book_set import BookSet
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError
from xetrade_core.feeds.feed import FeedSink, FeedStatus, SymbolStatus
from xetrade_core.feeds.recording import REST_BODY, Line, Recording, is_control, read_control
from xetrade_core.model.book_events import BookEvent, GapCause, Synced
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
        self._rest_symbol = self._session = ""
        self._connected = False
        self._resyncs = dict.fromkeys(self.books.sequencers, 0)
        self._frames = 0

    async def run(self, sink: FeedSink) -> None:
        """Play the files to their end; raises CorruptFile, or ConfigError for a snapshot that says not whose it is."""
        if self._speed is None:
            for count, line in enumerate(self._lines()):
                self._play_one(line, sink, line[0])
                if count % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            return
        origin_ns = started_ns = None
        for line in self._lines():
            now = self._clock.monotonic_ns()
            if origin_ns is None or started_ns is None:
                origin_ns, started_ns = line[0], now
            due_ns = started_ns + round((line[0] - origin_ns) / self._speed)
            if due_ns > now:
                await self._clock.sleep((due_ns - now) / NS_PER_S)
            self._play_one(line, sink, self._clock.wall_ns())

    async def close(self) -> None:
        """See Feed: there is no connection."""

    def play(self, sink: FeedSink) -> None:
        """As `run` without pacing, for callers outside an event loop."""
        for line in self._lines():
            self._play_one(line, sink, line[0])

    def _lines(self) -> Iterator[Line]:
        """Every line of the files: a sink may want the channels that books do not."""
        recording = Recording(self._paths, skip_other_channels=False, strict=True)
        return chain.from_iterable(recording.batches())

    def _play_one(self, line: Line, sink: FeedSink, at_ns: int) -> None:
        """Apply one line, as if it came at `at_ns`. Control lines that are no event of a feed change nothing."""
        frame = line[1]
        if is_control(frame):
            self._control(frame, sink, at_ns)
            return
        self._frames += 1
        if not self._rest_symbol and not frame.startswith(REST_BODY):
            sink.frame(at_ns, frame, "ws")
            self._told(sink, self.books.feed(frame, at_ns))
        elif (symbol := self._snapshot_symbol()) in self.books.sequencers:
            sink.frame(at_ns, frame, f"rest:{symbol}")
            self._told(sink, self.books.snapshot(symbol, frame, at_ns))

    def _control(self, frame: bytes, sink: FeedSink, at_ns: int) -> None:
        line = read_control(frame)
        everything = tuple(self.books.sequencers)
        if line.kind == "rest":
            self._rest_symbol = line.symbol or self.books.symbol_of(line.venue_id) or line.venue_id
        elif line.kind == "group":
            self.books.of_group(line.group)
        elif line.kind == "lost":
            self._lose(tuple(one for one in line.symbols if one in everything), line.cause, sink, at_ns)
        elif line.kind == "dropped":
            self._lose(everything, GapCause.OVERFLOW, sink, at_ns)
        elif line.kind == "connect":
            if self._connected:
                self._lose(everything, GapCause.DISCONNECT, sink, at_ns)
            self._connected = True
        elif line.kind == "session":  # each hour's file of a session begins with it
            if self._session not in ("", line.session_id):
                self._lose(everything, GapCause.DISCONNECT, sink, at_ns)
            self._session = line.session_id

    def _lose(self, symbols: tuple[str, ...], cause: GapCause, sink: FeedSink, at_ns: int) -> None:
        sink.lost(at_ns, symbols, cause)
        self._told(sink, self.books.lose(symbols, cause, at_ns))

    def _snapshot_symbol(self) -> str:
        symbol, self._rest_symbol = self._rest_symbol, ""
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
