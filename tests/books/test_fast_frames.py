"""The accelerated books give the events and books of the plain ones for every frame: valid, mistreated or malformed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.books.mistreated import damaged, disordered
from xetrade_core.books.binance import BinanceFuturesBooks, BinanceSpotBooks
from xetrade_core.books.book_set import BookSet
from xetrade_core.model.instruments import Instrument, MarketType

pytest.importorskip("numba")
pytestmark = pytest.mark.xdist_group("compiled kernels")  # the first to use them compiles, which takes ten seconds

MARKETS = ["spot", "usdm", "coinm"]
SYMBOL, VENUE_ID, OTHER_ID = "BTC/USDT", "BTCUSDT", "ETHUSDT"
EVENT_MS = 1_700_000_000_000
# fmt: off
ODD_NUMBERS = [
    "", "0", "0.000", "1e5", "1E5", "-1", "+1", "00.1", "01", ".5", "5.", "1_0", " 1", "1 ", "NaN", "inf", "1e15",
    "999999999999999", "1000000000000000", "9007199254740993", "9007199254740993.0", "9007199254740992.000",
    "1e309", "12345678901234567890", "123456789012.00000000", "0.1234567890123456789", "0.30000000000000004",
]
# fmt: on
NUMBERS = st.one_of(
    st.decimals("0.00000001", "99999.99", places=8).map(str),
    st.from_regex(r"(0|[1-9][0-9]{0,15})(\.[0-9]{1,12})?", fullmatch=True),
    st.sampled_from(ODD_NUMBERS),
)
CHANGES = st.lists(st.tuples(st.sampled_from("ba"), st.integers(0, 40), st.integers(0, 3)), max_size=10)


def books_of(market: str) -> tuple[BookSet, BookSet]:
    """The plain books and the accelerated ones, of two symbols, in sync at 1000."""
    pair = []
    for fast in (False, True):
        instruments = [
            Instrument("x", symbol, venue_id, MarketType.SPOT, Decimal("0.01"), Decimal("0.001"))
            for symbol, venue_id in ((SYMBOL, VENUE_ID), ("ETH/USDT", OTHER_ID))
        ]
        books = (BinanceSpotBooks if market == "spot" else BinanceFuturesBooks)(instruments)
        assert not fast or books.accelerate()
        body = {
            "lastUpdateId": 1000,
            "bids": [[f"{99 - i / 10:.2f}", "1.000"] for i in range(20)],
            "asks": [[f"{101 + i / 10:.2f}", "1.000"] for i in range(20)],
        }
        books.snapshot(SYMBOL, json.dumps(body).encode(), 1)
        pair.append(books)
    return pair[0], pair[1]


def message(market: str, before: int, last: int, bids: Any, asks: Any, symbol: str = VENUE_ID) -> dict[str, Any]:
    fields: dict[str, Any] = {"e": "depthUpdate", "E": EVENT_MS + last}
    if market != "spot":
        fields["T"] = EVENT_MS + last - 1
    fields["s"] = symbol
    if market == "coinm":
        fields["ps"] = symbol[:6]
    fields |= {"U": before + 1, "u": last}
    if market != "spot":
        fields["pu"] = before
    return fields | {"b": bids, "a": asks}


def wire(fields: dict[str, Any], combined: bool = True) -> bytes:
    wrapped = {"stream": f"{fields['s'].lower()}@depth@100ms", "data": fields} if combined else fields
    return json.dumps(wrapped, separators=(",", ":")).encode()


def stream(market: str, all_changes: list[list[tuple[str, int, int]]], combined: bool) -> list[bytes]:
    """Valid frames in sequence; sizes in thousands, 0 removes."""
    frames, before = [], 1000
    for changes in all_changes:
        told: dict[str, list[list[str]]] = {"b": [], "a": []}
        for side, distance, size in changes:
            price = 99.9 - distance / 10 if side == "b" else 100.1 + distance / 10
            told[side].append([f"{price:.2f}", f"{size:.3f}"])
        frames.append(wire(message(market, before, before + 1 + len(changes), told["b"], told["a"]), combined))
        before += 1 + len(changes)
    return frames


def state(books: BookSet) -> list[object]:
    return [
        (
            one.synced, one.sequence, one.epoch, one.exchange_ns, one.received_ns, one.applied_count, one.ignored_count,
            one.refused_count, one.gap_count, one.book.top(50), one.book.bids.known_depth(50), one.book.best_ask,
        )
        for one in books.sequencers.values()
    ] + [books.unattributed_refusals]  # fmt: skip


def feed_both(market: str, frames: list[bytes]) -> int:
    """How many the accelerated books took without the decoder; fails where the two differ."""
    plain, fast = books_of(market)
    for number, frame in enumerate(frames):
        assert plain.feed(frame, number + 2) == fast.feed(frame, number + 2), frame
        assert state(plain) == state(fast), frame
    assert isinstance(fast, BinanceSpotBooks | BinanceFuturesBooks)
    assert fast._fast is not None
    return fast._fast.taken


@pytest.mark.parametrize("market", MARKETS)
@settings(max_examples=60, deadline=None)
@given(all_changes=st.lists(CHANGES, max_size=8), combined=st.booleans())
def test_valid_frames_are_taken_and_come_to_the_same(market, all_changes, combined):
    frames = stream(market, all_changes, combined)
    assert feed_both(market, frames) == len(frames)


@pytest.mark.parametrize("market", MARKETS)
@settings(max_examples=250, deadline=None)
@given(all_changes=st.lists(CHANGES, min_size=3, max_size=6), combined=st.booleans(), data=st.data())
def test_a_frame_with_bytes_changed_taken_out_or_put_in_comes_to_the_same(market, all_changes, combined, data):
    feed_both(market, damaged(stream(market, all_changes, combined), data))


@pytest.mark.parametrize("market", MARKETS)
@settings(max_examples=100, deadline=None)
@given(all_changes=st.lists(CHANGES, min_size=2, max_size=8), seed=st.integers(0, 2**32))
def test_lost_doubled_and_reordered_frames_come_to_the_same(market, all_changes, seed):
    feed_both(market, disordered(stream(market, all_changes, True), seed))


@pytest.mark.parametrize("market", MARKETS)
@settings(max_examples=400, deadline=None)
@given(price=NUMBERS, size=NUMBERS, side=st.sampled_from("ba"))
@example("0.1", "99999999999999999999.9", "b")
def test_any_text_of_a_number_is_read_or_refused_as_by_the_decoder(market, price, size, side):
    levels = [[price, size]]
    first = message(market, 1000, 1001, [], [])
    second = message(market, 1001, 1002, levels if side == "b" else [], levels if side == "a" else [])
    feed_both(market, [wire(first), wire(second)])


@settings(max_examples=500, deadline=None)
@given(text=st.from_regex(r"[1-9][0-9]{0,14}(\.[0-9]{1,9})?", fullmatch=True))
def test_a_decimal_that_is_taken_is_exactly_the_float_of_python(text):
    _, fast = books_of("spot")
    fast.feed(wire(message("spot", 1000, 1001, [], [])), 2)
    fast.feed(wire(message("spot", 1001, 1002, [["1.5", text]], [])), 3)
    book = fast.sequencers[SYMBOL].book
    prices, sizes = book.bids.top(100)
    assert sizes[prices.index(1.5)] == float(text)


ODD = {
    "spaces": lambda text: text.replace(b",", b", "),
    "a trailing space": lambda text: text + b" ",
    "a trailing line break": lambda text: text + b"\n",
    "two messages": lambda text: text + text,
    "another order of fields": lambda text: text.replace(b'"b":', b'"x":1,"b":'),
    "a doubled field": lambda text: text.replace(b'"b":', b'"u":5,"b":'),
    "an escaped symbol": lambda text: text.replace(b'"BTCUSDT"', b'"BTCUSD\\u0054"'),
    "another symbol": lambda text: text.replace(b'"BTCUSDT"', b'"ETHUSDT"'),
    "an unknown symbol": lambda text: text.replace(b'"BTCUSDT"', b'"XRPUSDT"'),
    "a longer symbol": lambda text: text.replace(b'"BTCUSDT"', b'"BTCUSDTX"'),
    "a name that is not UTF-8": lambda text: text.replace(b"btcusdt", b"btc\xffsdt"),
    "a leading zero": lambda text: text.replace(b'"u":', b'"u":0'),
    "a negative id": lambda text: text.replace(b'"U":', b'"U":-'),
    "an id past 63 bits": lambda text: text.replace(b'"u":1002', b'"u":9223372036854775807'),
    "a time past its bound": lambda text: text.replace(b'"E":1700000001002', b'"E":9223372036855'),
    "three numbers a level": lambda text: text.replace(b'"1.000"]', b'"1.000","0"]'),
    "a number without quotes": lambda text: text.replace(b'"1.000"', b"1.000"),
    "no array": lambda text: text.replace(b'"a":[', b'"a":{'),
    "nothing": lambda text: b"",
    "a brace": lambda text: b"}",
}


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("combined", [True, False])
def test_every_departure_from_the_venues_own_text_is_left_to_the_decoder(market, odd, combined):
    levels = [["98.50", "1.000"]]
    frames = [wire(message(market, before, before + 1, levels, []), combined) for before in (1000, 1001, 1002)]
    spoiled = ODD[odd](frames[1])
    if spoiled != frames[1]:
        assert feed_both(market, [frames[0], spoiled]) == 1
    feed_both(market, [frames[0], spoiled, *frames[1:]])


def test_more_levels_than_the_scratch_holds_are_left_to_the_decoder():
    levels = [[f"{50 + number / 1000:.3f}", "1.000"] for number in range(5000)]
    assert feed_both("spot", [wire(message("spot", 1000 + n, 1001 + n, levels, [])) for n in range(2)]) == 0


@pytest.mark.parametrize("market", MARKETS)
def test_a_crossing_message_is_refused_alike(market):
    frames = [
        wire(message(market, 1000, 1001, [], [])),
        wire(message(market, 1001, 1002, [["101.00", "1.000"]], [])),
        wire(message(market, 1002, 1003, [], [])),
    ]
    feed_both(market, frames)
