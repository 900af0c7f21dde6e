"""A day's table is one guarded file: written twice it is one revision, and nobody's work is undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from xetrade_core.errors import LakeConflict, SchemaViolation
from xetrade_core.lake import duck
from xetrade_core.lake.dataset import LABEL, REJECTED_REASON, TIMESTAMP, Column, Dataset
from xetrade_core.lake.day_tables import day_version, days_of, latest_day, read_day, write_day
from xetrade_core.lake.inventory import holdings
from xetrade_core.lake.layout import NS_PER_DAY, day_key
from xetrade_core.lake.local_store import LocalStore
from xetrade_core.lake.schemas import DATASETS
from xetrade_core.lake.store import ObjectStore

DAY = 1_780_272_000_000_000_000  # 2026-06-01
COLUMNS = (
    Column("timestamp", TIMESTAMP, "Start of the day."),
    Column("exchange", LABEL, "Venue."),
    Column("symbol", LABEL, "Symbol."),
    Column("price_tick", pa.float64(), "Tick.", at_least=0),
)
OF_VENUE = Dataset("listings", "Listings", "venue, symbol, day", "For the tests.", COLUMNS, layout="venue_day")
OF_ALL = Dataset("maps", "Maps", "venue, symbol, day", "For the tests.", COLUMNS, layout="day")


def rows(*ticks: float, day_ns: int = DAY, venue: str = "okx") -> pa.Table:
    symbols = [f"COIN{number}/USDT" for number in range(len(ticks))]
    columns: dict[str, Any] = {
        "timestamp": pa.array([day_ns] * len(ticks), TIMESTAMP),
        "exchange": pa.array([venue] * len(ticks), pa.string()),
        "symbol": pa.array(symbols, pa.string()),
        "price_tick": pa.array(ticks, pa.float64()),
    }
    return pa.table(columns)


def ticks(table: pa.Table | None) -> list[float] | None:
    return None if table is None else table.column("price_tick").to_pylist()


@pytest.mark.parametrize(("dataset", "venue"), [(OF_VENUE, "okx"), (OF_ALL, None)])
def test_a_day_reads_back_and_written_twice_is_one_revision(
    store: ObjectStore, dataset: Dataset, venue: str | None
) -> None:
    assert read_day(store, dataset, venue, DAY) is None
    assert write_day(store, dataset, venue, DAY, rows(1.0, 2.0)).changed
    version = day_version(store, dataset, venue, DAY)
    assert not write_day(store, dataset, venue, DAY, rows(1.0, 2.0)).changed
    assert day_version(store, dataset, venue, DAY) == version
    assert write_day(store, dataset, venue, DAY, rows(1.0)).changed
    assert ticks(read_day(store, dataset, venue, DAY)) == [1.0]


def test_a_day_without_rows_is_not_a_day_that_is_missing(local_store: ObjectStore) -> None:
    write_day(local_store, OF_ALL, None, DAY, rows())
    assert ticks(read_day(local_store, OF_ALL, None, DAY)) == []
    assert read_day(local_store, OF_ALL, None, DAY + NS_PER_DAY) is None


def test_refused_rows_are_kept_with_their_reason(local_store: ObjectStore) -> None:
    written = write_day(local_store, OF_VENUE, "okx", DAY, rows(1.0, -1.0))
    assert (written.rows, written.rejected) == (1, 1)
    [info] = local_store.list("listings_rejected/")
    from xetrade_core.lake import parquet

    refused = parquet.from_bytes(local_store.read(info.key), info.key)
    assert refused.column(REJECTED_REASON).to_pylist() == ["price_tick is below 0"]


def test_what_another_run_wrote_meanwhile_is_not_undone(store: ObjectStore) -> None:
    write_day(store, OF_VENUE, "okx", DAY, rows(1.0))
    version = day_version(store, OF_VENUE, "okx", DAY)
    write_day(store, OF_VENUE, "okx", DAY, rows(2.0))
    with pytest.raises(LakeConflict, match="was changed while it was being written"):
        write_day(store, OF_VENUE, "okx", DAY, rows(3.0), version=version)
    assert ticks(read_day(store, OF_VENUE, "okx", DAY)) == [2.0]


@pytest.mark.parametrize(
    ("dataset", "venue", "table"),
    [
        (OF_VENUE, "okx", rows(1.0, day_ns=DAY + NS_PER_DAY)),
        (OF_VENUE, "okx", rows(1.0, venue="binance")),
        (OF_VENUE, None, rows(1.0)),
        (OF_ALL, "okx", rows(1.0)),
    ],
    ids=["another day", "another venue", "no venue", "a venue too much"],
)
def test_a_row_in_the_wrong_file_is_refused(
    local_store: ObjectStore, dataset: Dataset, venue: str | None, table: pa.Table
) -> None:
    with pytest.raises(SchemaViolation):
        write_day(local_store, dataset, venue, DAY, table)
    assert not list(local_store.list(""))


def test_the_days_held_are_known_in_order(local_store: ObjectStore) -> None:
    for day_ns in (DAY + 3 * NS_PER_DAY, DAY):
        write_day(local_store, OF_VENUE, "okx", day_ns, rows(1.0, day_ns=day_ns))
    local_store.create("listings/venue=okx/notes/part.parquet", b"foreign")
    assert days_of(local_store, OF_VENUE, "okx") == [DAY, DAY + 3 * NS_PER_DAY]
    assert latest_day(local_store, OF_VENUE, "okx", DAY + 3 * NS_PER_DAY) == DAY
    assert latest_day(local_store, OF_VENUE, "okx", DAY) is None
    assert days_of(local_store, OF_VENUE, "binance") == []


def test_sql_and_the_inventory_see_days(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, OF_VENUE.name, OF_VENUE)
    monkeypatch.setitem(DATASETS, OF_ALL.name, OF_ALL)
    for day_ns in (DAY, DAY + NS_PER_DAY):
        write_day(store, OF_VENUE, "okx", day_ns, rows(1.0, 2.0, day_ns=day_ns))
        write_day(store, OF_ALL, None, day_ns, rows(3.0, day_ns=day_ns))
    connection = duck.connect(store)
    sql = "SELECT venue, symbol, price_tick FROM listings WHERE date = '2026-06-02' ORDER BY symbol"
    assert connection.execute(sql).fetchall() == [("okx", "COIN0/USDT", 1.0), ("okx", "COIN1/USDT", 2.0)]
    assert connection.execute("SELECT count(*), max(date)::VARCHAR FROM maps").fetchall() == [(2, "2026-06-02")]
    held = {(one.dataset, one.venue): one for one in holdings(store, count_rows=True)}
    assert (held["listings", "okx"].rows, held["listings", "okx"].hours) == (4, 48)
    assert (held["maps", ""].files, held["maps", ""].first_ns, held["maps", ""].last_ns) == (
        2, DAY, DAY + 2 * NS_PER_DAY,
    )  # fmt: skip


def test_equal_days_are_equal_files(tmp_path: Path) -> None:
    one, other = LocalStore(tmp_path / "one"), LocalStore(tmp_path / "other")
    for store in (one, other):
        write_day(store, OF_ALL, None, DAY, rows(1.0, 2.0))
    key = day_key(OF_ALL.name, None, DAY)
    assert one.read(key) == other.read(key)
