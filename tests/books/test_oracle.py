"""The books reach 100 % on the oracle of the recordings: bookTicker's best bid and ask, price and size."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.support.recordings import recording
from xetrade_core.books.binance import BinanceFuturesBooks, BinanceSpotBooks
from xetrade_core.books.okx import OkxBooks
from xetrade_core.model.book_events import Applied, Gap, GapCause, Ignored, Synced
from xetrade_core.model.instruments import Instrument, MarketType

pytestmark = pytest.mark.recordings


def lines(*paths: Path) -> Iterator[tuple[int, bytes]]:
    for path in paths:
        with gzip.open(path) as file:
            for line in file:
                stamp, frame = line.rstrip(b"\n").split(b" ", 1)
                yield int(stamp), frame


def instrument(venue: str, symbol: str, venue_id: str) -> Instrument:
    return Instrument(venue, symbol, venue_id, MarketType.SPOT, Decimal("0.01"), Decimal("0.00001"))


@pytest.mark.parametrize(
    ("make", "symbol", "names", "depth_messages"),
    [
        (BinanceSpotBooks, "BTC/USDT", ("btcusdt_20240808.gz", "btcusdt_20240809.gz"), 6495),
        (BinanceFuturesBooks, "BTC/USDT:USDT", ("btcusdt_20240808.gz",), 6551),
    ],
    ids=["spot", "usdm"],
)
def test_best_bid_and_ask_equal_the_newest_book_ticker_after_every_depth_event(make, symbol, names, depth_messages):
    """Without exception wherever the book says that its best levels are within the snapshot's reach.

    The spot price falls below the reach of the only snapshot (61,631.55). There a resting level that no message had
    touched becomes the best bid, twice for one event, and nobody who has only this file can know it: `known_depth`
    says so.
    """
    folder = "binance-spot" if make is BinanceSpotBooks else "binance-usdm"
    books = make([instrument("binance", symbol, "BTCUSDT")])
    sequencer = books.sequencers[symbol]
    stream = list(lines(*(recording(f"{folder}/{name}") for name in names)))
    tickers = sorted(
        (data["u"], data)
        for _, frame in stream
        if b"bookTicker" in frame
        for data in [msgspec.json.decode(frame)["data"]]
    )
    newest, checked, gaps, depth = 0, 0, 0, 0
    unknowable: list[int] = []
    for stamp, frame in stream:
        if frame.startswith(b'{"lastUpdateId"'):
            events = books.snapshot(symbol, frame, stamp)
        else:
            events = books.feed(frame, stamp)
        depth += b"depthUpdate" in frame
        gaps += sum(isinstance(event, Gap) for event in events)
        if not sequencer.synced or not any(isinstance(event, Applied | Synced) for event in events):
            continue
        while newest + 1 < len(tickers) and tickers[newest + 1][0] <= sequencer.sequence:
            newest += 1
        if tickers[newest][0] > sequencer.sequence:
            continue
        bid_prices, bid_sizes, ask_prices, ask_sizes = sequencer.book.top(1)
        data = tickers[newest][1]
        found = (bid_prices[0], bid_sizes[0], ask_prices[0], ask_sizes[0])
        checked += 1
        if found != tuple(float(data[key]) for key in "bBaA"):
            book = sequencer.book
            assert min(book.bids.known_depth(1), book.asks.known_depth(1)) == 0, f"at {sequencer.sequence}"
            unknowable.append(sequencer.sequence)
    assert gaps == 0
    assert depth == depth_messages
    assert unknowable == ([50093478174, 50093480542] if make is BinanceSpotBooks else [])
    assert checked > 0.99 * depth_messages


def test_every_okx_checksum_of_the_recording_verifies():
    ids = {"BTC-USDT": "BTC/USDT", "BTC-USD-220527": "BTC/USD:BTC-220527", "UNI-USD-SWAP": "UNI/USD:UNI"}
    books = OkxBooks([instrument("okx", symbol, venue_id) for venue_id, symbol in ids.items()])
    kinds: dict[type, int] = {}
    with gzip.open(recording("okx/OKX.ws.1.0.gz")) as file:
        for line in file:
            stamp, _, frame = line.rstrip(b"\n").partition(b": ")
            if stamp.startswith(b"wss://"):
                continue
            for event in books.feed(frame, int(float(stamp) * 1e9)):
                kinds[type(event)] = kinds.get(type(event), 0) + 1
    assert kinds == {Synced: 3, Applied: 287}


def test_an_okx_checksum_that_does_not_fit_is_a_gap():
    books = OkxBooks([instrument("okx", "BTC/USDT", "BTC-USDT")])
    events, frames = [], []
    with gzip.open(recording("okx/OKX.ws.1.0.gz")) as file:
        frames = [line.partition(b": ")[2].strip() for line in file if b'"BTC-USDT"},"action"' in line]
    for number, frame in enumerate(frames):
        if number != 5:  # this one is lost
            events += books.feed(frame, number)
    (gap,) = (event for event in events if isinstance(event, Gap))
    assert (gap.cause, gap.received_ns) == (GapCause.CHECKSUM, 6)
    assert all(isinstance(event, Ignored) for event in events[events.index(gap) + 1 :])
