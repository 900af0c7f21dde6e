"""The websocket feed: lines of connections, the venue's books, and the way back into sync after a gap."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from xetrade_core.books.book_set import BookSet
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import XETradeError
from xetrade_core.feeds.address import Address, AskedAddress, FixedAddress
from xetrade_core.feeds.connection import Connection
from xetrade_core.feeds.feed import FeedOptions, FeedSink, FeedStatus, SymbolStatus
from xetrade_core.feeds.line import Line
from xetrade_core.feeds.subscriptions import Dialect
from xetrade_core.model.book_events import BookEvent, Gap, GapCause, Synced
from xetrade_core.model.instruments import Instrument
from xetrade_core.venues.http import RestClient
from xetrade_core.venues.venue import Venue

_log = structlog.get_logger(__name__)


class Resync(Protocol):
    """How books come into sync: over REST, or by subscribing anew."""

    def want(self, line: Line, symbols: Sequence[str], *, fresh: bool) -> None:
        """These books are out of sync on a running line; `fresh`: their connection is new."""
        ...

    def drop(self, symbols: Sequence[str]) -> None:
        """Their line is lost: what is under way for them is of no use."""
        ...

    async def run(self) -> None:
        """Do it, until cancelled."""
        ...


class StreamingFeed:
    """One venue's symbols over websockets. Made by `open_feed`; run it once.

    `books` may be read between any two steps of the event loop.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: Sequence[Instrument],
        client: RestClient,
        options: FeedOptions,
        dialect: Dialect,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.venue = venue.id
        self.instruments = tuple(instruments)
        self.books: BookSet = venue.books(self.instruments)
        self.options = options
        self._rules = venue
        self._client = client
        self._clock = clock
        self._sink: FeedSink | None = None
        self._failure: asyncio.Future[None] | None = None
        self._resync: Resync | None = None
        self._resyncs = dict.fromkeys(self.books.sequencers, 0)
        self._handling_errors = 0
        self._frames = 0
        self._last_frame_ns: int | None = None
        connects = options.sharing.budget(venue.websocket.connects, clock, (venue.id, self._host(), "connects"))
        size = min(options.symbols_per_connection, venue.websocket.max_subscriptions)
        self.lines = [
            Line(
                f"{venue.id}-{number}",
                venue,
                group,
                self._address(group),
                rows,
                self,
                dialect,
                options,
                connects,
                clock,
                rng,
            )
            for number, (group, rows) in enumerate(_shards(venue, self.instruments, size))
        ]

    def _host(self) -> str:
        options = self.options
        own = self._rules.endpoints(testnet=options.testnet, rest_url=options.rest_url, ws_url=options.ws_url)
        return urlsplit(own.ws).netloc

    def _address(self, group: str) -> Address:
        rules, options = self._rules, self.options
        if rules.websocket.ticket is not None:
            return AskedAddress(rules.websocket.ticket, self._client, options.ws_url)
        endpoints = rules.endpoints(testnet=options.testnet, rest_url=options.rest_url, ws_url=options.ws_url)
        return FixedAddress(endpoints.ws.replace("{group}", group))

    def use(self, resync: Resync) -> None:
        """Set the way back into sync; once, before `run`."""
        self._resync = resync

    async def run(self, sink: FeedSink) -> None:
        """Connect and feed until cancelled; raises what the sink raises on purpose, and what no retry can heal."""
        assert self._resync is not None
        self._sink = sink
        self._failure = asyncio.get_running_loop().create_future()
        tasks = [asyncio.ensure_future(line.run()) for line in self.lines]
        tasks.append(asyncio.ensure_future(self._resync.run()))
        try:
            done, _ = await asyncio.wait([*tasks, self._failure], return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """See Feed."""
        await self._client.close()

    def apply(self, line: Line, connection: Connection, frame: bytes) -> None:
        """The hot path: show a frame to the sink, apply it, show what came of it, ask for a resync where one is due."""
        received_ns = self._clock.wall_ns()
        sink = self._sink
        assert sink is not None
        try:
            sink.frame(received_ns, frame, line.source)
            if line.group:
                self.books.of_group(line.group)
            events = self.books.feed(frame, received_ns)
            sink.events(events)
        except Exception as error:
            self._handling_failed(line, error)
            return
        self._frames += 1
        self._last_frame_ns = connection.last_received_ns
        if not events:
            line.on_control(connection, frame)
            return
        connection.last_data_ns = connection.last_received_ns
        for event in events:
            kind = type(event)
            if kind is Gap:
                self._gap(line, event.symbol)
            elif kind is Synced:
                self._resyncs[event.symbol] += 1

    def snapshot(self, symbol: str, body: bytes) -> None:
        """Show a REST snapshot to the sink and apply it."""
        received_ns = self._clock.wall_ns()
        sink = self._sink
        assert sink is not None
        try:
            sink.frame(received_ns, body, f"rest:{symbol}")
            events = self.books.snapshot(symbol, body, received_ns)
            sink.events(events)
        except Exception as error:
            self._handling_failed(self.line_of(symbol), error)
            return
        self._resyncs[symbol] += sum(type(event) is Synced for event in events)

    def line_of(self, symbol: str) -> Line:
        """The line that carries a symbol."""
        return next(line for line in self.lines if symbol in line.venue_ids)

    def streaming(self, line: Line) -> None:
        """See LineOwner."""
        assert self._resync is not None
        wanted = [symbol for symbol in line.symbols if line.refused(symbol) is None]
        self._resync.want(line, wanted, fresh=True)

    def lost(self, line: Line, cause: GapCause) -> None:
        """See LineOwner."""
        assert self._resync is not None
        self._resync.drop(line.symbols)
        self._lose(line, cause)

    def _gap(self, line: Line, symbol: str) -> None:
        assert self._resync is not None
        self._resync.want(line, (symbol,), fresh=False)

    def _lose(self, line: Line, cause: GapCause) -> tuple[BookEvent, ...]:
        sink = self._sink
        assert sink is not None
        received_ns = self._clock.wall_ns()
        try:
            sink.lost(received_ns, line.symbols, cause)
            events = self.books.lose(line.symbols, cause, received_ns)
            sink.events(events)
        except Exception as error:
            self._fail(error)
            return ()
        return events

    def _handling_failed(self, line: Line, error: Exception) -> None:
        """An error of our own in handling a frame. What the frame changed is unknown: its books are lost for safety.

        Errors on purpose (the disk is full) end the feed: they are the sink's way to say so.
        """
        if isinstance(error, XETradeError):
            self._fail(error)
            return
        self._handling_errors += 1
        _log.error("frame_handling_failed", line=line.name, exc_info=error)
        for event in self._lose(line, GapCause.MALFORMED):
            self._gap(line, event.symbol)

    def _fail(self, error: Exception) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    def status(self) -> FeedStatus:
        """See FeedStatus."""
        now = self._clock.monotonic_ns()
        last = self._last_frame_ns
        open_lines = [line.active for line in self.lines if line.active is not None and not line.active.closed.done()]
        symbols = tuple(self._symbol_status(line, symbol) for line in self.lines for symbol in line.symbols)
        budget = self._client.budget
        return FeedStatus(
            venue=self.venue,
            connections=len(open_lines),
            connections_wanted=len(self.lines),
            last_frame_age_s=None if last is None else (now - last) / NS_PER_S,
            frames=self._frames,
            reconnects=sum(line.reconnects for line in self.lines),
            rotations=sum(line.rotations for line in self.lines),
            resyncs=sum(self._resyncs.values()),
            refused=self.books.unattributed_refusals + sum(s.refused_count for s in self.books.sequencers.values()),
            handling_errors=self._handling_errors,
            queue_depth=sum(line.held for line in self.lines),
            dropped=sum(line.dropped for line in self.lines),
            unread_bytes=sum(connection.unread_bytes() for connection in open_lines),
            budget_used=budget.used(),
            budget_paused_s=budget.paused_s(),
            symbols=symbols,
            trouble=next((line.trouble for line in self.lines if line.trouble is not None), None),
        )

    def _symbol_status(self, line: Line, symbol: str) -> SymbolStatus:
        sequencer = self.books.sequencers[symbol]
        received_ns = sequencer.received_ns
        age_s = None if received_ns is None else max(0, self._clock.wall_ns() - received_ns) / NS_PER_S
        return SymbolStatus(
            symbol=symbol,
            synced=sequencer.synced,
            stale=sequencer.synced and age_s is not None and age_s > self.options.staleness_limit_s,
            age_s=age_s,
            resyncs=self._resyncs[symbol],
            refused=line.refused(symbol),
        )


def _shards(venue: Venue, instruments: Sequence[Instrument], size: int) -> Iterator[tuple[str, Sequence[Instrument]]]:
    """At most `size` instruments a connection, all of one group."""
    groups: dict[str, list[Instrument]] = {}
    for instrument in instruments:
        groups.setdefault(venue.websocket.group_of(instrument), []).append(instrument)
    for group, rows in groups.items():
        for at in range(0, len(rows), size):
            yield group, rows[at : at + size]
