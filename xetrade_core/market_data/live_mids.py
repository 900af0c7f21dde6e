"""The middles of books that are followed: told whenever one moves, without a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from decimal import Decimal
from types import TracebackType
from typing import Self

from xetrade_core.errors import XETradeError
from xetrade_core.feeds.feed import Feed
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.marks import Instrumented, Mark, MarkKind
from xetrade_core.model.book_events import BookEvent, GapCause
from xetrade_core.telemetry import get_logger

_log = get_logger("marks")
#: books that are followed at most: each is a connection
MOST = 50


class LiveMids:
    """Follows books and tells each change of their middle; an asynchronous context.

    A book that is out of sync, or whose feed has ended, tells nothing: its last middle grows old.
    """

    def __init__(self, access: Access, told: Callable[[Mark], None]) -> None:
        self._access = access
        self._told = told
        self._running: dict[Instrumented, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(set(self._running))

    async def follow(self, wanted: Collection[Instrumented]) -> None:
        """Follow these books, at most `MOST`, and no others any more."""
        chosen = set(sorted(wanted)[:MOST])
        await self._end(set(self._running) - chosen)
        for one in chosen - self._running.keys():
            self._running[one] = asyncio.create_task(self._follow(one))

    async def _end(self, unwanted: set[Instrumented]) -> None:
        tasks = [self._running.pop(one) for one in unwanted]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, one: Instrumented) -> None:
        venue, symbol = one
        try:
            feed = await self._access.feed(venue, symbol, 1)
        except XETradeError as error:
            _log.warning("a book cannot be followed", venue=venue, symbol=symbol, error=str(error))
            return
        try:
            await feed.run(_Middle(feed, one, self._told))
        except XETradeError as error:
            _log.warning("a book is followed no more", venue=venue, symbol=symbol, error=str(error))
        finally:
            await feed.close()


class _Middle:
    """FeedSink that tells when the middle of a book has moved."""

    def __init__(self, feed: Feed, one: Instrumented, told: Callable[[Mark], None]) -> None:
        self._venue, self._symbol = one
        [self._book] = feed.books.sequencers.values()
        self._told = told
        self._last: tuple[float, float] | None = None
        self._received_ns = 0

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        """See FeedSink."""
        self._received_ns = received_ns

    def events(self, events: tuple[BookEvent, ...]) -> None:
        """See FeedSink."""
        if not self._book.synced:
            return
        bid, ask = self._book.book.bids.touch(), self._book.book.asks.touch()
        if bid is None or ask is None or (bid[0], ask[0]) == self._last:
            return
        self._last = bid[0], ask[0]
        mid = (Decimal(repr(float(bid[0]))) + Decimal(repr(float(ask[0])))) / 2
        at_ns = self._book.exchange_ns or self._received_ns
        self._told(Mark(self._venue, self._symbol, mid, MarkKind.MID, at_ns))

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause) -> None:
        """See FeedSink."""
