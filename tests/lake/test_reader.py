"""What a researcher reads: any range, any columns, the newest minute included, each second once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.lake.test_compaction import compact, put_gaps, put_rows
from tests.support.snapshots import HOUR, SYMBOL, VENUE, gap_rows, snapshot_rows
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, UnknownSymbol
from xetrade_core.lake.layout import NS_PER_HOUR
from xetrade_core.lake.levels import Levels
from xetrade_core.lake.measure import measure_hour
from xetrade_core.lake.moments import as_ns
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore

PERP = "BTC/USDT:USDT"


def seconds_of(table: pa.Table) -> list[int]:
    return [(ns - HOUR) // NS_PER_S for ns in table.column("timestamp").cast(pa.int64()).to_pylist()]


def at(second: int) -> int:
    return HOUR + second * NS_PER_S


@pytest.fixture
def lake(store: ObjectStore) -> Lake:
    """Two compacted hours of two symbols, and a minute of the second hour that is not compacted yet and overlaps it."""
    for hour in (0, 1):
        span = range(hour * 3600, hour * 3600 + 40)
        put_rows(store, pa.concat_tables([snapshot_rows(span, unsynced=[5]), snapshot_rows(span, symbol=PERP)]))
        put_gaps(store, gap_rows({"start": hour * 3600 + 5, "end": hour * 3600 + 6}))
        compact(store, hour=HOUR + hour * NS_PER_HOUR)
        measure_hour(store, VENUE, HOUR + hour * NS_PER_HOUR)
    put_rows(store, snapshot_rows(range(3635, 3650), sequence_offset=1), writer="w2")
    put_gaps(store, gap_rows({"start": 3648, "end": None}), writer="w2")
    return Lake(store)


def test_a_range_is_half_open_and_crosses_hours_and_meets_fresh_rows(lake: Lake) -> None:
    table = lake.read_l2(VENUE, SYMBOL, at(10), at(3645))
    assert seconds_of(table) == [*range(10, 40), *range(3600, 3645)]
    assert table.schema.names == L2_SNAPSHOTS.schema.names
    assert set(table.column("symbol").to_pylist()) == {SYMBOL}


def test_a_wide_range_is_one_listing_not_one_a_day(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[str] = []
    real = lake.store.list
    monkeypatch.setattr(lake.store, "list", lambda prefix: listed.append(prefix) or real(prefix))
    everything = lake.read_l2(VENUE, SYMBOL, "2000-01-01T00:00Z", "2100-01-01T00:00Z")
    assert everything.equals(lake.read_l2(VENUE, SYMBOL, at(-7200), at(4 * 3600)))
    assert len([prefix for prefix in listed if "/date=" not in prefix]) == 2


def test_where_file_and_segment_overlap_the_better_row_is_read(lake: Lake) -> None:
    sequences = lake.read_l2(VENUE, SYMBOL, at(3634), at(3637), columns=["sequence"]).column("sequence").to_pylist()
    assert sequences == [37_340, 37_351, 37_361]


def test_what_was_read_fresh_reads_the_same_once_compacted(lake: Lake, store: ObjectStore) -> None:
    before = lake.read_l2(VENUE, SYMBOL, at(0), at(7200))
    compact(store, hour=HOUR + NS_PER_HOUR)
    assert lake.read_l2(VENUE, SYMBOL, at(0), at(7200)).to_pylist() == before.to_pylist()


def test_only_the_columns_asked_for_in_their_order(lake: Lake) -> None:
    for end in (at(20), at(3700)):  # without and with fresh segments
        table = lake.read_l2(VENUE, SYMBOL, at(0), end, columns=["bid_price", "sequence"])
        assert table.column_names == ["bid_price", "sequence"]


def test_forms(lake: Lake) -> None:
    arrow = lake.read_l2(VENUE, SYMBOL, at(0), at(20))
    frame = lake.read_l2(VENUE, SYMBOL, at(0), at(20), as_="pandas")
    polar = lake.read_l2(VENUE, SYMBOL, at(0), at(20), as_="polars")
    assert isinstance(frame, pd.DataFrame)
    assert isinstance(polar, pl.DataFrame)
    assert str(frame["timestamp"].dtype) == "datetime64[ns, UTC]"
    assert frame["sequence"].tolist()[:5] == arrow.column("sequence").to_pylist()[:5]
    assert polar["bid_price"].to_list() == arrow.column("bid_price").to_pylist()
    with pytest.raises(ConfigError, match="arrow, pandas or polars"):
        lake.read_l2(VENUE, SYMBOL, at(0), at(20), as_="excel")  # type: ignore[arg-type]


def test_levels_as_a_matrix_for_heat_maps(lake: Lake) -> None:
    table = lake.read_l2(VENUE, SYMBOL, at(0), at(10))
    matrix = Levels.of(table, "bid_price").padded(5)
    assert matrix.shape == (10, 5)
    assert np.isnan(matrix[5]).all()  # not in sync
    assert np.isnan(matrix[:, 3:]).all()  # three levels recorded
    assert matrix[0, :3].tolist() == table.column("bid_price")[0].as_py()


def test_a_range_without_rows_is_empty(lake: Lake) -> None:
    table = lake.read_l2(VENUE, SYMBOL, at(50), at(60))
    assert (table.num_rows, table.schema.names) == (0, L2_SNAPSHOTS.schema.names)


def test_a_symbol_that_was_never_recorded_is_named_with_what_there_is(lake: Lake) -> None:
    with pytest.raises(UnknownSymbol, match=r"'BTC/USD' on binance: the lake has BTC/USDT, BTC/USDT:USDT"):
        lake.read_l2(VENUE, "BTC/USD", at(0), at(60))
    with pytest.raises(UnknownSymbol, match=r"nothing of this venue; it has \['binance'\]"):
        lake.read_l2("okx", SYMBOL, at(0), at(60))


@pytest.mark.parametrize("read", ["read_gaps", "read_quality", "read_metrics"])
def test_a_typing_error_does_not_read_like_a_ledger_without_gaps(lake: Lake, read: str) -> None:
    with pytest.raises(UnknownSymbol, match=r"'BTC/USD' on binance: the lake has BTC/USDT, BTC/USDT:USDT"):
        getattr(lake, read)(VENUE, "BTC/USD", at(0), at(60))
    assert getattr(lake, read)(VENUE, SYMBOL, at(-7200), at(-3600)).num_rows == 0


def test_a_symbol_seen_only_in_segments_is_known(local_store: ObjectStore) -> None:
    put_rows(local_store, snapshot_rows(range(5)))
    lake = Lake(local_store)
    assert seconds_of(lake.read_l2(VENUE, SYMBOL, at(0), at(3))) == [0, 1, 2]
    assert lake.read_l2(VENUE, SYMBOL, at(4000), at(4001)).num_rows == 0
    assert lake.read_gaps(VENUE, SYMBOL, at(0), at(3)).num_rows == 0
    assert (lake.symbols(VENUE), lake.recorded(VENUE)) == ([], [SYMBOL])
    with pytest.raises(UnknownSymbol, match=r"'BTC/USD' on binance: the lake has BTC/USDT$"):
        lake.read_l2(VENUE, "BTC/USD", at(0), at(60))


@pytest.mark.parametrize("columns", [["price"], []])
def test_wrong_columns_are_named(lake: Lake, columns: list[str]) -> None:
    with pytest.raises(ConfigError, match="choose from timestamp"):
        lake.read_l2(VENUE, SYMBOL, at(0), at(60), columns=columns)


def test_a_segment_that_is_compacted_while_it_is_read(
    local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_rows(local_store, snapshot_rows(range(30)))
    lake = Lake(local_store)
    original = local_store.open
    calls: list[str] = []

    def open_late(key: str) -> Any:
        if not calls:
            calls.append(key)
            compact(local_store)
        return original(key)

    monkeypatch.setattr(local_store, "open", open_late)
    assert seconds_of(lake.read_l2(VENUE, SYMBOL, at(0), at(30))) == list(range(30))
    assert calls


def test_a_file_that_is_compacted_again_while_it_is_read(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put_rows(store, snapshot_rows(range(30)))
    compact(store)
    put_rows(store, snapshot_rows(range(30, 40)), writer="w2")
    lake = Lake(store)
    original = store.open
    calls: list[str] = []

    def open_early(key: str) -> Any:
        file = original(key)
        if not calls and key.startswith("l2_snapshots/"):
            calls.append(key)
            compact(store)
        return file

    monkeypatch.setattr(store, "open", open_early)
    assert seconds_of(lake.read_l2(VENUE, SYMBOL, at(0), at(40))) == list(range(40))
    assert calls


def test_the_ledger_quality_and_metrics(lake: Lake) -> None:
    gaps = lake.read_gaps(VENUE, SYMBOL, at(0), at(3700))
    assert [(ns - HOUR) // NS_PER_S for ns in gaps.column("from_timestamp").cast(pa.int64()).to_pylist()] == [
        5,
        3605,
        3648,
    ]
    quality = lake.read_quality(VENUE, SYMBOL, at(0), at(7200), as_="pandas")
    assert quality["expected"].tolist() == [40, 40]
    assert quality["complete"].tolist() == [True, True]
    metrics = lake.read_metrics(VENUE, SYMBOL, at(0), at(7200), columns=["timestamp", "samples"])
    assert metrics.column("samples").to_pylist() == [39, 40]


def test_what_the_lake_holds(lake: Lake) -> None:
    held = {(one.dataset, one.symbol): one for one in lake.ls()}
    snapshots = held["l2_snapshots", SYMBOL]
    assert (snapshots.hours, snapshots.files, snapshots.rows) == (2, 2, 80)
    assert (snapshots.first_ns, snapshots.last_ns) == (HOUR, HOUR + 2 * NS_PER_HOUR)
    assert snapshots.bytes > 0
    assert held["l2_segments", ""].rows == 15
    assert {one.rows for one in lake.ls(count_rows=False)} == {None}
    assert (lake.venues(), lake.symbols(VENUE)) == ([VENUE], [SYMBOL, PERP])


def test_sql_knows_universal_symbols(lake: Lake) -> None:
    connection = lake.duckdb()
    counts = connection.sql("SELECT symbol, count(*) FROM l2_snapshots GROUP BY symbol ORDER BY symbol").fetchall()
    assert counts == [(SYMBOL, 80), (PERP, 80)]
    query = (
        "SELECT count(*), max(bid_price[1]) FROM l2_snapshots WHERE symbol = 'BTC/USDT' AND synced AND timestamp >= ?"
    )
    count, best = connection.execute(query, [datetime(2024, 8, 9, 1, tzinfo=UTC)]).fetchall()[0]
    assert count == 40
    assert best > 59_000
    minutes = (
        "SELECT date_trunc('minute', timestamp), date, hour FROM l2_snapshots WHERE venue = 'binance' AND hour = 1"
    )
    assert set(connection.sql(minutes).fetchall()) == {(datetime(2024, 8, 9, 1, tzinfo=UTC), date(2024, 8, 9), 1)}
    assert connection.sql("SELECT count(*) FROM l2_segments").fetchall() == [(15,)]
    hours = connection.sql("SELECT DISTINCT timestamp, hour FROM l2_quality ORDER BY hour").fetchall()
    assert hours == [(datetime(2024, 8, 9, hour, tzinfo=UTC), hour) for hour in (0, 1)]
    assert connection.sql("SELECT sum(expected) FROM l2_quality WHERE exchange = 'binance'").fetchall() == [(160,)]
    assert connection.sql("SELECT count(*) FROM book_metrics").fetchall() == [(4,)]


def test_sql_over_an_empty_lake(local_store: ObjectStore) -> None:
    connection = Lake(local_store).duckdb()
    assert connection.sql("SELECT count(*) FROM l2_snapshots").fetchall() == [(0,)]


def test_sql_reads_no_file_of_another_symbol(local_store: ObjectStore) -> None:
    for symbol in (SYMBOL, PERP):
        put_rows(local_store, snapshot_rows(range(3), symbol=symbol), writer=symbol.replace("/", "").replace(":", ""))
    compact(local_store)
    plan = (
        Lake(local_store)
        .duckdb()
        .sql("EXPLAIN SELECT sum(sequence) FROM l2_snapshots WHERE symbol = 'BTC/USDT'")
        .fetchall()
    )
    assert "Scanning Files: 1/2" in plan[0][1]


def test_other_tools_read_the_files_as_they_are(local_store: ObjectStore) -> None:
    put_rows(local_store, snapshot_rows(range(3)))
    compact(local_store)
    files = f"{local_store.uri}/l2_snapshots/**/*.parquet"
    assert pl.read_parquet(files, hive_partitioning=False)["symbol"].to_list() == [SYMBOL] * 3
    assert pl.read_parquet(files, hive_partitioning=True)["symbol"].to_list() == ["BTC-USDT"] * 3
    (file,) = [info.key for info in local_store.list("l2_snapshots/")]
    assert pd.read_parquet(f"{local_store.uri}/{file}", partitioning=None)["symbol"].tolist() == [SYMBOL] * 3


class TestMoments:
    @pytest.mark.parametrize(
        "moment",
        [
            HOUR,
            "2024-08-09T00:00:00Z",
            "2024-08-09T08:00:00+08:00",
            "2024-08-09",
            datetime(2024, 8, 9, tzinfo=UTC),
            datetime(2024, 8, 9, 8, tzinfo=timezone(timedelta(hours=8))),
            pd.Timestamp("2024-08-09", tz="UTC"),
        ],
    )
    def test_the_same_moment_in_every_form(self, moment: Any) -> None:
        assert as_ns(moment, "start") == HOUR

    def test_nanoseconds_survive(self) -> None:
        assert as_ns(pd.Timestamp(HOUR + 123_456_789, unit="ns", tz="UTC"), "start") == HOUR + 123_456_789

    @pytest.mark.parametrize(
        "moment",
        [datetime(2024, 8, 9, tzinfo=UTC).replace(tzinfo=None), "2024-08-09T00:00:00", pd.Timestamp("2024-08-09")],
    )
    def test_a_time_without_a_zone_is_refused(self, moment: Any) -> None:
        with pytest.raises(ConfigError, match=r"start = .* has no time zone"):
            as_ns(moment, "start")

    @pytest.mark.parametrize("moment", ["yesterday", "", None, 1.5, True])
    def test_what_is_no_time_is_refused(self, moment: Any) -> None:
        with pytest.raises(ConfigError, match="start"):
            as_ns(moment, "start")

    def test_a_range_that_runs_backwards_is_refused(self, local_store: ObjectStore) -> None:
        with pytest.raises(ConfigError, match="before start"):
            Lake(local_store).read_l2(VENUE, SYMBOL, at(1), at(0))
