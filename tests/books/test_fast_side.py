"""A side in arrays is the side in dicts, down to what it has not yet buried: the same rows come of both, for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.books import book as book_module
from xetrade_core.books.book import BookSide

if TYPE_CHECKING:
    from xetrade_core.books.fast.array_side import ArraySide

pytest.importorskip("numba")
# Kernels are imported by the tests that use them, and by one worker: whoever is first compiles them all.
pytestmark = pytest.mark.xdist_group("compiled kernels")

prices = st.integers(1, 60).map(lambda tick: tick / 10)
sizes = st.sampled_from([0.0, 1.0, 2.0, 3.5])
levels = st.lists(st.tuples(prices, sizes), max_size=12)
reaches = st.none() | prices
steps = st.one_of(
    st.tuples(st.just("apply"), levels),
    st.tuples(st.just("top"), st.integers(1, 30)),
    st.tuples(st.sampled_from(["best", "touch"]), st.none()),
    st.tuples(st.just("replace"), st.tuples(levels, reaches)),
    st.tuples(st.just("deepen"), st.tuples(levels, reaches)),
)


@pytest.fixture(autouse=True)
def small_stores(monkeypatch):
    """Small bounds and arrays, so that short examples refill, forget, wrap around and grow."""
    from xetrade_core.books.fast import array_side

    monkeypatch.setattr(book_module, "NEAR_TARGET", 4)
    monkeypatch.setattr(book_module, "NEAR_MOST", 8)
    monkeypatch.setattr(book_module, "ENTRIES_MOST", 30)
    monkeypatch.setattr(array_side, "_LENGTH", 32)


def in_arrays(sign: int) -> ArraySide:
    from xetrade_core.books.fast.array_side import ArraySide

    return ArraySide(sign)


def inside(side: ArraySide) -> dict[str, object]:
    """What the arrays hold, in the terms of a `BookSide`."""
    from xetrade_core.books.fast import kernels

    near, table = side.near, side.table
    ranks, fresh = int(near[kernels.RANKS]), int(near[kernels.FRESH])
    held = {price: size for price, size in table.reshape(-1, 2).tolist() if price}
    return {
        "sizes": {price: size for price, size in held.items() if size != kernels.GONE},
        "gone": {price for price, size in held.items() if size == kernels.GONE},
        "ranks": near[kernels.RANKS_AT : kernels.RANKS_AT + ranks].tolist(),
        "fresh": sorted(near[len(near) - fresh :].tolist()),
        "cut": near[kernels.CUT],
        "bound": side.bound,
        "counts": (int(near[kernels.ENTRIES]), int(near[kernels.GONES])),
    }


def expected(side: BookSide) -> dict[str, object]:
    return {
        "sizes": side._sizes,
        "gone": side._gone - set(side._sizes),
        "ranks": side._ranks,
        "fresh": sorted(side._fresh),
        "cut": side._cut,
        "bound": side.bound,
        "counts": (len(side._sizes), len(side._gone - set(side._sizes))),
    }


@pytest.mark.parametrize("sign", [1, -1], ids=["bids", "asks"])
@settings(max_examples=400, deadline=None)
@given(script=st.lists(steps, max_size=30))
def test_whatever_is_done_to_both_they_are_the_same_inside_and_outside(sign, script):
    one, other = BookSide(sign), in_arrays(sign)
    for name, argument in script:
        arguments = argument if isinstance(argument, tuple) else () if argument is None else (argument,)
        assert getattr(one, name)(*arguments) == getattr(other, name)(*arguments)
        assert inside(other) == expected(one)
        assert (one.reach(), len(one)) == (other.reach(), len(other))


@settings(max_examples=100, deadline=None)
@given(told=levels, reach=reaches, depth=st.integers(1, 20))
def test_both_copy_the_same_best_levels_and_count_the_same_as_known(told, reach, depth):
    copies = []
    for side in (BookSide(1), in_arrays(1)):
        side.replace(told, reach)
        best, held = np.zeros(depth), np.zeros(depth)
        counts = side.copy_top(best, held)
        copies.append((counts, best.tolist(), held.tolist()))
        assert side.known(side.top(depth)[0]) == side.known_depth(depth) == counts[1]
    assert copies[0] == copies[1]


def test_a_table_keeps_every_price_apart_when_it_is_full_of_collisions():
    side, naive = in_arrays(1), BookSide(1)
    for start in range(0, 4000, 7):
        told = [((start * 37 + step * 11) % 5000 / 4 + 0.25, float(step % 3)) for step in range(60)]
        side.apply(told)
        naive.apply(told)
    assert inside(side)["sizes"] == naive._sizes
