"""Kill -9 at every await of placing, cancelling and changing an order: nothing is lost, nothing doubled.

Each scenario is run to its end once to count its steps; then once for every step, killed there. What a new process
finds is the database and the venue. It resumes, asks again for the same (as a retry of the run would), and comes to
rest; then the store must say what the venue says, to the last order, state and trade.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.trading.samples import D, request
from tests.trading.venue_double import Fault, VenueDouble
from tests.trading.world import World
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import OrderError
from xetrade_core.model.orders import OrderState, OrderType, ReportStatus, TimeInForce
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.service import OrderService
from xetrade_core.venues.venue import Capability, Uniqueness

KEY = "run-1"
ID = client_order_id(KEY)
HOUR_NS = 3600 * NS_PER_S
FOR_EVER_NS = 2_000_000_000 * NS_PER_S
SAME = {
    ReportStatus.OPEN: {OrderState.OPEN, OrderState.PARTIALLY_FILLED},
    ReportStatus.FILLED: {OrderState.FILLED},
    ReportStatus.CANCELED: {OrderState.CANCELED},
}


async def place(service: OrderService) -> None:
    await service.place(request(), key=KEY)


async def place_waiting(service: OrderService) -> None:
    await service.place(request(expires_ns=FOR_EVER_NS), key=KEY)


async def market(service: OrderService) -> None:
    await service.place(request(type=OrderType.MARKET, price=None), key=KEY)


async def partly(service: OrderService) -> None:
    await service.place(request(time_in_force=TimeInForce.IOC), key=KEY)


async def place_and_cancel(service: OrderService) -> None:
    await place(service)
    await service.cancel(ID)


async def place_and_change(service: OrderService) -> None:
    await place(service)
    order = await service.status(ID)
    if order.price == D(50_000) and order.successor is None and order.state is OrderState.OPEN:
        await service.amend(ID, amount=D("0.02"), price=D(49_000))


async def place_and_sweep(service: OrderService) -> None:
    await place(service)
    await service.cancel_all()


@dataclass(frozen=True)
class Scenario:
    """What is asked, of which venue, and what goes wrong. `taken`: whether an order must be on the venue in the end."""

    program: Callable[[OrderService], Awaitable[None]]
    faults: tuple[tuple[str, Fault], ...] = ()
    unique: Uniqueness = Uniqueness.OPEN_ORDERS
    offered: tuple[Capability, ...] = ()
    fill_at_once: str | None = None
    taken: bool = False

    def world(self, path: Path) -> World:
        world = World(path, self.unique, *self.offered)
        for what, fault in self.faults:
            world.fail(what, fault)
        world.double.fill_at_once = None if self.fill_at_once is None else D(self.fill_at_once)
        return world


SCENARIOS = {
    "placed": Scenario(place),
    "reply lost": Scenario(place, (("place", Fault.NO_REPLY),)),
    "request lost": Scenario(place, (("place", Fault.LOST),)),
    "taken late": Scenario(place, (("place", Fault.LATE),)),
    "refused": Scenario(place, (("place", Fault.REFUSED),)),
    "venue down, waiting": Scenario(place_waiting, (("place", Fault.NO_CONNECTION),)),
    "request lost, sent again": Scenario(place_waiting, (("place", Fault.LOST),), unique=Uniqueness.ALWAYS, taken=True),
    "market": Scenario(market),
    "partly filled": Scenario(partly, fill_at_once="0.004"),
    "cancelled": Scenario(place_and_cancel),
    "cancelled, reply lost": Scenario(place_and_cancel, (("cancel", Fault.NO_REPLY),)),
    "swept": Scenario(place_and_sweep, offered=(Capability.CANCEL_ALL,)),
    "amended": Scenario(place_and_change, offered=(Capability.AMEND,)),
    "replaced": Scenario(place_and_change),
    "replaced, reply lost": Scenario(place_and_change, (("cancel", Fault.NO_REPLY),)),
}


async def to_rest(service: OrderService, scenario: Scenario) -> None:
    """Ask, whatever comes of it, and wait until nothing is under way."""
    with contextlib.suppress(OrderError):
        await scenario.program(service)
    await service.settled()


async def recover(service: OrderService, scenario: Scenario) -> None:
    """What a new process does: go on, then ask again."""
    await service.resume()
    await service.settled()
    await to_rest(service, scenario)


def check(world: World, scenario: Scenario) -> None:
    """The store says what the venue says."""
    double: VenueDouble = world.double
    double.of(ID)  # what is late arrives
    store = world.open()
    try:
        ours = {order.client_id: order for order in store.updated(0, FOR_EVER_NS)}
        names = [order.client_id for order in double.orders]
        assert len(names) == len(set(names)), "doubled"
        assert set(names) <= set(ours), "lost"
        for there in double.orders:
            order = ours[there.client_id or ""]
            assert order.state in SAME[there.status]
            assert (order.filled, order.fills_amount) == (there.filled, there.filled)
            assert (order.amount, order.price) == (there.amount, there.price)
        for order in ours.values():
            assert order.illegal == ()
            assert not order.amending
            if order.client_id not in names:
                assert order.state in (OrderState.REJECTED, OrderState.EXPIRED, OrderState.CANCELED)
        assert len([there for there in double.orders if there.status is ReportStatus.OPEN]) <= 1
        assert rebuild(store).clean
        if scenario.taken:
            assert names == [ID]
    finally:
        store.close()


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_await_nothing_is_lost_and_nothing_doubled(name: str, tmp_path: Path, empty_store: Path) -> None:
    scenario = SCENARIOS[name]
    whole = scenario.world(tmp_path)
    whole.run(lambda service: to_rest(service, scenario))
    check(whole, scenario)
    assert whole.steps >= 10
    for step in range(1, whole.steps + 1):
        folder = tmp_path / f"step{step}"
        folder.mkdir()
        shutil.copy(empty_store, folder)
        world = scenario.world(folder)
        assert world.run(lambda service: to_rest(service, scenario), kill_at=step) is None
        world.run(lambda service: recover(service, scenario))
        try:
            check(world, scenario)
        except AssertionError as error:
            raise AssertionError(f"killed at step {step} of {whole.steps}: {error}") from error
        shutil.rmtree(folder)
