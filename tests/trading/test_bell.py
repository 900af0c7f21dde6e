"""Whether the order store has changed, asked without reading it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trading.samples import fill
from xetrade_core.errors import StoreUnavailable
from xetrade_core.model.order_events import Source
from xetrade_core.trading.bell import StoreBell
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.store import OrderStore


def commit(store: OrderStore, number: str) -> None:
    store.do(lambda transaction: transaction.add_fill(fill(number, "1", "100"), 4, Source.STREAM))


def test_it_rings_for_what_another_has_committed_and_not_for_reading(store: OrderStore, store_url: str) -> None:
    """SQLite tells exactly; a server may always have something, and is asked less often."""
    exact = store_url.startswith("sqlite")
    with OrderReader(store_url) as reader:
        bell = StoreBell(reader)
        assert bell.every_s == (0.01 if exact else 0.05)
        assert bell.rang()  # nobody has looked yet
        for number in ("a", "b"):
            assert bell.rang() is not exact
            commit(store, number)
            assert bell.rang()
            assert number in {one.trade_id for one in reader.fills()}
        bell.close()


def test_a_store_that_is_away_is_an_error(empty_store: Path) -> None:
    with OrderReader(empty_store) as reader:
        bell = StoreBell(reader)
        bell.rang()
        bell._connection.driver_connection.close()
        with pytest.raises(StoreUnavailable, match="does not answer: Cannot operate on a closed database"):
            bell.rang()
