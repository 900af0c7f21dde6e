"""The REST polling feed: whole books, in sync while polls succeed."""

from __future__ import annotations

import asyncio
import random
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.feeds.harness import DEPTH, Remembering
from tests.support.sim import Sim
from xetrade_core.assembly import capture_session, universal_symbols
from xetrade_core.books.polled import OLD_POLLS_LIMIT, PolledBooks
from xetrade_core.capture.config import CaptureConfig
from xetrade_core.clock import SystemClock
from xetrade_core.errors import ConfigError, NotSupported, UnknownSymbol, UnknownVenue
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.feeds.polling import PollingFeed, open_polling_feed
from xetrade_core.lake.store import open_store
from xetrade_core.model.book_events import Gap, GapCause, Ignored, Synced
from xetrade_core.settings import Settings
from xetrade_core.settings_sections import VenueSettings
from xetrade_core.simvenue import ccxt_config
from xetrade_core.venues.backoff import Backoff

QUICK = FeedOptions(depth=DEPTH, poll_interval_s=0.05, request_timeout_s=0.3, backoff=Backoff(0.01, 0.05))


class Source:
    """Books made to order."""

    def __init__(self) -> None:
        self.nonce: int | None = None
        self.failing = False
        self.hanging = False
        self.at_once = self.most_at_once = 0
        self.closed = False

    async def fetch_order_book(self, symbol: str, limit: int | None = None) -> dict[str, Any]:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(30 if self.hanging else 0.01)
            if self.failing:
                raise ConnectionError("no route")
            return {"bids": [[100.0, 1.0], [99.0, 2.0]], "asks": [[101.0, 1.5]], "timestamp": 1000, "nonce": self.nonce}
        finally:
            self.at_once -= 1

    async def close(self) -> None:
        self.closed = True


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_polls_keep_the_books_in_sync_a_few_at_a_time() -> None:
    source, sink = Source(), Remembering()
    symbols = [f"S{n}/USDT" for n in range(10)]
    feed = PollingFeed("somewhere", symbols, source, QUICK, SystemClock(), random.Random(1))
    task = asyncio.create_task(feed.run(sink))
    await until(lambda: feed.status().frames >= 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert source.most_at_once <= QUICK.poll_concurrency
    assert source.closed
    assert {event.symbol for event in sink.syncs} == set(symbols)
    book = feed.books.sequencers["S0/USDT"]
    assert book.book.top(5) == ([100.0, 99.0], [1.0, 2.0], [101.0], [1.5])
    assert book.exchange_ns == 1_000_000_000
    assert (book.epoch, sink.gaps) == (1, [])


@pytest.mark.parametrize("trouble", ["failing", "hanging"])
async def test_a_poll_that_fails_or_comes_too_late_loses_the_book_until_the_next(trouble: str) -> None:
    source, sink = Source(), Remembering()
    feed = PollingFeed("somewhere", ["BTC/USDT"], source, QUICK, SystemClock(), random.Random(1))
    task = asyncio.create_task(feed.run(sink))
    await until(lambda: feed.status().frames >= 2)
    setattr(source, trouble, True)
    await until(lambda: bool(sink.gaps))
    assert not feed.books.sequencers["BTC/USDT"].synced
    setattr(source, trouble, False)
    await until(lambda: len(sink.syncs) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [gap.cause for gap in sink.gaps] == [GapCause.DISCONNECT]
    assert sink.losses[0] == (("BTC/USDT",), GapCause.DISCONNECT)


async def test_what_was_polled_replays_to_the_same_books() -> None:
    source, frames = Source(), []

    class Keeping(Remembering):
        def frame(self, received_ns: int, frame: bytes, source: str) -> None:
            frames.append((source, frame, received_ns))

    feed = PollingFeed("somewhere", ["BTC/USDT"], source, QUICK, SystemClock(), random.Random(1))
    task = asyncio.create_task(feed.run(Keeping()))
    await until(lambda: len(frames) >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    replayed = PolledBooks(feed.instruments)
    for origin, frame, received_ns in frames:
        replayed.snapshot(origin.removeprefix("rest:"), frame, received_ns)
    ours, theirs = feed.books.sequencers["BTC/USDT"], replayed.sequencers["BTC/USDT"]
    assert (theirs.book.top(10), theirs.sequence) == (ours.book.top(10), ours.sequence)


def test_a_poll_of_a_crossed_or_senseless_book_is_refused() -> None:
    feed = PollingFeed("somewhere", ["BTC/USDT"], Source(), QUICK, SystemClock(), random.Random(1))
    row = feed.books.sequencers["BTC/USDT"]
    good = b'{"symbol":"BTC/USDT","bids":[[100,1]],"asks":[[101,1]],"nonce":5}'
    feed.books.snapshot("BTC/USDT", good, 1)
    assert (row.synced, row.sequence) == (True, 5)
    feed.books.snapshot("BTC/USDT", good.replace(b'"nonce":5', b'"nonce":4'), 2)
    assert (row.sequence, row.ignored_count) == (5, 1), "a cached older book is not taken"
    feed.books.snapshot("BTC/USDT", good.replace(b"[[100,1]]", b"[[102,1]]"), 3)
    assert (row.synced, row.refused_count) == (False, 1)
    feed.books.snapshot("BTC/USDT", good, 4)
    feed.books.snapshot("BTC/USDT", good.replace(b"[[100,1]]", b"[[0,1]]"), 5)
    assert (row.synced, row.refused_count) == (False, 2)


async def test_the_sink_ends_the_feed_with_its_error_on_purpose() -> None:
    class Full(Remembering):
        def frame(self, received_ns: int, frame: bytes, source: str) -> None:
            raise ConfigError("the disk is full")

    feed = PollingFeed("somewhere", ["BTC/USDT"], Source(), QUICK, SystemClock(), random.Random(1))
    with pytest.raises(ConfigError, match="disk is full"):
        await feed.run(Full())


@pytest.mark.slow
async def test_any_ccxt_venue_can_be_polled(sim: Sim) -> None:
    config = ccxt_config("binance", sim)
    feed = await open_polling_feed("binance", ["BTC/USDT"], QUICK, SystemClock(), random.Random(1), ccxt_config=config)
    sink = Remembering()
    task = asyncio.create_task(feed.run(sink))
    tops: dict[int, tuple[list[float], list[float], list[float], list[float]]] = {}
    try:
        async with asyncio.timeout(20):
            while len(tops) < 5:
                await asyncio.sleep(0.02)
                row = feed.books.sequencers["BTC/USDT"]
                if row.synced and row.sequence is not None:
                    tops[row.sequence] = row.book.top(DEPTH)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for sequence, (bids, bid_sizes, asks, ask_sizes) in tops.items():
        truth = sim.truth("binance", "BTC/USDT", sequence, DEPTH)
        assert [[*row] for row in zip(bids, bid_sizes, strict=True)] == truth["bids"]
        assert [[*row] for row in zip(asks, ask_sizes, strict=True)] == truth["asks"]


@pytest.mark.slow
async def test_a_venue_set_to_poll_is_recorded_by_a_session(sim: Sim, tmp_path: Path) -> None:
    """By settings alone: the unmodified ccxt class, whose URLs `rest_url` moves to the simulated venue."""
    own = VenueSettings(feed="poll", rest_url=sim.url("binance").rest, poll_interval_s=0.1)
    settings = Settings(lake=str(tmp_path / "lake"), spool=tmp_path / "spool", venues={"binance": own})
    clock, rng = SystemClock(), random.Random(1)
    found = await universal_symbols(settings, {"binance": ["BTC-USDT", "BTCUSDT", "ETH/USDT"]}, clock, rng)
    symbols = found.by_venue
    assert symbols == {"binance": ("BTC/USDT", "ETH/USDT")}
    config = CaptureConfig(venues=symbols, spool_dir=settings.spool, interval_s=0.1, depth=10, disk_alarm_bytes=0)
    session = capture_session(config, settings, clock, rng)
    running = asyncio.create_task(session.run())
    async with asyncio.timeout(30):
        while not (session.runs and session.runs[0].feed and session.runs[0].feed.status().frames >= 10):
            await asyncio.sleep(0.05)
            if running.done():
                running.result()
    assert isinstance(session.runs[0].feed, PollingFeed)
    session.request_stop()
    await running
    store = open_store(settings.lake)
    segments = [pq.read_table(BytesIO(store.read(row.key))) for row in store.list("l2_segments/")]
    rows = [row for table in segments for row in table.to_pylist() if row["synced"]]
    assert {row["symbol"] for row in rows} == {"BTC/USDT", "ETH/USDT"}
    for row in rows[-4:]:
        truth = sim.truth("binance", row["symbol"], row["sequence"], 10)
        assert [[*level] for level in zip(row["bid_price"], row["bid_size"], strict=True)] == truth["bids"]
        assert [[*level] for level in zip(row["ask_price"], row["ask_size"], strict=True)] == truth["asks"]


def test_another_way_to_feed_is_refused() -> None:
    with pytest.raises(ConfigError, match="feed = 'push' is not valid: stream or poll"):
        FeedOptions(feed="push")  # type: ignore[arg-type]


async def test_opening_says_what_is_wrong(sim: Sim) -> None:
    clock, rng = SystemClock(), random.Random(1)
    with pytest.raises(UnknownVenue, match="nowhere"):
        await open_polling_feed("nowhere", ["BTC/USDT"], QUICK, clock, rng)
    with pytest.raises(NotSupported, match="derive cannot be polled, as it has no order book over REST"):
        await open_polling_feed("derive", ["BTC/USDC"], QUICK, clock, rng)
    with pytest.raises(UnknownSymbol, match="unknown symbol 'NO/PAIR' on binance"):
        await open_polling_feed("binance", ["NO/PAIR"], QUICK, clock, rng, ccxt_config=ccxt_config("binance", sim))


def polled(price: int, nonce: int) -> bytes:
    return f'{{"symbol":"BTC/USDT","bids":[[{price},1]],"asks":[[{price + 1},1]],"nonce":{nonce}}}'.encode()


def test_a_venue_that_numbers_its_books_anew_does_not_freeze_the_book_as_a_cache_of_its_own_may() -> None:
    feed = PollingFeed("somewhere", ["BTC/USDT"], Source(), QUICK, SystemClock(), random.Random(1))
    row = feed.books.sequencers["BTC/USDT"]
    feed.books.snapshot("BTC/USDT", polled(100, 5000), 1)
    for nonce in range(OLD_POLLS_LIMIT):
        (outcome,) = feed.books.snapshot("BTC/USDT", polled(90, nonce), 2)
        assert isinstance(outcome, Ignored)
    feed.books.snapshot("BTC/USDT", polled(110, 5001), 3)  # it was a cache, which is counted anew
    for nonce in range(OLD_POLLS_LIMIT):
        feed.books.snapshot("BTC/USDT", polled(90, nonce), 4)
    assert row.book.best_bid == 110.0
    gap, synced = feed.books.snapshot("BTC/USDT", polled(200, 99), 5)
    assert gap == Gap("BTC/USDT", GapCause.SEQUENCE_RESET, 5001, 99, 5)
    assert synced == Synced("BTC/USDT", 99, 2, 5)
    assert (row.synced, row.book.best_bid) == (True, 200.0)
