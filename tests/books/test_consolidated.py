"""The joint book of several venues: every level with who offers how much, and how far it is complete."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.books.best import MarketState
from xetrade_core.books.consolidated import consolidate
from xetrade_core.books.impact import price_impact
from xetrade_core.errors import ConfigError
from xetrade_core.model.contracts import SPOT, Contract
from xetrade_core.model.quotes import BookSnapshot

SYMBOL = "BTC/USDT"
CONTRACTS = {"v1": Contract(Decimal("0.01")), "v2": Contract(Decimal(100), inverse=True)}

levels = st.dictionaries(st.integers(1, 30).map(float), st.floats(0.1, 10), max_size=12)
books = st.lists(st.tuples(levels, levels), min_size=1, max_size=4).map(
    lambda given: [snapshot(f"v{n}", bids, asks) for n, (bids, asks) in enumerate(given)]
)


def snapshot(venue: str, bids: dict[float, float], asks: dict[float, float]) -> BookSnapshot:
    return BookSnapshot(venue, SYMBOL, tuple(sorted(bids.items(), reverse=True)), tuple(sorted(asks.items())), 0)


@given(books, st.integers(1, 40))
def test_every_level_is_the_sum_of_its_shares_and_none_is_missing(books, depth):
    got = consolidate(books, depth, CONTRACTS)
    for side, name, best_first in ((got.bids, "bids", True), (got.asks, "asks", False)):
        naive: dict[float, dict[str, float]] = defaultdict(dict)
        for book in books:
            for price, size in getattr(book, name):
                naive[price][book.venue] = CONTRACTS.get(book.venue, SPOT).base(price, size)
        assert [one.price for one in side] == sorted(naive, reverse=best_first)[:depth]
        for one in side:
            assert dict(one.shares) == naive[one.price]
            assert one.size == pytest.approx(sum(naive[one.price].values()))
            assert [size for _, size in one.shares] == sorted((size for _, size in one.shares), reverse=True)


@given(books, st.integers(1, 40), levels)
def test_levels_counted_as_known_stay_as_they_are_whatever_lies_past_a_venues_last(books, depth, more):
    """The first venue turns out to have more bids past its last one: the known levels of the joint book do not move."""
    got = consolidate(books, depth)
    first = books[0]
    end = first.bids[-1][0] if first.bids else 31.0
    deeper = snapshot(first.venue, dict(first.bids) | {p: s for p, s in more.items() if p < end}, dict(first.asks))
    again = consolidate([deeper, *books[1:]], depth)
    assert again.bids[: got.bid_known] == got.bids[: got.bid_known]


@given(books)
def test_a_venue_alone_is_its_own_book(books):
    got = consolidate(books[:1], 100)
    assert got.levels() == (list(books[0].bids), list(books[0].asks))
    assert (got.bid_known, got.ask_known) == (len(got.bids), len(got.asks))


def test_markets_crossed_against_each_other_are_flagged():
    got = consolidate([snapshot("a", {101.0: 1}, {102.0: 1}), snapshot("b", {99.0: 1}, {100.0: 1})], 5)
    assert got.state is MarketState.CROSSED
    assert got.venues == ("a", "b")


def test_an_amount_over_all_venues_costs_no_more_than_on_any_of_them():
    one, other = snapshot("a", {}, {101.0: 1, 103.0: 1}), snapshot("b", {}, {102.0: 1, 104.0: 1})
    together = price_impact(*consolidate([one, other], 10).levels(), "buy", "base", 2.0)
    assert together.quote == 203
    assert all(price_impact((), book.asks, "buy", "base", 2.0).quote > 203 for book in (one, other))


def test_books_of_several_symbols_are_refused():
    other = BookSnapshot("b", "ETH/USDT", (), (), 0)
    with pytest.raises(ConfigError, match="of one symbol"):
        consolidate([snapshot("a", {}, {}), other], 5)
