"""Statements that go to the driver as they are: what they bring, and what their failures look like."""

from __future__ import annotations

import pytest
from sqlalchemy import bindparam, select, text

from tests.trading.samples import event, intent
from xetrade_core.errors import StoreUnavailable
from xetrade_core.model.order_events import EventKind
from xetrade_core.trading.schema import ORDERS
from xetrade_core.trading.statements import Prepared
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction

BY_NAME = Prepared(select(ORDERS.c.state, ORDERS.c.symbol).where(ORDERS.c.client_id == bindparam("key")))


def place(transaction: Transaction) -> None:
    transaction.append(intent().client_id, event(EventKind.INTENDED, intent=intent()))


def test_what_it_selects_is_what_sqlalchemy_would(store: OrderStore) -> None:
    store.do(place)
    with store.engine.connect() as connection:
        asked = {"key": intent().client_id}
        assert [tuple(row) for row in BY_NAME.rows(connection, asked)] == [("intent", "BTC/USDT")]
        assert list(BY_NAME.rows(connection, {"key": "no such"})) == []


def test_a_failure_of_the_driver_is_the_stores_own_error_with_its_cause(store: OrderStore) -> None:
    def broken(transaction: Transaction) -> None:
        transaction._connection.execute(text("ALTER TABLE orders RENAME TO gone"))
        transaction.order("another")

    with pytest.raises(StoreUnavailable, match=r"does not answer: .*orders"):
        store.do(broken)
    store.do(place)
    assert store.order(intent().client_id).version == 1
