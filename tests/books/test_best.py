"""Best bid and ask across venues: the best of what counts, who holds it, and why the rest does not count."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.books.best import (
    BestQuote,
    Exclusion,
    LiveBest,
    LiveBook,
    MarketState,
    VenueQuote,
    across,
    best_quote,
    judged,
)
from xetrade_core.books.sequencer import BookSequencer
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.model.contracts import Contract
from xetrade_core.model.quotes import Quote

SYMBOL = "BTC/USDT"
NOW = 1_700_000_000 * NS_PER_S
LIMIT_S = 5.0

prices = st.none() | st.integers(90, 110).map(float)
rows = st.lists(
    st.builds(
        lambda bid, ask, bid_size, ask_size, excluded: VenueQuote(
            "", bid, None if bid is None else bid_size, ask, None if ask is None else ask_size, 0.0, excluded
        ),
        prices,
        prices,
        st.floats(0.1, 10),
        st.floats(0.1, 10),
        st.none() | st.sampled_from(Exclusion),
    ),
    max_size=10,
)


def quote(
    venue: str, bid: float | None, ask: float | None, bid_size: float = 1.0, ask_size: float = 1.0, age_s: float = 0.0
) -> Quote:
    return Quote(
        venue,
        SYMBOL,
        bid,
        None if bid is None else bid_size,
        ask,
        None if ask is None else ask_size,
        NOW - round(age_s * NS_PER_S),
    )


def best(*quotes: Quote) -> BestQuote:
    return across(quotes, NOW, LIMIT_S)


@given(rows)
def test_the_best_is_that_of_the_quotes_that_count_and_no_other_names_are_named(quotes):
    quotes = [msgspec.structs.replace(row, venue=f"v{n}") for n, row in enumerate(quotes)]
    got = best_quote(SYMBOL, quotes)
    counted = [one for one in quotes if one.excluded is None]
    bids = [(one.bid, one.bid_size, one.venue) for one in counted if one.bid is not None]
    asks = [(one.ask, one.ask_size, one.venue) for one in counted if one.ask is not None]
    assert got.bid == max((price for price, _, _ in bids), default=None)
    assert got.ask == min((price for price, _, _ in asks), default=None)
    for price, size, venues, offers in (
        (got.bid, got.bid_size, got.bid_venues, bids),
        (got.ask, got.ask_size, got.ask_venues, asks),
    ):
        holders = {venue: held for offered, held, venue in offers if offered == price}
        assert set(venues) == set(holders)
        assert size == (pytest.approx(sum(holders.values())) if holders else None)
        assert [holders[venue] for venue in venues] == sorted(holders.values(), reverse=True)
    assert got.quotes == tuple(quotes)


def test_who_holds_the_best_and_with_how_much():
    got = best(quote("a", 99, 102, bid_size=3), quote("b", 100, 103, bid_size=2), quote("c", 98, 101, ask_size=4))
    assert (got.bid, got.bid_size, got.bid_venues) == (100, 2, ("b",))
    assert (got.ask, got.ask_size, got.ask_venues) == (101, 4, ("c",))
    assert (got.state, round(got.spread_bps or 0, 2)) == (MarketState.NORMAL, 99.50)


def test_a_tie_is_held_by_all_of_them_the_largest_first_and_then_in_the_order_asked():
    got = best(quote("a", 100, 102, 1), quote("b", 100, 102, 5), quote("c", 100, 103, 1))
    assert (got.bid_venues, got.bid_size) == (("b", "a", "c"), 7)
    assert (got.ask_venues, got.ask_size) == (("a", "b"), 2)


@pytest.mark.parametrize(
    ("bid", "ask", "state"),
    [
        (101.0, 102.0, MarketState.NORMAL),
        (102.0, 102.0, MarketState.LOCKED),
        (103.0, 102.0, MarketState.CROSSED),
        (None, 102.0, MarketState.ONE_SIDED),
        (101.0, None, MarketState.ONE_SIDED),
        (None, None, MarketState.EMPTY),
    ],
)
def test_markets_that_cross_or_lock_across_venues_are_flagged(bid, ask, state):
    got = best(quote("a", bid, None), quote("b", None, ask))
    assert got.state is state
    assert (got.spread_bps is None) is (bid is None or ask is None)
    assert state is not MarketState.CROSSED or got.spread_bps < 0


def test_a_stale_quote_is_shown_with_its_age_and_does_not_count():
    got = best(quote("old", 105, 106, age_s=5.001), quote("new", 100, 101, age_s=5.0))
    assert (got.bid, got.bid_venues, got.ask_venues) == (100, ("new",), ("new",))
    assert [(one.venue, one.excluded) for one in got.quotes] == [("old", Exclusion.STALE), ("new", None)]
    assert got.quotes[0].age_s == pytest.approx(5.001)
    assert got.quotes[0].bid == 105


def test_a_cached_answer_is_as_old_as_it_says():
    cached = Quote("a", SYMBOL, 100, 1, 101, 1, NOW, stale_s=60.0)
    assert (judged(cached, NOW, LIMIT_S).age_s, judged(cached, NOW, LIMIT_S).excluded) == (60, Exclusion.STALE)


def test_a_venue_whose_own_quote_is_crossed_or_locked_does_not_count():
    got = best(quote("odd", 105, 104), quote("locked", 102, 102), quote("good", 100, 101))
    assert [one.excluded for one in got.quotes] == [Exclusion.CROSSED, Exclusion.CROSSED, None]
    assert (got.bid, got.ask, got.state) == (100, 101, MarketState.NORMAL)


def test_an_age_is_never_negative_though_clocks_may_be():
    assert judged(quote("a", 100, 101, age_s=-3), NOW, LIMIT_S).age_s == 0


def test_sizes_are_compared_in_base_currency():
    contracts = {"okx": Contract(Decimal("0.01")), "coinm": Contract(Decimal(100), inverse=True)}
    quotes = [quote("okx", 50_000, 50_010, 300), quote("binance", 50_000, 50_010, 2), quote("coinm", 50_000, 50_010, 4)]
    got = across(quotes, NOW, LIMIT_S, contracts)
    assert [one.bid_size for one in got.quotes] == [3.0, 2.0, 0.008]
    assert got.bid_venues == ("okx", "binance", "coinm")


def test_quotes_of_several_symbols_or_twice_of_a_venue_are_refused():
    other = Quote("b", "1000PEPE/USDT", 1, 1, 2, 1, NOW)
    with pytest.raises(ConfigError, match="of one symbol"):
        across([quote("a", 1, 2), other], NOW, LIMIT_S)
    with pytest.raises(ConfigError, match="each venue once"):
        across([quote("a", 1, 2), quote("a", 1, 2)], NOW, LIMIT_S)
    with pytest.raises(ConfigError, match="at least one"):
        across([], NOW, LIMIT_S)


def live_book(venue: str, bids: list[tuple[float, float]], asks: list[tuple[float, float]], **contract) -> LiveBook:
    sequencer = BookSequencer(SYMBOL)
    sequencer.book.replace(bids, asks)
    sequencer.synced, sequencer.received_ns = True, NOW
    return LiveBook(venue, sequencer, Contract(**contract))


def test_live_books_give_what_their_quotes_would():
    books = [
        live_book("a", [(99.0, 1.0), (100.0, 2.0)], [(102.0, 3.0), (101.0, 4.0)]),
        live_book("b", [(100.0, 500.0)], [(101.5, 1.0)], size=Decimal("0.01")),
        live_book("c", [(98.0, 1.0)], [], size=Decimal(100), inverse=True),
    ]
    live = LiveBest(SYMBOL, books, LIMIT_S)
    got = live.at(NOW + NS_PER_S)
    assert (got.bid, got.bid_size, got.bid_venues) == (100, 7, ("b", "a"))
    assert (got.ask, got.ask_size, got.ask_venues) == (101, 4, ("a",))
    assert [one.age_s for one in got.quotes] == [1, 1, 1]
    assert got.quotes[2].bid_size == pytest.approx(100 / 98)

    books[1].sequencer.book.apply([(100.0, 0.0)], [(100.5, 50.0)])
    assert (live.at(NOW).bid_venues, live.at(NOW).ask, live.at(NOW).ask_venues) == (("a",), 100.5, ("b",))


def test_a_live_book_that_is_out_of_sync_or_silent_does_not_count():
    lost, silent, good = (live_book(venue, [(100.0, 1.0)], [(101.0, 1.0)]) for venue in ("lost", "silent", "good"))
    lost.sequencer.synced = False
    silent.sequencer.received_ns = NOW - 6 * NS_PER_S
    got = LiveBest(SYMBOL, [lost, silent, good], LIMIT_S).at(NOW)
    assert [one.excluded for one in got.quotes] == [Exclusion.OUT_OF_SYNC, Exclusion.STALE, None]
    assert (got.bid_venues, got.quotes[0].bid) == (("good",), None)


def test_live_books_of_another_symbol_are_refused():
    book = live_book("a", [(100.0, 1.0)], [(101.0, 1.0)])
    with pytest.raises(ConfigError, match="books of ETH/USDT"):
        LiveBest("ETH/USDT", [book], LIMIT_S)
    with pytest.raises(ConfigError, match="at least one"):
        LiveBest(SYMBOL, [], LIMIT_S)
