"""Pictures of recorded books."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from xetrade_core.plots import MOST_POINTS, NothingToDraw, book_picture, last_book, touch

LEVELS = pa.list_(pa.float64())


def rows(bids: list[list[float] | None], asks: list[list[float] | None]) -> pa.Table:
    """Snapshots a second apart; None is a row without a book."""
    return pa.table(
        {
            "timestamp": pa.array([10**18 + n * 10**9 for n in range(len(bids))], pa.timestamp("ns", "UTC")),
            "synced": [bid is not None for bid in bids],
            "bid_price": pa.array(bids, LEVELS),
            "bid_size": pa.array([bid and [1.0] * len(bid) for bid in bids], LEVELS),
            "ask_price": pa.array(asks, LEVELS),
            "ask_size": pa.array([ask and [2.0] * len(ask) for ask in asks], LEVELS),
        }
    )


def test_a_picture_is_a_png_also_with_an_unsynced_stretch() -> None:
    table = rows([[10.0, 9.5], None, None, [10.5, 10.0]], [[11.0, 11.5], None, None, [11.5]])
    assert book_picture(table, "binance BTC/USDT").startswith(b"\x89PNG\r\n\x1a\n")


def test_the_same_rows_make_the_same_picture() -> None:
    table = rows([[10.0], [10.5]], [[11.0], [11.5]])
    assert book_picture(table, "twice") == book_picture(table, "twice")


def test_the_touch_is_the_best_of_each_side_and_nothing_where_there_is_no_book() -> None:
    times, bid, ask = touch(rows([[10.0, 9.5], None, []], [[11.0], None, [12.0]]))
    assert list(times) == [10**18, 10**18 + 10**9, 10**18 + 2 * 10**9]
    assert bid[0] == 10.0
    assert ask[0] == 11.0
    assert math.isnan(bid[1])
    assert math.isnan(bid[2])
    assert ask[2] == 12.0


def test_many_rows_are_thinned() -> None:
    count = MOST_POINTS * 3 + 1
    times, _, _ = touch(rows([[10.0]] * count, [[11.0]] * count))
    assert MOST_POINTS / 2 < len(times) <= MOST_POINTS


def test_the_last_book_skips_rows_without_one() -> None:
    assert last_book(rows([[10.0], [10.5], None], [[11.0], [11.5], None])) == ([10.5], [1.0], [11.5], [2.0])


def test_no_book_at_all_is_one_line() -> None:
    with pytest.raises(NothingToDraw, match="gap ledger"):
        book_picture(rows([None], [None]), "empty")
