"""Cross-venue orders with a leg on Derive, whose books come over its stream alone; the other one on Binance USD-M."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran, answer
from tests.execution.conftest import unhurried
from tests.support.desk import addresses, all_ids, traded
from tests.support.sim import Sim, sim_process
from xetrade_core.assembly import markets
from xetrade_core.assembly.crossing import cross_service
from xetrade_core.assembly.trading import open_desk
from xetrade_core.clock import SystemClock
from xetrade_core.market_data import kept_books
from xetrade_core.model.quotes import BookSnapshot
from xetrade_core.settings import Settings
from xetrade_core.trading.cross.moves import Rules
from xetrade_core.trading.cross.request import CrossRequest, LegRequest
from xetrade_core.trading.cross.saga import Role, Saga
from xetrade_core.trading.cross.service import CrossService
from xetrade_core.trading.cross.states import CrossState

__all__ = ["answer"]

PAIR, QUANTITY, VENUES = "BTC/USDC:USDC", Decimal("0.02"), ("derive", "binanceusdm")
#: every hedge looks at the book for itself
LOOKS = Rules(fresh_s=0.0, pause_s=0.1)
SCENARIO = "seed = 1\n" + "".join(
    f"""
[venues.{venue}]
symbols = ["{PAIR}"]
[venues.{venue}.accounts.main]
[venues.{venue}.accounts.flat]
"""
    for venue in VENUES
)
Break = Callable[[], object]


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def sim(shared_sim: Sim) -> Iterator[Sim]:
    yield shared_sim
    shared_sim.clear()


def request(first: str, buy: str, *, within_s: float = 20.0, account: str = "main") -> CrossRequest:
    """A cross order whose leg on `first` may go less far into its book, so that it goes first."""
    buys, sells = (
        LegRequest(venue=venue, account=account, symbol=PAIR, slippage_bps=Decimal(1 if venue == first else 50))
        for venue in sorted(VENUES, key=lambda venue: venue != buy)
    )
    return CrossRequest(buy=buys, sell=sells, quantity=QUANTITY, max_loss=Decimal(100), within_s=within_s)


async def cross(sim: Sim, folder: Path, wanted: CrossRequest, planned: Break = lambda: None, off: float = 0.0) -> Saga:
    """One process that trades it; `planned` is done once both books were looked at and before anything is sent. The
    first hedge sees prices that are `off` by so much of them."""
    urls: Any = {venue: {"rest_url": sim.url(venue).rest, "ws_url": sim.url(venue).ws} for venue in VENUES}
    settings = Settings(
        venues=urls,
        state=folder / "state",  # with the rates that processes share: no test waits for what another spent
        accounts={wanted.buy.account: {}},  # type: ignore[dict-item]
        trading={"store": str(folder / "orders.db")},  # type: ignore[arg-type]
    )
    async with open_desk(settings, SystemClock(), random.Random(1)) as desk:
        for client in desk.clients.values():
            unhurried(client)
        looks = 0

        async def books(venue: str, symbol: str) -> BookSnapshot:
            nonlocal looks
            found = await desk.markets.book(venue, symbol)
            looks += 1
            if looks == len(VENUES):
                await asyncio.to_thread(planned)
            return found if looks != len(VENUES) + 1 else moved(found, off)

        means = dataclasses.replace(cross_service(desk).means, books=books, rules=LOOKS)
        return await CrossService(means).start(wanted, key=f"derive-{folder.name}")


def moved(book: BookSnapshot, by: float) -> BookSnapshot:
    bids, asks = (tuple((price * (1 + by), size) for price, size in side) for side in (book.bids, book.asks))
    return dataclasses.replace(book, bids=bids, asks=asks)


def held(sim: Sim, account: str = "main") -> dict[str, Decimal]:
    return {venue: traded(sim, venue, PAIR, account) for venue in VENUES}


@pytest.mark.parametrize("first", VENUES)
async def test_derive_is_either_leg_and_either_side(first: str, sim: Sim, tmp_path: Path) -> None:
    before = held(sim)
    saga = await cross(sim, tmp_path, request(first, first))
    assert (saga.state, saga.plan.first.venue) == (CrossState.DONE, first), saga.reason
    change = {venue: QUANTITY if venue == first else -QUANTITY for venue in VENUES}
    assert held(sim) == {venue: before[venue] + change[venue] for venue in VENUES}


async def test_a_hedge_that_derive_refuses_as_nobody_trades_with_it_is_sent_again(sim: Sim, tmp_path: Path) -> None:
    before = held(sim)
    saga = await cross(sim, tmp_path, request("binanceusdm", "derive"), off=-0.01)
    first, second = saga.of(Role.HEDGE)
    assert (first.missed, first.reason) == (True, "Zero liquidity for market or IOC/FOK order")
    assert (second.filled, saga.state) == (QUANTITY, CrossState.DONE)
    assert held(sim) == {"derive": before["derive"] + QUANTITY, "binanceusdm": before["binanceusdm"] - QUANTITY}


def test_without_a_book_the_plan_is_refused_in_one_line_and_nothing_is_sent(
    answer: Callable[..., Ran], sim: Sim, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(markets, "BOOK_DEADLINE_S", 0.4)
    for name, value in addresses(sim).items():
        monkeypatch.setenv(name, value)
    before = [all_ids(sim, venue) for venue in VENUES]
    sim.begin(kind="stall", venue="derive", variant="drop")
    legs = ("--pair", PAIR, "--buy", "binanceusdm", "--sell", "derive")
    ran = answer("cross", *legs, "--quantity", QUANTITY, "--max-loss", 100)
    assert ran.code == 2
    assert ran.error == f"error: derive gave no book of {PAIR} within 0.4 s: its stream says nothing"
    assert [all_ids(sim, venue) for venue in VENUES] == before
    assert "no cross orders" in answer("cross", "list").out


async def test_a_stream_that_is_lost_before_the_hedge_delays_it_until_it_is_back(
    sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_books, "FRESH_S", 0.3)

    def lose() -> None:
        sim.begin(kind="stall", venue="derive", variant="drop", for_=1)
        sim.begin(kind="disconnect", venue="derive", variant="abort")
        sim.begin(kind="rest_error", venue="derive", path="get_all_instruments", status=503, for_=60)  # asked no more

    before, failed = held(sim), len(sim.injected("rest_error"))
    saga = await cross(sim, tmp_path, request("binanceusdm", "derive"), lose)
    assert len(sim.injected("rest_error")) == failed
    assert saga.state is CrossState.DONE, saga.reason
    assert saga.updated_ns - saga.created_ns > 0.4e9
    assert held(sim) == {"derive": before["derive"] + QUANTITY, "binanceusdm": before["binanceusdm"] - QUANTITY}


async def test_a_stream_that_stays_away_has_the_first_leg_traded_back_and_no_hedge_sent(
    sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_books, "FRESH_S", 0.3)
    monkeypatch.setattr(markets, "BOOK_DEADLINE_S", 0.4)

    def silence() -> None:
        sim.begin(kind="stall", venue="derive", variant="drop")
        time.sleep(kept_books.FRESH_S + 0.1)

    saga = await cross(sim, tmp_path, request("binanceusdm", "binanceusdm", within_s=1.0, account="flat"), silence)
    assert saga.state is CrossState.UNWOUND, saga.reason
    assert "0.02 not hedged within 1 s" in str(saga.reason)
    assert held(sim, "flat") == dict.fromkeys(VENUES, Decimal(0))
    assert all_ids(sim, "derive", "flat") == []
