"""Market data through the unmodified ccxt classes against simulated venues: the truth, and our errors only."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.sim import Sim, no_faults_left, sim_process  # noqa: F401
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.errors import (
    ConfigError,
    NotSupported,
    RateLimited,
    UnknownSymbol,
    UnknownVenue,
    VenueUnavailable,
)
from xetrade_core.feeds.factory import rest_client
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.simvenue.instruments import listing
from xetrade_core.venues.budget import Priority, WeightBudget
from xetrade_core.venues.ccxt_client import CcxtMarketData
from xetrade_core.venues.ccxt_reading import interval_s
from xetrade_core.venues.clients import ClientOptions, open_client
from xetrade_core.venues.instruments import load_instruments
from xetrade_core.venues.most import Most
from xetrade_core.venues.registry import venue
from xetrade_core.venues.replies import raw_code, retry_after_s
from xetrade_core.venues.transport import Call, HostRules, Transport, calling

CASES = [
    ("binance", "BTC/USDT"),
    ("binanceusdm", "BTC/USDT:USDT"),
    ("binancecoinm", "BTC/USD:BTC"),
    ("okx", "BTC/USDT"),
    ("okx", "BTC/USDT:USDT"),
    ("deribit", "BTC/USD:BTC"),
    ("deribit", "ETH/USDC"),
    ("derive", "BTC/USDC:USDC"),
]
BOOKS = [case for case in CASES if case[0] != "derive"]  # whose books come over the websocket alone


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process("".join(f"[venues.{name}]\n" for name in {name: None for name, _ in CASES})) as running:
        yield running


@asynccontextmanager
async def client_of(sim: Sim, name: str, **options: Any) -> AsyncIterator[CcxtMarketData]:
    opened = open_client(name, ClientOptions(rest_url=sim.url(name).rest, **options), SystemClock(), random.Random(1))
    assert isinstance(opened, CcxtMarketData)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.mark.parametrize(("name", "symbol"), BOOKS)
async def test_a_book_is_the_truth_at_its_sequence(sim: Sim, name: str, symbol: str) -> None:
    async with client_of(sim, name) as client:
        book = await client.book(symbol, 7)
    assert (len(book.bids), len(book.asks), book.stale_s) == (7, 7, None)
    if book.sequence is not None:  # ccxt's OKX reads none
        truth = sim.truth(name, symbol, book.sequence, depth=7)
        assert [list(level) for level in book.bids] == truth["bids"]
        assert [list(level) for level in book.asks] == truth["asks"]
    assert book.exchange_ns is None or abs(book.exchange_ns - book.received_ns) < 5 * NS_PER_S


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
async def test_the_instruments_are_those_that_the_venue_lists(sim: Sim, name: str) -> None:
    async with client_of(sim, name) as client:
        rows = await client.instruments()
    assert len(rows) >= 3
    for row in rows:
        listed = listing(name, row.symbol).instrument
        for field in ("venue", "venue_id", "market_type", "price_tick", "lot", "contract_size", "status"):
            assert getattr(row, field) == getattr(listed, field), field


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
async def test_what_an_order_may_be_at_most_is_read_as_in_the_venues_own_list(sim: Sim, name: str) -> None:
    """ccxt takes some of it for another thing: OKX's largest market order in USDT for the largest value of all."""
    async with client_of(sim, name) as client:
        rows = {row.symbol: row for row in await client.instruments()}
    options, clock, rules = FeedOptions(rest_url=sim.url(name).rest), SystemClock(), venue(name)
    async with rest_client(rules, options, clock, random.Random(1)) as plain:
        for listed in await load_instruments(rules, plain, list(rows)):
            for field in Most._fields:
                assert getattr(rows[listed.symbol], field) == getattr(listed, field), (listed.symbol, field)


@pytest.mark.parametrize(("name", "symbol"), CASES)
async def test_quotes_are_the_touch_of_the_book(sim: Sim, name: str, symbol: str) -> None:
    async with client_of(sim, name) as client:
        found = await client.quotes([symbol, symbol])
    far = sim.truth(name, symbol, depth=50)
    quote = found.pop(symbol)
    assert not found
    assert quote.bid is not None
    assert quote.ask is not None
    assert far["bids"][-1][0] < quote.bid < quote.ask < far["asks"][-1][0]
    assert None not in (quote.bid_size, quote.ask_size)


async def test_quotes_of_spot_and_perpetuals_together_take_one_call_a_kind(sim: Sim) -> None:
    async with client_of(sim, "okx") as client:
        found = await client.quotes(["BTC/USDT", "BTC/USDT:USDT", "ETH/USDT"])
    assert list(found) == ["BTC/USDT", "BTC/USDT:USDT", "ETH/USDT"]
    assert all(quote.symbol == symbol and quote.bid for symbol, quote in found.items())


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES}))
async def test_the_venues_clock_is_read(sim: Sim, name: str) -> None:
    async with client_of(sim, name) as client:
        assert abs(await client.server_time_ns() - SystemClock().wall_ns()) < 5 * NS_PER_S


