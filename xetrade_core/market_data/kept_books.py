"""Books of venues that show them over their streams alone (Derive), looked at as often as a trade needs: each feed
stays open, so that a second look waits for no connection.

What is given is in sync, and its venue has sent it within `FRESH_S`. A feed that has said nothing for longer may be
dead, or its market quiet: a new connection tells which, as its first message is the book of now. So whoever looks also
waits for no backoff: a look at a silent feed opens another.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.feeds.feed import Feed
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.marks import Instrumented
from xetrade_core.market_data.one_shot import snapshot_of
from xetrade_core.model.book_events import Applied, BookEvent, GapCause, Synced
from xetrade_core.model.quotes import BookSnapshot
from xetrade_core.telemetry import get_logger

_log = get_logger("books")
#: a book of which its venue has sent nothing for so long is given to nobody
FRESH_S = 2.0
#: how long a feed may take to its first book before another is opened in its place
_CONNECTING_S = 10.0


class KeptBooks:
    """Feeds of one symbol each, opened by the first look at it and closed with this; an asynchronous context."""

    def __init__(self, access: Access, depth: int) -> None:
        """`depth`: the levels a side that are given, where the venue has them."""
        self._access = access
        self._depth = depth
        self._kept: dict[Instrumented, _Kept] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def book(self, venue: str, symbol: str, deadline_s: float) -> BookSnapshot:
        """The book of a universal symbol now. A look that is given up leaves the feed connecting for the next one.

        Raises VenueUnavailable, which says why there is none within the deadline, and what opening the feed does.
        """
        key = (venue, symbol)
        try:
            async with asyncio.timeout(deadline_s):
                while True:
                    one = self._kept.get(key)
                    if one is None or one.given_up:
                        one = self._keep(key)
                    if (found := one.fresh()) is not None:
                        return found
                    await one.news()
        except TimeoutError:
            why = self._kept[key].trouble()
            raise VenueUnavailable(f"{venue} gave no book of {symbol} within {deadline_s:g} s: {why}") from None

    def _keep(self, key: Instrumented) -> _Kept:
        """A new feed, in the place of the one there is."""
        so_far = "its stream is not open yet"
        if (old := self._kept.get(key)) is not None:
            old.running.cancel()
            so_far = old.trouble()
        one = self._kept[key] = _Kept(self._access, *key, self._depth, so_far)
        self._running.add(one.running)
        one.running.add_done_callback(self._ended)
        return one

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("a book is kept no more", error=str(error))


class _Kept:
    """One feed, opened and run in a task of its own, and the FeedSink of it."""

    def __init__(self, access: Access, venue: str, symbol: str, depth: int, so_far: str) -> None:
        """`so_far`: the trouble there is before this feed can tell any."""
        self._so_far = so_far
        self._clock: Clock = access.clock
        self._depth = depth
        self._feed: Feed | None = None
        self._moved = asyncio.get_running_loop().create_future()
        self._until_ns = 0
        self._wait_at_most(_CONNECTING_S)
        self.running = asyncio.create_task(self._run(access, venue, symbol))

    async def _run(self, access: Access, venue: str, symbol: str) -> None:
        feed = await access.feed(venue, symbol, self._depth)
        self._feed = feed
        try:
            await feed.run(self)
        finally:
            await feed.close()
        raise VenueUnavailable(f"the feed of {venue} has ended")

    def _wait_at_most(self, wait_s: float) -> None:
        self._until_ns = self._clock.monotonic_ns() + round(wait_s * NS_PER_S)

    @property
    def given_up(self) -> bool:
        """Whether it has ended, or been silent for too long."""
        return self.running.done() or self._clock.monotonic_ns() > self._until_ns

    def fresh(self) -> BookSnapshot | None:
        """The book, if it may be traded on."""
        if self._feed is None or self.given_up:
            return None
        [book] = self._feed.books.sequencers.values()
        return snapshot_of(self._feed, self._depth, self._clock.wall_ns()) if book.synced else None

    async def news(self) -> None:
        """Until there is a book, or the feed is to be given up. Raises what ended it."""
        left_s = max(0, self._until_ns - self._clock.monotonic_ns()) / NS_PER_S
        await asyncio.wait({self._moved, self.running}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        if self.running.done():
            self.running.result()

    def trouble(self) -> str:
        """Why there is no book that may be traded on."""
        if self._feed is None:
            return self._so_far
        status = self._feed.status()
        refused = next((one.refused for one in status.symbols if one.refused is not None), None)
        if refused is not None:
            return f"it refuses the subscription: {refused}"
        return status.trouble or "its stream says nothing"

    # -- FeedSink ------------------------------------------------------------------------------------------------

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        """See FeedSink."""

    def events(self, events: tuple[BookEvent, ...]) -> None:
        """See FeedSink. What only shows that the connection lives (an old message) is no news of the book."""
        if any(isinstance(event, Applied | Synced) for event in events):
            self._wait_at_most(FRESH_S)
            moved, self._moved = self._moved, self._moved.get_loop().create_future()
            moved.set_result(None)

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause) -> None:
        """See FeedSink."""
