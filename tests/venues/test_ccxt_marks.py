"""Mark prices through the unmodified ccxt classes, by the call in which each venue states them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sim import Sim, sim_process
from tests.venues.conftest import client_of
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import NotSupported, UnknownSymbol
from xetrade_core.venues.registry import venues
from xetrade_core.venues.venue import VenueStatus

CONTRACTS = {
    "binanceusdm": ("BTC/USDT:USDT", "ETH/USDT:USDT"),
    "binancecoinm": ("BTC/USD:BTC", "ETH/USD:ETH"),
    "okx": ("BTC/USDT:USDT", "ETH/USDT:USDT"),
    "bybit": ("BTC/USDT:USDT", "BTC/USD:BTC"),
    "kucoinfutures": ("BTC/USDT:USDT", "ETH/USDT:USDT"),
    "deribit": ("BTC/USDC:USDC", "ETH/USDC:USDC"),
    "derive": ("BTC/USDC:USDC", "ETH/USDC:USDC"),
}
SCENARIO = "seed = 4\n" + "".join(
    f"[venues.{venue}]\nsymbols = [{', '.join(map(repr, symbols))}]\n" for venue, symbols in CONTRACTS.items()
)


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO + "[venues.binance]\nsymbols = ['BTC/USDT']\n") as running:
        yield running


@pytest.mark.parametrize("name", CONTRACTS)
async def test_the_marks_of_contracts_are_the_venues_own(sim: Sim, name: str) -> None:
    async with client_of(sim, name) as client:
        marks = await client.marks(CONTRACTS[name])
        assert set(marks) == set(CONTRACTS[name])
        for symbol, one in marks.items():
            book = sim.truth(name, symbol, depth=1)
            assert one.mark == pytest.approx((float(book["bids"][0][0]) + float(book["asks"][0][0])) / 2, rel=0.01)
            assert one.index is None or one.index > 0
            # KuCoin's and Bybit's lists have no time of their own
            assert (one.exchange_ns is None) == (name in ("kucoinfutures", "bybit"))
            assert one.exchange_ns is None or abs(one.received_ns - one.exchange_ns) < 5 * NS_PER_S
        with pytest.raises(UnknownSymbol):
            await client.marks(["NONE/USDT:USDT"])


async def test_a_venue_without_contracts_marks_nothing(sim: Sim) -> None:
    async with client_of(sim, "binance") as client:
        with pytest.raises(NotSupported, match="binance marks nothing"):
            await client.marks(["BTC/USDT"])


def test_every_venue_that_funds_says_where_its_marks_are() -> None:
    live = [venue for venue in venues() if venue.status is VenueStatus.LIVE]
    assert {venue.id for venue in live if venue.marks is not None} == {
        venue.id for venue in live if venue.funding is not None
    }
