"""How the simulated venues write numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from xetrade_core.simvenue.dialects.numbers import plain


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("0.00100", "0.001"),
        ("1E-8", "0.00000001"),
        ("1E+3", "1000"),
        ("100", "100"),
        ("-0.50", "-0.5"),
        ("-0.0", "0"),
        ("1234567890123456789012345678901234.50", "1234567890123456789012345678901234.5"),
    ],
)
def test_a_number_has_every_digit_that_counts_and_no_exponent(value: str, written: str) -> None:
    assert plain(Decimal(value)) == written
