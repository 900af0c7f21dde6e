"""Best quotes of whole hours: the same that the live function says of each second, and what the lake keeps of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.snapshots import HOUR, snapshot_rows, table_of
from xetrade_core.books.best import Exclusion, MarketState, across, best_quote, judged
from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import CorruptFile
from xetrade_core.lake import parquet
from xetrade_core.lake.best_hours import make_best_quotes, outdated_hours, read_best_hour
from xetrade_core.lake.best_quotes import best_rows, touch_of
from xetrade_core.lake.hourly import settle_hour
from xetrade_core.lake.instrument_facts import with_facts
from xetrade_core.lake.layout import part_key, segment_key, symbol_hour_key
from xetrade_core.lake.quote_schemas import BEST_QUOTES
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.contracts import SPOT, Contract
from xetrade_core.model.quotes import Quote

SYMBOL = "BTC/USDT"
LIMIT_S = 5.0
CONTRACTS = {"a": SPOT, "b": Contract(Decimal("0.01")), "c": Contract(Decimal(100), inverse=True)}

sides = st.lists(st.tuples(st.integers(1, 8), st.floats(0.1, 10)), max_size=2)
samples = st.none() | st.fixed_dictionaries(
    {
        "synced": st.booleans(),
        "stale": st.booleans(),
        "age_ms": st.integers(0, 8000),
        "mid": st.integers(100, 103),
        "bids": sides,
        "asks": sides,
    }
)
hours = st.lists(st.fixed_dictionaries(dict.fromkeys(CONTRACTS, samples)), min_size=1, max_size=12)


def row(venue: str, second: int, sample: dict[str, Any]) -> dict[str, Any]:
    """A row of `l2_snapshots` out of a drawn sample; prices on a coarse grid, so that venues tie, lock and cross."""
    [plain] = snapshot_rows([second], venue=venue).to_pylist()
    for side, sign in (("bid", -1), ("ask", 1)):
        prices = sorted({sample["mid"] + sign * step / 4 for step, _ in sample[f"{side}s"]}, reverse=sign < 0)
        given_sizes = [size for _, size in sample[f"{side}s"]][: len(prices)]
        plain |= {f"{side}_price": prices, f"{side}_size": given_sizes, f"{side}_known": len(prices)}
    time = HOUR + second * NS_PER_S
    plain |= {"stale": sample["stale"], "received_timestamp": time - sample["age_ms"] * NS_PER_MS}
    if not sample["synced"]:
        plain |= dict.fromkeys(["bid_price", "bid_size", "ask_price", "ask_size", "bid_known", "ask_known"])
        plain |= {"synced": False, "received_timestamp": None, "sequence": None, "exchange_timestamp": None}
    return plain


@settings(deadline=None, max_examples=40)
@given(hours)
def test_every_second_is_what_the_live_function_says_of_it(seconds: list[dict[str, Any]]) -> None:
    touches = {}
    for venue, contract in CONTRACTS.items():
        rows = [row(venue, n, one[venue]) for n, one in enumerate(seconds) if one[venue] is not None]
        table = table_of(rows) if rows else L2_SNAPSHOTS.empty()
        batches = [table.slice(at, 5) for at in range(0, len(table), 5)]
        touches[venue] = touch_of(batches, HOUR, contract, LIMIT_S)
    got = {one["timestamp"].value: one for one in best_rows(SYMBOL, HOUR, touches).to_pylist()}
    recorded = [n for n, one in enumerate(seconds) if any(sample is not None for sample in one.values())]
    assert sorted(got) == [HOUR + n * NS_PER_S for n in recorded]
    for n in recorded:
        now_ns = HOUR + n * NS_PER_S
        quotes = [judge(venue, now_ns, seconds[n][venue]) for venue in CONTRACTS if seconds[n][venue] is not None]
        best, counted = best_quote(SYMBOL, quotes), [one for one in quotes if one.excluded is None]
        ours = got[now_ns]
        for side, price, size, venues in (
            ("bid", best.bid, best.bid_size, best.bid_venues),
            ("ask", best.ask, best.ask_size, best.ask_venues),
        ):
            assert ours[f"{side}_price"] == price
            assert ours[f"{side}_size"] == (None if size is None else pytest.approx(size))
            assert ours[f"{side}_holders"] == len(venues)
            sizes = {one.venue: getattr(one, f"{side}_size") for one in counted if one.venue in venues}
            assert ours[f"{side}_venue"] is None if not venues else sizes[ours[f"{side}_venue"]] == max(sizes.values())
        assert ours["spread_bps"] == (None if best.spread_bps is None else pytest.approx(best.spread_bps))
        assert ours["crossed"] is (best.state is MarketState.CROSSED)
        assert ours["locked"] is (best.state is MarketState.LOCKED)
        assert ours["venues"] == [one.venue for one in counted]
        assert ours["venue_bid"] == [one.bid for one in counted]
        assert ours["venue_ask"] == [one.ask for one in counted]
        assert ours["venue_age_ms"] == pytest.approx([(one.age_s or 0) * 1000 for one in counted])
        assert ours["venues_stale"] == sum(one.excluded is Exclusion.STALE for one in quotes)
        assert ours["venues_unsynced"] == sum(one.excluded is Exclusion.OUT_OF_SYNC for one in quotes)


def judge(venue: str, now_ns: int, sample: dict[str, Any]) -> Any:
    """The live verdict on a sample."""
    import msgspec

    if not sample["synced"]:
        return msgspec.structs.replace(
            judged(Quote(venue, SYMBOL, None, None, None, None, now_ns), now_ns, LIMIT_S),
            excluded=Exclusion.OUT_OF_SYNC,
        )
    plain = row(venue, 0, sample)
    sides = [(plain[f"{side}_{name}"] or [None])[0] for side in ("bid", "ask") for name in ("price", "size")]
    quote = Quote(venue, SYMBOL, *sides, now_ns - sample["age_ms"] * NS_PER_MS)
    verdict = judged(quote, now_ns, LIMIT_S, CONTRACTS[venue])
    return msgspec.structs.replace(verdict, excluded=Exclusion.STALE) if sample["stale"] else verdict


@settings(deadline=None, max_examples=40)
@given(hours)
def test_whatever_is_made_fits_the_schema(seconds: list[dict[str, Any]]) -> None:
    touches = {
        venue: touch_of(
            [table_of([row(venue, n, one[venue]) for n, one in enumerate(seconds) if one[venue]] or [])]
            if any(one[venue] for one in seconds)
            else [],
            HOUR,
            contract,
            LIMIT_S,
        )
        for venue, contract in CONTRACTS.items()
    }
    assert len(BEST_QUOTES.validate(best_rows(SYMBOL, HOUR, touches)).rejected) == 0


def test_only_full_seconds_are_rows() -> None:
    rows = snapshot_rows(range(40), interval_ns=250 * NS_PER_MS)
    got = best_rows(SYMBOL, HOUR, {"binance": touch_of([rows], HOUR, SPOT, LIMIT_S)})
    assert got.column("timestamp").cast("int64").to_pylist() == [HOUR + n * NS_PER_S for n in range(10)]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"crossed": True}, "crossed is not bid_price > ask_price"),
        ({"locked": True}, "locked is not bid_price = ask_price"),
        ({"venue_bid": [70_000.0]}, "a venue is crossed within itself"),
        ({"venues_counted": 2}, "the lists are not of the venues that count"),
        ({"venue_ask": []}, "the lists differ in length"),
        ({"bid_price": float("inf")}, "bid_price is not finite"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(columns: dict[str, Any], reason: str) -> None:
    good = best_rows(SYMBOL, HOUR, {"binance": touch_of([snapshot_rows([0])], HOUR, SPOT, LIMIT_S)})
    rows = pa.Table.from_pylist([good.to_pylist()[0] | columns], good.schema)
    split = BEST_QUOTES.validate(rows)
    assert reason in split.rejected.column("rejected_reason")[0].as_py()


def put(store: ObjectStore, venue: str, rows: pa.Table, symbol: str = SYMBOL, contract_size: str = "1") -> None:
    """Write a compacted hour of one venue."""
    table = with_facts(rows.cast(L2_SNAPSHOTS.schema), {"contract_size": contract_size})
    store.replace(part_key(L2_SNAPSHOTS.name, venue, symbol, HOUR), parquet.to_bytes(table))


def test_an_hour_of_the_lake_is_made_and_read_back(store: ObjectStore) -> None:
    put(store, "binance", snapshot_rows(range(30), unsynced=[4]))
    put(store, "okx", snapshot_rows(range(10, 40), venue="okx", sequence_offset=3), contract_size="0.01")
    put(store, "okx", snapshot_rows(range(5), venue="okx", symbol="ETH/USDT"), symbol="ETH/USDT")
    report = make_best_quotes(store, HOUR + 5, LIMIT_S)
    btc, eth = report.symbols
    assert (btc.symbol, btc.venues, eth.symbol, eth.venues) == ("BTC/USDT", ("binance", "okx"), "ETH/USDT", ("okx",))
    assert (btc.rows, btc.expected, btc.missing, btc.quoted) == (40, 40, 0, 39)
    assert (btc.crossed_within, btc.oldest_ms) == (0, 10.0)
    assert sum(btc.bid_held.values()) == btc.quoted
    rows = read_best_hour(store, "BTC/USDT", HOUR)
    assert rows.schema.metadata[b"staleness_limit_s"] == b"5.0"
    assert rows.column("venues")[20].as_py() == ["binance", "okx"]
    key = symbol_hour_key("best_quotes", "BTC/USDT", HOUR)
    assert key == "best_quotes/symbol=BTC-USDT/date=2024-08-09/hour=00/part.parquet"
    before = store.read(key)
    assert make_best_quotes(store, HOUR, LIMIT_S) == report
    assert store.read(key) == before


def test_snapshots_that_are_compacted_again_while_they_are_read_are_read_again(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "binance", snapshot_rows(range(30), venue="binance"))
    original = store.open
    calls: list[str] = []

    def open_early(key: str) -> Any:
        file = original(key)
        if not calls:
            calls.append(key)
            put(store, "binance", snapshot_rows(range(40), venue="binance"))
        return file

    monkeypatch.setattr(store, "open", open_early)
    (made,) = make_best_quotes(store, HOUR, 30.0).symbols
    assert made.rows == 40


def test_seconds_that_a_completeness_record_expects_are_missed(local_store: ObjectStore) -> None:
    rows = snapshot_rows([*range(10), *range(13, 20)])
    end = HOUR + 3600 * NS_PER_S
    local_store.create(segment_key("l2_segments", "binance", HOUR, end, "w"), parquet.to_bytes(rows))
    settle_hour(local_store, "binance", HOUR, interval_ns=NS_PER_S)
    [made] = make_best_quotes(local_store, HOUR, LIMIT_S).symbols
    assert (made.rows, made.expected, made.missing) == (17, 20, 3)


def test_hours_whose_snapshots_are_new_or_others_are_due_and_no_others(local_store: ObjectStore) -> None:
    span = (HOUR - 3600 * NS_PER_S, HOUR + 2 * 3600 * NS_PER_S)
    assert outdated_hours(local_store, *span) == []
    put(local_store, "binance", snapshot_rows(range(5)))
    assert outdated_hours(local_store, *span) == [HOUR]
    assert outdated_hours(local_store, HOUR + 3600 * NS_PER_S, span[1]) == []
    make_best_quotes(local_store, HOUR, LIMIT_S)
    assert outdated_hours(local_store, *span) == []
    put(local_store, "okx", snapshot_rows(range(5), venue="okx"))
    assert outdated_hours(local_store, *span) == [HOUR]
    make_best_quotes(local_store, HOUR, LIMIT_S)
    put(local_store, "okx", snapshot_rows(range(6), venue="okx"))
    assert outdated_hours(local_store, *span) == [HOUR]


def test_a_damaged_snapshot_file_is_named(local_store: ObjectStore) -> None:
    key = part_key(L2_SNAPSHOTS.name, "binance", SYMBOL, HOUR)
    local_store.create(key, b"no parquet")
    with pytest.raises(CorruptFile, match="symbol=BTC-USDT"):
        make_best_quotes(local_store, HOUR, LIMIT_S)


def test_the_lake_reads_and_queries_them_by_symbol(store: ObjectStore) -> None:
    put(store, "binance", snapshot_rows(range(30)))
    put(store, "okx", snapshot_rows(range(30), venue="okx", sequence_offset=50))
    make_best_quotes(store, HOUR, LIMIT_S)
    lake = Lake(store)
    rows = lake.read_best("BTC/USDT", HOUR + 10 * NS_PER_S, HOUR + 20 * NS_PER_S, columns=["bid_price", "bid_venue"])
    assert (rows.num_rows, rows.column_names) == (10, ["bid_price", "bid_venue"])
    assert lake.read_best("ETH/USDT", HOUR, HOUR + NS_PER_S).num_rows == 0
    [(seconds, crossed)] = (
        lake.duckdb()
        .execute(
            "SELECT count(*), count(*) FILTER (crossed) FROM best_quotes"
            " WHERE symbol = 'BTC/USDT' AND date = '2024-08-09' AND hour = 0 AND list_contains(venues, 'okx')"
        )
        .fetchall()
    )
    assert (seconds, crossed) == (30, rows_crossed(lake))
    [held] = [one for one in lake.ls() if one.dataset == "best_quotes"]
    assert (held.venue, held.symbol, held.rows, held.hours) == ("", "BTC/USDT", 30, 1)


def test_years_of_them_are_listed_once_and_no_hour_is_asked_for(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "binance", snapshot_rows(range(30)))
    make_best_quotes(store, HOUR, LIMIT_S)
    asked: list[str] = []
    listing, stat = store.list, store.stat
    monkeypatch.setattr(store, "list", lambda prefix: asked.append(prefix) or listing(prefix))
    monkeypatch.setattr(store, "stat", lambda key: asked.append(key) or stat(key))
    assert Lake(store).read_best(SYMBOL, "2020-01-01", "2027-01-01").num_rows == 30
    [listed, *others] = asked
    assert listed == "best_quotes/symbol=BTC-USDT/"
    assert len(others) <= 1  # a store may look at the file that it opens


def rows_crossed(lake: Lake) -> int:
    rows = lake.read_best("BTC/USDT", HOUR, HOUR + 60 * NS_PER_S)
    return int(np.sum(rows.column("bid_price").to_numpy() > rows.column("ask_price").to_numpy()))


def test_the_quotes_of_one_moment_are_those_of_the_library() -> None:
    """The first second of two venues, by hand."""
    one, other = (snapshot_rows([0], venue=venue, sequence_offset=offset) for venue, offset in (("a", 0), ("b", 1)))
    touches = {name: touch_of([rows], HOUR, SPOT, LIMIT_S) for name, rows in (("a", one), ("b", other))}
    [got] = best_rows(SYMBOL, HOUR, touches).to_pylist()
    best = across(
        [
            Quote(name, SYMBOL, *(rows.column(column)[0].as_py()[0] for column in COLUMNS), HOUR - 10 * NS_PER_MS)
            for name, rows in (("a", one), ("b", other))
        ],
        HOUR,
        LIMIT_S,
    )
    assert (got["bid_price"], got["bid_venue"], got["ask_price"], got["ask_venue"]) == (
        best.bid, best.bid_venues[0], best.ask, best.ask_venues[0],
    )  # fmt: skip


COLUMNS = ("bid_price", "bid_size", "ask_price", "ask_size")
