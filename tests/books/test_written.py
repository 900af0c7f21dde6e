"""A book out of a file: exactly what is written, and one clear line for what is no book."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.books.impact import price_impact
from xetrade_core.books.written import read_book
from xetrade_core.errors import ConfigError

sizes = st.decimals("0.000000000000000001", "1e12", places=18)


@given(
    st.dictionaries(st.decimals("0.00000001", "99", places=18), sizes, max_size=8),
    st.dictionaries(st.decimals("100", "1e15", places=18), sizes, max_size=8),
    st.randoms(),
)
def test_every_digit_is_kept_and_the_best_comes_first(bids, asks, rng):
    rows = {"bids": list(bids.items()), "asks": list(asks.items())}
    for side in rows.values():
        rng.shuffle(side)
    book = read_book(json.dumps(rows, default=str), "book.json")
    assert book.bids == tuple(sorted(bids.items(), reverse=True))
    assert book.asks == tuple(sorted(asks.items()))


def test_numbers_as_json_numbers_are_read_as_they_are_written():
    book = read_book('{"bids": [[0.1, 3], ["0.20", 1e-2, "7 orders"]], "asks": [], "symbol": "X"}', "book.json")
    assert book.bids == ((Decimal("0.20"), Decimal("0.01")), (Decimal("0.1"), Decimal(3)))
    assert price_impact(book.bids, book.asks, "sell", "base", Decimal("0.02")).quote == Decimal("0.003")


def test_a_level_of_no_size_is_none():
    assert read_book('{"bids": [["1", "0"]], "asks": [["2", "0.0"], ["3", "1"]]}', "b").asks == ((3, 1),)


def test_a_price_that_comes_twice_is_one_level_of_both_sizes():
    book = read_book('{"bids": [["1", "2"], ["0.9", "1"], ["1.0", "1e-30"]], "asks": []}', "b")
    assert book.bids == ((1, Decimal("2." + "0" * 29 + "1")), (Decimal("0.9"), 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "book.json is not JSON"),
        ("[1, 2", "book.json is not JSON"),
        ("[" * 100_000, "book.json is not JSON"),
        ("[]", "book.json is no book: it must be"),
        ('{"bids": []}', "book.json is no book: it must be"),
        ('{"bids": 7, "asks": []}', "book.json: bids = "),
        ('{"bids": "12", "asks": []}', "book.json: bids = '12'"),
        ('{"bids": [["1"]], "asks": []}', "book.json: bids[0] = ['1'] is not valid"),
        ('{"bids": ["12"], "asks": []}', "book.json: bids[0] = '12' is not valid"),
        ('{"bids": [["1", "2"], ["x", "2"]], "asks": []}', "book.json: bids[1] price = 'x' is not valid"),
        ('{"bids": [["NaN", "2"]], "asks": []}', "bids[0] price = 'NaN' is not valid: a finite decimal number"),
        ('{"bids": [[NaN, 2]], "asks": []}', "book.json is not JSON: NaN is no number"),
        ('{"bids": [[null, 2]], "asks": []}', "bids[0] price = None is not valid"),
        ('{"bids": [["0", "2"]], "asks": []}', "bids[0] price = '0' is not valid: above 0"),
        ('{"bids": [["1", "1e99999"]], "asks": []}', "bids[0] size = '1e99999' is not valid: within 1e-60 and 1e60"),
        ('{"bids": [], "asks": [["1", "-2"]]}', "asks[0] size = '-2' is not valid: 0 or more"),
        ('{"bids": [["2", "1"]], "asks": [["2", "1"]]}', "book.json is crossed: its best bid 2 is not below"),
        ('{"bids": [["1_0", "1"]], "asks": []}', "bids[0] price = '1_0' is not valid: a finite decimal number"),
        ('{"bids": [], "bids": [], "asks": []}', r'"bids" stands twice in one object'),
    ],
)
def test_what_is_no_book_is_refused_with_its_place(text, says):
    with pytest.raises(ConfigError) as refused:
        read_book(text, "book.json")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
