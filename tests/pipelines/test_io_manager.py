"""Tables between assets go through the lake: typed, guarded, and never as a pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from tests.support.snapshots import HOUR, VENUE, snapshot_rows
from xetrade_core.errors import SchemaViolation
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.settings import load_settings
from xetrade_pipelines.definitions import default_resources
from xetrade_pipelines.partitions import VenueHour, hour_x_venue

PARTITION = VenueHour(VENUE, HOUR).key


def two_symbols() -> pa.Table:
    rows = [snapshot_rows(range(30), unsynced=[3], symbol=symbol) for symbol in ("BTC/USDT", "ETH/USDT")]
    return L2_SNAPSHOTS.conform(pa.concat_tables(rows))


def run(make: Callable[[], Any], kind: type = pa.Table, *, raise_on_error: bool = True) -> Any:
    """What a downstream asset gets, as `kind`, of what an asset named l2_snapshots returns."""
    seen: list[Any] = []

    @dg.asset(partitions_def=hour_x_venue)
    def l2_snapshots() -> Any:
        return make()

    def reads(l2_snapshots: Any) -> None:
        seen.append(l2_snapshots)

    reads.__annotations__["l2_snapshots"] = kind
    result = dg.materialize(
        [l2_snapshots, dg.asset(partitions_def=hour_x_venue, io_manager_key="nowhere")(reads)],
        partition_key=PARTITION,
        resources={**default_resources(load_settings()), "nowhere": dg.mem_io_manager},
        raise_on_error=raise_on_error,
    )
    return result, seen


def test_an_arrow_table_comes_back_as_it_was(machine: Path, store: ObjectStore) -> None:
    result, (seen,) = run(two_symbols)
    assert seen.to_pylist() == two_symbols().to_pylist()
    assert seen.schema.equals(L2_SNAPSHOTS.schema)
    (stored,) = result.asset_materializations_for_node("l2_snapshots")
    assert stored.metadata["dagster/row_count"].value == 60
    assert [info.key for info in store.list("l2_snapshots/")] == [
        f"l2_snapshots/venue=binance/symbol={slug}/date=2024-08-09/hour=00/part.parquet"
        for slug in ("BTC-USDT", "ETH-USDT")
    ]


def test_pandas_is_given_to_those_who_ask_and_taken_from_those_who_return_it(machine: Path) -> None:
    _, (seen,) = run(lambda: two_symbols().to_pandas(), pd.DataFrame)
    assert isinstance(seen, pd.DataFrame)
    pd.testing.assert_frame_equal(seen, two_symbols().to_pandas())


def test_nothing_is_pickled(machine: Path, store: ObjectStore) -> None:
    run(two_symbols)
    files = [path for path in machine.rglob("*") if path.is_file() and path.name not in {"lock", "xetrade.toml"}]
    assert files
    assert all(path.read_bytes()[:4] == b"PAR1" for path in files)


def test_a_row_that_the_schema_refuses_is_set_aside_and_counted(machine: Path, store: ObjectStore) -> None:
    result, (seen,) = run(lambda: pa.concat_tables([snapshot_rows(range(5)), snapshot_rows([5], update_count=-1)]))
    assert seen.num_rows == 5
    (stored,) = result.asset_materializations_for_node("l2_snapshots")
    assert stored.metadata["rejected"].value == 1
    assert len(list(store.list("l2_snapshots_rejected/"))) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: snapshot_rows(range(5), hour=HOUR + 3600 * 10**9),
        lambda: snapshot_rows(range(5), venue="okx"),
        lambda: snapshot_rows(range(5)).drop_columns(["sequence"]),
    ],
    ids=["another hour", "another venue", "another shape"],
)
def test_what_does_not_belong_to_the_partition_is_refused_whole(
    machine: Path, store: ObjectStore, make: Callable[[], Any]
) -> None:
    with pytest.raises(SchemaViolation):
        run(make)
    assert list(store.list("l2_")) == []


def test_an_hour_that_is_not_there_has_no_rows(machine: Path) -> None:
    _, (seen,) = run(L2_SNAPSHOTS.empty)
    assert seen.num_rows == 0
    assert seen.schema.equals(L2_SNAPSHOTS.schema)
