"""Sagas in the order store's database, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.trading.samples import D
from tests.trading.test_cross_states import FIRST_FILLED, PLAN, entry, over
from xetrade_core.errors import CrossBusy, UnknownCross
from xetrade_core.trading.cross.saga import CrossEvent, Saga, apply
from xetrade_core.trading.cross.states import CrossKind, CrossState
from xetrade_core.trading.cross.store import CrossStore, totals
from xetrade_core.trading.reader import OrderReader

LONG = 10**15


@pytest.fixture
def sagas(store_url: str) -> Iterator[CrossStore]:
    reader = OrderReader(store_url)
    yield CrossStore(reader)
    reader.close()


def begun(sagas: CrossStore, key: str = "s") -> Saga:
    return sagas.begin(key, entry(CrossKind.PLANNED, plan=PLAN), "one", LONG)


def written(sagas: CrossStore, saga: Saga, *events: CrossEvent) -> Saga:
    for event in events:
        saga = sagas.append(saga, event, "one")
    return saga


def test_a_saga_is_what_its_entries_sum_up_to(sagas: CrossStore) -> None:
    saga = written(sagas, begun(sagas), *FIRST_FILLED)
    again = None
    for event in sagas.events("s"):
        again = apply(again, event, "s")
    assert sagas.saga("s") == again == saga
    assert (sagas.sagas(), sagas.sagas(unfinished=True)) == ([saga], [saga])
    with pytest.raises(UnknownCross):
        sagas.saga("t")
    with pytest.raises(UnknownCross):
        sagas.claim("t", "one", 0, 1)


def test_one_key_begins_once_and_an_entry_is_appended_by_who_drives_it_at_what_it_has_seen(sagas: CrossStore) -> None:
    saga = begun(sagas)
    with pytest.raises(CrossBusy):
        begun(sagas)
    after = written(sagas, saga, FIRST_FILLED[0])
    with pytest.raises(CrossBusy):
        sagas.append(after, FIRST_FILLED[1], "two")
    with pytest.raises(CrossBusy):
        sagas.append(saga, FIRST_FILLED[0], "one")
    assert sagas.saga("s") == after
    assert len(sagas.events("s")) == 2


def test_of_many_that_claim_a_free_saga_one_has_it(sagas: CrossStore) -> None:
    begun(sagas)
    assert sagas.claim("s", "two", LONG - 1, LONG) is None
    sagas.release("s", "two")
    assert sagas.claim("s", "two", LONG - 1, LONG) is None, "only its driver lets go of it"
    sagas.release("s", "one")
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda name: sagas.claim("s", f"d{name}", 1, LONG), range(8)))
    assert sum(one is not None for one in got) == 1
    assert sagas.undriven(LONG - 1) == []
    assert sagas.undriven(LONG) == [sagas.saga("s")], "its driver is dead"


def test_residuals_are_kept_by_currency_and_entries_for_ever(sagas: CrossStore) -> None:
    saga = written(sagas, begun(sagas), *FIRST_FILLED, entry(CrossKind.UNWIND_DECIDED))
    written(sagas, saga, entry(CrossKind.LEFT, residual=D("0.01"), reason="halted"))
    other = written(sagas, begun(sagas, "t"), FIRST_FILLED[0], over(CrossKind.FIRST_EMPTY, "first0", "0"))
    late = entry(CrossKind.LATE_FILL, client_id="first0", filled=D("0.002"), residual=D("0.002"), reason="late")
    assert written(sagas, other, late).state is CrossState.RESIDUAL
    assert [(one.key, one.amount, one.reason) for one in sagas.residuals("s")] == [("s", D("0.01"), "halted")]
    assert totals(sagas.residuals()) == {"BTC": D("0.012")}
    assert sagas.sagas(unfinished=True) == []
    for table in ("cross_events", "cross_residuals"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET at_ns = 0"):
            with pytest.raises(DBAPIError, match="only ever appended"), sagas.reader.engine.begin() as connection:
                connection.execute(text(statement))
