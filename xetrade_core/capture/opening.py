"""Opening the feeds of a session: once before it begins, so that what was asked for wrongly is refused then."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from xetrade_core.clock import Clock
from xetrade_core.errors import ConfigError, VenueUnavailable
from xetrade_core.feeds.factory import open_feed
from xetrade_core.feeds.feed import Feed, FeedOptions

_ANSWER_WITHIN_S = 5.0

FeedOpener = Callable[[str, tuple[str, ...]], Awaitable[Feed]]
"""Opens the feed of a venue's symbols; raises as `feeds.factory.open_feed` does."""


def feed_opener(options: Mapping[str, FeedOptions], clock: Clock, rng: random.Random) -> FeedOpener:
    """Websocket feeds, with these options by venue and the live defaults for the others."""

    async def open_one(venue: str, symbols: tuple[str, ...]) -> Feed:
        return await open_feed(venue, symbols, options.get(venue, FeedOptions()), clock, rng)

    return open_one


async def open_all(
    venues: Mapping[str, Sequence[str]], opener: FeedOpener, stop: asyncio.Event
) -> dict[str, asyncio.Task[Feed]]:
    """Try once to open every feed; returns when all have an answer, or soon, or when `stop` is set.

    A venue that does not answer is no reason to refuse: its task is pending or holds VenueUnavailable. Any other
    error of any venue is raised, and the feeds of the others are closed; ConfigError if a feed has no book of a
    symbol.
    """
    stopping = asyncio.create_task(stop.wait())
    openings = {venue: asyncio.create_task(_opened(opener(venue, tuple(names)))) for venue, names in venues.items()}
    try:
        everything = asyncio.gather(*openings.values(), return_exceptions=True)
        await asyncio.wait((stopping, everything), timeout=_ANSWER_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        for venue, opening in openings.items():
            error = opening.exception() if opening.done() else None
            if error is not None and not isinstance(error, VenueUnavailable):
                raise error
            if opening.done() and error is None:
                _check_books(venue, venues[venue], opening.result())
    except BaseException:
        await abandon(openings.values())
        raise
    finally:
        stopping.cancel()
    return openings


async def abandon(openings: Iterable[asyncio.Task[Feed]]) -> None:
    """Close feeds that will not be run."""
    for opening in openings:
        opening.cancel()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            feed = await opening
            close = getattr(feed, "close", None)
            if close is not None:
                await close()


async def _opened(feed: Awaitable[Feed]) -> Feed:
    return await feed


def _check_books(venue: str, symbols: Sequence[str], feed: Feed) -> None:
    for symbol in symbols:
        if symbol not in feed.books.sequencers:
            known = ", ".join(feed.books.sequencers)
            raise ConfigError.of(f"venues[{venue}]", symbol, f"universal symbols; the venue's books are {known}")