async def test_funding_of_what_is_not_funded_is_not_supported(sim: Sim) -> None:
    async with client_of(sim, "binance") as client:
        with pytest.raises(NotSupported, match=r"BTC/USDT on binance is spot: only perpetual contracts are funded"):
            await client.funding("BTC/USDT")
        with pytest.raises(NotSupported):
            await client.funding_page("BTC/USDT", 0, 1)


@pytest.mark.parametrize(("name", "symbol"), [("deribit", "BTC/USD:BTC"), ("derive", "BTC/USDC:USDC")])
async def test_hourly_funding_is_what_the_venue_paid_in_that_hour(sim: Sim, name: str, symbol: str) -> None:
    hour_ns = 3600 * NS_PER_S
    end_ns = SystemClock().wall_ns() // hour_ns * hour_ns
    async with client_of(sim, name) as client:
        page = await client.funding_page(symbol, end_ns - 600 * hour_ns, end_ns)
        quote = await client.funding(symbol)
    shown = sim.funding(name, symbol, (end_ns - 600 * hour_ns) // 10**6, end_ns // 10**6 - 1)
    assert len(page) == 600
    assert [row.funding_ns // 10**6 for row in page] == [row["time_ms"] for row in shown]
    assert [row.rate for row in page] == pytest.approx([row["rate"] for row in shown])
    assert quote.rate is not None


async def test_an_unknown_symbol_names_near_ones_and_costs_no_call(sim: Sim) -> None:
    async with client_of(sim, "binance") as client:
        await client.instruments()
        used = client.transport.budget.used()
        with pytest.raises(UnknownSymbol, match=r"unknown symbol 'BTC/USDX' on binance: did you mean BTC/USDT"):
            await client.book("BTC/USDX", 5)
        assert client.transport.budget.used() == used


async def test_a_venue_without_a_rest_book_says_so(sim: Sim) -> None:
    async with client_of(sim, "derive") as client:
        with pytest.raises(NotSupported, match="derive has no REST order book: its books come over the websocket"):
            await client.book("BTC/USDC:USDC", 5)


@pytest.mark.parametrize("status", [429, 418])
async def test_a_limit_is_rate_limited_with_its_time_and_silences_the_budget(sim: Sim, status: int) -> None:
    async with client_of(sim, "binance") as client:
        await client.instruments()
        sim.begin(kind="rate_limit", venue="binance", path="/depth", status=status, retry_after_s=40)
        with pytest.raises(
            RateLimited, match=rf"order book of BTC/USDT: .*status {status}.*no calls for 40 s"
        ) as caught:
            await client.book("BTC/USDT", 5)
        assert caught.value.retry_after_s == 40
        assert 38 < client.transport.budget.paused_s() <= 40


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "rest_error", "status": 503}, "status 503"),
        ({"kind": "rest_garbled"}, "bytes that are not JSON: .*cannot be read"),
        ({"kind": "rest_empty"}, "0 bytes that are not JSON"),
        ({"kind": "rest_delay", "delay_s": 3}, "no answer in time"),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("name", ["binance", "okx"])
async def test_what_goes_wrong_on_the_way_is_unavailable(sim: Sim, name: str, fault: dict[str, Any], said: str) -> None:
    async with client_of(sim, name, request_timeout_s=0.4) as client:
        await client.instruments()
        sim.begin(venue=name, path="depth" if name == "binance" else "/market/books", **fault)
        with pytest.raises(VenueUnavailable, match=rf"{name} order book of BTC/USDT: (.*{said})"):
            await client.book("BTC/USDT", 5)
        assert (await client.book("BTC/USDT", 5)).bids


async def test_nobody_there_is_unavailable_in_one_line() -> None:
    options = ClientOptions(rest_url="http://127.0.0.1:9", request_timeout_s=1)
    client = open_client("okx", options, SystemClock(), random.Random(1))
    try:
        with pytest.raises(VenueUnavailable, match=r"^okx list of markets: cannot be reached: okx GET http") as caught:
            await client.book("BTC/USDT", 5)
        assert "\n" not in str(caught.value)
    finally:
        await client.close()


async def test_three_hundred_calls_are_in_flight_at_once(sim: Sim) -> None:
    """With aiohttp's own limit no more than 100 would be on their way, and the rest would wait unseen."""
    async with client_of(sim, "okx") as client:
        await client.instruments()
        client.transport.budget.limit = 1000
        before = len(sim.injected("rest_delay"))
        sim.begin(kind="rest_delay", venue="okx", path="/market/books", delay_s=4, count=300)
        calls = [asyncio.ensure_future(client.book("BTC/USDT", 5)) for _ in range(300)]
        arrived = 0
        while arrived < 300 and not any(call.done() for call in calls):
            await asyncio.sleep(0.05)
            arrived = len(await asyncio.to_thread(sim.injected, "rest_delay")) - before
        assert arrived == 300, "all have reached the venue before it has answered one"
        books = await asyncio.gather(*calls)
    assert len(books) == 300


