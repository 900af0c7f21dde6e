"""The order-book handling of ccxt.pro and cryptofeed, fed the same recorded frames as ours, in their own code.

Neither writes Parquet nor checks what we check; each is only asked for its top 100 levels once a second of recorded time, as ours
is. What they need of a network is given to them here: a snapshot body, a client that resolves nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

DEPTH = 100
NS_PER_S = 1_000_000_000

Recorded = tuple[int, bytes]
"""Receive time in UTC nanoseconds, and the frame."""


class _Client:
    """What ccxt's handlers ask of a websocket client."""

    url = "wss://fstream.binance.com/public/ws/0"
    subscriptions: dict[str, Any]

    def __init__(self) -> None:
        self.subscriptions = {}

    def resolve(self, result: Any, message_hash: str) -> None:
        """Nobody waits."""

    def reject(self, error: Exception, message_hash: str) -> None:
        raise error


def ccxt_pro(frames: Iterable[Recorded], snapshot: bytes) -> int:
    """Messages handled by ccxt.pro's Binance USD-M handler, sampled each second."""
    import ccxt.pro
    from ccxt.async_support.base.ws.client import json_parser

    exchange = ccxt.pro.binanceusdm()
    market = {"id": "BTCUSDT", "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT", "settle": "USDT"}
    market |= {"type": "swap", "swap": True, "spot": False, "linear": True, "contract": True, "precision": {}, "limits": {}}
    exchange.set_markets([exchange.safe_market_structure(market)])
    client = _Client()
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
            exchange.handle_order_book(client, message)

    def sample() -> list[Any]:
        limited = book.limit()
        return [*limited["bids"][:DEPTH], *limited["asks"][:DEPTH]]

    return _drive(frames, handle, sample)


def cryptofeed(frames: Iterable[Recorded], snapshot: bytes) -> int:
    """Messages handled by cryptofeed's Binance USD-M handler, sampled each second."""
    logging.disable(logging.WARNING)
    from cryptofeed.defines import L2_BOOK
    from cryptofeed.exchanges import BinanceFutures
    from cryptofeed.exchanges.binance_futures import json  # whichever parser it uses
    from cryptofeed.symbols import Symbol, Symbols

    symbol = Symbol("BTC", "USDT", type="perpetual")
    Symbols.set(BinanceFutures.id, {symbol.normalized: "BTCUSDT"}, {"instrument_type": {symbol.normalized: "perpetual"}})
    feed = BinanceFutures(symbols=[symbol.normalized], channels=[L2_BOOK], callbacks={})

    class Http:
        async def read(self, url: str) -> str:
            return snapshot.decode()

    feed.http_conn = Http()
    feed._reset()
    loop = asyncio.new_event_loop()

    def handle(frame: bytes) -> None:
        message = json.loads(frame, parse_float=Decimal)["data"]
        run = feed._book(message, "BTCUSDT", 0.0)
        try:
            run.send(None)
        except StopIteration:
            pass

    def sample() -> list[Any]:
        book = feed._l2_book[symbol.normalized].book
        bids, asks = book.bids, book.asks
        return [bids.index(i) for i in range(min(DEPTH, len(bids)))] + [asks.index(i) for i in range(min(DEPTH, len(asks)))]

    try:
        return _drive(frames, handle, sample)
    finally:
        loop.close()


def _drive(frames: Iterable[Recorded], handle: Callable[[bytes], None], sample: Callable[[], list[Any]]) -> int:
    count, due = 0, 0
    for received_ns, frame in frames:
        if received_ns >= due:
            if due:
                sample()
            due = (received_ns // NS_PER_S + 1) * NS_PER_S
        handle(frame)
        count += 1
    return count
