"""Valuation in another currency: the path is stated, the way back is exact, the age is that of the oldest rate."""

from __future__ import annotations

from decimal import Decimal as D
from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.errors import ConfigError
from xetrade_core.positions.conversion import NoPath, Rate, Rates

RATES = Rates(
    [
        Rate("BNB", "BTC", D("0.01"), 5_000_000_000),
        Rate("BTC", "USDT", D(60_000), 2_000_000_000),
        Rate("EUR", "USDT", D("1.2")),
    ]
)


def test_a_path_goes_over_other_currencies_and_says_so():
    path = RATES.path("BNB", "USDT")
    assert path.factor == 600
    assert str(path) == "BNB -> BTC at BNB/BTC 0.01 -> USDT at BTC/USDT 60000"


def test_a_rate_is_taken_backwards_where_it_must_be():
    assert RATES.path("USDT", "BNB").factor == F(1, 600)
    assert str(RATES.path("USDT", "EUR")) == "USDT -> EUR at EUR/USDT 1.2"


def test_a_path_is_as_old_as_its_oldest_rate():
    assert RATES.path("BNB", "USDT").age_s(10_000_000_000) == 8
    assert RATES.path("BNB", "BTC").age_s(10_000_000_000) == 5
    assert RATES.path("BNB", "EUR").age_s(10_000_000_000) is None
    assert RATES.path("BNB", "BNB").age_s(10_000_000_000) == 0


def test_the_shortest_path_is_taken():
    rates = Rates([*[Rate("A", "B", D(2)), Rate("B", "C", D(2))], Rate("A", "C", D(5))])
    assert rates.path("A", "C").factor == 5


def test_without_a_path_the_error_names_what_is_known():
    with pytest.raises(NoPath, match="no rate leads from DOGE to USDT: known are BNB/BTC, BTC/USDT, EUR/USDT"):
        RATES.path("DOGE", "USDT")


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_a_rate_is_above_zero(price):
    with pytest.raises(ConfigError, match="rate A/B = "):
        Rates([Rate("A", "B", D(price))])


@given(st.lists(st.decimals("0.0001", "99999", places=4), min_size=1, max_size=6))
def test_there_and_back_is_one(prices):
    rates = Rates(Rate(f"C{index}", f"C{index + 1}", price) for index, price in enumerate(prices))
    last = f"C{len(prices)}"
    assert rates.path("C0", last).factor * rates.path(last, "C0").factor == 1
