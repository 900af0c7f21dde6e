"""Orders out of the store into the lake: every one, exact, and the same to the byte when nothing happened."""

from __future__ import annotations

from pathlib import Path

from tests.trading.samples import D, fill, intent
from xetrade_core.accounting.order_export import export_orders
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.order_days import read_orders
from xetrade_core.lake.store import open_store
from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import OrderState, OrderType
from xetrade_core.trading.store import OrderStore

DAY_NS = 86_400 * NS_PER_S
DAY = 20_000 * DAY_NS


def intended(store: OrderStore, index: int, at_ns: int, **changes: object) -> str:
    wanted = intent(index, created_ns=at_ns, **changes)
    for kind in (EventKind.INTENDED, EventKind.SUBMITTED, EventKind.ACCEPTED):
        given = wanted if kind is EventKind.INTENDED else None
        event = OrderEvent(kind=kind, at_ns=at_ns, intent=given, venue_order_id=f"v{index}" if given is None else None)
        store.do(lambda work, event=event: work.append(wanted.client_id, event))  # type: ignore[misc]
    return wanted.client_id


def test_a_day_holds_the_orders_that_were_intended_on_it_with_exact_numbers(tmp_path: Path) -> None:
    store, lake = OrderStore(tmp_path / "orders.db"), open_store(tmp_path / "lake")
    first = intended(store, 0, DAY, amount=D("0.00000001"))
    last = intended(store, 1, DAY + DAY_NS - 1, type=OrderType.MARKET, price=None, strategy="")
    intended(store, 2, DAY + DAY_NS)
    made = export_orders(store, lake, "binance", DAY + 5)
    assert (made.rows, made.stored, made.rejected, made.unsettled, made.states) == (2, 2, 0, 2, {"open": 2})
    rows = read_orders(lake, "binance", DAY)
    assert [row["client_id"] for row in rows] == [first, last]
    assert rows[0]["amount"] == D("0.00000001")
    assert (rows[1]["price"], rows[1]["strategy"], rows[1]["type"]) == (None, None, "market")
    assert [row["events"] for row in rows] == [3, 3]
    assert read_orders(lake, "okx", DAY) == []
    store.close()


def test_made_again_a_day_is_the_same_until_something_happens_to_an_order(tmp_path: Path) -> None:
    store, lake = OrderStore(tmp_path / "orders.db"), open_store(tmp_path / "lake")
    name = intended(store, 0, DAY)
    assert export_orders(store, lake, "binance", DAY).changed
    assert not export_orders(store, lake, "binance", DAY).changed
    traded = fill("t1", "0.01", client_id=name, received_ns=DAY + 9)
    store.do(lambda work: work.add_fill(traded, DAY + 9, Source.STREAM))
    assert export_orders(store, lake, "binance", DAY).changed
    [row] = read_orders(lake, "binance", DAY)
    assert (row["state"], row["filled"], row["fills_value"]) == (OrderState.FILLED, D("0.01"), D(500))
    store.close()


def test_what_contradicts_an_order_or_lacks_its_trades_is_named(tmp_path: Path) -> None:
    store, lake = OrderStore(tmp_path / "orders.db"), open_store(tmp_path / "lake")
    name = intended(store, 0, DAY)
    for event in (
        OrderEvent(kind=EventKind.FILLED, at_ns=DAY, filled=D("0.01")),
        OrderEvent(kind=EventKind.REJECTED, at_ns=DAY),
    ):
        store.do(lambda work, event=event: work.append(name, event))  # type: ignore[misc]
    made = export_orders(store, lake, "binance", DAY)
    assert (made.contradicted, made.unfilled) == ((name,), (name,))
    store.close()
