"""The order-book handling of ccxt.pro and cryptofeed, fed the same recorded frames as ours, in their own code.

Each gets a frame as its own websocket client would hand it over, is asked for its top 100 levels once a second of
recorded time, and these rows are written to Parquet at the end. What they need of a network is given to them here: a
snapshot body, a client that resolves nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

DEPTH = 100
NS_PER_S = 1_000_000_000

Recorded = tuple[int, bytes]
"""Receive time in UTC nanoseconds, and the frame."""

Sample = tuple[list[float], list[float], list[float], list[float]]
"""Bid prices, bid sizes, ask prices, ask sizes."""


class Client:
    """What ccxt's handlers ask of a websocket client."""

    url = "wss://fstream.binance.com/public/ws/0"
    subscriptions: dict[str, Any]

    def __init__(self) -> None:
        self.subscriptions = {}

    def resolve(self, result: Any, message_hash: str) -> None:
        """Nobody waits."""

    def reject(self, error: Exception, message_hash: str) -> None:
        raise error


def ccxt_pro(frames: Iterable[Recorded], snapshot: bytes, path: Path) -> int:
    """Messages handled by ccxt.pro's Binance USD-M handler, sampled each second."""
    import ccxt.pro
    from ccxt.async_support.base.ws.client import json_parser

    exchange = ccxt.pro.binanceusdm()
    market: dict[str, Any] = {
        "id": "BTCUSDT",
        "symbol": "BTC/USDT:USDT",
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT",
    }
    market |= {"type": "swap", "swap": True, "spot": False, "linear": True, "contract": True}
    exchange.set_markets([exchange.safe_market_structure(market)])
    client = Client()
    symbol = "BTC/USDT:USDT"
    body = json_parser.loads(snapshot)
    parsed = exchange.parse_order_book(body, symbol)
    parsed["nonce"] = body["lastUpdateId"]
    book = exchange.order_book({}, 1000)
    exchange.orderbooks[symbol] = book
    book.reset(parsed)

    def handle(frame: bytes) -> None:
        message = json_parser.loads(frame)["data"]
        if message["u"] >= body["lastUpdateId"]:
            exchange.handle_message(client, message)

    def sample() -> Sample:
        limited = book.limit()
        bids, asks = limited["bids"][:DEPTH], limited["asks"][:DEPTH]
        return [b[0] for b in bids], [b[1] for b in bids], [a[0] for a in asks], [a[1] for a in asks]

    return _drive(frames, handle, sample, path)


def cryptofeed(frames: Iterable[Recorded], snapshot: bytes, path: Path) -> int:
    """Messages handled by cryptofeed's Binance USD-M handler, sampled each second."""
    logging.disable(logging.WARNING)
    from cryptofeed.defines import L2_BOOK
    from cryptofeed.exchanges import BinanceFutures
    from cryptofeed.exchanges.binance_futures import json  # whichever parser it uses
    from cryptofeed.symbols import Symbol, Symbols

    symbol = Symbol("BTC", "USDT", type="perpetual")
    facts = {"instrument_type": {symbol.normalized: "perpetual"}}
    Symbols.set(BinanceFutures.id, {symbol.normalized: "BTCUSDT"}, facts)
    feed = BinanceFutures(symbols=[symbol.normalized], channels=[L2_BOOK], callbacks={})

    class Http:
        async def read(self, url: str) -> str:
            return snapshot.decode()

    feed.http_conn = Http()
    feed._reset()

    def handle(frame: bytes) -> None:
        message = json.loads(frame, parse_float=Decimal)["data"]
        run = feed._book(message, "BTCUSDT", 0.0)
        with contextlib.suppress(StopIteration):
            run.send(None)

    def sample() -> Sample:
        book = feed._l2_book[symbol.normalized].book
        bids = [book.bids.index(i) for i in range(min(DEPTH, len(book.bids)))]
        asks = [book.asks.index(i) for i in range(min(DEPTH, len(book.asks)))]
        return (
            [float(b[0]) for b in bids],
            [float(b[1]) for b in bids],
            [float(a[0]) for a in asks],
            [float(a[1]) for a in asks],
        )

    return _drive(frames, handle, sample, path)


def _drive(
    frames: Iterable[Recorded], handle: Callable[[bytes], None], sample: Callable[[], Sample], path: Path
) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, due = 0, 0
    times, rows = [], []
    for received_ns, frame in frames:
        if received_ns >= due:
            if due:
                times.append(due)
                rows.append(sample())
            due = (received_ns // NS_PER_S + 1) * NS_PER_S
        handle(frame)
        count += 1
    columns = dict(zip(("bid_price", "bid_size", "ask_price", "ask_size"), zip(*rows, strict=True), strict=True))
    table = pa.table({"timestamp": times, **{name: list(values) for name, values in columns.items()}})
    pq.write_table(table, path, compression="zstd")
    return count
