"""Acceptance card 10: the unmodified ccxt.pro and our feed watch a venue side by side: equal books at equal ids."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from math import ceil, floor
from typing import Any

from tests.feeds.harness import SYMBOLS, VENUES, Remembering, quick
from tests.support.ccxt_quirks import past_its_snapshot
from tests.support.sim import Sim
from tests.venues.deck import card
from xetrade_core.books.book_set import BookSet
from xetrade_core.clock import NS_PER_MS, SystemClock
from xetrade_core.feeds.factory import open_feed
from xetrade_core.model.book_events import BookEvent
from xetrade_core.simvenue import ccxt_config
from xetrade_core.venues.registry import venue as known_venue

TOP = 50
KNOWN_TO_CCXT = [venue for venue in VENUES if known_venue(venue).ccxt_class is not None]
Levels = tuple[list[float], list[float], list[float], list[float]]


BY_TIME = ("bybit", "deribit", "derive")  # ccxt keeps no id there: the venue's time in ms tells messages apart as well
DERIVE_GROUP = 10  # ccxt takes Derive's channel of ten ticks to a level, and ten levels


class _EverySequence(Remembering):
    """Keeps the top of the book after each message, by its sequence id or its time."""

    def __init__(self, venue: str) -> None:
        super().__init__()
        self.by_time = venue in BY_TIME
        self.books: BookSet | None = None
        self.tops: dict[tuple[str, int], Levels] = {}

    def events(self, events: tuple[BookEvent, ...]) -> None:
        super().events(events)
        assert self.books is not None
        for event in events:
            row = self.books.sequencers[event.symbol]
            if row.synced and row.sequence is not None and row.exchange_ns is not None:
                at = row.exchange_ns // NS_PER_MS if self.by_time else row.sequence
                self.tops[event.symbol, at] = row.book.top(2 * TOP)


async def _watch(exchange: Any, venue: str, symbol: str, seen: dict[tuple[str, int], Levels], key: str) -> None:
    await past_its_snapshot(exchange, venue, symbol)
    while True:
        book = await exchange.watch_order_book(symbol)
        bids, asks = book["bids"][:TOP], book["asks"][:TOP]
        seen[symbol, book[key]] = (
            [row[0] for row in bids],
            [row[1] for row in bids],
            [row[0] for row in asks],
            [row[1] for row in asks],
        )


def _as_ccxt_sees_it(venue: str, top: Levels, tick: float) -> Levels:
    """A book as it is on the channel that ccxt takes."""
    if venue != "derive":
        return top[0][:TOP], top[1][:TOP], top[2][:TOP], top[3][:TOP]
    bids, asks = _grouped(top[0], top[1], tick, floor), _grouped(top[2], top[3], tick, ceil)
    return list(bids), list(bids.values()), list(asks), list(asks.values())


def _grouped(prices: list[float], sizes: list[float], tick: float, step: Callable[[float], int]) -> dict[float, float]:
    grouped: dict[float, float] = {}
    for price, size in zip(prices, sizes, strict=True):
        at = round(step(round(price / tick) / DERIVE_GROUP) * DERIVE_GROUP * tick, 9)
        grouped[at] = round(grouped.get(at, 0.0) + size, 9)
    return dict(list(grouped.items())[:DERIVE_GROUP])


@card(10, "the unmodified ccxt.pro sees the same books", KNOWN_TO_CCXT)
async def test_ccxt_pro_and_our_feed_see_the_same_books(sim: Sim, venue: str) -> None:
    import ccxt.pro

    symbols = SYMBOLS[venue]
    exchange = getattr(ccxt.pro, str(known_venue(venue).ccxt_class))(ccxt_config(venue, sim))
    # Deep enough that the simulated 1000 levels are all known: ccxt keeps no account of what a snapshot does not reach.
    feed = await open_feed(venue, symbols, quick(sim, venue, snapshot_levels=1000), SystemClock(), random.Random(1))
    sink, theirs = _EverySequence(venue), dict[tuple[str, int], Levels]()
    sink.books = feed.books
    tasks, key = [asyncio.create_task(feed.run(sink))], "timestamp" if sink.by_time else "nonce"
    tasks += [asyncio.create_task(_watch(exchange, venue, symbol, theirs, key)) for symbol in symbols]
    try:
        async with asyncio.timeout(60):
            while min(sum(key[0] == symbol for key in theirs) for symbol in symbols) < 40:
                await asyncio.sleep(0.1)
                for task in tasks:
                    assert not task.done(), task.exception()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await exchange.close()
    both = theirs.keys() & sink.tops.keys()
    assert len(both) >= 0.8 * len(theirs), f"{len(both)} sequence ids in common of {len(theirs)}"
    assert {symbol for symbol, _ in both} == set(symbols)
    ticks = {row.symbol: float(row.price_tick) for row in feed.instruments}
    ours = {key: _as_ccxt_sees_it(venue, sink.tops[key], ticks[key[0]]) for key in both}
    different = [key for key in sorted(both) if theirs[key] != ours[key]]
    assert different == []
    assert sink.gaps == []
