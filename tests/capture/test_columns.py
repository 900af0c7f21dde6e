"""Columns: what goes in as books comes out as rows of l2_segments."""

from __future__ import annotations

import random

import pyarrow as pa

from tests.capture.market import Market, instruments
from xetrade_core.books.binance import BinanceSpotBooks
from xetrade_core.capture.columns import SnapshotColumns
from xetrade_core.lake.schemas import L2_SEGMENTS

NOW = 1_700_000_000_000_000_000


def synced_books(symbols: tuple[str, ...]) -> tuple[BinanceSpotBooks, dict[str, Market]]:
    books = BinanceSpotBooks(instruments(symbols))
    markets = {symbol: Market(symbol, random.Random(7)) for symbol in symbols}
    for symbol, market in markets.items():
        books.snapshot(symbol, market.snapshot(), NOW)
        books.feed(market.update(NOW), NOW)
    return books, markets


def test_rows_equal_the_books_they_were_taken_from() -> None:
    books, _ = synced_books(("BTC/USDT", "ETH/USDT"))
    columns = SnapshotColumns("binance", ("BTC/USDT", "ETH/USDT"), 10, 4)
    for index, book in enumerate(books.sequencers.values()):
        columns.append_synced(NOW, index, book, False, 1, 0, None)
    columns.append_unsynced(NOW + 1, 0, 3, 2, 1)
    batch = columns.batch()
    assert batch.schema.equals(L2_SEGMENTS.schema)
    first, second, third = batch.to_pylist()
    for row, symbol in ((first, "BTC/USDT"), (second, "ETH/USDT")):
        book = books.sequencers[symbol]
        assert (row["exchange"], row["symbol"], row["sequence"]) == ("binance", symbol, book.sequence)
        assert [row[name] for name in ("bid_price", "bid_size", "ask_price", "ask_size")] == list(book.book.top(10))
        assert row["synced"]
    assert third["bid_price"] is third["ask_size"] is third["sequence"] is third["received_timestamp"] is None
    assert (third["synced"], third["book_epoch"], third["update_count"], third["refused_count"]) == (False, 3, 2, 1)
    assert L2_SEGMENTS.validate(pa.Table.from_batches([batch])).rejected.num_rows == 0


def test_sides_shorter_than_the_depth_are_as_long_as_they_are() -> None:
    books, _ = synced_books(("BTC/USDT",))
    columns = SnapshotColumns("binance", ("BTC/USDT",), 100, 2)
    columns.append_synced(NOW, 0, books.sequencers["BTC/USDT"], False, 1, 0, None)
    (row,) = columns.batch().to_pylist()
    assert len(row["bid_price"]) == len(row["bid_size"]) == 29


def test_levels_past_the_snapshots_reach_are_there_once_they_were_touched() -> None:
    market = Market("BTC/USDT", random.Random(1))
    market.bids = {100 - n: 1.0 for n in range(1, 6)}  # five levels: a truncated snapshot, for all the book knows
    books = BinanceSpotBooks(instruments(("BTC/USDT",)))
    books.snapshot("BTC/USDT", market.snapshot(), NOW)
    market.bids = {50.0: 2.0}
    books.feed(market.update(NOW), NOW)
    columns = SnapshotColumns("binance", ("BTC/USDT",), 10, 1)
    columns.append_synced(NOW, 0, books.sequencers["BTC/USDT"], False, 1, 0, None)
    (row,) = columns.batch().to_pylist()
    assert row["bid_price"] == [99.0, 98.0, 97.0, 96.0, 95.0, 50.0]
    assert (row["bid_known"], row["ask_known"]) == (5, len(row["ask_price"]))


def test_a_book_that_has_not_changed_is_copied_from_its_row_before() -> None:
    books, _ = synced_books(("BTC/USDT",))
    book = books.sequencers["BTC/USDT"]
    columns = SnapshotColumns("binance", ("BTC/USDT",), 10, 2)
    columns.append_synced(NOW, 0, book, False, 1, 0, None)
    columns.append_synced(NOW + 1, 0, book, True, 0, 0, 0)
    first, second = columns.batch().to_pylist()
    assert {**first, "timestamp": 0, "stale": 0, "update_count": 0} == {
        **second,
        "timestamp": 0,
        "stale": 0,
        "update_count": 0,
    }
