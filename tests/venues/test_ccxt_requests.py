"""A request that goes our way is the one that ccxt would send, and its reply means what it means to ccxt."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from xetrade_core.clock import SystemClock
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.ccxt_markets import moved_urls
from xetrade_core.venues.ccxt_requests import CcxtRequests
from xetrade_core.venues.transport import Call, Transport, calling
from xetrade_core.venues.venue import RateRule

NOW_MS = 1_700_000_000_000
JSON = b"Content-Type: application/json"
TEXT = b"Content-Type: text/html"
REPLIES = {
    "an object": (b"200 OK", [JSON], b'{"a": [1, 2.5, "x"]}'),
    "a list": (b"200 OK", [JSON], b"[[1, 2], []]"),
    "blanks about it": (b"200 OK", [JSON], b' \n{"a": 1}\n'),
    "compressed": (b"200 OK", [JSON, b"Content-Encoding: gzip"], gzip.compress(b'{"a": 1}')),
    "no UTF-8": (b"200 OK", [JSON], b'{"a": "\xff"}'),
    "another character set": (b"200 OK", [b"Content-Type: text/plain; charset=latin-1"], b'{"a": "\xe9"}'),
    "text": (b"200 OK", [TEXT], b"maintenance"),
    "a number": (b"200 OK", [JSON], b"17"),
    "JSON cut short": (b"200 OK", [JSON], b'{"a": '),
    "an error of the venue": (
        b"400 Bad Request",
        [JSON],
        b'{"code": -2010, "msg": "Account has insufficient balance for requested action."}',
    ),
    "an error with 200": (b"200 OK", [JSON], b'{"code": -1121, "msg": "Invalid symbol."}'),
    "an unknown error": (b"400 Bad Request", [JSON], b'{"code": -9999, "msg": "?"}'),
    "not allowed": (b"401 Unauthorized", [JSON], b'{"code": -2015, "msg": "Invalid API-key."}'),
    "too many": (b"429 Too Many Requests", [JSON, b"Retry-After: 3"], b'{"code": -1003, "msg": "slow down"}'),
    "banned": (b"418 I'm a teapot", [JSON], b'{"code": -1003, "msg": "banned"}'),
    "a proxy's page": (b"502 Bad Gateway", [TEXT], b"<html>bad gateway</html>"),
    "unavailable": (b"503 Service Unavailable", [TEXT], b""),
    "a reason of its own": (b"504 Gone Fishing", [TEXT], b"later"),
    "nothing": (b"404 Not Found", [TEXT], b""),
}


class Venue:
    """A server that gives one reply to everything, and keeps what it was asked."""

    def __init__(self, reply: tuple[bytes, list[bytes], bytes] | None) -> None:
        self._reply = reply
        self.asked: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), b": 0")
        self.asked.append(head + await reader.readexactly(int(length.partition(b":")[2])))
        if self._reply is None:
            writer.transport.abort()
            return
        status, headers, body = self._reply
        lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"Connection: close"]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        writer.close()


@asynccontextmanager
async def serving(venue: Venue) -> AsyncIterator[str]:
    server = await asyncio.start_server(venue, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def exchange(name: str, base: str) -> Any:
    keys = {"apiKey": "a-key", "secret": "a-secret", "password": "a-phrase", "enableRateLimit": False}
    made = getattr(ccxt, name)({**keys, "timeout_on_exit": 0})
    made.urls["api"] = moved_urls(made.urls["api"], base)
    made.milliseconds = lambda: NOW_MS
    return made


async def outcome(asking: Any) -> tuple[str, Any]:
    try:
        return "replied", await asking
    except ccxt.BaseError as error:
        return type(error).__name__, str(error)


async def by_ccxt(name: str, base: str, method: str, params: Any) -> tuple[str, Any]:
    made = exchange(name, base)
    try:
        return await outcome(getattr(made, method)(params))
    finally:
        await made.close()


async def by_us(name: str, base: str, method: str, params: Any) -> tuple[str, Any]:
    made, clock = exchange(name, base), SystemClock()
    async with Transport(WeightBudget(RateRule(10_000, 60), clock), clock, json_only=False) as transport:
        made.fetch2 = CcxtRequests(made, transport).ask
        return await outcome(getattr(made, method)(params))


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "newClientOrderId": "an-order", "note": "a b/c"}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize(("method", "params"), [("public_get_time", {}), ("private_post_order", ORDER)])
async def test_a_reply_means_to_us_what_it_means_to_ccxt(
    reply: tuple[bytes, list[bytes], bytes], method: str, params: Any
) -> None:
    venue = Venue(reply)
    async with serving(venue) as base:
        assert await by_us("binance", base, method, params) == await by_ccxt("binance", base, method, params)
    assert len(venue.asked) == 2


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        ("an object", ("replied", {"a": [1, 2.5, "x"]})),
        ("text", ("replied", "maintenance")),
        ("an error of the venue", "InsufficientFunds"),
        ("an error with 200", "BadSymbol"),
        ("too many", "DDoSProtection"),
        ("unavailable", "ExchangeNotAvailable"),
    ],
)
async def test_what_some_replies_mean(reply: str, means: str | tuple[str, Any]) -> None:
    async with serving(Venue(REPLIES[reply])) as base:
        found = await by_us("binance", base, "private_post_order", ORDER)
    assert found == means or found[0] == means


async def test_a_connection_that_is_lost_or_refused_is_the_error_of_ccxt() -> None:
    async with serving(Venue(None)) as base:
        lost = await by_us("binance", base, "private_post_order", ORDER)
        assert lost == await by_ccxt("binance", base, "private_post_order", ORDER)
    refused = await by_us("binance", base, "private_post_order", ORDER)
    assert refused == await by_ccxt("binance", base, "private_post_order", ORDER)
    assert lost[0] == refused[0] == "ExchangeNotAvailable"


async def test_a_reply_that_does_not_come_in_time_is_the_timeout_of_ccxt() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server, clock = await asyncio.start_server(silent, "127.0.0.1", 0), SystemClock()
    async with server:
        made = exchange("binance", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with Transport(WeightBudget(RateRule(10_000, 60), clock), clock, within_s=0.1) as transport:
            with pytest.raises(ccxt.RequestTimeout):
                await CcxtRequests(made, transport).ask("time", ["public"], "GET", {}, {})


@pytest.mark.parametrize(
    ("name", "method", "params"),
    [
        ("binance", "private_post_order", ORDER),
        ("binance", "private_delete_order", ORDER),
        ("binance", "public_get_klines", {"symbol": "BTCUSDT", "limit": 5}),
        ("okx", "private_post_trade_order", {"instId": "BTC-USDT", "sz": "1"}),
        ("okx", "private_post_trade_batch_orders", [{"instId": "BTC-USDT", "clOrdId": "an-order", "tag": ""}]),
        ("bybit", "private_post_v5_order_create", {"symbol": "BTCUSDT", "qty": "1"}),
        ("kucoin", "private_post_hf_orders", {"symbol": "BTC-USDT", "size": "1"}),
        ("deribit", "public_get_ticker", {"instrument_name": "BTC-PERPETUAL"}),
    ],
)
async def test_the_request_is_to_the_last_byte_the_one_of_ccxt(name: str, method: str, params: Any) -> None:
    venue, given = Venue((b"200 OK", [JSON], b"{}")), repr(params)
    async with serving(venue) as base:
        await by_us(name, base, method, params)
        await by_ccxt(name, base, method, params)
    ours, theirs = (_parts(one) for one in venue.asked)
    assert ours == theirs
    assert repr(params) == given  # what a caller gives stays as it is


def _parts(request: bytes) -> tuple[bytes, list[bytes], bytes]:
    """First line, headers in order of their names, and body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *headers = head.split(b"\r\n")
    return first, sorted(headers), body


