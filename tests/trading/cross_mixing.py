"""Seeded lives of a cross-venue order: faults of the wire, fills in any pieces, moving markets, kills and rival
processes; and what is true after all of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests.trading.cross_world import KEY, SWAP, CrossWorld, MarketDouble, went_on
from tests.trading.samples import D
from tests.trading.venue_double import Fault
from xetrade_core.errors import XETradeError
from xetrade_core.trading.cross.moves import Rules
from xetrade_core.trading.cross.request import CrossRequest
from xetrade_core.trading.cross.saga import Saga
from xetrade_core.trading.cross.service import CrossService


@dataclass(frozen=True, slots=True)
class Crossed:
    """What one seed came to: how it ended, and what does not hold if anything does not."""

    seed: int
    ended: str
    kills: int
    problem: str | None


def misfortune(rng: random.Random, double: MarketDouble) -> None:
    """What the next calls of a venue meet: faults, and how much of each order finds somebody."""
    for what in ("place", "find", "fills", "cancel"):
        double.fail_next(what, rng.choices([Fault.NONE, *Fault], k=rng.randrange(4)))
    size = double.instrument.contract_size
    for _ in range(rng.randrange(4)):
        pieces = [D(rng.randrange(1, 12)) * D("0.001") / size for _ in range(rng.choice([0, 1, 2, 2, 3]))]
        if not double.instrument.contract_size < 1 and rng.random() < 0.3:
            pieces.append(D(rng.randrange(1, 99)) * double.instrument.lot)  # off the hedge's lot
        double.supply.append(pieces)
    move = D(rng.choice([0] * 8 + [-30, 30, -3000, 3000]))
    double.bid, double.ask = double.bid + move, double.ask + move


async def ask(service: CrossService, request: CrossRequest, rng: random.Random) -> None:
    """What people do: ask for it, ask again, go on with it."""
    for _ in range(rng.randrange(1, 3)):
        with contextlib.suppress(XETradeError):
            if rng.random() < 0.6:
                await service.start(request, key=KEY)
            else:
                await went_on(service)


async def rivals(world: CrossWorld, service: CrossService, request: CrossRequest, rng: random.Random) -> None:
    """Two processes' worth of services over one database and the same accounts, at the same time."""
    store = world.open()
    try:
        async with world.orders(store) as orders:
            await asyncio.gather(ask(service, request, rng), ask(world.service(store, orders), request, rng))
    finally:
        store.close()


def cross(seed: int, folder: Path, empty_store: Path) -> Crossed:
    """Live through a seed in `folder`, which is made and removed; `empty_store` is a migrated database to be copied."""
    rng = random.Random(seed)
    folder.mkdir()
    shutil.copy(empty_store, folder)
    world = CrossWorld(folder, hedge=rng.choice([None, SWAP]))
    world.binance.size = rng.choice([D(2), D(9)])
    for double in world.doubles:
        double.refuses_misses = rng.random() < 0.3
    world.rules = Rules(hedge_attempts=4, unwind_attempts=3, patience_s=rng.choice([1, 60]))
    request = world.request(
        quantity=D(rng.randrange(1, 20)) * D("0.001"), max_loss=D(rng.choice([5, 20])), within_s=rng.choice([5.0, 90.0])
    )
    kills, lives = 0, rng.randrange(1, 4)
    for _ in range(lives):
        for double in world.doubles:
            misfortune(rng, double)
        kill_at = rng.choice([None, rng.randrange(1, 90), rng.randrange(1, 90)])
        together = rng.random() < 0.3

        async def life(service: CrossService, together: bool = together) -> bool:
            await (rivals(world, service, request, rng) if together else ask(service, request, rng))
            return True

        kills += world.run(life, kill_at=kill_at) is None
        world.clock.continue_after_s(rng.choice([0, 8, 60]))
    for double in world.doubles:
        double.forget_faults()
    world.clock.continue_after_s(3600)
    problem, saga = None, None
    try:
        world.run(rest)
        saga = world.check()
    except (AssertionError, ValueError, XETradeError) as error:
        problem = f"seed {seed}: {traceback.format_exc()}\n{error}\n{told(world)}"
    shutil.rmtree(folder)
    return Crossed(seed, "refused" if saga is None else saga.state.value, kills, problem)


async def rest(service: CrossService) -> None:
    """What the last process does, when nothing goes wrong any more."""
    await went_on(service)
    await service.means.orders.resume()
    await service.means.orders.settled()
    await went_on(service)


def told(world: CrossWorld) -> str:
    """Everything that happened, for whoever must find out why."""
    lines = [f"{double.name}: {order}" for double in world.doubles for order in double.orders]
    with contextlib.closing(world.open()) as store:
        service = world.service(store, world.orders(store))
        sagas: list[Saga] = service.means.sagas.sagas()
        lines += [str(event) for saga in sagas for event in service.means.sagas.events(saga.key)]
    return "\n".join(lines)
