"""An order store with orders that have traded, and the simulated venues for their marks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.market_data.conftest import reach, sim
from tests.trading.samples import event, fill, intent, report
from xetrade_core.model.order_events import EventKind, Source
from xetrade_core.model.orders import Intent
from xetrade_core.trading.evidence import record_report
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction

__all__ = ["reach", "sim"]

Trade = Callable[..., Intent]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = OrderStore(f"sqlite:///{tmp_path}/orders.db")
    yield opened
    opened.close()


@pytest.fixture
def trade(store: OrderStore) -> Trade:
    """See `trading`."""
    return trading(store)


def trading(store: OrderStore) -> Trade:
    """What places an order, has it acknowledged and filled: once for each (amount, price), a nanosecond apart."""
    count = 0

    def make(*fills: tuple[str, str], at_ns: int = 1_000, fee: dict[str, Any] | None = None, **changes: Any) -> Intent:
        nonlocal count
        count += 1
        one = intent(count, **({"amount": sum(map(_decimal, (amount for amount, _ in fills)))} | changes))
        number = f"v{count}"

        def work(transaction: Transaction) -> None:
            transaction.append(one.client_id, event(EventKind.INTENDED, intent=one, at_ns=1, source=Source.SERVICE))
            transaction.append(one.client_id, event(EventKind.SUBMITTED, source=Source.SERVICE))
            said = report(venue_order_id=number, symbol=one.symbol)
            record_report(transaction, one.client_id, said, Source.REPLY, 3)
            for index, (amount, price) in enumerate(fills):
                traded = fill(
                    f"{number}-{index}", amount, price, venue=one.venue, account=one.account, symbol=one.symbol,
                    side=one.side, received_ns=at_ns + index, exchange_ns=at_ns + index, venue_order_id=number,
                    **(fee or {}),
                )  # fmt: skip
                transaction.add_fill(traded, at_ns + index, Source.STREAM)

        store.do(work)
        return one

    return make


def _decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)
