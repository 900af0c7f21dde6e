"""What is proposed for a name that a venue does not list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.venues.near import near_symbols

LISTED = {
    "BTC-USD-260327-90000-C": "BTC/USD:BTC-260327-90000-C",
    "BTC-USDT-SWAP": "BTC/USDT:USDT",
    "ZBC-USDT": "ZBC/USDT",
    "ONE-USDT": "ONE/USDT",
    "BTC-EUR": "BTC/EUR",
    "BTC-USDT": "BTC/USDT",
    "ETH-BTC": "ETH/BTC",
    "DOGE-USDT": "DOGE/USDT",
    "BTC-USDT-260327": "BTC/USDT:USDT-260327",
}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("BTC-USTD", "did you mean BTC/USDT or BTC/USDT:USDT or BTC/EUR?"),
        ("BTC", "did you mean BTC/USDT or BTC/EUR or BTC/USDT:USDT?"),
        ("BCT-USDT", "did you mean BTC/USDT or BTC/USDT:USDT?"),
        ("XBT/USDD", "did you mean BTC/USDT or BTC/USDT:USDT or BTC/EUR?"),
        ("DOGEE-USDT", "did you mean DOGE/USDT?"),
        ("BTC/ETH", "did you mean BTC/EUR or BTC/USDT or BTC/USDT:USDT or ETH/BTC?"),
        ("btc_usdt_swp", "did you mean BTC/USDT:USDT or BTC/USDT or BTC/EUR?"),
        ("DOGE-USDC-PERPETUAL", "did you mean DOGE/USDT?"),
        ("NOPE-USDT", "it lists 9 instruments, such as BTC/USDT, DOGE/USDT, ONE/USDT, ZBC/USDT"),
        ("BITCOIN-USDT", "it lists 9 instruments, such as BTC/USDT, DOGE/USDT, ONE/USDT, ZBC/USDT"),
    ],
)
def test_the_same_base_is_near_and_another_only_by_a_slip(text: str, hint: str) -> None:
    assert near_symbols(text, LISTED.values(), LISTED) == hint


def test_what_expires_is_proposed_where_there_is_nothing_else() -> None:
    assert near_symbols("BTC-USDT", ["BTC/USDT:USDT-260327", "ETH/USDT"]) == "did you mean BTC/USDT:USDT-260327?"


def test_of_an_empty_list_nothing_is_proposed() -> None:
    assert near_symbols("BTC-USDT", []) == "it lists nothing"
    assert near_symbols("BTC-USDT", ["ETH/USDT"]) == "it lists ETH/USDT alone"


@given(st.text(max_size=12))
def test_any_text_gets_one_line(text: str) -> None:
    assert "\n" not in near_symbols(text, LISTED.values(), LISTED)
