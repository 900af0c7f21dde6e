"""Seeded mixes of faults, kills and rivals: whatever goes wrong together, the store ends with what the venue says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
from pathlib import Path

import pytest

from tests.trading.samples import SPOT, SYMBOL, D, request
from tests.trading.test_crash_points import FOR_EVER_NS, Scenario, check
from tests.trading.venue_double import Fault
from tests.trading.virtual import InlineJournal
from tests.trading.world import World
from xetrade_core.errors import XETradeError
from xetrade_core.model.orders import OrderType, ReportStatus
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.service import OrderService
from xetrade_core.venues.venue import Capability, Uniqueness

#: how many mixes; FAULT_SEEDS=3000 for a long search
SEEDS = int(os.environ.get("FAULT_SEEDS", "90"))
WIRE = [fault for fault in Fault if fault is not Fault.NONE]
SILENCE = [Fault.LOST]


def misfortune(rng: random.Random, world: World) -> None:
    """Up to a few faults for each kind of call."""
    for what in ("place", "cancel", "amend"):
        world.fail(what, *(rng.choice([Fault.NONE, *WIRE]) for _ in range(rng.randrange(3))))
    for what in ("find", "fills"):
        world.fail(what, *SILENCE * rng.randrange(4))
    world.double.fill_at_once = rng.choice([None, None, D("0.004"), D("0.01")])


async def trade(service: OrderService, rng: random.Random, world: World) -> None:
    """A caller's life: the same few intents again and again, cancels and changes among them, fills from the market."""
    for _ in range(rng.randrange(1, 6)):
        index = rng.randrange(3)
        changes = [{}, {"type": OrderType.MARKET, "price": None}, {"expires_ns": FOR_EVER_NS}][index]
        with contextlib.suppress(XETradeError):
            order = await service.place(request(**changes), key="mix", index=index)
            match rng.randrange(5):
                case 0:
                    await service.cancel(order.client_id)
                case 1:
                    await service.amend(order.client_id, amount=D("0.02"), price=D(49_000))
                case 2:
                    await service.cancel_all()
                case 3:
                    resting = [one for one in world.double.orders if one.status is ReportStatus.OPEN]
                    for there in resting[:1]:
                        made = world.double.trade(there, min(D("0.003"), there.amount - there.filled))
                        await service.observe("binance", "main", made)


async def rivals(service: OrderService, rng: random.Random, world: World) -> None:
    """Two processes' worth of services over one database and one account, at the same time."""
    store = world.open()
    store.marks.set("binance", SYMBOL, D(50_000), world.clock.wall_ns())
    account = TradingAccount(world.venue, "main", world.double, {SYMBOL: SPOT})
    other = OrderService(store, InlineJournal(store), [account], clock=world.clock, rng=random.Random(rng.random()))
    try:
        await asyncio.gather(trade(service, rng, world), other.resume(), trade(other, rng, world))
        await service.settled()
        await other.settled()
    finally:
        store.close()


def told(world: World) -> str:
    """Everything that happened, for whoever must find out why."""
    store = world.open()
    lines = [f"venue: {order}" for order in world.double.orders]
    for order in store.updated(0, FOR_EVER_NS):
        lines += [f"{order.client_id}: {one}" for one in store.events(order.client_id)]
    store.close()
    return "\n".join(lines)


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without orders, to be copied."""
    folder = tmp_path_factory.mktemp("empty")
    World(folder).open().close()
    return folder / "orders.db"


@pytest.mark.parametrize("part", range(3))
def test_any_mix_of_faults_kills_and_rivals_ends_with_the_venues_truth(
    part: int, tmp_path: Path, empty_store: Path
) -> None:
    for seed in range(part * SEEDS // 3, (part + 1) * SEEDS // 3):
        rng = random.Random(seed)
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        shutil.copy(empty_store, folder)
        offered = rng.sample([Capability.AMEND, Capability.CANCEL_ALL], rng.randrange(3))
        world = World(folder, rng.choice(list(Uniqueness)), *offered)
        for _ in range(rng.randrange(1, 4)):  # lives that end by a kill, or by themselves
            misfortune(rng, world)
            if rng.random() < 0.3:
                world.run(lambda service, rng=rng, world=world: rivals(service, rng, world))
            else:
                kill_at = rng.choice([None, rng.randrange(1, 150)])
                world.run(lambda service, rng=rng, world=world: trade(service, rng, world), kill_at=kill_at)
        for queue in world.double.faults.values():
            queue.clear()

        async def rest(service: OrderService) -> None:
            await service.resume()
            await service.settled()
            await service.cancel_all()
            await service.settled()
            for order in await service.open_orders():
                await service.status(order.client_id, refresh=True)
            await service.settled()

        world.clock.continue_after_s(3600)
        world.run(rest)
        try:
            check(world, Scenario(trade))  # type: ignore[arg-type]
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{told(world)}") from error
        shutil.rmtree(folder)
