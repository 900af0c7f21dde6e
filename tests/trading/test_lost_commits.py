"""A connection that is lost in the middle of a commit: it was made, and whoever waits is told that it was not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.trading.cross_world import FOR_EVER_NS, CrossWorld, MortalStore
from tests.trading.cross_world import KEY as CROSS_KEY
from tests.trading.samples import D, request
from tests.trading.virtual import InlineJournal
from tests.trading.world import World
from xetrade_core.errors import CrossNotOver, InvalidOrder, OrderError, StoreUnavailable
from xetrade_core.model.orders import OrderType, ReportStatus
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.cross.service import CrossService
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import Work
from xetrade_core.venues.venue import Capability, Uniqueness

KEY = "run-1"
ID = client_order_id(KEY)
Lose = Callable[[type, int], None]
Program = Callable[[OrderService], Awaitable[None]]
LOST = StoreUnavailable("the order store does not answer: the connection was lost")


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Lose:
    """Let two writes of a class go well and be told as lost, after so many."""

    def lose(written_by: type, at: int) -> None:
        lost = iter([False] * at + [True] * 2)
        if written_by is InlineJournal:
            at_once = InlineJournal.write

            async def write(self: InlineJournal, work: Work[Any], *, durable: bool = True) -> Any:
                result = await at_once(self, work, durable=durable)
                if next(lost, False):
                    raise LOST
                return result

            monkeypatch.setattr(InlineJournal, "write", write)
            return
        entered = MortalStore._write

        def enter(self: MortalStore, work: object) -> object:
            result = entered(self, work)
            if next(lost, False):
                raise LOST
            return result

        monkeypatch.setattr(MortalStore, "_write", enter)

    return lose


async def placed(service: OrderService, **changes: Any) -> None:
    """A caller that asks again."""
    for _ in range(3):
        with suppress(OrderError, StoreUnavailable):
            await service.place(request(**changes), key=KEY)


async def cancelled(service: OrderService) -> None:
    await placed(service)
    for _ in range(3):
        with suppress(OrderError, StoreUnavailable):
            await service.cancel(ID)


async def changed(service: OrderService) -> None:
    await placed(service)
    for _ in range(3):
        with suppress(OrderError, InvalidOrder, StoreUnavailable):
            await service.amend(ID, price=D(49_000))


async def bought(service: OrderService) -> None:
    await placed(service, type=OrderType.MARKET, price=None)


async def gone_on(service: OrderService) -> None:
    await service.resume()
    await service.settled()


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize(
    ("program", "offered"),
    [(cancelled, ()), (bought, ()), (changed, (Capability.AMEND,)), (changed, ())],
    ids=["cancelled", "bought", "changed", "replaced"],
)
def test_no_order_is_lost_or_doubled(
    tmp_path: Path, lose: Lose, program: Program, offered: tuple[Capability, ...], at: int
) -> None:
    world = World(tmp_path, Uniqueness.OPEN_ORDERS, *offered)
    lose(InlineJournal, at)
    world.run(program)
    world.clock.continue_after_s(60)
    world.run(gone_on)
    store = world.open()
    ours = {order.client_id: order for order in store.updated(0, FOR_EVER_NS)}
    assert rebuild(store).clean
    store.close()
    names = [order.client_id for order in world.double.orders]
    assert len(names) == len(set(names))
    resting = {order.client_id for order in world.double.orders if order.status is ReportStatus.OPEN}
    assert {name for name, order in ours.items() if order.state.working} == resting
    assert len(resting) <= 1
    for there in world.double.orders:
        order = ours[there.client_id or ""]
        assert order.filled == there.filled == order.fills_amount
        assert order.illegal == ()


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("written_by", [MortalStore, InlineJournal], ids=["entries", "orders"])
def test_no_leg_is_left_alone(tmp_path: Path, lose: Lose, written_by: type, at: int) -> None:
    world = CrossWorld(tmp_path)
    lose(written_by, at)

    async def start(service: CrossService) -> None:
        for _ in range(3):
            with suppress(StoreUnavailable, CrossNotOver):
                await service.start(world.request(), key=CROSS_KEY)

    world.run(start)
    world.clock.continue_after_s(60)
    world.run(lambda service: service.resume())
    saga = world.check()
    assert saga is not None
    assert saga.unhedged == 0
