"""What the tests of the simulated venues share: stepping simulations by hand, and reading REST answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from tests.simvenue.words import WORDS
from xetrade_core.simvenue import SimConfig, Simulation, VenueConfig
from xetrade_core.simvenue.dialects.base import Reply

START_NS = 1_795_000_000_000_000_000
SYMBOLS = {venue: words.symbol for venue, words in WORDS.items()}


def simulate(venue: str, *, symbols: tuple[str, ...] | None = None, seed: int = 1, **settings: Any) -> Simulation:
    """A simulation of one venue and one symbol (or `symbols`), moved by `tick`, at a fixed start time."""
    settings = {"depth": 60, "events_per_s": 80.0, **settings}
    config = VenueConfig(symbols=symbols or (SYMBOLS[venue],), **settings)
    return Simulation(SimConfig(venues={venue: config}, seed=seed, auto=False), START_NS, lambda: START_NS)


def run(simulation: Simulation, seconds: float) -> None:
    """Let simulated time pass."""
    for _ in range(round(seconds * 1000 / simulation.config.tick_ms)):
        simulation.tick()


def rest(
    simulation: Simulation, venue: str, path: str, query: Mapping[str, str] | None = None, method: str = "GET"
) -> Reply:
    """A REST call of a venue."""
    return simulation.place(venue).rest(method, path, query or {}, simulation.now_ns, START_NS).reply


@pytest.fixture
def ask() -> Callable[..., Any]:
    """A GET whose JSON body is wanted."""

    def call(simulation: Simulation, venue: str, path: str, **query: str) -> Any:
        return msgspec.json.decode(rest(simulation, venue, path, query).body)

    return call
