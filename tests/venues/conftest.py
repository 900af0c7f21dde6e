"""The simulated doubles of all venues, one process for all cards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.feeds.harness import SCENARIO
from tests.support.sim import Sim, sim_process


@pytest.fixture(scope="package")
def sim_of_cards() -> Iterator[Sim]:
    with sim_process(SCENARIO) as sim:
        yield sim


@pytest.fixture
def sim(sim_of_cards: Sim) -> Iterator[Sim]:
    yield sim_of_cards
    sim_of_cards.clear()
