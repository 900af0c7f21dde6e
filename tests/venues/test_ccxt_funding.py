"""Funding through the unmodified ccxt classes: what the simulated venues paid, and what they say now."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.sim import Sim, sim_process
from tests.venues.conftest import client_of
from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.simvenue.funding import HOUR_MS
from xetrade_core.venues.registry import venue
from xetrade_core.venues.venue import Paging

BTC, SOL = "BTC/USDT:USDT", "SOL/USDT:USDT"
VENUES = {"binanceusdm": (BTC, SOL), "binancecoinm": ("BTC/USD:BTC", "SOL/USD:SOL"), "okx": (BTC, SOL)}
DAY_MS = 24 * HOUR_MS
START_MS = 1_783_123_200_000  # 2026-07-04


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process("\n".join(f"[venues.{name}]" for name in VENUES)) as running:
        yield running


@pytest.mark.parametrize("name", VENUES)
async def test_a_page_is_what_the_venue_paid_at_its_end_of_the_range(sim: Sim, name: str) -> None:
    rules = venue(name).funding
    assert rules is not None
    end_ms = START_MS + 400 * DAY_MS // 3
    symbol = VENUES[name][1]
    async with client_of(sim, name) as client:
        page = await client.funding_page(symbol, START_MS * NS_PER_MS, end_ms * NS_PER_MS)
    truth = sim.funding(name, symbol, START_MS, end_ms - 1)
    oldest = rules.paging is Paging.OLDEST_FIRST
    truth = truth[: rules.page_limit] if oldest else truth[-rules.page_limit :]
    stamp = "stamp_ms" if name.startswith("binance") else "time_ms"
    assert [(row.funding_ns // NS_PER_MS, row.rate) for row in page] == [(row[stamp], row["rate"]) for row in truth]
    marks = [row["mark_price"] for row in truth] if name.startswith("binance") else [None] * len(truth)
    assert [row.mark_price for row in page] == marks


@pytest.mark.parametrize("name", VENUES)
async def test_funding_of_all_symbols_is_that_of_each(sim: Sim, name: str) -> None:
    async with client_of(sim, name) as client:
        every = await client.fundings(VENUES[name])
        assert set(every) == set(VENUES[name])
        for symbol, hours in zip(VENUES[name], (8, 4), strict=True):
            one = await client.funding(symbol)
            for quote in (one, every[symbol]):
                assert quote.interval_s == hours * 3600
                assert quote.rate is not None
                assert quote.next_funding_ns is not None
                assert 0 < quote.next_funding_ns - quote.received_ns <= (hours * 3600 + 1) * NS_PER_S
                assert (quote.predicted_rate is not None) == (name == "okx")
