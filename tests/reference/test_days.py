"""A day of reference data: from lists to the lake, to the map, to what changed; made twice it is the same day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.symbols.listings import recorded_listings
from tests.symbols.test_mapping import LISTED, instrument
from xetrade_core.errors import ConfigError, LakeError, VenueUnavailable
from xetrade_core.lake import parquet
from xetrade_core.lake.day_tables import day_version, read_day
from xetrade_core.lake.layout import NS_PER_DAY, NS_PER_HOUR, day_key, part_key
from xetrade_core.lake.local_store import LocalStore
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.reference_schemas import CHANGES, INSTRUMENTS, STYLES, SYMBOL_MAP, SYMBOL_MAP_CHANGES
from xetrade_core.lake.schemas import BOOK_METRICS
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.reference.audit import contradicted, doubled, not_by_rule, shrunk, stepless
from xetrade_core.reference.days import (
    changes_between,
    day_map,
    last_prices,
    newest_map,
    read_listing,
    require_running_day,
    store_changes,
    store_listing,
    store_map,
)
from xetrade_core.reference.news import listed_since, read_cursor, write_cursor
from xetrade_core.reference.refresh import refresh
from xetrade_core.reference.tables import first_seen, instruments_of, instruments_table, key_of
from xetrade_core.symbols.changes import ChangeKind
from xetrade_core.symbols.mapping import SymbolMap
from xetrade_core.symbols.parts import Style
from xetrade_core.symbols.reasons import Reason

DAY = 1_780_272_000_000_000_000  # 2026-06-01
NEXT = DAY + NS_PER_DAY
NOON = DAY + 12 * NS_PER_HOUR
BTC = instrument("okx", "BTC-USDT", "BTC/USDT", min_amount=Decimal("0.00001"), price_tick=Decimal("0.1"))
SHIB = instrument("okx", "SHIB-USDT-SWAP", "SHIB/USDT:USDT", contract_size=Decimal(1_000_000))
COMBO = instrument("okx", "BTC-SPREAD", "BTC-SPREAD")
OKX = (BTC, SHIB)


@pytest.fixture
def store(tmp_path: object) -> ObjectStore:
    return open_store(f"{tmp_path}/lake")


def test_the_words_of_the_schemas_are_those_of_the_rules() -> None:
    assert tuple(ChangeKind) == CHANGES
    assert tuple(Style) == STYLES


def test_a_list_comes_back_from_the_lake_as_it_was(store: ObjectStore) -> None:
    stored = store_listing(store, "okx", DAY, [*OKX, COMBO, BTC], NOON)
    assert read_listing(store, "okx", DAY) == [BTC, SHIB]
    assert stored.unnamed == ("BTC-SPREAD",), "told, not dropped in silence"
    assert (stored.written.rows, stored.written.rejected) == (2, 0)
    assert read_listing(store, "okx", NEXT) is None


def test_a_list_of_before_the_largest_value_was_kept_is_read_with_the_others(store: ObjectStore) -> None:
    later = ("max_notional", "max_usd", "max_market_amount", "max_market_notional", "max_market_usd")
    bounded = replace(BTC, **{name: Decimal(9_000_000 + number) for number, name in enumerate(later)})
    for day_ns in (DAY, NEXT):
        store_listing(store, "okx", day_ns, [bounded], day_ns + 5)
    key = day_key(INSTRUMENTS.name, "okx", DAY)
    store.replace(key, parquet.to_bytes(parquet.from_bytes(store.read(key), key).drop_columns([*later])))
    assert (read_listing(store, "okx", DAY), read_listing(store, "okx", NEXT)) == ([BTC], [bounded])
    asked = "SELECT max_notional, max_market_usd FROM instruments ORDER BY timestamp"
    assert Lake(store).duckdb().execute(asked).fetchall() == [(None, None), (9_000_000, 9_000_004)]
    assert store_changes(store, NEXT, ["okx"]).written.rows == 0
    store.delete(day_key(INSTRUMENTS.name, "okx", NEXT))
    assert Lake(store).duckdb().execute(asked).fetchall() == [(None, None)]


def test_the_same_list_stored_again_changes_nothing(store: ObjectStore) -> None:
    store_listing(store, "okx", DAY, OKX, NOON)
    version = day_version(store, INSTRUMENTS, "okx", DAY)
    again = store_listing(store, "okx", DAY, reversed(OKX), NOON + NS_PER_HOUR)
    assert not again.written.changed
    assert again.new == ()
    assert day_version(store, INSTRUMENTS, "okx", DAY) == version
    for make in (store_map, store_changes):
        assert make(store, DAY, ["okx"]).written.changed
        assert not make(store, DAY, ["okx"]).written.changed


def test_an_instrument_keeps_the_time_at_which_it_was_first_seen(store: ObjectStore) -> None:
    first = store_listing(store, "okx", DAY, [BTC], NOON)
    assert (first.new, first.before) == ((), None), "the first list of a venue is not news"
    second = store_listing(store, "okx", NEXT, OKX, NEXT + 5)
    assert ([one.venue_id for one in second.new], second.before) == (["SHIB-USDT-SWAP"], 1)
    table = read_day(store, INSTRUMENTS, "okx", NEXT)
    assert first_seen(table) == {("BTC-USDT", "spot"): NOON, ("SHIB-USDT-SWAP", "swap"): NEXT + 5}


def test_an_empty_list_is_never_taken_for_the_days(store: ObjectStore) -> None:
    store_listing(store, "okx", DAY, OKX, NOON)
    with pytest.raises(VenueUnavailable, match="lists nothing"):
        store_listing(store, "okx", DAY, [COMBO], NOON)
    assert read_listing(store, "okx", DAY) == [BTC, SHIB]


def test_a_row_that_breaks_the_schema_is_kept_apart(store: ObjectStore) -> None:
    stored = store_listing(store, "okx", DAY, [BTC, replace(SHIB, price_tick=Decimal(-1))], NOON)
    assert (stored.written.rows, stored.written.rejected) == (1, 1)
    assert [info.key for info in store.list("instruments_rejected/")]


def test_only_the_running_day_can_be_fetched() -> None:
    require_running_day(DAY, NOON)
    for day in (DAY - NS_PER_DAY, NEXT):
        with pytest.raises(ConfigError, match="venues list only what there is now"):
            require_running_day(day, NOON)


def test_the_map_of_a_day_holds_every_venue_that_was_asked(store: ObjectStore) -> None:
    store_listing(store, "okx", DAY, OKX, NOON)
    store_listing(store, "binance", DAY, [row for row in LISTED if row.venue == "binance"], NOON)
    stored = store_map(store, DAY, ["okx", "binance", "kucoin"])
    assert stored.venues == ("okx", "binance")
    table = read_day(store, SYMBOL_MAP, None, DAY)
    assert table is not None
    rows = {row["venue_id"]: row for row in table.to_pylist()}
    assert rows["SHIB-USDT-SWAP"]["exposure"] == "SHIB in USD, linear"
    assert rows["1000SATSUSDT"]["multiplier"] == 1000
    assert rows["1000SATSUSDT"]["reasons"] == ["exact listing", "parsed by rule", "multiplier"]
    assert 0.98 < rows["BTC-USDT"]["confidence"] <= 1
    assert {tuple(row["others"]) for row in rows.values()} == {()}
    symbols, days = newest_map(store, ["okx", "kucoin"])
    assert days == {"okx": DAY}
    assert symbols.map("okx", "BTC-USDT").symbol == "BTC/USDT"
    assert len(day_map(store, ["okx"], NEXT)[0]) == 0


def test_the_map_tells_what_else_an_id_is_on_its_exchange(store: ObjectStore) -> None:
    for venue in ("binance", "binanceusdm"):
        store_listing(store, venue, DAY, [row for row in LISTED if row.venue == venue], NOON)
    store_listing(store, "okx", DAY, [replace(BTC, venue_id="BTCUSDT")], NOON)
    store_map(store, DAY, ["binance", "binanceusdm", "okx"])
    table = read_day(store, SYMBOL_MAP, None, DAY)
    assert table is not None
    others = {row["exchange"]: row["others"] for row in table.to_pylist() if row["venue_id"] == "BTCUSDT"}
    assert others == {"binance": ["binanceusdm BTC/USDT:USDT"], "binanceusdm": ["binance BTC/USDT"], "okx": []}


def test_the_prices_of_the_day_before_bear_witness(store: ObjectStore) -> None:
    other = instrument("binance", "BTCUSDT", "BTC/USDT")
    store_listing(store, "okx", NEXT, [BTC], NEXT)
    store_listing(store, "binance", NEXT, [other], NEXT)
    for venue, mid in (("okx", 60_000.0), ("binance", 60_010.0)):
        put_mid(store, venue, "BTC/USDT", DAY + 23 * NS_PER_HOUR, mid)
        put_mid(store, venue, "BTC/USDT", NEXT, 1.0)
    assert last_prices(store, ["okx", "binance"], DAY) == {
        ("okx", "BTC/USDT"): 60_000.0,
        ("binance", "BTC/USDT"): 60_010.0,
    }
    stored = store_map(store, NEXT, ["okx", "binance"])
    assert stored.priced == 2
    assert all(Reason.PRICE_AGREES in one.reasons for one in stored.symbols)


def put_mid(store: ObjectStore, venue: str, symbol: str, hour_ns: int, mid: float) -> None:
    row: dict[str, object] = dict.fromkeys(BOOK_METRICS.schema.names)
    row |= {"timestamp": hour_ns, "exchange": venue, "symbol": symbol, "samples": 1, "mid_last": mid}
    arrays = [pa.array([row[one.name]], pa.int64() if pa.types.is_timestamp(one.type) else None).cast(one.type)
              for one in BOOK_METRICS.schema]  # fmt: skip
    store.create(
        part_key("book_metrics", venue, symbol, hour_ns), parquet.to_bytes(pa.table(arrays, BOOK_METRICS.schema))
    )


def test_changes_are_found_against_the_newest_day_before(store: ObjectStore) -> None:
    later = DAY + 3 * NS_PER_DAY
    store_listing(store, "okx", DAY, OKX, NOON)
    store_listing(store, "okx", later, [replace(BTC, price_tick=Decimal("0.01"))], later)
    store_listing(store, "kucoin", later, [instrument("kucoin", "BTC-USDT", "BTC/USDT")], later)
    stored = store_changes(store, later, ["okx", "kucoin", "max"])
    assert (stored.compared, stored.first) == ({"okx": DAY}, ("kucoin",))
    table = read_day(store, SYMBOL_MAP_CHANGES, None, later)
    assert table is not None
    told = [(row["venue_id"], row["change"], row["before"], row["after"]) for row in table.to_pylist()]
    assert told == [
        ("BTC-USDT", "price_tick", "0.1", "0.01"),
        ("SHIB-USDT-SWAP", "delisted", "trading", None),
    ]
    assert len(table) == len(stored.changes)
    quiet = store_changes(store, DAY, ["okx"])
    assert (quiet.changes, quiet.first) == ((), ("okx",))
    assert read_day(store, SYMBOL_MAP_CHANGES, None, DAY) is not None, "a day without changes is a day that was made"


def test_two_days_of_the_lake_are_compared_as_asked(store: ObjectStore) -> None:
    for number, rows in enumerate(([BTC], [BTC], OKX)):
        store_listing(store, "okx", DAY + number * NS_PER_DAY, rows, NOON)
    [newest] = changes_between(store, ["okx", "max"], None, None)
    assert (newest.earlier_ns, newest.later_ns, len(newest.changes)) == (NEXT, DAY + 2 * NS_PER_DAY, 1)
    [asked] = changes_between(store, ["okx"], DAY, NEXT)
    assert asked.changes == ()
    for later_ns in (NEXT, NEXT + NS_PER_DAY * 9):  # whether the lake has it or not
        with pytest.raises(ConfigError, match="not before"):
            changes_between(store, ["okx"], later_ns, DAY)
    with pytest.raises(LakeError, match="no two lists of okx"):
        changes_between(store, ["okx"], DAY - NS_PER_DAY, DAY)
    assert changes_between(store, ["max"], None, None) == []


async def test_a_venue_that_does_not_answer_costs_the_others_nothing(store: ObjectStore) -> None:
    async def listed(venue: str) -> Iterable[Instrument]:
        if venue == "kucoin":
            raise VenueUnavailable("kucoin is away")
        return OKX

    made = await refresh(store, ["kucoin", "okx"], ["kucoin", "okx"], listed, lambda: NOON)
    assert made.problems == {"kucoin": "kucoin is away"}
    assert {venue: len(one.instruments) for venue, one in made.listings.items()} == {"okx": 2}
    assert (made.map.venues, made.changes.first) == (("okx",), ("okx",))
    assert read_day(store, SYMBOL_MAP, None, DAY) is not None


def test_sql_reads_all_three(store: ObjectStore) -> None:
    store_listing(store, "okx", DAY, OKX, NOON)
    store_map(store, DAY, ["okx"])
    store_changes(store, DAY, ["okx"])
    connection = Lake(store).duckdb()
    ticks = connection.execute("SELECT venue_id, price_tick FROM instruments WHERE venue = 'okx' ORDER BY 1").fetchall()
    assert ticks == [("BTC-USDT", 0.1), ("SHIB-USDT-SWAP", 0.1)]
    why = connection.execute("SELECT reasons[1], list_contains(reasons, 'alias') FROM symbol_map").fetchall()
    assert why == [("exact listing", False)] * 2
    assert connection.execute("SELECT count(*) FROM symbol_map_changes").fetchall() == [(0,)]


def test_every_recorded_list_survives_the_lake(tmp_path: object) -> None:
    lake = LocalStore(tmp_path)  # type: ignore[arg-type]
    venues: dict[str, list[Instrument]] = {}
    for row in recorded_listings():
        if row.symbol is not None:
            venues.setdefault(row.venue, []).append(instrument(row.venue, row.venue_id, row.symbol))
    for venue, rows in venues.items():
        assert store_listing(lake, venue, DAY, rows, NOON).written.rejected == 0
        held = read_listing(lake, venue, DAY)
        assert held is not None
        assert {key_of(row) for row in held} == {key_of(row) for row in rows}
    stored = store_map(lake, DAY, list(venues))
    assert (stored.written.rows, stored.written.rejected) == (3558, 0)


numbers = st.decimals(min_value="0.000000000001", max_value="100000000", allow_nan=False, places=12).map(
    lambda value: value.normalize()
).filter(lambda value: len(value.as_tuple().digits) <= 15)  # fmt: skip


@given(numbers, numbers, st.none() | numbers, st.sampled_from(InstrumentStatus))
def test_numbers_and_status_survive_exactly(
    tick: Decimal, size: Decimal, limit: Decimal | None, status: InstrumentStatus
) -> None:
    row = Instrument(
        "okx", "BTC/USDT:USDT", "BTC-USDT-SWAP", MarketType.SWAP, tick, size, size, status, limit, limit, limit, limit
    )
    table = instruments_table(DAY, [row], {key_of(row): DAY})
    [back] = instruments_of(table)
    assert back == row
    assert len(INSTRUMENTS.validate(table).rejected) == 0


def test_what_must_hold_is_counted() -> None:
    halted = replace(BTC, venue_id="OLD", status=InstrumentStatus.HALTED, lot=Decimal(0))
    assert stepless([BTC, halted]) == ()
    assert stepless([BTC, replace(SHIB, price_tick=Decimal(0))]) == ("SHIB-USDT-SWAP",)
    assert doubled([BTC, halted, SHIB]) == ()
    assert doubled([BTC, replace(BTC, venue_id="XBT-USDT")]) == ("okx BTC/USDT",)
    assert (shrunk(79, 100), shrunk(80, 100), shrunk(1, None)) == (True, False, False)
    odd = SymbolMap.of([BTC, instrument("okx", "FOO-USDT", "BAR/USDT")])
    assert not_by_rule(odd) == ("okx FOO-USDT",)
    assert contradicted(odd) == ()


def test_a_listing_is_news_once_and_a_first_list_never(store: ObjectStore) -> None:
    venues = ["okx", "kucoin"]
    nothing, seen = listed_since(store, venues, {})
    assert (nothing, seen) == ([], {})
    store_listing(store, "okx", DAY, [BTC], NOON)
    nothing, seen = listed_since(store, venues, seen)
    assert (nothing, seen["okx"].latest_ns) == ([], NOON)
    store_listing(store, "okx", DAY, OKX, NOON + 7)
    [news], seen = listed_since(store, venues, read_cursor(write_cursor(seen)))
    assert (news.venue, news.day_ns, news.instruments) == ("okx", DAY, (SHIB,))
    assert listed_since(store, venues, seen) == ([], seen)
    store_listing(store, "okx", NEXT, OKX, NEXT + 7)
    nothing, _ = listed_since(store, venues, seen)
    assert nothing == [], "the next day's list has nothing new"


@pytest.mark.parametrize("text", [None, "", "{", '{"okx": 5}', "[]"])
def test_a_cursor_that_says_nothing_is_a_beginning(text: str | None) -> None:
    assert read_cursor(text) == {}
