"""Annual rates: simple and compounded, and the same thing whatever the interval."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.errors import ConfigError
from xetrade_core.funding.rates import HOUR_S, apr, apy, rate_over

RATES = st.floats(-0.02, 0.02)
HOURS = st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24])


def test_the_usual_rate_is_a_tenth_a_year() -> None:
    assert apr(0.0001, 8 * HOUR_S) == pytest.approx(0.1095)
    assert apy(0.0001, 8 * HOUR_S) == pytest.approx(1.0001**1095 - 1)


@given(RATES, HOURS)
def test_apr_is_rate_times_payments_a_year(rate: float, hours: int) -> None:
    exact = Fraction(rate) * 365 * 24 / hours
    assert apr(rate, hours * HOUR_S) == pytest.approx(float(exact), rel=1e-12)


@given(RATES, HOURS)
def test_compounding_only_adds_to_the_simple_rate(rate: float, hours: int) -> None:
    simple, compounded = apr(rate, hours * HOUR_S), apy(rate, hours * HOUR_S)
    assert compounded >= simple - 1e-12 * max(1, abs(simple))
    assert math.copysign(1, compounded) == math.copysign(1, rate) or rate == 0


@given(RATES, HOURS, HOURS)
def test_a_rate_over_another_interval_pays_the_same_a_year(rate: float, hours: int, target: int) -> None:
    moved = rate_over(rate, hours * HOUR_S, target * HOUR_S)
    assert apr(moved, target * HOUR_S) == pytest.approx(apr(rate, hours * HOUR_S), rel=1e-12)
    assert rate_over(moved, target * HOUR_S, hours * HOUR_S) == pytest.approx(rate, rel=1e-12)


def test_extremes_have_a_value() -> None:
    assert apy(-1.0, 8 * HOUR_S) == -1.0
    assert apy(5.0, HOUR_S) == math.inf


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.inf, math.nan])
def test_an_interval_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ConfigError, match="interval_s"):
        apr(0.0001, seconds)
