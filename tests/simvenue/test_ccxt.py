"""The unmodified ccxt and ccxt.pro classes against the simulated venues: same books as the truth, tick for tick."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.ccxt_quirks import past_its_snapshot
from tests.support.sim import Sim, sim_process
from xetrade_core.errors import NotSupported, UnknownVenue
from xetrade_core.simvenue import ccxt_config
from xetrade_core.simvenue.dialects import DIALECTS
from xetrade_core.simvenue.instruments import listing

CASES = [
    ("binance", "BTC/USDT"),
    ("binance", "ETH/USDT:USDT"),  # the class `binance` reaches the futures too
    ("binanceusdm", "BTC/USDT:USDT"),
    ("binancecoinm", "BTC/USD:BTC"),
    ("kucoin", "BTC/USDT:USDT"),
    ("kucoinfutures", "BTC/USD:BTC"),
    ("okx", "BTC/USDT"),
    ("okx", "BTC/USDT:USDT"),
]
UPDATES = 12
EXCHANGES = [name for name in DIALECTS if name != "max"]  # ccxt has no class for it


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process("".join(f"[venues.{venue}]\n" for venue in DIALECTS)) as running:
        yield running


def home(exchange: str, symbol: str) -> str:
    """The simulated venue behind a ccxt class and symbol."""
    if ":" not in symbol:
        return exchange
    coin_margined = "binancecoinm" if "/USD:" in symbol else "binanceusdm"
    return {"binance": coin_margined, "kucoin": "kucoinfutures"}.get(exchange, exchange)


def levels(side: list[list[float]], depth: int) -> list[list[float]]:
    return [list(level[:2]) for level in side[:depth]]


def urls(tree: Any) -> Iterator[str]:
    for value in tree.values():
        if isinstance(value, dict):
            yield from urls(value)
        else:
            yield value


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_ccxt_keeps_no_production_url(sim: Sim, exchange: str) -> None:
    import ccxt.pro

    client = getattr(ccxt.pro, exchange)(ccxt_config(exchange, sim))
    assert [url for url in urls(client.urls["api"]) if "://127.0.0.1:" not in url] == []


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_load_markets_reads_tick_lot_and_contract_size(sim: Sim, exchange: str) -> None:
    import ccxt

    client = getattr(ccxt, exchange)(ccxt_config(exchange, sim))
    markets = client.load_markets()
    assert len(markets) >= 3
    for symbol, market in markets.items():
        instrument = listing(home(exchange, symbol), symbol).instrument
        assert market["id"] == instrument.venue_id
        assert market["active"]
        assert market["precision"]["price"] == float(instrument.price_tick)
        assert market["precision"]["amount"] == float(instrument.lot)
        if exchange == "deribit":  # amounts there are not counted in the contracts that it states
            assert instrument.contract_size == 1
        else:
            assert market["contractSize"] == (float(instrument.contract_size) if market["contract"] else None)
    assert abs(client.fetch_time() - client.milliseconds()) < 5_000


@pytest.mark.parametrize(("exchange", "symbol"), CASES)
def test_fetched_and_watched_books_equal_the_truth_at_their_nonce(sim: Sim, exchange: str, symbol: str) -> None:
    asyncio.run(compare_books(sim, exchange, symbol))


async def compare_books(sim: Sim, exchange: str, symbol: str) -> None:
    import ccxt.pro

    venue = home(exchange, symbol)
    client = getattr(ccxt.pro, exchange)(ccxt_config(exchange, sim))
    nonces = []
    try:
        book = await client.fetch_order_book(symbol, 100)
        assert len(book["bids"]) == len(book["asks"]) == 100
        if book["nonce"] is not None:
            check(sim, venue, symbol, book)
        await asyncio.wait_for(past_its_snapshot(client, exchange, symbol), 20)
        for _ in range(UPDATES):
            book = await asyncio.wait_for(client.watch_order_book(symbol), 10)
            check(sim, venue, symbol, book)
            nonces.append(book["nonce"])
    finally:
        await client.close()
    assert len(set(nonces)) >= UPDATES - 2
    assert nonces == sorted(nonces)


def check(sim: Sim, venue: str, symbol: str, book: dict[str, Any]) -> None:
    truth = sim.truth(venue, symbol, book["nonce"], depth=100)
    assert levels(book["bids"], 100) == truth["bids"]
    assert levels(book["asks"], 100) == truth["asks"]


async def watch_on(client: Any, symbol: str, updates: int) -> None:
    for _ in range(updates):
        await asyncio.wait_for(client.watch_order_book(symbol), 10)


@pytest.mark.parametrize(("exchange", "symbol"), [("binance", "BTC/USDT"), ("okx", "BTC/USDT")])
def test_ccxt_notices_a_lost_frame_as_it_does_on_the_real_venue(sim: Sim, exchange: str, symbol: str) -> None:
    asyncio.run(lose_one(sim, exchange, symbol))


async def lose_one(sim: Sim, exchange: str, symbol: str) -> None:
    import ccxt.pro

    client = getattr(ccxt.pro, exchange)(ccxt_config(exchange, sim))
    try:
        await watch_on(client, symbol, 3)
        sim.inject(kind="lost", venue=exchange, symbol=symbol)
        with pytest.raises((ccxt.pro.ChecksumError, ccxt.pro.InvalidNonce)):
            await watch_on(client, symbol, 20)
        book = await asyncio.wait_for(client.watch_order_book(symbol), 10)
        check(sim, exchange, symbol, book)
    finally:
        await client.close()
    assert sim.injected("lost")[-1]["symbol"] == symbol


@pytest.mark.parametrize(
    ("exchange", "symbol"),
    [("binance", "BTC/USDT"), ("binanceusdm", "BTC/USDT:USDT"), ("okx", "BTC/USDT"), ("deribit", "BTC/USD:BTC")],
)
def test_trades_and_tickers_are_read_too(sim: Sim, exchange: str, symbol: str) -> None:
    asyncio.run(watch_others(sim, exchange, symbol))


async def watch_others(sim: Sim, exchange: str, symbol: str) -> None:
    import ccxt.pro

    client = getattr(ccxt.pro, exchange)(ccxt_config(exchange, sim))
    try:
        ticker = await client.fetch_ticker(symbol)
        assert 0 < ticker["bid"] < ticker["ask"]
        trades = await asyncio.wait_for(client.watch_trades(symbol), 10)
        assert trades[0]["side"] in ("buy", "sell")
        assert trades[0]["price"] > 0 < trades[0]["amount"]
        best = (await asyncio.wait_for(client.watch_bids_asks([symbol]), 10))[symbol]
        assert 0 < best["bid"] < best["ask"]
    finally:
        await client.close()


def test_a_venue_that_is_not_simulated_or_not_known_to_ccxt_is_refused(sim: Sim) -> None:
    with pytest.raises(UnknownVenue, match="kraken"):
        ccxt_config("kraken", sim)
    with pytest.raises(NotSupported, match="ccxt has no class for MAX"):
        ccxt_config("max", sim)
