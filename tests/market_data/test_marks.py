"""What stands in for a mark that a venue does not state."""

from __future__ import annotations

from decimal import Decimal as D

import pytest

from xetrade_core.market_data.marks import MarkKind, mark_of
from xetrade_core.model.quotes import MarkQuote


@pytest.mark.parametrize(
    ("symbol", "mark", "expected"),
    [
        ("BTC/USD:BTC", 60_000.5, (D("60000.5"), MarkKind.MARK)),
        ("BTC/USD:BTC", None, (D(60_010), MarkKind.INDEX)),
        ("BTC/USD:BTC-261225-100000-C", 0.05, (D("0.05"), MarkKind.MARK)),
        ("BTC/USD:BTC-261225-100000-C", None, None),  # the index is of a bitcoin, and no price of the option
    ],
)
def test_the_index_stands_in_for_the_mark_of_a_contract_but_of_no_option(
    symbol: str, mark: float | None, expected: tuple[D, MarkKind] | None
) -> None:
    found = mark_of(MarkQuote("deribit", symbol, mark=mark, index=60_010.0, received_ns=5, exchange_ns=4))
    assert (None if found is None else (found.price, found.kind)) == expected
