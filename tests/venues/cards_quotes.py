"""Card 15: what is asked of several venues at once, each venue by itself: over REST and over its stream."""

from __future__ import annotations

import random

from tests.feeds.harness import SYMBOLS, quick
from tests.support.sim import Sim
from tests.venues.deck import card
from xetrade_core.books.best import MarketState
from xetrade_core.clock import SystemClock
from xetrade_core.feeds.factory import open_feed
from xetrade_core.feeds.feed import Feed
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.books import Books, Via, fetch_books
from xetrade_core.venues.clients import ClientOptions, open_market_data

TITLE = "best quote, joint book and price impact, the same over REST and over the stream"
DEPTH = 20
DEADLINE_S = 60.0


def access(sim: Sim) -> Access:
    clock, rng = SystemClock(), random.Random(3)

    async def feed(venue: str, pair: str, depth: int) -> Feed:
        return await open_feed(venue, [pair], quick(sim, venue, depth=depth), clock, rng)

    return Access(
        lambda venue: open_market_data(venue, ClientOptions(rest_url=sim.url(venue).rest), clock, rng), feed, clock
    )


async def books(sim: Sim, venue: str, symbol: str, via: Via) -> Books:
    found = await fetch_books(access(sim), [venue], symbol, DEPTH, DEADLINE_S, via)
    assert (found.symbol, found.failures) == (symbol, ())
    return found


@card(15, TITLE)
async def test_books_over_rest_and_stream_are_of_one_market_in_the_same_units(sim: Sim, venue: str) -> None:
    for symbol in SYMBOLS[venue]:
        rest, stream = [await books(sim, venue, symbol, via) for via in ("rest", "stream")]
        assert rest.contracts == stream.contracts
        one, other = rest.books[0].book, stream.books[0].book
        assert (len(one.bids), len(one.asks)) == (len(other.bids), len(other.asks)) == (DEPTH, DEPTH)
        assert one.bids[-1][0] < other.bids[0][0]
        assert other.bids[-1][0] < one.bids[0][0]


@card(15, TITLE)
async def test_best_quote_and_impact_follow_from_the_book(sim: Sim, venue: str) -> None:
    for symbol in SYMBOLS[venue]:
        found = await books(sim, venue, symbol, "rest")
        book = found.books[0].book
        best = found.best(book.received_ns, 10.0)
        assert (best.state, best.bid_venues, best.ask_venues) == (MarketState.NORMAL, (venue,), (venue,))
        joint = found.consolidated(DEPTH)
        assert (joint.bids[0].price, joint.asks[0].price) == (best.bid, best.ask)
        impact = found.impacts("buy", "base", joint.asks[0].size + joint.asks[1].size / 2)[venue]
        assert (impact.filled, impact.levels, impact.worst_price) == (True, 2, joint.asks[1].price)
        assert 0 < impact.slippage_touch_bps < impact.slippage_mid_bps
