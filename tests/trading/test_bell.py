"""Whether the order store has changed, asked without reading it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.trading.samples import fill
from xetrade_core.errors import StoreUnavailable
from xetrade_core.model.order_events import Source
from xetrade_core.trading.bell import StoreBell
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.store import OrderStore


def commit(store: OrderStore, number: str) -> None:
    store.do(lambda transaction: transaction.add_fill(fill(number, "1", "100"), 4, Source.STREAM))


async def test_it_rings_for_what_another_has_committed_and_not_for_reading(store: OrderStore, store_url: str) -> None:
    """A server is asked less often."""
    with OrderReader(store_url) as reader:
        bell = StoreBell(reader)
        assert bell.every_s == (0.01 if store_url.startswith("sqlite") else 0.05)
        assert await bell.rang()  # nobody has looked yet
        for number in ("a", "b"):
            assert not await bell.rang()
            await asyncio.to_thread(commit, store, number)
            assert await bell.rang()
            assert number in {one.trade_id for one in reader.fills()}
        bell.close()


async def test_of_writers_that_overlap_each_is_heard(store: OrderStore, store_url: str) -> None:
    """The one that began first and commits last is not lost behind the other; SQLite lets one write at a time."""
    if store_url.startswith("sqlite"):
        pytest.skip("one writer at a time")
    insert = text("CREATE TABLE IF NOT EXISTS scratch (n int)"), text("INSERT INTO scratch VALUES (1)")
    with OrderReader(store_url) as reader, reader.engine.connect() as early, reader.engine.connect() as late:
        early.execute(insert[0])
        early.commit()
        early.execute(insert[1])
        late.execute(insert[1])
        bell = StoreBell(reader)
        assert await bell.rang()
        for connection in (late, early):
            assert not await bell.rang()
            connection.commit()
            assert await bell.rang()
        assert not await bell.rang()
        bell.close()


async def test_a_store_that_is_away_is_an_error(empty_store: Path) -> None:
    with OrderReader(empty_store) as reader:
        bell = StoreBell(reader)
        await bell.rang()
        bell._connection.driver_connection.close()
        with pytest.raises(StoreUnavailable, match="does not answer: Cannot operate on a closed database"):
            await bell.rang()


async def test_a_servers_connection_that_was_lost_is_opened_again(store_url: str) -> None:
    if store_url.startswith("sqlite"):
        pytest.skip("a file has no connection to lose")
    with OrderReader(store_url) as reader:
        bell = StoreBell(reader)
        await bell.rang()
        bell._connection.driver_connection.close()
        assert await bell.rang(), "nobody knows what happened meanwhile"
        assert await bell.rang()
        assert not await bell.rang()
        bell.close()
