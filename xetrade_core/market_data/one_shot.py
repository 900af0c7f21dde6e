"""One book out of a feed: opened, run until the book is in sync, and left again.

For venues without an order book over REST, and for a book that is as fresh as the stream.
"""

from __future__ import annotations

import asyncio
import contextlib

from xetrade_core.clock import Clock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.feeds.feed import Feed
from xetrade_core.model.book_events import BookEvent, GapCause, Synced
from xetrade_core.model.quotes import BookSnapshot


class BookWaiter:
    """FeedSink that waits for the first book in sync."""

    def __init__(self) -> None:
        self.synced = asyncio.Event()

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        """See FeedSink."""

    def events(self, events: tuple[BookEvent, ...]) -> None:
        """See FeedSink."""
        if any(isinstance(event, Synced) for event in events):
            self.synced.set()

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause) -> None:
        """See FeedSink."""


async def first_book(feed: Feed, depth: int, clock: Clock) -> BookSnapshot:
    """The book of a feed of one symbol, as soon as it is in sync; the feed is run, and closed, by this.

    Waits as long as it takes: bound it from outside. Raises what the feed raises; when it is cancelled while the feed
    has no connection, VenueUnavailable that says why.
    """
    waiter = BookWaiter()
    running = asyncio.ensure_future(feed.run(waiter))
    synced = asyncio.ensure_future(waiter.synced.wait())
    try:
        await asyncio.wait({running, synced}, return_when=asyncio.FIRST_COMPLETED)
        if not waiter.synced.is_set():
            running.result()
            raise VenueUnavailable(f"the feed of {feed.venue} ended before its book was in sync")
        return snapshot_of(feed, depth, clock.wall_ns())
    except asyncio.CancelledError:
        if (trouble := feed.status().trouble) is None:
            raise
        raise VenueUnavailable(f"{feed.venue} gave no book in time: {trouble}") from None
    finally:
        for task in (running, synced):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await feed.close()  # had it no time to begin


def snapshot_of(feed: Feed, depth: int, now_ns: int) -> BookSnapshot:
    """What the first book of a feed holds now."""
    [*_, (symbol, sequencer)] = feed.books.sequencers.items()
    bids, bid_sizes, asks, ask_sizes = sequencer.book.top(depth)
    return BookSnapshot(
        venue=feed.venue,
        symbol=symbol,
        bids=tuple(zip(bids, bid_sizes, strict=True)),
        asks=tuple(zip(asks, ask_sizes, strict=True)),
        received_ns=sequencer.received_ns or now_ns,
        exchange_ns=sequencer.exchange_ns,
        sequence=sequencer.sequence,
    )
