"""An L2 book equals the obvious one: a dict a side, sorted when read. And it knows how deep it can be believed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.books import book as book_module
from xetrade_core.books import window as window_module
from xetrade_core.books.book import BookSide, L2Book
from xetrade_core.books.whole import WholeBook
from xetrade_core.books.window import WindowSide

prices = st.integers(1, 60).map(float)
sizes = st.sampled_from([0.0, 1.0, 2.0, 3.5])
changes = st.lists(st.tuples(prices, sizes), max_size=12)
snapshots = st.dictionaries(prices, st.sampled_from([1.0, 2.0]), max_size=40)


@pytest.fixture(autouse=True)
def small_stores(monkeypatch):
    """Small bounds, so that short examples move levels between the near and the far store."""
    monkeypatch.setattr(book_module, "NEAR_TARGET", 4)
    monkeypatch.setattr(book_module, "NEAR_MOST", 8)


def naive_top(levels: dict[float, float], sign: int, depth: int) -> list[tuple[float, float]]:
    return sorted(levels.items(), reverse=sign > 0)[:depth]


@pytest.mark.parametrize("sign", [1, -1], ids=["bids", "asks"])
@settings(max_examples=300, deadline=None)
@given(snapshot=snapshots, updates=st.lists(changes, max_size=20), depth=st.integers(1, 30))
def test_a_side_reads_like_a_sorted_dict_after_any_updates(sign, snapshot, updates, depth):
    side, naive = BookSide(sign), dict(snapshot)
    side.replace(list(snapshot.items()), reach=None)
    for update in updates:
        side.apply(update)
        naive.update(update)
        naive = {price: size for price, size in naive.items() if size}
        assert side.best() == (naive_top(naive, sign, 1)[0][0] if naive else None)
        assert list(zip(*side.top(depth), strict=True)) == naive_top(naive, sign, depth)
        assert len(side) == len(naive)
        assert side.known_depth(depth) == min(depth, len(naive))


@settings(max_examples=300, deadline=None)
@given(true_book=snapshots, shown=st.integers(1, 10), updates=st.lists(changes, max_size=20), depth=st.integers(1, 30))
def test_levels_counted_as_known_are_the_true_ones(true_book, shown, updates, depth):
    truth = dict(true_book)
    seen = naive_top(truth, 1, shown)
    side = BookSide(1)
    side.replace(seen, reach=seen[-1][0] if seen and len(seen) == shown else None)
    for update in updates:
        side.apply(update)
        truth = {price: size for price, size in (truth | dict(update)).items() if size}
        known = side.known_depth(depth)
        assert list(zip(*side.top(depth), strict=True))[:known] == naive_top(truth, 1, known)


@settings(max_examples=300, deadline=None)
@given(
    true_book=snapshots,
    shown=st.tuples(st.integers(1, 6), st.integers(6, 40)),
    before=st.lists(changes, max_size=8),
    after=st.lists(changes, max_size=8),
)
def test_a_deeper_snapshot_moves_the_reach_out_without_undoing_later_messages(true_book, shown, before, after):
    side, truth = BookSide(1), dict(true_book)

    def tell(update: list[tuple[float, float]]) -> None:
        nonlocal truth
        side.apply(update)
        truth = {price: size for price, size in (truth | dict(update)).items() if size}

    def snapshot(count: int) -> tuple[list[tuple[float, float]], float | None]:
        levels = naive_top(truth, 1, count)
        return levels, levels[-1][0] if levels and len(levels) == count else None

    side.replace(*snapshot(shown[0]))
    for update in before:
        tell(update)
    deeper = snapshot(shown[1])  # taken here, arriving after the following messages
    for update in after:
        tell(update)
    side.deepen(*deeper)
    known = side.known_depth(60)
    assert list(zip(*side.top(60), strict=True))[:known] == naive_top(truth, 1, known)
    if deeper[1] is None:
        assert known == len(truth)


@pytest.mark.parametrize("kind", [L2Book, WholeBook])
@settings(max_examples=200, deadline=None)
@given(messages=st.lists(st.tuples(changes, changes, st.booleans()), max_size=8), depth=st.integers(1, 12))
def test_a_book_sent_whole_is_the_last_message_whenever_it_is_read(kind, messages, depth):
    book, bids, asks = kind(), dict[float, float](), dict[float, float]()
    for bids_sent, asks_sent, read in messages:
        book.replace(bids_sent, asks_sent)
        bids, asks = ({price: size for price, size in dict(sent).items() if size} for sent in (bids_sent, asks_sent))
        if read:
            assert book.best_bid == max(bids, default=None)
            assert book.crossed == (bool(bids and asks) and max(bids) >= min(asks))
    bid_prices, bid_sizes, ask_prices, ask_sizes = book.top(depth)
    assert list(zip(bid_prices, bid_sizes, strict=True)) == naive_top(bids, 1, depth)
    assert list(zip(ask_prices, ask_sizes, strict=True)) == naive_top(asks, -1, depth)


@pytest.mark.parametrize("sign", [1, -1], ids=["bids", "asks"])
@settings(max_examples=300, deadline=None)
@given(
    snapshot=snapshots,
    updates=st.lists(changes, max_size=20),
    depth=st.integers(1, 12),
    most=st.integers(1, 20),
    end=st.integers(1, 5),
)
def test_a_channel_of_a_fixed_number_of_levels_drops_the_worst_with_each_message(
    sign, snapshot, updates, depth, most, end
):
    def keep(levels: dict[float, float]) -> dict[float, float]:
        return dict(naive_top({price: size for price, size in levels.items() if size}, sign, most))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_module, "END", end)
        side, naive = WindowSide(sign, most), keep(snapshot)
        side.replace(list(snapshot.items()), reach=None)
        for update in updates:
            side.apply(update)
            naive = keep(naive | dict(update))
            assert list(zip(*side.top(depth), strict=True)) == naive_top(naive, sign, depth)
            assert side.bound >= max((price * sign for price in naive), default=-math.inf)
            assert side.best() == (naive_top(naive, sign, 1)[0][0] if naive else None)
            assert len(side) == len(naive)
            assert side.known_depth(depth) == min(depth, len(naive))


def test_memory_is_bounded_and_what_is_forgotten_is_no_longer_called_known(monkeypatch):
    monkeypatch.setattr(book_module, "ENTRIES_MOST", 100)
    side = BookSide(1)
    side.replace([(float(price), 1.0) for price in range(1, 400)], reach=None)
    side.top(10)
    assert len(side) < 120
    assert side.top(3) == ([399.0, 398.0, 397.0], [1.0, 1.0, 1.0])
    assert side.known_depth(400) == len(side)
    assert side.reach() is not None


def test_a_book_tells_when_it_is_crossed():
    book = L2Book()
    book.replace([(10.0, 1.0)], [(11.0, 1.0)])
    assert not book.crossed
    book.apply([(11.0, 1.0)], [])
    assert book.crossed
