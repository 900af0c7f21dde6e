"""What is kept by the hour of a venue, and its rows of before, when it was kept by day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from xetrade_core.errors import LakeConflict, SchemaViolation
from xetrade_core.lake import parquet
from xetrade_core.lake.dataset import LABEL, TIMESTAMP, Column, Dataset
from xetrade_core.lake.day_tables import added
from xetrade_core.lake.layout import NS_PER_DAY, NS_PER_HOUR, day_key, venue_hour_key
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import POSITIONS
from xetrade_core.lake.venue_hours import append_venue_hour, read_venue_hour, read_venue_span, write_venue_hour

DAY = 20_000 * NS_PER_DAY  # 2024-10-04
HOUR = DAY + 7 * NS_PER_HOUR
COLUMNS = (
    Column("timestamp", TIMESTAMP, "When.", "ns UTC"),
    Column("exchange", LABEL, "Where."),
    Column("count", pa.int64(), "How many.", "", at_least=0),
    Column("added_later", pa.int64(), "A column that rows of before have not.", "", True),
)
LOOKS = Dataset("looks", "Looks", "venue, look", "For the tests.", COLUMNS, layout="venue_hour")


def rows(*counts: int, at_ns: int = HOUR, venue: str = "okx", later: int | None = 1) -> pa.Table:
    return pa.table(
        {
            "timestamp": pa.array([at_ns + place for place in range(len(counts))], pa.int64()).cast(TIMESTAMP),
            "exchange": pa.array([venue] * len(counts)).dictionary_encode(),
            "count": pa.array(counts, pa.int64()),
            "added_later": pa.array([later] * len(counts), pa.int64()),
        }
    )


def counts(table: pa.Table | None) -> list[int]:
    return [] if table is None else table.column("count").to_pylist()


def test_rows_are_added_to_their_hour_and_read_back(store: ObjectStore) -> None:
    assert read_venue_hour(store, LOOKS, "okx", HOUR) is None
    append_venue_hour(store, LOOKS, "okx", HOUR, rows(1, 2))
    written = append_venue_hour(store, LOOKS, "okx", HOUR + 99, rows(3, -1, at_ns=HOUR + 100))
    assert (written.rows, written.rejected, written.changed) == (3, 1, True)
    append_venue_hour(store, LOOKS, "okx", HOUR + NS_PER_HOUR, rows(4, at_ns=HOUR + NS_PER_HOUR))
    assert counts(read_venue_hour(store, LOOKS, "okx", HOUR)) == [1, 2, 3]
    assert store.stat("looks/venue=okx/date=2024-10-04/hour=07/part.parquet") is not None
    assert [one.key.rpartition("/")[0] for one in store.list("looks_rejected/")] == [
        "looks_rejected/venue=okx/date=2024-10-04/hour=07"
    ]


def test_whoever_adds_at_the_same_time_loses_nothing(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    append_venue_hour(store, LOOKS, "okx", HOUR, rows(1))
    real, others = store.replace, iter([2, 3])

    def replace(key: str, data: bytes, **more: str) -> object:
        for count in others:  # another process is faster, twice
            theirs = added(LOOKS.conform(parquet.from_bytes(store.read(key), key)), LOOKS.conform(rows(count)))
            real(key, parquet.to_bytes(theirs))
            break
        return real(key, data, **more)

    monkeypatch.setattr(store, "replace", replace)
    append_venue_hour(store, LOOKS, "okx", HOUR, rows(4))
    assert counts(read_venue_hour(store, LOOKS, "okx", HOUR)) == [1, 2, 3, 4]
    monkeypatch.undo()
    with pytest.raises(LakeConflict, match="was changed while it was being written"):
        write_venue_hour(store, LOOKS, "okx", HOUR, rows(5), version="another")


def test_a_row_of_another_hour_or_venue_is_refused(local_store: ObjectStore) -> None:
    for wrong in (rows(1, at_ns=HOUR + NS_PER_HOUR), rows(1, venue="bybit")):
        with pytest.raises(SchemaViolation, match="one hour and venue at a time"):
            append_venue_hour(local_store, LOOKS, "okx", HOUR, wrong)


def test_what_was_kept_by_day_is_read_with_what_is_kept_by_hour(local_store: ObjectStore) -> None:
    before = rows(1, 2, at_ns=DAY + 5).drop_columns("added_later")
    local_store.create(day_key("looks", "okx", DAY), parquet.to_bytes(before))
    append_venue_hour(local_store, LOOKS, "okx", HOUR, rows(3))
    append_venue_hour(local_store, LOOKS, "okx", DAY + NS_PER_DAY, rows(4, at_ns=DAY + NS_PER_DAY))
    whole = read_venue_span(local_store, LOOKS, "okx", DAY, DAY + NS_PER_DAY)
    assert counts(whole) == [1, 2, 3]
    assert whole.column("added_later").to_pylist() == [None, None, 1]
    assert counts(read_venue_span(local_store, LOOKS, "okx", DAY + 6, HOUR)) == [2]
    assert counts(read_venue_span(local_store, LOOKS, "okx", HOUR, DAY + 2 * NS_PER_DAY)) == [3, 4]
    assert counts(read_venue_span(local_store, LOOKS, "bybit", DAY, DAY + NS_PER_DAY)) == []


def test_sql_and_the_listing_know_positions_of_both_kinds(store: ObjectStore) -> None:
    def position(at_ns: int) -> pa.Table:
        values: dict[str, list[object]] = {one.name: [None] for one in POSITIONS.schema}
        texts = {"exchange": "okx", "account": "main", "symbol": "BTC/USDT", "side": "long", "settle": "USDT"}
        values |= {name: [text] for name, text in texts.items()}
        values |= {name: [0] for name in ("quantity", "realized", "fees", "funding")}
        columns = {}
        for one in POSITIONS.schema:
            if pa.types.is_dictionary(one.type):
                columns[one.name] = pa.array(values[one.name], pa.string()).dictionary_encode()
            else:
                columns[one.name] = pa.array(values[one.name], one.type)
        columns["timestamp"] = pa.array([at_ns], pa.int64()).cast(TIMESTAMP)
        return POSITIONS.conform(pa.table(columns))

    old = position(DAY + NS_PER_HOUR).drop_columns(["liquidation", "liquidation_distance"])
    store.create(day_key("positions", "okx", DAY), parquet.to_bytes(old))
    assert append_venue_hour(store, POSITIONS, "okx", HOUR, position(HOUR + 1)).rejected == 0
    query = "SELECT timestamp, symbol, liquidation, venue, date, hour FROM positions WHERE venue = 'okx' ORDER BY 1"
    found = Lake(store).duckdb().sql(query)
    assert found.fetchall() == [
        (datetime(2024, 10, 4, 1, tzinfo=UTC), "BTC/USDT", None, "okx", date(2024, 10, 4), 1),
        (datetime(2024, 10, 4, 7, tzinfo=UTC), "BTC/USDT", None, "okx", date(2024, 10, 4), 7),
    ]
    [held] = Lake(store).ls()
    assert (held.dataset, held.venue, held.symbol, held.rows, held.files) == ("positions", "okx", "", 2, 2)
    assert venue_hour_key("positions", "okx", HOUR) in {one.key for one in store.list("positions/")}
