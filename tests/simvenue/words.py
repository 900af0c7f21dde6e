"""What a client says to each simulated venue, and where its book messages keep their ids: one row a venue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
Link = tuple[int, int, int]
"""Previous, first and last id of a book message."""


@dataclass(frozen=True)
class Words:
    """`subscribe` makes the message that asks for a channel of an instrument; `link` gives None for a snapshot.

    `channels` are the book's and two others, `path` is the
    websocket's. `restarts_lower`: after maintenance the ids are lower.
    """

    symbol: str
    channels: tuple[str, str, str]
    subscribe: Callable[[str, str], object]
    link: Callable[[Message], Link | None]
    time_path: str
    path: str = "/"
    time_method: str = "GET"
    skips_ids: bool = False
    restarts_lower: bool = False

    @property
    def book(self) -> str:
        """The book's channel."""
        return self.channels[0]


def _binance(symbol: str, prefix: str, *, skips_ids: bool) -> Words:
    def subscribe(venue_id: str, kind: str) -> object:
        rate = "@100ms" if kind.startswith("depth") else ""
        return {"method": "SUBSCRIBE", "params": [f"{venue_id.lower()}@{kind}{rate}"], "id": 1}

    def link(message: Message) -> Link:
        return message.get("pu", message["U"] - 1), message["U"], message["u"]

    channels = ("depth", "bookTicker", "trade")
    return Words(symbol, channels, subscribe, link, f"{prefix}/time", skips_ids=skips_ids)


def _okx_link(message: Message) -> Link | None:
    row = message["data"][0]
    return (row["prevSeqId"], row["prevSeqId"] + 1, row["seqId"]) if message["action"] == "update" else None


def _bybit_link(message: Message) -> Link | None:
    last = message["data"]["u"]
    return (last - 1, last, last) if message["type"] == "delta" else None


def _kucoin(topic: str, venue_id: str) -> object:
    return {"id": "1", "type": "subscribe", "topic": f"{topic}:{venue_id}", "response": True}


def _deribit_link(message: Message) -> Link | None:
    data = message["params"]["data"]
    if data["type"] == "snapshot":
        return None
    return data["prev_change_id"], data["prev_change_id"] + 1, data["change_id"]


def _derive_link(message: Message) -> Link:
    number = message["params"]["data"]["publish_id"]
    return number - 1, number, number


def _derive_call(venue_id: str, kind: str) -> object:
    channel = {"orderbook": f"orderbook.{venue_id}.1.100", "ticker_slim": f"ticker_slim.{venue_id}.100"}
    return {"id": 1, "method": "subscribe", "params": {"channels": [channel.get(kind, f"{kind}.{venue_id}")]}}


def _rpc(venue_id: str, kind: str) -> object:
    interval = "" if kind == "quote" else ".100ms"
    channels = [f"{kind}.{venue_id}{interval}"]
    return {"jsonrpc": "2.0", "id": 1, "method": "public/subscribe", "params": {"channels": channels}}


WORDS = {
    "binance": _binance("BTC/USDT", "/api/v3", skips_ids=False),
    "binanceusdm": _binance("BTC/USDT:USDT", "/fapi/v1", skips_ids=True),
    "binancecoinm": _binance("BTC/USD:BTC", "/dapi/v1", skips_ids=True),
    "okx": Words(
        symbol="BTC/USDT",
        channels=("books", "bbo-tbt", "trades"),
        subscribe=lambda venue_id, kind: {"op": "subscribe", "args": [{"channel": kind, "instId": venue_id}]},
        link=_okx_link,
        time_path="/api/v5/public/time",
        restarts_lower=True,
    ),
    "bybit": Words(
        symbol="BTC/USDT",
        channels=("orderbook.200", "tickers", "publicTrade"),
        subscribe=lambda venue_id, kind: {"op": "subscribe", "req_id": "1", "args": [f"{kind}.{venue_id}"]},
        link=_bybit_link,
        time_path="/v5/market/time",
        path="/v5/public/spot",
        restarts_lower=True,
    ),
    "kucoin": Words(
        symbol="BTC/USDT",
        channels=("level2", "level1", "match"),
        subscribe=lambda venue_id, kind: _kucoin(
            {"level2": "/market/level2", "level1": "/spotMarket/level1", "match": "/market/match"}[kind], venue_id
        ),
        link=lambda message: (
            message["data"]["sequenceStart"] - 1,
            message["data"]["sequenceStart"],
            message["data"]["sequenceEnd"],
        ),
        time_path="/api/v1/timestamp",
        path="/endpoint",
    ),
    "kucoinfutures": Words(
        symbol="BTC/USDT:USDT",
        channels=("level2", "tickerV2", "execution"),
        subscribe=lambda venue_id, kind: _kucoin(f"/contractMarket/{kind}", venue_id),
        link=lambda message: (
            message["data"]["sequence"] - 1,
            message["data"]["sequence"],
            message["data"]["sequence"],
        ),
        time_path="/api/v1/timestamp",
        path="/endpoint",
    ),
    "deribit": Words(
        symbol="BTC/USD:BTC",
        channels=("book", "quote", "trades"),
        subscribe=_rpc,
        link=_deribit_link,
        time_path="/api/v2/public/get_time",
    ),
    "max": Words(
        symbol="BTC/TWD",
        channels=("book", "ticker", "trade"),
        subscribe=lambda venue_id, kind: {"action": "sub", "subscriptions": [{"channel": kind, "market": venue_id}]},
        link=lambda message: (message["fi"] - 1, message["fi"], message["li"]) if message["e"] == "update" else None,
        time_path="/api/v3/timestamp",
    ),
    "derive": Words(
        symbol="BTC/USDC:USDC",
        channels=("orderbook", "ticker_slim", "trades"),
        subscribe=_derive_call,
        link=_derive_link,
        time_path="/v3/public/get_time",
        time_method="POST",
        restarts_lower=True,
    ),
}


def links(venue: str, messages: list[Message]) -> list[Link]:
    """Previous, first and last id of each book message but snapshots."""
    return [link for message in messages if (link := WORDS[venue].link(message)) is not None]