@pytest.mark.parametrize(("weight", "spent"), [(None, 20), (7, 7)])
async def test_it_costs_what_ccxt_says_unless_the_call_knows_better(weight: int | None, spent: int) -> None:
    clock = SystemClock()
    async with serving(Venue((b"200 OK", [JSON], b"{}"))) as base:
        made = exchange("binance", base)
        made.rateLimit = 60  # a weight is a hundredth of a second of the budget below
        async with Transport(WeightBudget(RateRule(1000, 60), clock), clock) as transport:
            with calling(Call(weight=weight)):
                await CcxtRequests(made, transport).ask("time", ["public"], "GET", {}, {"cost": 20})
            assert transport.budget.used() == spent


async def test_what_still_waits_for_the_budget_when_the_client_is_closed_is_not_sent() -> None:
    venue, clock = Venue((b"200 OK", [JSON], b"{}")), SystemClock()
    async with serving(venue) as base:
        made, budget = exchange("binance", base), WeightBudget(RateRule(1000, 0.2), clock)
        async with Transport(budget, clock) as transport:
            made.fetch2 = CcxtRequests(made, transport).ask
            await budget.acquire(budget.limit)
            waiting = asyncio.create_task(made.public_get_time())
            await asyncio.sleep(0)
            assert budget.waiting == 1
            await made.close()
            with pytest.raises(ccxt.ExchangeClosedByUser):
                await waiting
    assert not venue.asked


async def test_nothing_is_left_open_when_the_client_is_closed() -> None:
    async with serving(Venue((b"200 OK", [JSON], b"{}"))) as base:
        made, clock = exchange("binance", base), SystemClock()
        async with Transport(WeightBudget(RateRule(1000, 60), clock), clock) as transport:
            made.fetch2 = CcxtRequests(made, transport).ask
            await made.public_get_time()
            session: aiohttp.ClientSession = transport.session
            await made.close()
        assert made.session is None
        assert session.closed