class Spy(WeightBudget):
    """Remembers what was asked of it."""

    def __init__(self, name: str) -> None:
        super().__init__(venue(name).rest.budget, SystemClock())
        self.asked: list[int] = []

    async def acquire(self, weight: int, priority: Priority = Priority.START, *, within_s: float | None = None) -> None:
        self.asked.append(weight)
        await super().acquire(weight, priority)


async def test_calls_are_weighted_by_the_venues_facts_and_else_by_ccxts_costs(sim: Sim) -> None:
    spy = Spy("binance")
    async with client_of(sim, "binance", budget=spy) as client:
        await client.book("BTC/USDT", 1000)
        await client.server_time_ns()
    # exchangeInfo and time: 4 and 0.2 times ccxt's 50 ms, of 6000 a minute; depth of 1000 levels by the venue's table
    assert spy.asked == [20, 50, 1]


async def test_a_client_that_is_closed_is_gone_with_all_it_knew_of_the_venue(sim: Sim) -> None:
    gc.collect()
    gc.disable()
    try:
        async with client_of(sim, "binance") as client:
            known = weakref.ref(await client.exchange("BTC/USDT"))
        assert known() is not None
        del client
        assert known() is None
    finally:
        gc.enable()


async def test_a_venue_that_is_not_known_and_one_without_a_testnet_are_refused() -> None:
    with pytest.raises(UnknownVenue):
        open_client("nowhere", ClientOptions(), SystemClock(), random.Random(1))
    with pytest.raises(ConfigError, match="holds a user name or password"):
        ClientOptions(rest_url="http://me:secret@127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"request_timeout_s = 0 is not valid"):
        ClientOptions(request_timeout_s=0)


async def test_the_testnet_is_another_host_of_the_same_paths() -> None:
    client = open_client("binance", ClientOptions(testnet=True), SystemClock(), random.Random(1))
    assert isinstance(client, CcxtMarketData)
    assert client._exchange.urls["api"]["public"] == "https://testnet.binance.vision/api/v3"
    await client.close()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"code":-1121,"msg":"Invalid symbol."}', "-1121"),
        (b'{"code":"1","data":[{"sCode":"51119","sMsg":"no funds"}],"msg":""}', "51119"),
        (b'{"code":"50011","data":[],"msg":"Too Many Requests"}', "50011"),
        (b'{"retCode":10001,"retMsg":"params"}', "10001"),
        (b'{"jsonrpc":"2.0","error":{"code":10028,"message":"too_many_requests"}}', "10028"),
        (b'{"error":{"code":2004,"message":"order not found"},"success":false}', "2004"),
        (b'{"code":"200000","data":{}}', None),
        (b'{"retCode":0}', None),
        (b'{"serverTime":5}', None),
        (b"<html>502</html>", None),
        (b'{"code": tru', None),
        (b"[1,2]", None),
        (b"", None),
    ],
)
def test_the_raw_code_is_found_in_every_venues_form(body: bytes, code: str | None) -> None:
    assert raw_code(body) == code


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("1700000060", 60.0),  # MAX: a Unix timestamp
        ("1700000060000", 60.0),
        ("1600000000", 0.0),  # has passed
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tue, 14 Nov 2023 20:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        (None, None),
        ("-4", None),
        ("1e99", None),
        ("nan", None),
        ("999999", None),
    ],
)
def test_a_retry_after_is_a_delay_a_date_or_a_timestamp(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, 1_700_000_000 * NS_PER_S) == seconds


def test_intervals_of_ccxt_are_seconds() -> None:
    assert [interval_s(text) for text in ("8h", "1h", "1d", "30m", "", None, "h", "8x")] == [
        28800.0, 3600.0, 86400.0, 1800.0, None, None, None, None,
    ]  # fmt: skip


async def test_clients_of_a_process_share_the_connections_of_a_host(sim: Sim) -> None:
    async with client_of(sim, "okx") as first:
        await first.server_time_ns()
        async with client_of(sim, "okx") as second:
            await second.server_time_ns()
            assert second.transport.session.connector is first.transport.session.connector
        await first.server_time_ns()
        connector = first.transport.session.connector
    assert connector is not None
    assert connector.closed, "with its last client the pool is closed"


async def test_a_ban_by_another_status_silences_for_the_time_that_the_venues_rules_state(sim: Sim) -> None:
    clock, rules = SystemClock(), HostRules(bans={403: 600.0})
    sim.begin(kind="rest_error", venue="okx", path="public/time", status=403)
    async with Transport(WeightBudget(venue("okx").rest.budget, clock), clock, rules) as transport:
        with calling(Call()) as call:
            async with transport.session.get(sim.url("okx").rest + "/api/v5/public/time"):
                pass
        assert (call.status, call.retry_after_s) == (403, 600.0)
        assert 599 < transport.budget.paused_s() <= 600


async def test_a_transport_that_was_closed_opens_anew() -> None:
    rules = venue("binance")
    async with Transport(WeightBudget(rules.rest.budget, SystemClock()), SystemClock()) as transport:
        first = transport.session
        assert first.connector is not None
        assert (first.connector.limit, first.connector.limit_per_host) == (0, 0)
        await transport.close()
        assert transport.session is not first
