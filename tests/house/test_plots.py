"""Pictures of recorded books."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from tests.support.snapshots import HOUR, snapshot_rows
from xetrade_core.lake.best_quotes import best_rows, touch_of
from xetrade_core.model.contracts import SPOT
from xetrade_core.plots import (
    MOST_POINTS,
    NothingToDraw,
    book_picture,
    last_book,
    spread_picture,
    stress_picture,
    touch,
)

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


def test_spreads_across_venues_are_a_picture_also_where_venues_come_and_go() -> None:
    recorded = {
        "binance": snapshot_rows(range(60), unsynced=range(20, 30)),
        "okx": snapshot_rows(range(60), venue="okx", unsynced=range(5), sequence_offset=40),
    }
    venues = {venue: touch_of([table], HOUR, SPOT, 30) for venue, table in recorded.items()}
    quotes = best_rows("BTC/USDT", HOUR, venues)
    image = spread_picture(quotes, "BTC/USDT")
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert image == spread_picture(quotes, "BTC/USDT")
    nothing = touch_of([snapshot_rows(range(5), unsynced=range(5))], HOUR, SPOT, 30)
    with pytest.raises(NothingToDraw, match="no second has a best bid and ask"):
        spread_picture(best_rows("BTC/USDT", HOUR, {"binance": nothing}), "BTC/USDT")


@pytest.mark.parametrize("times_ms", [[0.0], [0.4, 12_000.0], [80.0, 91.0, 174.0], [3.0] * 500])
def test_the_times_of_a_stress_test_are_a_picture_whatever_they_are(times_ms: list[float]) -> None:
    endings = {"binance": {"canceled": 2, "filled": 1, "failed": 0, "unknown": 1}, "okx": {"canceled": 3, "failed": 4}}
    image = stress_picture({"place": times_ms, "cancel": []}, endings, "test")
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert image != stress_picture({"place": times_ms, "cancel": []}, {"binance": endings["binance"]}, "test")


def test_a_stress_test_of_which_no_call_came_back_has_no_picture() -> None:
    with pytest.raises(NothingToDraw, match="no call came back"):
        stress_picture({"place": [], "cancel": []}, {"binance": {"failed": 5}}, "test")
