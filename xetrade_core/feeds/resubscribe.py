"""Into sync by subscribing anew (OKX, Bybit, Deribit): the channel itself begins with a snapshot."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import structlog

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.feeds.line import Line
from xetrade_core.feeds.pacing import ResyncPacing
from xetrade_core.feeds.streaming import StreamingFeed
from xetrade_core.venues.backoff import Backoff

_log = structlog.get_logger(__name__)
_GATHER_S = 0.05  # gaps of one cause come together: one request for all of them
_REQUESTS_MOST = 400  # requests on one connection before a new one is due (OKX allows 480 an hour)
_LOOK_S = 0.25


class Resubscribe:
    """Unsubscribes and subscribes each book that is out of sync, alone: the others of its connection go on."""

    def __init__(self, feed: StreamingFeed, clock: Clock, rng: random.Random) -> None:
        options = feed.options
        self._feed, self._clock = feed, clock
        self._timeout_ns = round(options.resync_timeout_s * NS_PER_S)
        self._pacing = ResyncPacing(Backoff(base_s=0.5, cap_s=options.backoff.cap_s), clock, rng)
        self._due: dict[str, int] = {}  # symbol -> when to resubscribe it, monotonic ns
        self._changed = asyncio.Event()
        self._renewing: set[str] = set()  # lines with a renewal on its way

    def want(self, line: Line, symbols: Sequence[str], *, fresh: bool) -> None:
        """See Resync. On a fresh connection the snapshots are on their way: only one that stays out is asked for."""
        now = self._clock.monotonic_ns()
        for symbol in symbols:
            if fresh:
                self._pacing.forget(symbol)
                self._due.setdefault(symbol, now + self._timeout_ns)  # a gap since is due already
            else:
                self._due[symbol] = now + round(self._pacing.delay_s(symbol) * NS_PER_S)
        self._changed.set()

    def drop(self, symbols: Sequence[str]) -> None:
        """See Resync."""
        for symbol in symbols:
            self._due.pop(symbol, None)

    async def run(self) -> None:
        """See Resync. A line that does not answer holds up its own books only: each line is renewed by a task."""
        async with asyncio.TaskGroup() as group:
            while True:
                if not self._due:
                    self._changed.clear()
                    await self._changed.wait()
                await self._clock.sleep(_GATHER_S)
                now = self._clock.monotonic_ns()
                books = self._feed.books.sequencers
                self._due = {symbol: due for symbol, due in self._due.items() if not books[symbol].synced}
                ripe = {symbol for symbol, due in self._due.items() if due <= now}
                lines = [line for line in self._feed.lines if line.streaming and line.name not in self._renewing]
                wanted = [(line, mine) for line in lines if (mine := sorted(ripe.intersection(line.venue_ids)))]
                for line, mine in wanted:
                    self._renewing.add(line.name)
                    group.create_task(self._renew(line, mine))
                if not wanted:
                    await self._clock.sleep(_LOOK_S)

    async def _renew(self, line: Line, symbols: list[str]) -> None:
        try:
            await self._ask_anew(line, symbols)
        except VenueUnavailable as error:
            _log.warning("resubscription_failed", line=line.name, error=str(error))
        finally:
            self._renewing.discard(line.name)

    async def _ask_anew(self, line: Line, symbols: list[str]) -> None:
        subscriptions = line.subscriptions
        if subscriptions is None:
            return
        for symbol in symbols:  # should no snapshot come of it, it is due again
            delay_ns = round(self._pacing.delay_s(symbol) * NS_PER_S)
            self._due[symbol] = self._clock.monotonic_ns() + self._timeout_ns + delay_ns
        if subscriptions.requests >= _REQUESTS_MOST:
            line.rotate_soon()
            return
        await subscriptions.renew([line.venue_ids[symbol] for symbol in symbols])
