"""Margin, return on it, and liquidation prices, by the formulas that venues publish.

What a simulated venue says of where it liquidates, by a formula written apart, is held to ours in
`tests/execution/test_cards.py`.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction as F

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xetrade_core.errors import ConfigError
from xetrade_core.positions.margin import Leg, initial_margin, liquidation_price, return_on_margin
from xetrade_core.positions.numbers import reported
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import exact
from xetrade_core.symbols.parts import Style

D = Decimal
LINEAR = Payout(Style.LINEAR, D(1), "BTC", "USDT", "USDT")
INVERSE = Payout(Style.INVERSE, D(1), "BTC", "USD", "BTC")

rates = st.decimals("0.001", "0.1", places=3)
sizes = st.decimals("1", "1000", places=1)
entries = st.decimals("100", "90000", places=1)
leverages = st.integers(2, 100)
sides = st.sampled_from([1, -1])


@pytest.mark.parametrize(
    ("leg", "unrealized", "maintenance", "expected"),
    [
        (Leg(D("3683.979"), D("1456.84"), D("0.10"), D(135365)), D("-56354.57"), D("71200.81144"), "1153.26"),
        (Leg(D("109.488"), D("32481.980"), D("0.025"), D(16300)), D("-448192.89"), D("356512.508"), "26316.89"),
        (Leg(D("3683.979"), D("1456.84"), D("0.10"), D(135365)), D(0), D(0), "1114.78"),
        (Leg(D("109.488"), D("32481.980"), D("0.025"), D(16300)), D(0), D(0), "18778.73"),
    ],
    ids=["ETH in a cross wallet", "BTC in a cross wallet", "ETH isolated", "BTC isolated"],
)
def test_binance_usdm_by_its_formula(leg, unrealized, maintenance, expected):
    """The formula is Binance's: https://www.binance.com/en/support/faq/b3c689c1f50a44cabb3a84e663b81d93.

    The positions, in a wallet of 1,535,443.01 USDT, and their prices are an example that other projects test the same
    formula with; the page as it could be read (2026-11) has the formula and its terms, and not these numbers.
    """
    found = liquidation_price(LINEAR, [leg], D("1535443.01"), unrealized, maintenance)
    assert found is not None
    assert round(found, 2) == D(expected)


@given(sizes, entries, leverages, rates, sides)
def test_bybits_formula_for_isolated_inverse_positions_is_ours(size, entry, leverage, rate, side):
    """Long: size x (1 + rate) / (size/entry + size/entry/leverage + deduction); short: with the other signs."""
    value, deduction = F(size) / F(entry), F(1, 1000)
    lower = value + side * (value / leverage + deduction)
    assume(lower > 0)
    wallet = reported(value / leverage)
    found = liquidation_price(INVERSE, [Leg(size * side, entry, rate, reported(deduction))], wallet)
    assert found is not None
    assert float(found) == pytest.approx(float(F(size) * (1 + side * F(rate)) / lower), rel=1e-12)


@given(sizes, entries, leverages, rates, sides, st.sampled_from([LINEAR, INVERSE]))
def test_at_the_liquidation_price_equity_is_the_maintenance_margin(size, entry, leverage, rate, side, payout):
    wallet = initial_margin(payout, size, entry, D(leverage))
    price = liquidation_price(payout, [Leg(size * side, entry, rate)], wallet)
    if price is None:
        assert payout is INVERSE
        assert side < 0
        return
    position = exact(payout)
    position.trade(F(size) * side, F(entry))
    equity = F(wallet) + position.unrealized(F(price))
    maintenance = abs(payout.notional(F(size), F(price))) * F(rate)
    assert float(equity) == pytest.approx(float(maintenance), rel=1e-9)


def test_both_sides_of_a_hedge_share_one_liquidation_price():
    """Binance, hedge mode: the short takes half of what the long loses."""
    long, short = Leg(D(2), D(100), D("0.01")), Leg(D(-1), D(100), D("0.01"))
    assert liquidation_price(LINEAR, [long, short], D(50)) == reported(F(50 - 100) / (F("0.03") - 1))


def test_a_position_that_cannot_be_liquidated_has_no_such_price():
    assert liquidation_price(LINEAR, [Leg(D(1), D(100), D("0.01"))], D(200)) is None
    assert liquidation_price(INVERSE, [Leg(D(-100), D(100), D("0.005"))], D(5)) is None
    assert liquidation_price(LINEAR, [], D(200)) is None


def test_return_is_on_the_margin_at_the_price_that_is_given():
    """Bybit's example: 0.2 BTC at 7,000 with 10x is a margin of 140 USDT."""
    margin = initial_margin(LINEAR, D("0.2"), D(7000), D(10))
    assert margin == 140
    assert return_on_margin(D(70), margin) == D("0.5")
    assert return_on_margin(D(70), D(0)) is None


def test_leverage_is_above_zero():
    with pytest.raises(ConfigError, match="leverage = '0' is not valid: above 0"):
        initial_margin(LINEAR, D(1), D(1), D(0))
