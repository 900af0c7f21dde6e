"""Stores to test with: every test that asks for `store_url` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import new_database
from xetrade_core.trading.store import OrderStore


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgresql"))],
)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty order store."""
    return f"sqlite:///{tmp_path}/orders.db" if request.param == "sqlite" else new_database()


@pytest.fixture
def store(store_url: str) -> Iterator[OrderStore]:
    """An empty order store without limits."""
    opened = OrderStore(store_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without orders, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "orders.db"
    OrderStore(path).close()
    return path
