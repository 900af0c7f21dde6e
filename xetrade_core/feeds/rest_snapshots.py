"""Into sync by REST snapshots (Binance, KuCoin): fetched through the venue's budget, joined to the buffered stream."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from xetrade_core.books.book import Side
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.feeds.line import Line
from xetrade_core.feeds.pacing import ResyncPacing
from xetrade_core.feeds.streaming import StreamingFeed
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.budget import Priority
from xetrade_core.venues.http import RestClient
from xetrade_core.venues.reads import ReadEndpoint
from xetrade_core.venues.venue import SnapshotWeight, Venue

_log = structlog.get_logger(__name__)
_LEVELS_PER_DEPTH = 5  # a first snapshot reaches so many times the sampled depth, to outlast moves of the price
_URGENT_WORKERS = 2
_REFRESH_SPACING_S = (10.0, 640.0)  # between refreshes of one book: doubled while they do not help

_Queue = asyncio.PriorityQueue[tuple[int, int, str]]


@dataclass(slots=True)
class _Refresh:
    row: SnapshotWeight
    spacing_s: float = _REFRESH_SPACING_S[0]
    not_before_ns: int = 0


class RestSnapshots:
    """Fetches what is wanted: resyncs first, first snapshots next, refreshes of shallow books last.

    A book that knows fewer levels than are sampled, because the price has moved to the edge of its snapshot, gets
    another snapshot of the next size while it stays in sync. A snapshot that comes too early for the buffered stream,
    or fails, is asked for again, later each time.
    """

    def __init__(self, venue: Venue, feed: StreamingFeed, client: RestClient, clock: Clock, rng: random.Random) -> None:
        self._venue, self._feed, self._client, self._clock = venue, feed, client, clock
        options = feed.options
        self._depth = options.depth
        self._first = venue.rest.snapshot_for(options.snapshot_levels or _LEVELS_PER_DEPTH * options.depth)
        self._deeper = venue.rest.snapshot_for(max(self._first.limit, 2 * options.depth))
        self._workers = options.snapshot_concurrency
        # Resyncs have workers of their own: else they would wait behind first snapshots that wait for the budget.
        self._urgent: _Queue = asyncio.PriorityQueue()
        self._queue: _Queue = asyncio.PriorityQueue()
        self._check_s = options.refresh_check_s
        self._ids = {row.symbol: row.venue_id for row in feed.instruments}
        self._pacing = ResyncPacing(Backoff(base_s=0.25, cap_s=options.backoff.cap_s), clock, rng)
        self._order = itertools.count()
        self._wanted: dict[str, tuple[int, int]] = {}  # symbol -> its place in the queue; bounds it to one a symbol
        self._refreshes: dict[str, _Refresh] = {}
        self._later: set[asyncio.Task[None]] = set()

    def want(self, line: Line, symbols: Sequence[str], *, fresh: bool) -> None:
        """See Resync."""
        for symbol in symbols:
            if fresh:
                self._pacing.forget(symbol)
            self._retry(line, symbol, Priority.START if fresh else Priority.RESYNC)

    def drop(self, symbols: Sequence[str]) -> None:
        """See Resync."""
        for symbol in symbols:
            self._wanted.pop(symbol, None)

    async def run(self) -> None:
        """See Resync."""
        queues = [self._queue] * self._workers + [self._urgent] * _URGENT_WORKERS
        workers = [asyncio.ensure_future(self._work(queue)) for queue in queues]
        workers.append(asyncio.ensure_future(self._watch_depth()))
        try:
            await asyncio.gather(*workers)
        finally:
            for task in (*workers, *self._later):
                task.cancel()

    def _retry(self, line: Line, symbol: str, priority: Priority) -> None:
        delay_s = self._pacing.delay_s(symbol)
        if delay_s == 0:
            self._put(symbol, priority)
            return
        task = asyncio.ensure_future(self._put_later(line, line.generation, symbol, priority, delay_s))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _put_later(self, line: Line, generation: int, symbol: str, priority: Priority, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        if line.streaming and line.generation == generation and not self._feed.books.sequencers[symbol].synced:
            self._put(symbol, priority)

    def _put(self, symbol: str, priority: Priority) -> None:
        waiting = self._wanted.get(symbol)
        if waiting is None or priority < waiting[0]:
            place = (int(priority), next(self._order))
            self._wanted[symbol] = place
            queue = self._urgent if priority is Priority.RESYNC else self._queue
            queue.put_nowait((*place, symbol))

    async def _work(self, queue: _Queue) -> None:
        while True:
            priority, order, symbol = await queue.get()
            if self._wanted.get(symbol) == (priority, order):
                del self._wanted[symbol]
                await self._fetch(symbol, Priority(priority))

    async def _fetch(self, symbol: str, priority: Priority) -> None:
        """One attempt: fetch, and join unless the line was lost meanwhile."""
        line = self._feed.line_of(symbol)
        generation = line.generation
        sequencer = self._feed.books.sequencers[symbol]
        refresh = priority is Priority.REFRESH
        if not line.streaming or sequencer.synced is not refresh:
            return
        state = self._refreshes.get(symbol)
        row = state.row if state is not None else self._first
        request = self._venue.rest.snapshot_request(self._ids[symbol], row)
        try:
            body = await self._client.get(request, priority, attempts=1, endpoint=ReadEndpoint.BOOK)
        except VenueUnavailable as error:
            _log.warning("snapshot_failed", symbol=symbol, error=str(error))
        else:
            if line.generation != generation:
                return
            self._feed.snapshot(symbol, body)
        if line.streaming and line.generation == generation and not sequencer.synced:
            self._retry(line, symbol, Priority.RESYNC)

    async def _watch_depth(self) -> None:
        while True:
            await self._clock.sleep(self._check_s)
            for symbol, sequencer in self._feed.books.sequencers.items():
                if sequencer.synced and self._feed.line_of(symbol).streaming:
                    book = sequencer.book
                    self._refresh_if_shallow(
                        symbol, _shallow(book.bids, self._depth) or _shallow(book.asks, self._depth)
                    )

    def _refresh_if_shallow(self, symbol: str, shallow: bool) -> None:
        now = self._clock.monotonic_ns()
        state = self._refreshes.get(symbol)
        if not shallow or (state is not None and now < state.not_before_ns):
            return
        if state is None:
            state = self._refreshes[symbol] = _Refresh(self._deeper)
        elif now < state.not_before_ns + round(state.spacing_s * NS_PER_S):
            # Shallow again soon after the last refresh: reach further, and not so often.
            state.row = self._venue.rest.snapshot_for(state.row.limit + 1)
            state.spacing_s = min(2 * state.spacing_s, _REFRESH_SPACING_S[1])
        else:
            state.spacing_s = _REFRESH_SPACING_S[0]
        state.not_before_ns = now + round(state.spacing_s * NS_PER_S)
        self._put(symbol, Priority.REFRESH)


def _shallow(side: Side, depth: int) -> bool:
    """Whether levels may be missing among the best `depth` of a side."""
    return side.reach() is not None and side.known_depth(depth) < depth
