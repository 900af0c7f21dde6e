"""The query of a request is, to the last character, what ccxt itself makes of its parameters."""

from __future__ import annotations

from decimal import Decimal

from ccxt.base.exchange import Exchange
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.venues.query_text import quick

texts = st.text(st.characters(codec="utf-8"), max_size=12)
plain = st.from_regex(r"[A-Za-z0-9_.~-]{0,12}", fullmatch=True)
numbers = st.integers() | st.floats() | st.decimals(allow_nan=False).map(Decimal)
values = texts | plain | numbers | st.booleans() | st.none() | st.binary(max_size=6) | st.lists(plain, max_size=3)


@given(st.dictionaries(texts | plain, values, max_size=6), st.booleans())
def test_it_is_the_same_text(params: dict[str, object], doseq: bool) -> None:
    assert quick(Exchange.urlencode)(params, doseq) == Exchange.urlencode(params, doseq)


def test_an_order_as_it_is_sent() -> None:
    params = {"symbol": "BTCUSDT", "price": "30000.5", "newClientOrderId": "x-1_a", "note": "a b/c", "reduceOnly": True}
    text = "symbol=BTCUSDT&price=30000.5&newClientOrderId=x-1_a&note=a%20b%2Fc&reduceOnly=true"
    assert quick(Exchange.urlencode)(params) == text
