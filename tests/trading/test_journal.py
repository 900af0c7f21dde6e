"""Many callers at once on one store: limits hold, commits are shared, and what one caller does harms no other."""

from __future__ import annotations

import asyncio

import pytest

from tests.trading.samples import SPOT, SYMBOL, D, event, intent, request, venue
from tests.trading.venue_double import VenueDouble
from xetrade_core.clock import SystemClock
from xetrade_core.errors import RiskDenied, StoreUnavailable, UnknownOrder
from xetrade_core.model.order_events import EventKind
from xetrade_core.model.orders import Order
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.journal import GroupCommit
from xetrade_core.trading.limits import Limits, RiskLimits, Scope, ScopeKind
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction

CALLERS, ALLOWED = 200, 50


async def test_two_hundred_callers_at_once_cannot_pass_a_limit_together(store_url: str) -> None:
    portfolio = Scope(ScopeKind.PORTFOLIO, "")
    store = OrderStore(store_url, limits=RiskLimits({portfolio: Limits(max_open_orders=ALLOWED)}))
    store.marks.set("binance", SYMBOL, D(50_000), SystemClock().wall_ns())
    journal, double = GroupCommit(store), VenueDouble(SystemClock())
    account = TradingAccount(venue(), "main", double, {SYMBOL: SPOT})
    async with OrderService(store, journal, [account]) as service:
        placing = (service.place(request(), key="stress", index=index) for index in range(CALLERS))
        results = await asyncio.gather(*placing, return_exceptions=True)
        placed = [one for one in results if isinstance(one, Order)]
        denied = [one for one in results if isinstance(one, RiskDenied)]
        assert (len(placed), len(denied)) == (ALLOWED, CALLERS - ALLOWED)
        assert len(double.orders) == ALLOWED
        await asyncio.gather(*(service.cancel(order.client_id) for order in placed))
        assert store.do(lambda transaction: transaction.risk.usage(portfolio).orders) == 0
        again = await service.place(request(), key="stress", index=0)
        assert again.client_id in {order.client_id for order in placed} or again.state.working
    await journal.close()
    assert rebuild(store).clean
    store.close()


async def test_callers_that_wait_together_share_a_commit(store: OrderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, sizes = GroupCommit(store), list[int]()
    transact = store.transact

    def counted(works: list[object], **options: bool) -> list[object]:
        sizes.append(len(works))
        return transact(works, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "transact", counted)
    await asyncio.gather(*(journal.write(lambda transaction, i=index: begin(transaction, i)) for index in range(100)))
    await journal.close()
    assert sum(sizes) == 100
    assert len(sizes) < 50
    assert len(store.working()) == 100


def begin(transaction: Transaction, index: int) -> Order:
    one = intent(index)
    return transaction.append(one.client_id, event(EventKind.INTENDED, intent=one)).order


async def test_work_that_raises_is_raised_to_its_caller_alone(store: OrderStore) -> None:
    journal = GroupCommit(store)

    def fails(transaction: Transaction) -> Order:
        begin(transaction, 7)
        raise UnknownOrder("x")

    results = await asyncio.gather(
        journal.write(lambda transaction: begin(transaction, 1)),
        journal.write(fails),
        journal.write(lambda transaction: begin(transaction, 2)),
        return_exceptions=True,
    )
    await journal.close()
    assert [type(one) for one in results] == [Order, UnknownOrder, Order]
    assert {order.client_id for order in store.working()} == {intent(1).client_id, intent(2).client_id}


async def test_a_caller_that_is_cancelled_changes_nothing_of_what_is_committed(store: OrderStore) -> None:
    journal = GroupCommit(store)
    task = asyncio.ensure_future(journal.write(lambda transaction: begin(transaction, 1)))
    await asyncio.sleep(0)
    task.cancel()
    await journal.close()
    assert [order.client_id for order in store.working()] == [intent(1).client_id]
    with pytest.raises(StoreUnavailable, match="is closed"):
        await journal.write(lambda transaction: begin(transaction, 2))
