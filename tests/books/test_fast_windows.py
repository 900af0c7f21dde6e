"""OKX's and Bybit's accelerated books give the events and books of the plain ones for every frame, as Binance's do."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.books.mistreated import damaged, disordered
from xetrade_core.books.book import Level
from xetrade_core.books.book_set import BookSet
from xetrade_core.books.bybit import BybitBooks
from xetrade_core.books.okx import OkxBooks
from xetrade_core.books.window import WindowSide
from xetrade_core.model.instruments import Instrument, MarketType

pytest.importorskip("numba")
pytestmark = pytest.mark.xdist_group("compiled kernels")  # the first to use them compiles, which takes ten seconds

VENUES = ["okx", "okx of 2022", "bybit"]
SYMBOL, VENUE_ID, OTHER_ID = "BTC/USDT", "BTC-USDT", "ETH-USDT"
TIME_MS = 1_700_000_000_000
CHANGES = st.lists(st.tuples(st.sampled_from("ba"), st.integers(0, 40), st.integers(0, 3)), max_size=10)
ODD_NUMBERS = [
    "",
    "0",
    "0.000",
    "1e5",
    "-1",
    "00.1",
    ".5",
    "5.",
    " 1",
    "NaN",
    "1e15",
    "9007199254740993",
    "0.1234567890123",
]
NUMBERS = st.from_regex(r"(0|[1-9][0-9]{0,15})(\.[0-9]{1,12})?", fullmatch=True) | st.sampled_from(ODD_NUMBERS)
Texts = list[list[str]]


def message(venue: str, before: int, last: int, bids: Texts, asks: Texts, kind: str = "") -> bytes:
    """A change, or another `kind` of message, with the last sequence and its own."""
    if venue == "bybit":
        data = {"s": VENUE_ID, "b": bids, "a": asks, "u": last, "seq": last}
        fields: dict[str, Any] = {"topic": f"orderbook.200.{VENUE_ID}", "type": kind or "delta", "ts": TIME_MS + last}
        fields |= {"data": data, "cts": TIME_MS + last - 1}
    else:
        sides = {name: [[*level, "0", "2"] for level in side] for name, side in (("asks", asks), ("bids", bids))}
        ids = {"prevSeqId": before, "seqId": last} if venue == "okx" else {}
        rows = [{**sides, "ts": str(TIME_MS + last), "checksum": 0, **ids}]
        fields = {"arg": {"channel": "books", "instId": VENUE_ID}, "action": kind or "update", "data": rows}
    return json.dumps(fields, separators=(",", ":")).encode()


def stream(venue: str, all_changes: list[list[tuple[str, int, int]]]) -> list[bytes]:
    """Valid changes in sequence from 1000 on; sizes in thousands, 0 removes."""
    frames = []
    for before, changes in enumerate(all_changes, 1000):
        told: dict[str, Texts] = {"b": [], "a": []}
        for side, distance, size in changes:
            price = 99.9 - distance / 10 if side == "b" else 100.1 + distance / 10
            told[side].append([f"{price:.2f}", f"{size:.3f}"])
        frames.append(message(venue, before, before + 1, told["b"], told["a"]))
    return frames


def books_of(venue: str) -> tuple[BookSet, BookSet]:
    """The plain books and the accelerated ones, of two symbols, the first in sync at 1000."""
    pair: list[BookSet] = []
    for fast in (False, True):
        instruments = [
            Instrument("x", symbol, venue_id, MarketType.SPOT, Decimal("0.01"), Decimal("0.001"))
            for symbol, venue_id in ((SYMBOL, VENUE_ID), ("ETH/USDT", OTHER_ID))
        ]
        books = (BybitBooks if venue == "bybit" else OkxBooks)(instruments)
        assert not fast or books.accelerate()
        bids = [[f"{99 - i / 10:.2f}", "1.000"] for i in range(20)]
        asks = [[f"{101 + i / 10:.2f}", "1.000"] for i in range(20)]
        books.feed(message(venue, -1, 1000, bids, asks, "snapshot"), 1)
        pair.append(books)
    return pair[0], pair[1]


def state(books: BookSet) -> list[object]:
    return [
        (
            one.synced, one.sequence, one.epoch, one.exchange_ns, one.received_ns, one.applied_count, one.ignored_count,
            one.refused_count, one.gap_count, one.book.top(50), one.book.bids.known_depth(50), one.book.best_ask,
            len(one.book.bids), one.book.bids.touch(),
        )
        for one in books.sequencers.values()
    ] + [books.unattributed_refusals]  # fmt: skip


def feed_both(venue: str, frames: list[bytes]) -> int:
    """How many the accelerated books took without the decoder; fails where the two differ."""
    plain, fast = books_of(venue)
    for number, frame in enumerate(frames):
        assert plain.feed(frame, number + 2) == fast.feed(frame, number + 2), frame
        assert state(plain) == state(fast), frame
    return fast.accelerated_count


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=50, deadline=None)
@given(all_changes=st.lists(CHANGES, max_size=8))
def test_valid_frames_are_taken_and_come_to_the_same(venue, all_changes):
    frames = stream(venue, all_changes)
    assert feed_both(venue, frames) == len(frames)


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=200, deadline=None)
@given(all_changes=st.lists(CHANGES, min_size=3, max_size=6), data=st.data())
def test_a_frame_with_bytes_changed_taken_out_or_put_in_comes_to_the_same(venue, all_changes, data):
    feed_both(venue, damaged(stream(venue, all_changes), data))


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=50, deadline=None)
@given(all_changes=st.lists(CHANGES, min_size=2, max_size=8), seed=st.integers(0, 2**32))
def test_lost_doubled_and_reordered_frames_come_to_the_same(venue, all_changes, seed):
    feed_both(venue, disordered(stream(venue, all_changes), seed))


@pytest.mark.parametrize("venue", VENUES)
@settings(max_examples=200, deadline=None)
@given(price=NUMBERS, size=NUMBERS)
def test_any_text_of_a_number_is_read_or_refused_as_by_the_decoder(venue, price, size):
    feed_both(venue, [message(venue, 1000, 1001, [[price, size]], [])])


ODD: dict[str, Callable[[bytes], bytes]] = {
    "spaces": lambda text: text.replace(b",", b", "),
    "a trailing space": lambda text: text + b" ",
    "two messages": lambda text: text + text,
    "a doubled field": lambda text: text.replace(b'"seqId":', b'"seqId":5,"seqId":').replace(b'"u":', b'"u":5,"u":'),
    "another symbol": lambda text: text.replace(VENUE_ID.encode(), OTHER_ID.encode()),
    "an unknown symbol": lambda text: text.replace(VENUE_ID.encode(), b"XRP-USDT"),
    "a longer symbol": lambda text: text.replace(VENUE_ID.encode(), VENUE_ID.encode() + b"X"),
    "another channel": lambda text: text.replace(b'"books"', b'"books5"').replace(b"orderbook.", b"trades."),
    "another width": lambda text: text.replace(b',"0","2"]', b"]").replace(b'"1.000"]', b'"1.000","0"]'),
    "a time past its bound": lambda text: text.replace(b"1700000001002", b"9223372036855").replace(b"1001,", b"1001,"),
    "a number without quotes": lambda text: text.replace(b'"1.000"', b"1.000"),
    "nothing": lambda text: b"",
}


@pytest.mark.parametrize("venue", ["okx", "bybit"])
@pytest.mark.parametrize("odd", ODD)
def test_every_departure_from_the_venues_own_text_is_left_to_the_decoder(venue, odd):
    levels = [["98.50", "1.000"]]
    frames = [message(venue, before, before + 1, levels, []) for before in (1000, 1001, 1002)]
    spoiled = ODD[odd](frames[1])
    assert spoiled != frames[1]
    assert feed_both(venue, [frames[0], spoiled]) == 1
    feed_both(venue, [frames[0], spoiled, *frames[1:]])


@pytest.mark.parametrize("venue", VENUES)
def test_a_crossing_message_is_refused_alike(venue):
    crossing = message(venue, 1000, 1001, [["101.00", "1.000"]], [])
    assert feed_both(venue, [crossing, message(venue, 1001, 1002, [], [])]) == 0


@pytest.mark.parametrize("venue", VENUES)
def test_a_message_of_more_levels_than_there_is_room_for_makes_room(venue):
    levels = [[f"{50 + number / 1000:.3f}", "1.000"] for number in range(1500)]
    assert feed_both(venue, [message(venue, 1000, 1001, levels, [["103.05", "2"]])]) == 1


def test_ids_in_either_order_are_taken_and_a_checksum_is_left_to_be_verified():
    frame = message("okx", 1000, 1001, [["98.50", "1.000"]], [])
    turned = frame.replace(b'"prevSeqId":1000,"seqId":1001', b'"seqId":1001,"prevSeqId":1000')
    assert turned != frame
    assert feed_both("okx", [turned]) == 1
    wrong = frame.replace(b'"checksum":0', b'"checksum":-7')
    assert feed_both("okx", [wrong]) == 0


def test_a_channel_of_another_depth_is_taken_too():
    bids = [[f"{99 - i / 10:.2f}", "1.000"] for i in range(60)]
    deep = message("bybit", 0, 2000, bids, [], "snapshot").replace(b"orderbook.200.", b"orderbook.50.")
    change = message("bybit", 2000, 2001, [["99.05", "1.000"]], []).replace(b"orderbook.200.", b"orderbook.50.")
    assert feed_both("bybit", [deep, change]) == 1


LEVELS = st.lists(st.tuples(st.integers(1, 30).map(float), st.integers(0, 3).map(float)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(snapshot=LEVELS, messages=st.lists(LEVELS, max_size=8), sign=st.sampled_from([1, -1]), most=st.integers(1, 9))
def test_a_side_in_an_array_keeps_the_levels_of_the_plain_one(
    snapshot: list[Level], messages: list[list[Level]], sign: int, most: int
) -> None:
    from xetrade_core.books.fast.array_window import ArrayWindow

    plain, fast = WindowSide(sign, most), ArrayWindow(sign, most)
    for one in (plain, fast):
        one.replace(snapshot, None)
    for levels in [[], *messages]:
        for one in (plain, fast):
            one.apply(levels)
        assert fast.top(20) == plain.top(20)
        assert fast.top(2) == plain.top(2)
        assert (fast.best(), fast.touch(), len(fast)) == (plain.best(), plain.touch(), len(plain))
        assert (fast.reach(), fast.known_depth(5)) == (plain.reach(), plain.known_depth(5))
