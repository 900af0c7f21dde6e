"""The best quote across venues as it is now, out of running feeds: no call is made to ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from xetrade_core.books.best import BestQuote, LiveBest, LiveBook
from xetrade_core.errors import VenueUnavailable, XETradeError
from xetrade_core.feeds.feed import Feed
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.asking import Answers, Failure, ask_all
from xetrade_core.market_data.books import another, common_symbol, require_known
from xetrade_core.market_data.one_shot import BookWaiter
from xetrade_core.model.contracts import Contract

DEPTH = 1


class LiveMarket:
    """Feeds of one symbol on several venues. Made by `live_market`, which also ends them."""

    def __init__(self, symbol: str, feeds: Sequence[Feed], failures: Sequence[Failure], staleness_limit_s: float):
        self.symbol = symbol
        self._failures = list(failures)
        self._best = LiveBest(symbol, [_live_book(feed, symbol) for feed in feeds], staleness_limit_s)
        self._waiters = {feed.venue: BookWaiter() for feed in feeds}
        self._running: dict[str, asyncio.Future[None]] = {}
        for feed in feeds:
            waiter = self._waiters[feed.venue]
            task = self._running[feed.venue] = asyncio.ensure_future(feed.run(waiter))
            task.add_done_callback(partial(_tell, waiter.synced))  # nobody waits for it any more

    def best(self, now_ns: int) -> BestQuote:
        """The best at `now_ns`, the wall clock. A book that is not in sync yet, or no more, does not count."""
        return self._best.at(now_ns)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Venues that could not be opened, and those whose feed has ended for good."""
        ended = [Failure(venue, _end(venue, task)) for venue, task in self._running.items() if task.done()]
        return (*self._failures, *ended)

    async def synced(self, deadline_s: float) -> bool:
        """Wait until every book has been in sync once, or its feed has ended, at most so long; whether that is so."""
        waits = [asyncio.ensure_future(waiter.synced.wait()) for waiter in self._waiters.values()]
        _, late = await asyncio.wait(waits, timeout=deadline_s)
        for wait in late:
            wait.cancel()
        return not late

    async def close(self) -> None:
        """End the feeds."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)


@asynccontextmanager
async def live_market(
    access: Access, venues: Sequence[str], pair: str, staleness_limit_s: float, deadline_s: float
) -> AsyncIterator[LiveMarket]:
    """Open and run the feeds of `pair`; a venue that cannot be opened within the deadline is among the failures.

    Books that have had no update for longer than `staleness_limit_s` do not count. Raises as `fetch_books` does.
    """
    asked = list(dict.fromkeys(venues))
    opened: Answers[Feed] = await ask_all(
        {venue: partial(_open, access, venue, pair) for venue in asked}, f"stream of {pair}", deadline_s
    )
    async with AsyncExitStack() as stack:
        for feed in opened.by_venue.values():
            stack.push_async_callback(feed.close)  # also those that will not run
        feeds = list(require_known(opened).require_any(f"a stream of {pair}").by_venue.values())
        symbol = common_symbol([feed.instruments[0] for feed in feeds])
        others = [feed.instruments[0] for feed in feeds if feed.instruments[0].symbol != symbol]
        market = LiveMarket(
            symbol,
            [feed for feed in feeds if feed.instruments[0].symbol == symbol],
            (*opened.failures, *(another(instrument, symbol, pair) for instrument in others)),
            staleness_limit_s,
        )
        stack.push_async_callback(market.close)
        yield market


def _tell(event: asyncio.Event, _: asyncio.Future[None]) -> None:
    event.set()


async def _open(access: Access, venue: str, pair: str) -> Feed:
    return await access.feed(venue, pair, DEPTH)


def _live_book(feed: Feed, symbol: str) -> LiveBook:
    contract = Contract.of(symbol, feed.instruments[0].contract_size)
    return LiveBook(feed.venue, feed.books.sequencers[symbol], contract)


def _end(venue: str, task: asyncio.Future[None]) -> XETradeError:
    """Why a feed has ended; raises what is a bug."""
    error = None if task.cancelled() else task.exception()
    if error is None:
        return VenueUnavailable(f"the feed of {venue} has ended")
    if isinstance(error, XETradeError):
        return error
    raise error
