"""A sink that remembers, samples that are held against the venue's truth, and waiting with an end."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from tests.support.sim import AsyncSim, Sim
from xetrade_core.clock import SystemClock
from xetrade_core.feeds.factory import open_streaming_feed
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.feeds.streaming import StreamingFeed
from xetrade_core.model.book_events import BookEvent, Gap, GapCause, Refused, Synced
from xetrade_core.simvenue.instruments import default_symbols
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.registry import venues
from xetrade_core.venues.venue import VenueStatus


def _chosen(venue: str) -> tuple[str, str]:
    """Two symbols of a venue: of both kinds, spot and contract, where its double lists both."""
    listed = default_symbols(venue)
    firsts = [next((one for one in listed if (":" in one) is contract), "") for contract in (False, True)]
    first, second, *_ = dict.fromkeys([*filter(None, firsts), *listed])
    return first, second


SYMBOLS = {row.id: _chosen(row.id) for row in venues() if row.status is VenueStatus.LIVE}
VENUES = tuple(SYMBOLS)
SCENARIO = "seed = 7\n" + "".join(
    f"[venues.{venue}]\nsymbols = {list(names)}\nflush_ms = 50\n" for venue, names in SYMBOLS.items()
)
DEPTH = 50

Top = tuple[list[float], list[float], list[float], list[float]]


def quick(sim: Sim, venue: str, **changes: object) -> FeedOptions:
    """Options for a test: the simulated venue's address and short waits."""
    url = sim.url(venue)
    values: dict[str, object] = {
        "rest_url": url.rest,
        "ws_url": url.ws,
        "depth": DEPTH,
        "backoff": Backoff(base_s=0.05, cap_s=0.2),
        "idle_ping_s": 0.6,
        "pong_timeout_s": 0.6,
        "ack_timeout_s": 1.0,
        "resync_timeout_s": 2.0,
        "overlap_s": 0.3,
        "refresh_check_s": 0.2,
    }
    return FeedOptions(**{**values, **changes})  # type: ignore[arg-type]


def unhurried(sim: Sim, venue: str, **changes: object) -> FeedOptions:
    """`quick`, but a venue that says nothing for a second or two, as on a busy machine, is not taken for dead."""
    return quick(sim, venue, **{"idle_ping_s": 5.0, "pong_timeout_s": 5.0, **changes})


@dataclass
class Remembering:
    """A sink that keeps what matters of a feed's events."""

    counts: Counter[str] = field(default_factory=Counter)
    gaps: list[Gap] = field(default_factory=list)
    syncs: list[Synced] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    losses: list[tuple[tuple[str, ...], GapCause]] = field(default_factory=list)
    sources: Counter[str] = field(default_factory=Counter)
    stamps: list[int] = field(default_factory=list)

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        self.sources[source] += 1
        self.stamps.append(received_ns)

    def events(self, events: tuple[BookEvent, ...]) -> None:
        for event in events:
            self.counts[type(event).__name__] += 1
            if isinstance(event, Gap):
                self.gaps.append(event)
            elif isinstance(event, Synced):
                self.syncs.append(event)
            elif isinstance(event, Refused):
                self.refusals.append(event)

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause) -> None:
        self.losses.append((symbols, cause))


@dataclass
class Running:
    """A feed at work, with its sink and the samples taken of it."""

    venue: str
    feed: StreamingFeed
    sink: Remembering
    task: asyncio.Task[None]
    samples: dict[tuple[str, int], Top] = field(default_factory=dict)
    unsynced: set[str] = field(default_factory=set)

    def sample(self) -> None:
        """Read every book in sync, at the sequence it stands at."""
        for symbol, row in self.feed.books.sequencers.items():
            if row.synced and row.sequence is not None:
                bids, bid_sizes, asks, ask_sizes = row.book.top(DEPTH)
                known_bids, known_asks = row.book.bids.known_depth(DEPTH), row.book.asks.known_depth(DEPTH)
                self.samples[symbol, row.sequence] = (
                    bids[:known_bids],
                    bid_sizes[:known_bids],
                    asks[:known_asks],
                    ask_sizes[:known_asks],
                )
            else:
                self.unsynced.add(symbol)

    async def until(self, condition: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait for a condition, sampling meanwhile; fails when it does not come true, or the feed ends."""
        async with asyncio.timeout(within_s):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.02)
                self.sample()

    async def synced(self, within_s: float = 10.0) -> None:
        """Wait until all books are in sync."""
        await self.until(lambda: all(row.synced for row in self.feed.books.sequencers.values()), within_s)

    async def lasting(self, seconds: float) -> None:
        """Let it run for so long, sampling."""
        end = asyncio.get_running_loop().time() + seconds
        await self.until(lambda: asyncio.get_running_loop().time() >= end, seconds + 5)


@contextlib.asynccontextmanager
async def running(venue: str, options: FeedOptions, symbols: tuple[str, ...] | None = None) -> AsyncIterator[Running]:
    """A feed of the venue's test symbols, running until the block ends."""
    feed = await open_streaming_feed(venue, symbols or SYMBOLS[venue], options, SystemClock(), random.Random(5))
    sink = Remembering()
    task = asyncio.create_task(feed.run(sink))
    try:
        yield Running(venue, feed, sink, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def check_truth(run: Running, sim: Sim, at_least: int = 5, most: int = 60) -> None:
    """Hold the samples against the venue's true book at the same sequence id."""
    assert len(run.samples) >= at_least, "too few samples for the comparison to mean anything"
    chosen = random.Random(1).sample(sorted(run.samples), min(most, len(run.samples)))
    for symbol, sequence in chosen:
        truth = await AsyncSim(sim).truth(run.venue, symbol, sequence, DEPTH)
        bids, bid_sizes, asks, ask_sizes = run.samples[symbol, sequence]
        got = [list(map(list, zip(bids, bid_sizes, strict=True))), list(map(list, zip(asks, ask_sizes, strict=True)))]
        assert got[0], "a book in sync knows at least its best bid"
        assert got[1], "and its best ask"
        assert got == [truth["bids"][: len(bids)], truth["asks"][: len(asks)]], (
            f"{symbol} at {sequence} is not the true book"
        )
