"""Several venues asked at once: the same instrument's books, what came by the deadline, and why the rest did not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.market_data.conftest import Reach
from tests.support.sim import Sim
from xetrade_core.books.best import MarketState
from xetrade_core.errors import (
    NoAnswer,
    NotSupported,
    NotTrading,
    UnknownSymbol,
    UnknownVenue,
    VenueRetired,
    VenueUnavailable,
)
from xetrade_core.market_data.books import fetch_books, fetch_from_first
from xetrade_core.venues.registry import venues

DEADLINE_S = 20.0
NOWHERE = "http://127.0.0.1:1"


@asynccontextmanager
async def silent_venue() -> AsyncIterator[str]:
    """A host that takes connections and never says a word."""
    server = await asyncio.start_server(lambda reader, _: reader.read(), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_the_books_of_a_pair_are_those_of_its_symbol_on_each_venue(sim: Sim, reach: Reach) -> None:
    found = await fetch_books(reach(), ["okx", "binance"], "BTC-USDT", 5, DEADLINE_S)
    assert (found.symbol, found.failures) == ("BTC/USDT", ())
    assert [(one.book.venue, len(one.book.bids), len(one.book.asks)) for one in found.books] == [
        ("okx", 5, 5),
        ("binance", 5, 5),
    ]
    best = found.best(time.time_ns(), 60.0)
    assert best.bid == max(one.book.bids[0][0] for one in found.books)
    assert best.ask == min(one.book.asks[0][0] for one in found.books)
    binance = found.books[1].book
    assert [list(level) for level in binance.bids] == sim.truth("binance", "BTC/USDT", binance.sequence, 5)["bids"]


@pytest.mark.parametrize("pair", ["BTC/USDT:USDT", "BTC-USDT_USDT"])
async def test_sizes_of_contracts_are_compared_in_base_currency(reach: Reach, pair: str) -> None:
    found = await fetch_books(reach(), ["okx", "binanceusdm"], pair, 5, DEADLINE_S)
    assert found.symbol == "BTC/USDT:USDT"
    okx, usdm = found.books
    assert (okx.contract.size, usdm.contract.size) == (Decimal("0.01"), 1)
    quoted = found.best(time.time_ns(), 60.0).quotes
    assert quoted[0].bid_size == pytest.approx(okx.book.bids[0][1] * 0.01)
    assert quoted[1].bid_size == usdm.book.bids[0][1]


async def test_a_venue_that_means_another_instrument_by_the_pair_is_no_part_of_the_comparison(reach: Reach) -> None:
    found = await fetch_books(reach(), ["binanceusdm", "binance"], "BTC-USDT", 5, DEADLINE_S)
    assert (found.symbol, [one.book.venue for one in found.books]) == ("BTC/USDT", ["binance"])
    [failure] = found.failures
    assert failure.venue == "binanceusdm"
    assert "it is BTC/USDT:USDT there, not BTC/USDT; to compare that, write it like BTC/USDT:USDT" in failure.reason


async def test_the_joint_book_and_what_an_amount_costs_on_it(reach: Reach) -> None:
    found = await fetch_books(reach(), ["binance", "okx"], "BTCUSDT", 20, DEADLINE_S)
    joint = found.consolidated(10)
    assert len(joint.bids) == 10
    assert {venue for level in joint.bids for venue, _ in level.shares} <= {"binance", "okx"}
    assert joint.state in MarketState
    alone = found.impacts("buy", "base", 0.5)
    together = found.joint_impact("buy", "base", 0.5)
    assert set(alone) == {"binance", "okx"}
    assert together.filled
    assert all(together.quote <= one.quote + 1e-6 for one in alone.values() if one.filled)


async def test_an_inverse_contract_is_filled_in_quote_currency(reach: Reach) -> None:
    found = await fetch_books(reach(), ["binancecoinm"], "BTC/USD:BTC", 20, DEADLINE_S)
    got = found.impacts("sell", "quote", 5_000.0)["binancecoinm"]
    assert got.filled
    assert (got.quote, got.size) == (pytest.approx(5_000), pytest.approx(50))


async def test_what_has_come_by_the_deadline_is_the_answer_and_the_late_are_named(reach: Reach) -> None:
    access = reach()
    await fetch_books(access, ["binance"], "BTC-USDT", 1, DEADLINE_S)  # ccxt is imported now
    async with silent_venue() as silent:
        began = time.monotonic()
        found = await fetch_books(reach({"okx": silent}), ["okx", "binance"], "BTC-USDT", 5, 3.0)
        took_s = time.monotonic() - began
    assert [one.book.venue for one in found.books] == ["binance"]
    assert [(one.venue, one.reason) for one in found.failures] == [("okx", "okx gave no book of BTC-USDT within 3 s")]
    assert 3.0 <= took_s < 4.5


async def test_a_venue_that_is_down_is_named_and_stops_no_other(reach: Reach) -> None:
    found = await fetch_books(reach({"okx": NOWHERE}), ["okx", "binance"], "BTC-USDT", 5, DEADLINE_S)
    assert [one.book.venue for one in found.books] == ["binance"]
    [failure] = found.failures
    assert isinstance(failure.error, VenueUnavailable)
    with pytest.raises(VenueUnavailable, match="okx"):
        await fetch_books(reach({"okx": NOWHERE}), ["okx"], "BTC-USDT", 5, DEADLINE_S)


async def test_where_no_venue_answers_each_reason_is_named(reach: Reach) -> None:
    with pytest.raises(NoAnswer, match=r"no venue gave a book of NO-SUCH: .*NO-SUCH' on okx.*; .*NO-SUCH' on binance"):
        await fetch_books(reach(), ["okx", "binance"], "NO-SUCH", 5, DEADLINE_S)
    with pytest.raises(UnknownSymbol, match="NO-SUCH"):
        await fetch_books(reach(), ["binance"], "NO-SUCH", 5, DEADLINE_S)


async def test_a_pair_that_one_venue_has_not_is_a_failure_of_that_venue(reach: Reach) -> None:
    found = await fetch_books(reach(), ["binance", "okx"], "ETH-USDT", 5, DEADLINE_S)
    assert [one.book.venue for one in found.books] == ["binance"]
    assert [type(one.error) for one in found.failures] == [UnknownSymbol]


async def test_unknown_and_retired_venues_are_refused_before_anybody_is_asked(reach: Reach) -> None:
    with pytest.raises(UnknownVenue):
        await fetch_books(reach(), ["binance", "nasdaq"], "BTC-USDT", 5, DEADLINE_S)
    for retired in [row.id for row in venues() if row.retired_on is not None]:
        with pytest.raises(VenueRetired):
            await fetch_books(reach(), ["binance", retired], "BTC-USDT", 5, DEADLINE_S)


async def test_the_stream_gives_the_same_books(sim: Sim, reach: Reach) -> None:
    found = await fetch_books(reach(), ["binance", "okx", "binanceusdm"], "BTC-USDT", 5, DEADLINE_S, via="stream")
    assert [one.book.venue for one in found.books] == ["binance", "okx"]
    assert [one.venue for one in found.failures] == ["binanceusdm"]
    for one in found.books:
        truth = sim.truth(one.book.venue, "BTC/USDT", one.book.sequence, 5)
        assert [list(level) for level in one.book.asks] == truth["asks"]


async def test_a_venue_without_a_client_is_asked_over_its_stream(reach: Reach) -> None:
    access = reach()

    def client(venue: str):
        if venue == "okx":
            raise NotSupported("okx has no client of market data")
        return access.client(venue)

    found = await fetch_books(replace(access, client=client), ["okx", "binance"], "BTC-USDT", 5, DEADLINE_S)
    assert [(one.book.venue, len(one.book.bids)) for one in found.books] == [("okx", 5), ("binance", 5)]


async def test_a_venue_without_a_book_over_rest_is_asked_over_its_stream(reach: Reach) -> None:
    """Derive has none: ccxt says so, and its instruments still come through ccxt."""
    found = await fetch_books(reach(), ["derive", "deribit"], "BTC/USDC:USDC", 5, DEADLINE_S)
    assert [(one.book.venue, len(one.book.bids)) for one in found.books] == [("derive", 5), ("deribit", 5)]
    assert found.best(time.time_ns(), 60.0).bid is not None


async def test_a_fallback_is_asked_when_the_venue_is_down_and_says_so(reach: Reach) -> None:
    access = reach({"okx": NOWHERE, "binanceusdm": NOWHERE})
    found = await fetch_from_first(access, ["okx", "binanceusdm", "binance"], "BTC-USDT", 5, DEADLINE_S)
    assert [one.book.venue for one in found.books] == ["binance"]
    assert [failure.venue for failure in found.failures] == ["okx", "binanceusdm"]
    with pytest.raises(VenueUnavailable, match="okx"):
        await fetch_from_first(access, ["okx", "binanceusdm"], "BTC-USDT", 5, DEADLINE_S)


async def test_a_fallback_is_no_help_for_a_pair_that_the_venue_has_not(reach: Reach) -> None:
    with pytest.raises(UnknownSymbol, match="on okx"):
        await fetch_from_first(reach(), ["okx", "binance"], "ETH-USDT", 5, DEADLINE_S)


async def test_an_instrument_that_does_not_trade_is_no_market(reach: Reach) -> None:
    access = reach()

    def client(venue: str):
        opened = access.client(venue)
        listed = opened.instruments

        async def instruments(*, fresh: bool = False):
            return tuple(replace(row, status="halted") for row in await listed())

        opened.instruments = instruments
        return opened

    with pytest.raises(NotTrading, match="BTC/USDT on binance is not trading: its status is halted"):
        await fetch_books(replace(access, client=client), ["binance"], "BTC-USDT", 5, DEADLINE_S)
