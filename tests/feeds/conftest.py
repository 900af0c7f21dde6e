"""The simulated venues, one process for all tests of this directory; each test leaves it without faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.feeds.harness import SCENARIO
from tests.support.sim import Sim, sim_process


@pytest.fixture(scope="package")
def sim_of_feeds() -> Iterator[Sim]:
    with sim_process(SCENARIO) as sim:
        yield sim


@pytest.fixture
def sim(sim_of_feeds: Sim) -> Iterator[Sim]:
    yield sim_of_feeds
    sim_of_feeds.clear()
