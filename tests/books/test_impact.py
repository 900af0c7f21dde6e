"""Price impact: the walk is the obvious one, exact in Decimal, and the same as the lake's of whole hours."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from xetrade_core.books.impact import DIGITS, Impact, price_impact
from xetrade_core.errors import BookTooThin, ConfigError
from xetrade_core.lake.metrics import Side, impact_bps
from xetrade_core.model.contracts import SPOT, Contract

Levels = list[tuple[Decimal, Decimal]]
CONTRACTS = [SPOT, Contract(Decimal("0.01")), Contract(Decimal(100), inverse=True)]

contracts = st.sampled_from(CONTRACTS)
sides = st.sampled_from(["buy", "sell"])
units = st.sampled_from(["base", "quote"])
amounts = st.decimals("0.0001", "200000", places=4)
sizes = st.decimals("0.001", "50", places=3)
steps = st.lists(st.tuples(st.integers(1, 400), sizes), min_size=1, max_size=12)
books = st.builds(
    lambda mid, bids, asks: (_walk(mid, bids, -1), _walk(mid, asks, 1)), st.integers(40_000, 80_000), steps, steps
)


def _walk(mid: int, by: list[tuple[int, Decimal]], direction: int) -> Levels:
    price, levels = Decimal(mid), []
    for step, size in by:
        price += direction * Decimal(step) / 2
        levels.append((price, size))
    return levels


def naive(levels: Levels, unit: str, amount: Decimal, contract: Contract) -> tuple[Fraction, Fraction, Fraction, int]:
    """Base and quote filled, what is left of the amount, and the levels taken, in exact fractions."""
    left, base, quote, taken = Fraction(amount), Fraction(0), Fraction(0), 0
    for price, size in levels:
        held = Fraction(size) * Fraction(contract.size)
        held_base, held_quote = (held / Fraction(price), held) if contract.inverse else (held, held * Fraction(price))
        share = min(Fraction(1), left / (held_base if unit == "base" else held_quote))
        if not share:
            break
        taken += 1
        base, quote = base + share * held_base, quote + share * held_quote
        left -= share * (held_base if unit == "base" else held_quote)
    return base, quote, left, taken


def near(got: Decimal | None, exact: Fraction) -> bool:
    """Whether a Decimal is the exact number, or that number rounded to the digits that are promised."""
    assert got is not None
    return abs(Fraction(got) - exact) <= abs(exact) * Fraction(5, 10**DIGITS)


def floats(levels: Levels) -> list[tuple[float, float]]:
    return [(float(price), float(size)) for price, size in levels]


@settings(deadline=None)
@given(books, sides, units, amounts, contracts)
def test_the_walk_is_the_naive_one_to_the_last_digit(book, side, unit, amount, contract):
    bids, asks = book
    got = price_impact(bids, asks, side, unit, amount, contract)
    levels = asks if side == "buy" else bids
    base, quote, left, taken = naive(levels, unit, amount, contract)
    mid, best = Fraction(bids[0][0] + asks[0][0]) / 2, Fraction(levels[0][0])
    average, sign = quote / base, 1 if side == "buy" else -1
    assert near(got.base, base)
    assert near(got.quote, quote)
    assert near(got.unfilled, left)
    assert near(got.size, (quote if contract.inverse else base) / Fraction(contract.size))
    assert near(got.average_price, average)
    assert near(got.slippage_mid_bps, sign * (average - mid) / mid * 10_000)
    assert near(got.slippage_touch_bps, sign * (average - best) / best * 10_000)
    assert (got.levels, got.best_price, got.worst_price) == (taken, levels[0][0], levels[taken - 1][0])
    assert got.filled is (left == 0)
    assert got.mid == (bids[0][0] + asks[0][0]) / 2


@given(books, sides, amounts)
def test_where_no_quotient_is_needed_not_a_digit_is_rounded(book, side, amount):
    bids, asks = book
    got = price_impact(bids, asks, side, "base", amount)
    base, quote, left, _ = naive(asks if side == "buy" else bids, "base", amount, SPOT)
    assert (Fraction(got.base), Fraction(got.quote), Fraction(got.unfilled)) == (base, quote, left)


@given(books, sides, units, amounts, contracts)
def test_the_same_walk_in_float_is_the_exact_one_within_rounding(book, side, unit, amount, contract):
    bids, asks = book
    exact = price_impact(bids, asks, side, unit, amount, contract)
    got = price_impact(floats(bids), floats(asks), side, unit, float(amount), contract)
    for name in ("base", "quote", "size", "unfilled", "average_price", "mid"):
        assert getattr(got, name) == pytest.approx(float(getattr(exact, name)), rel=1e-9, abs=1e-9 * float(amount))
        assert type(getattr(got, name)) is float
    for name in ("slippage_mid_bps", "slippage_touch_bps"):
        assert getattr(got, name) == pytest.approx(float(getattr(exact, name)), rel=1e-9, abs=1e-6)


@given(books, sides, units, contracts)
def test_no_float_gets_into_a_decimal_answer(book, side, unit, contract):
    got = price_impact(*book, side, unit, Decimal("12.5"), contract)
    assert not [name for name in Impact.__slots__ if isinstance(getattr(got, name), float)]


@given(books, sides, units, amounts, amounts, contracts)
def test_a_larger_amount_never_costs_less(book, side, unit, one, other, contract):
    small, large = (price_impact(*book, side, unit, amount, contract) for amount in sorted((one, other)))
    assert small.base <= large.base
    assert small.quote <= large.quote
    assert small.unfilled <= large.unfilled
    assert small.levels <= large.levels
    tiny = Decimal(10) ** (10 - DIGITS)  # an average that does not change is rounded twice
    assert small.slippage_mid_bps <= large.slippage_mid_bps + tiny
    assert small.slippage_touch_bps <= large.slippage_touch_bps + tiny


@settings(deadline=None)
@given(books, sides, st.data())
def test_two_parts_taken_one_after_the_other_cost_what_the_whole_costs(book, side, data):
    bids, asks = book
    levels = asks if side == "buy" else bids
    held = sum((size for _, size in levels), Decimal(0))
    whole = data.draw(st.decimals("0.001", held, places=3))
    part = data.draw(st.decimals("0.001", whole, places=3))
    assume(0 < part < whole)
    first = price_impact(bids, asks, side, "base", part)
    left, rest = part, []
    for price, size in levels:
        taken = min(left, size)
        left -= taken
        rest += [(price, size - taken)] if size > taken else []
    second = price_impact(*((bids, rest) if side == "buy" else (rest, asks)), side, "base", whole - part)
    together = price_impact(bids, asks, side, "base", whole)
    assert first.quote + second.quote == together.quote
    assert first.base + second.base == together.base == whole


@settings(deadline=None)
@given(books, sides, st.sampled_from([10_000, 50_000, 250_000]), contracts)
def test_the_lakes_impact_of_whole_hours_is_this_one(book, side, notional, contract):
    bids, asks = (floats(levels) for levels in book)
    levels = asks if side == "buy" else bids
    price, size = (np.array([[level[at] for level in levels]]) for at in (0, 1))
    worth = float(contract.size)
    held = Side(price, size, size * worth * (1.0 if contract.inverse else price))
    [theirs] = impact_bps(held, np.array([(bids[0][0] + asks[0][0]) / 2]), float(notional))
    ours = price_impact(bids, asks, side, "quote", float(notional), contract)
    if math.isnan(theirs):
        assert not ours.filled
    else:
        assert ours.filled
        assert ours.slippage_mid_bps == pytest.approx(theirs, rel=1e-9, abs=1e-6)


def test_a_book_that_is_too_thin_fills_what_it_holds_and_says_what_is_left():
    asks = [(Decimal(100), Decimal(1)), (Decimal(101), Decimal(2))]
    got = price_impact([], asks, "buy", "base", Decimal(5))
    assert (got.base, got.quote, got.unfilled, got.levels, got.filled) == (3, 302, 2, 2, False)
    assert (got.mid, got.slippage_mid_bps) == (None, None)
    with pytest.raises(
        BookTooThin, match="X is too thin: its 2 known ask levels hold 3 base, and 2 base would stay unfilled"
    ):
        got.require_filled("X")
    assert price_impact([], asks, "buy", "base", Decimal("1e30")).shortfall.startswith(
        "its 2 known ask levels hold 3 base"
    )


def test_exactly_what_the_book_holds_is_filled_in_float_too():
    asks = [(0.1 * n, 0.1) for n in range(1, 50)]
    held = math.fsum(price * size for price, size in asks)
    got = price_impact([], asks, "buy", "quote", held)
    assert got.filled
    assert got.unfilled == 0.0
    assert got.require_filled("X") is got


def test_an_empty_side_fills_nothing_and_has_no_price():
    got = price_impact([(99.0, 1.0)], [], "buy", "quote", 100.0)
    assert (got.base, got.quote, got.unfilled, got.levels) == (0, 0, 100, 0)
    assert got.best_price is got.worst_price is got.average_price is got.slippage_touch_bps is None


def test_an_inverse_contract_is_worth_quote_currency():
    """100 contracts of 100 USD at 50,000 are 10,000 USD and 0.2 BTC, whatever the unit that is asked in."""
    contract = Contract(Decimal(100), inverse=True)
    asks = [(Decimal(50_000), Decimal(1000))]
    for unit, amount in (("quote", Decimal(10_000)), ("base", Decimal("0.2"))):
        got = price_impact([], asks, "buy", unit, amount, contract)  # type: ignore[arg-type]
        assert (got.base, got.quote, got.size, got.average_price) == (Decimal("0.2"), 10_000, 100, 50_000)


def test_a_whole_number_is_a_float_like_any_other():
    assert price_impact([(99.0, 1.0)], [(101.0, 5.0)], "buy", "quote", 202) == price_impact(
        [(99.0, 1.0)], [(101.0, 5.0)], "buy", "quote", 202.0
    )


@pytest.mark.parametrize("amount", [0.0, -1.0, math.inf, math.nan, Decimal(0), Decimal(-1), Decimal("NaN")])
def test_an_amount_that_is_none_is_refused(amount):
    with pytest.raises(ConfigError, match="a positive, finite number"):
        price_impact([], [], "buy", "base", amount)
