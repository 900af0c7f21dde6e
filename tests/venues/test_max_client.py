"""Our own client of MAX: against its simulated double, and on recorded replies."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.recordings import recording
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.errors import ConfigError, NotSupported, RateLimited, UnknownSymbol, VenueRefused, VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus
from xetrade_core.venues.clients import ClientOptions, open_client
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.registry import venue

SYMBOL = "BTC/TWD"


@asynccontextmanager
async def client_at(rest_url: str, **options: Any) -> AsyncIterator[MarketData]:
    client = open_client("max", ClientOptions(rest_url=rest_url, **options), SystemClock(), random.Random(1))
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def simulated(sim: Sim, **options: Any) -> AsyncIterator[MarketData]:
    async with client_at(sim.url("max").rest, **options) as client:
        yield client


async def test_a_book_is_the_truth_at_its_sequence_best_first(sim: Sim) -> None:
    async with simulated(sim) as client:
        book = await client.book(SYMBOL, 7)
    assert (len(book.bids), len(book.asks)) == (7, 7)
    truth = sim.truth("max", SYMBOL, book.sequence, depth=7)
    assert [list(level) for level in book.bids] == truth["bids"]
    assert [list(level) for level in book.asks] == truth["asks"]
    assert book.exchange_ns is not None
    assert abs(book.exchange_ns - book.received_ns) < 3 * NS_PER_S


async def test_quotes_of_many_come_in_one_call_and_agree_with_the_books(sim: Sim) -> None:
    async with simulated(sim) as client:
        symbols = [row.symbol for row in await client.instruments()]
        quotes = await client.quotes(symbols)
    assert set(quotes) == set(symbols)
    for quote in quotes.values():
        assert quote.bid is not None
        assert quote.ask is not None
        assert 0 < quote.bid < quote.ask
        assert quote.bid_size
        assert quote.ask_size


async def test_the_instruments_and_the_clock_are_the_venues(sim: Sim) -> None:
    async with simulated(sim) as client:
        rows = await client.instruments()
        assert abs(await client.server_time_ns() - SystemClock().wall_ns()) < 3 * NS_PER_S
    assert SYMBOL in {row.symbol for row in rows}
    assert all(row.price_tick > 0 < row.lot for row in rows)


async def test_what_max_does_not_have_is_said(sim: Sim) -> None:
    async with simulated(sim) as client:
        with pytest.raises(UnknownSymbol, match="unknown symbol 'BTC/TWX' on max: did you mean BTC/TWD"):
            await client.book("BTC/TWX", 5)
        with pytest.raises(NotSupported, match="BTC/TWD is a spot market"):
            await client.funding(SYMBOL)
        with pytest.raises(NotSupported, match="nothing is funded"):
            await client.funding_page(SYMBOL, 0, 1)
        assert await client.quotes([]) == {}
    with pytest.raises(ConfigError, match="max has no testnet"):
        open_client("max", ClientOptions(testnet=True), SystemClock(), random.Random(1))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "rest_error", "status": 502}, "answered 502"),
        ({"kind": "rest_empty"}, "not JSON"),
        ({"kind": "rest_garbled"}, "not JSON|cannot be read"),
    ],
)
async def test_a_venue_in_trouble_is_unavailable(sim: Sim, fault: dict[str, Any], error: str) -> None:
    async with simulated(sim) as client:
        await client.instruments()
        sim.begin(venue="max", path="depth", **fault)
        with pytest.raises(VenueUnavailable, match=error):
            await client.book(SYMBOL, 5)
        assert (await client.book(SYMBOL, 5)).bids


async def test_a_limit_that_names_the_moment_of_its_end_is_read_as_a_delay(sim: Sim) -> None:
    async with simulated(sim) as client:
        await client.instruments()
        sim.begin(kind="rate_limit", venue="max", path="depth", status=429, retry_after_s=30)
        with pytest.raises(RateLimited) as refusal:
            await client.book(SYMBOL, 5)
    assert 25 < refusal.value.retry_after_s <= 31


def _listing() -> dict[str, Instrument]:
    body = recording("max/markets.json").read_bytes()
    return {row.venue_id: row for row in venue("max").instruments.parse(body)}


@pytest.mark.recordings
def test_the_recorded_markets_are_read_and_lead_back_to_their_ids() -> None:
    rows = _listing()
    assert len(rows) == len(json.loads(recording("max/markets.json").read_bytes()))
    for row in rows.values():
        assert venue("max").instruments.venue_id(row.symbol) == row.venue_id
        assert row.price_tick > 0 < row.lot
        assert row.min_amount is not None
        assert row.min_notional is not None
    assert len({row.symbol for row in rows.values()}) == len(rows)
    btc = rows["btctwd"]
    assert (btc.symbol, btc.price_tick, btc.lot) == ("BTC/TWD", Decimal("0.1"), Decimal("0.00000001"))
    assert (btc.min_amount, btc.min_notional) == (Decimal("0.0001"), Decimal(250))


def test_a_precision_below_zero_is_a_lot_of_thousands_and_a_status_is_kept() -> None:
    row = {"id": "shibtwd", "status": "cancel-only", "base_unit": "shib", "base_unit_precision": -3}
    row |= {"quote_unit": "twd", "quote_unit_precision": 0, "min_base_amount": 2e5, "min_quote_amount": 250}
    (shib,) = venue("max").instruments.parse(json.dumps([row]).encode())
    assert (shib.lot, shib.price_tick, shib.min_amount) == (Decimal(1000), Decimal(1), Decimal(200_000))
    assert shib.status is InstrumentStatus.CANCEL_ONLY


@asynccontextmanager
async def recorded() -> AsyncIterator[MarketData]:
    """A server of the recorded replies."""

    def serving(name: str) -> Any:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=recording(f"max/{name}.json").read_bytes(), content_type="application/json")

        return answer

    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"success": False, "error": {"code": 2011, "message": "out of scope"}}, status=401)

    app = web.Application()
    for name in ("markets", "depth", "tickers", "timestamp"):
        app.router.add_get(f"/api/v3/{name}", serving(name))
    app.router.add_get("/refused/api/v3/markets", refuse)
    server = TestServer(app)
    await server.start_server()
    try:
        async with client_at(str(server.make_url("")).rstrip("/")) as client:
            yield client
    finally:
        await server.close()


@pytest.mark.recordings
async def test_recorded_replies_are_read() -> None:
    async with recorded() as client:
        book = await client.book("BTC/TWD", 3)
        quotes = await client.quotes(["BTC/TWD", "ETH/TWD"])
        assert await client.server_time_ns() == 1_728_011_557 * NS_PER_S
    assert book.bids[0] == (1952078.0, 0.02049401)
    assert book.asks[:2] == ((1965418.4, 0.00097219), (1966084.8, 0.001029))
    assert (len(book.asks), book.sequence, book.exchange_ns) == (3, 208377, 1_728_011_558 * NS_PER_S)
    assert book.quote().ask == quotes["BTC/TWD"].ask
    assert (quotes["ETH/TWD"].bid, quotes["ETH/TWD"].bid_size) == (75655.8, 17.855065)


@pytest.mark.recordings
async def test_a_refusal_keeps_the_venues_words() -> None:
    async with recorded() as client:
        client.base_url += "/refused"  # type: ignore[attr-defined]
        with pytest.raises(VenueRefused, match=r"401: .*out of scope"):
            await client.instruments()
