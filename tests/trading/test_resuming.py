"""What earlier processes left is gone on with, and what rests is asked for."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.trading.samples import SPOT, SYMBOL, D, intent, request
from tests.trading.venue_double import Fault
from tests.trading.world import World
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import OrderOutcomeUnknown
from xetrade_core.model.orders import Order, OrderReport, OrderState, ReportStatus
from xetrade_core.trading.execution import NotListed, TradingAccount
from xetrade_core.trading.resuming import ask_about, left_behind
from xetrade_core.trading.service import OrderService


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def place(service: OrderService) -> Order:
    return await service.place(request(), key="left")


def asked(world: World) -> dict[str, str]:
    """A later process resumes and asks; what it could not learn."""

    async def program(service: OrderService) -> dict[str, str]:
        account = TradingAccount(world.venue, "main", world.double, {SYMBOL: SPOT})
        problems = await ask_about(service, {("binance", "main"): account}, await service.resume())
        await service.settled()
        return problems

    problems = world.run(program)
    assert problems is not None
    return problems


def stands(world: World, client_id: str) -> Order:
    store = world.open()
    try:
        return store.order(client_id)
    finally:
        store.close()


def test_an_order_that_filled_while_nobody_lived_is_known_with_its_trades_afterwards(world: World) -> None:
    order = world.run(place)
    assert order is not None
    [there] = world.double.of(order.client_id)
    world.double.trade(there, order.amount)
    assert asked(world) == {}
    found = stands(world, order.client_id)
    assert (found.state, found.fills_amount) == (OrderState.FILLED, order.amount)


def test_one_that_still_rests_partly_filled_is_known_as_that(world: World) -> None:
    order = world.run(place)
    assert order is not None
    world.double.trade(world.double.of(order.client_id)[0], D("0.001"))
    assert asked(world) == {}
    assert stands(world, order.client_id).state is OrderState.PARTIALLY_FILLED


def test_that_the_venue_has_none_such_is_told_and_concludes_nothing(world: World) -> None:
    order = world.run(place)
    assert order is not None
    world.double.orders.clear()
    [(name, said)] = asked(world).items()
    assert name == f"order {order.client_id}"
    assert "xetrade reconcile" in said
    assert stands(world, order.client_id).state is OrderState.OPEN


def test_an_order_of_what_is_listed_no_more_keeps_no_other_from_being_asked_about(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, listed = world.run(place), world.double.open_orders
    assert order is not None
    gone = msgspec.structs.replace(order, intent=intent(7, symbol="AAA/USDT"))
    world.double.trade(world.double.of(order.client_id)[0], D("0.001"))

    async def one_is_gone(symbol: str | None) -> tuple[OrderReport, ...]:
        if symbol == "AAA/USDT":
            raise NotListed("the venue does not list it")
        return await listed(symbol)

    async def find(ref: object) -> OrderReport | None:
        raise NotListed("the venue does not list it")

    async def program(service: OrderService) -> dict[str, str]:
        account = TradingAccount(world.venue, "main", world.double, {SYMBOL: SPOT})
        return await ask_about(service, {("binance", "main"): account}, [gone, order])

    monkeypatch.setattr(world.double, "open_orders", one_is_gone)
    monkeypatch.setattr(world.double, "find", find)
    assert list(world.run(program) or ()) == [f"order {gone.client_id}"]
    assert stands(world, order.client_id).state is OrderState.PARTIALLY_FILLED


def test_a_venue_that_does_not_answer_is_told(world: World) -> None:
    order = world.run(place)
    assert order is not None
    world.double.of(order.client_id)[0].status = ReportStatus.CANCELED
    world.fail("find", Fault.NO_REPLY)
    assert list(asked(world)) == ["binance/main"]


def test_only_what_was_sent_does_not_rest_and_nobody_has_touched_is_left_behind(world: World) -> None:
    resting = world.run(place)
    world.fail("place", Fault.NO_REPLY)

    async def unknown(service: OrderService) -> Order:
        with pytest.raises(OrderOutcomeUnknown) as told:
            await service.place(request(), key="unknown")
        return await service.status(told.value.client_id)

    world.fail("find", *[Fault.NO_REPLY] * 100)
    doubtful = world.run(unknown)
    assert resting is not None
    assert doubtful is not None
    assert doubtful.state is OrderState.UNKNOWN
    now_ns = doubtful.updated_ns + NS_PER_S
    waiting = msgspec.structs.replace(
        doubtful, state=OrderState.INTENT, intent=intent(expires_ns=now_ns + 1), updated_ns=0
    )
    every = [resting, doubtful, waiting]
    assert left_behind(every, now_ns, 2 * NS_PER_S) == []
    assert left_behind(every, now_ns, NS_PER_S) == [doubtful]
    assert left_behind(every, now_ns + 1, NS_PER_S) == [doubtful, waiting], "it is to be ended, not sent"
