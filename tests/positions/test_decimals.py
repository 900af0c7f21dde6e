"""Numbers as text: nothing is lost, whatever their length."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.model.decimals import plain


@given(
    st.builds(
        lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**18), 10**18), st.integers(0, 30)
    )
)
def test_a_number_is_its_text_without_an_exponent_and_idle_zeros(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1234567890123456789012345678901234567890.10", "1234567890123456789012345678901234567890.1"),
        ("1E+3", "1000"),
        ("1E-8", "0.00000001"),
        ("-0.000", "0"),
        ("100", "100"),
    ],
)
def test_longer_numbers_than_the_usual_context_stay_whole(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text
