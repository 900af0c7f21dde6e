"""Seeded lives of an order service: faults of the wire, kills and rival processes, and what is true after all of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Mixed:
    """What one seed came to. `lost`: orders of the venue that the store does not have; `doubled`: those it has twice;
    `differing`: positions that are not the venue's; `illegal`: transitions that the table forbids. `problem`: whatever
    else does not hold, with everything that happened.
    """

    seed: int
    orders: int
    lives: int
    kills: int
    faults: int
    lost: int
    doubled: int
    differing: int
    illegal: int
    problem: str | None

    @property
    def holds(self) -> bool:
        return self.problem is None and not (self.lost or self.doubled or self.differing or self.illegal)


def mix(seed: int, folder: Path, empty_store: Path) -> Mixed:
    """Live through a seed in `folder`, which is made and removed; `empty_store` is a migrated database to be copied."""
    rng = random.Random(seed)
    folder.mkdir()
    shutil.copy(empty_store, folder)
    offered = rng.sample([Capability.AMEND, Capability.CANCEL_ALL], rng.randrange(3))
    world = World(folder, rng.choice(list(Uniqueness)), *offered)
    lives, kills, faults = rng.randrange(1, 4), 0, 0
    for _ in range(lives):  # that end by a kill, or by themselves
        misfortune(rng, world)
        planned = sum(fault is not Fault.NONE for queue in world.double.faults.values() for fault in queue)
        if rng.random() < 0.3:
            world.run(lambda service: rivals(service, rng, world))
        else:
            kill_at = rng.choice([None, rng.randrange(1, 60), rng.randrange(1, 60)])
            kills += world.run(lambda service: lived(service, rng, world), kill_at=kill_at) is None
        left = sum(fault is not Fault.NONE for queue in world.double.faults.values() for fault in queue)
        faults += planned - left
    for queue in world.double.faults.values():
        queue.clear()
    world.clock.continue_after_s(3600)
    world.run(rest)
    found = examined(seed, world, lives, kills, faults)
    shutil.rmtree(folder)
    return found


async def lived(service: OrderService, rng: random.Random, world: World) -> bool:
    """A life that came to its own end."""
    await trade(service, rng, world)
    return True


async def rest(service: OrderService) -> None:
    """What the last process does, when nothing goes wrong any more."""
    await service.resume()
    await service.settled()
    await service.cancel_all()
    await service.settled()
    for order in await service.open_orders():
        await service.status(order.client_id, refresh=True)
    await service.settled()


def examined(seed: int, world: World, lives: int, kills: int, faults: int) -> Mixed:
    """The store beside the venue."""
    problem = None
    try:
        check(world, Scenario(trade))  # type: ignore[arg-type]
    except AssertionError as error:
        broken = traceback.extract_tb(error.__traceback__)[-1].line
        problem = f"seed {seed}: {broken}\n{told(world)}"
    store = world.open()
    ours = {order.client_id: order for order in store.updated(0, FOR_EVER_NS)}
    booked = sum((fill.side.sign * fill.amount for fill in store.fills()), D(0))
    store.close()
    names = Counter(order.client_id for order in world.double.orders)
    there = sum((fill.side.sign * fill.amount for order in world.double.orders for fill in order.trades), D(0))
    return Mixed(
        seed=seed,
        orders=len(names),
        lives=lives,
        kills=kills,
        faults=faults,
        lost=sum(name not in ours for name in names),
        doubled=sum(many - 1 for many in names.values()),
        differing=int(booked != there),
        illegal=sum(len(order.illegal) for order in ours.values()),
        problem=problem,
    )


def total(found: Iterable[Mixed]) -> dict[str, int]:
    """The sums over many seeds."""
    sums: Counter[str] = Counter()
    for one in found:
        sums["scenarios"] += 1
        for name in ("orders", "lives", "kills", "faults", "lost", "doubled", "differing", "illegal"):
            sums[name] += getattr(one, name)
        sums["failed"] += not one.holds
    return dict(sums)
