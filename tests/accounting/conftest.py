"""An order store that has traded, and a lake beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitor.conftest import store, trade
from xetrade_core.lake.store import ObjectStore, open_store

__all__ = ["store", "trade"]


@pytest.fixture
def lake(tmp_path: Path) -> ObjectStore:
    return open_store(tmp_path / "lake")
