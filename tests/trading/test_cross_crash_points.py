"""Kill -9 at every await of a cross-venue order: nothing lost, nothing doubled, everything hedged or stated.

As in test_crash_points.py each scenario is run to its end once, then once for every step, killed there. A new process
goes on and asks for the same again; then the saga must be over, its orders those of the venues, and what the venues
hold together what the ledger of residuals says.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.trading.cross_world import KEY, SWAP, CrossWorld, went_on
from tests.trading.samples import D
from tests.trading.venue_double import Fault
from xetrade_core.errors import XETradeError
from xetrade_core.trading.cross.moves import Rules
from xetrade_core.trading.cross.service import CrossService
from xetrade_core.trading.cross.states import CrossState

#: longer than a dead driver keeps its saga, shorter than the time bound
AFTER_S = 20.0


@dataclass(frozen=True)
class Scenario:
    """What goes wrong, and how the saga may end; a kill may make it end otherwise (its time passes meanwhile)."""

    prepare: Callable[[CrossWorld], object]
    ends: CrossState
    swap: bool = False

    def world(self, path: Path) -> CrossWorld:
        world = CrossWorld(path, hedge=SWAP if self.swap else None)
        world.rules = Rules(hedge_attempts=2, unwind_attempts=2, patience_s=600)
        self.prepare(world)
        return world


def hedged_in_parts(world: CrossWorld) -> None:
    """The hedge needs two orders, and nobody hears of the first of them."""
    world.okx.supply.extend([[D("0.003"), D("0.001")], [D("0.006")]])
    world.fail(world.okx, "place", Fault.NO_REPLY)


def through_every_state(world: CrossWorld) -> None:
    """Nobody hears of the first leg, which fills off the hedge's lot; the hedge and trading back find too little."""
    world.fail(world.binance, "place", Fault.NO_REPLY)
    world.binance.supply.extend([[D("0.0025"), D("0.0020")], [D("0.001")], []])
    world.okx.supply.extend([[D(1), D(1)], []])


SCENARIOS = {
    "hedged in parts": Scenario(hedged_in_parts, CrossState.DONE),
    "through every state": Scenario(through_every_state, CrossState.RESIDUAL, swap=True),
}


async def recover(service: CrossService, world: CrossWorld) -> None:
    """What a new process does: go on, then ask again."""
    await went_on(service)
    with contextlib.suppress(XETradeError):
        await service.start(world.request(), key=KEY)


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_any_await_both_legs_are_accounted_for(name: str, tmp_path: Path, empty_store: Path) -> None:
    scenario = SCENARIOS[name]
    whole = scenario.world(tmp_path)
    saga = whole.start()
    assert saga is not None
    assert saga.state is scenario.ends, saga.reason
    whole.check()
    assert whole.steps >= 20
    left_before: object = None
    for step in range(1, whole.steps + 1):
        folder = tmp_path / f"step{step}"
        folder.mkdir()
        shutil.copy(empty_store, folder)
        world = scenario.world(folder)
        request = world.request()
        assert world.run(lambda service: service.start(request, key=KEY), kill_at=step) is None  # noqa: B023
        left = world.left_behind()
        if left == left_before:  # as after the step before: what a new process finds was lived through already
            continue
        left_before = left
        world.clock.continue_after_s(AFTER_S)
        world.run(lambda service: recover(service, world))  # noqa: B023
        try:
            assert world.check(thorough=False) is not None
        except AssertionError as error:
            raise AssertionError(f"killed at step {step} of {whole.steps}: {error}") from error
