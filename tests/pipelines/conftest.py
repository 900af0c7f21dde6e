"""Fixtures of the pipelines' tests: a machine with its own lake and spool, and a Dagster instance of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.pipelines.deployment import environment
from tests.support.hours import within_one_day
from tests.support.sim import Sim, default_sim  # noqa: F401
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_pipelines.definitions import build_defs


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a machine whose settings name a lake and a spool below it, and symbols of three venues.

    Most of its tests ask for the partition of today.
    """
    within_one_day(30)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def venues(machine: Path, default_sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Sim:  # noqa: F811
    """The simulated venues, which the machine's settings put in place of the live ones."""
    for name, value in environment(machine, default_sim).items():
        monkeypatch.setenv(name, value)
    return default_sim


@pytest.fixture
def store(machine: Path) -> ObjectStore:
    """The machine's lake."""
    return open_store(machine / "lake")


@pytest.fixture
def lake(machine: Path) -> Lake:
    """The machine's lake, for reading."""
    return Lake(machine / "lake")


@pytest.fixture
def defs(machine: Path) -> dg.Definitions:
    """Fresh definitions with the machine's settings."""
    return build_defs()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that forgets."""
    with dg.instance_for_test() as one:
        yield one
