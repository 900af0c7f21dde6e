"""Books of a venue without REST books: looked at again and again over one connection, and never when they are old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.market_data.conftest import Reach
from tests.support.sim import Sim
from xetrade_core.errors import UnknownSymbol, VenueUnavailable
from xetrade_core.market_data import kept_books
from xetrade_core.market_data.kept_books import KeptBooks

BTC, DEADLINE_S = "BTC/USDC:USDC", 5.0
NOWHERE = "ws://127.0.0.1:1"


@pytest.fixture(autouse=True)
def quiet_after_a_moment(sim: Sim, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(kept_books, "FRESH_S", 0.3)
    yield
    sim.clear()


@pytest.fixture
async def books(reach: Reach) -> AsyncIterator[KeptBooks]:
    async with KeptBooks(reach(), 5) as opened:
        yield opened


async def connected(sim: Sim, count: int) -> None:
    """Wait until the venue counts so many connections; fails if it does not come to that."""
    async with asyncio.timeout(DEADLINE_S):
        while sim.state()["venues"]["derive"]["connections"] != count:
            await asyncio.sleep(0.02)


async def test_looks_share_one_connection_which_ends_with_the_desk(reach: Reach, sim: Sim) -> None:
    await connected(sim, 0)
    async with KeptBooks(reach(), 5) as books:
        first, other = await asyncio.gather(*(books.book("derive", BTC, DEADLINE_S) for _ in range(2)))
        assert (first.symbol, len(first.bids), first.stale_s) == (BTC, 5, None)
        assert first.sequence == other.sequence
        while (later := await books.book("derive", BTC, DEADLINE_S)).sequence == first.sequence:
            await asyncio.sleep(0.02)
        assert later.received_ns > first.received_ns
        await connected(sim, 1)
    await connected(sim, 0)


async def test_a_lost_connection_is_waited_for_and_its_old_book_given_to_nobody(books: KeptBooks, sim: Sim) -> None:
    old = await books.book("derive", BTC, DEADLINE_S)
    sim.begin(kind="refuse", venue="derive")
    sim.begin(kind="disconnect", venue="derive", variant="abort")
    await asyncio.sleep(0.1)
    with pytest.raises(VenueUnavailable, match=r"127\.0\.0\.1"):
        await books.book("derive", BTC, 0.6)
    sim.clear()
    again = await books.book("derive", BTC, DEADLINE_S)
    assert again.received_ns > old.received_ns


async def test_a_stream_that_says_nothing_has_no_book_until_it_speaks_again(books: KeptBooks, sim: Sim) -> None:
    await books.book("derive", BTC, DEADLINE_S)
    sim.begin(kind="stall", venue="derive", variant="drop")
    await asyncio.sleep(kept_books.FRESH_S + 0.1)
    with pytest.raises(VenueUnavailable, match=f"derive gave no book of {BTC} within 0.4 s: its stream says nothing"):
        await books.book("derive", BTC, 0.4)
    sim.clear()
    await books.book("derive", BTC, DEADLINE_S)


async def test_a_dead_connection_is_left_for_another_one_as_soon_as_it_is_silent(books: KeptBooks, sim: Sim) -> None:
    old = await books.book("derive", BTC, DEADLINE_S)
    sim.begin(kind="half_open", venue="derive")
    await asyncio.sleep(kept_books.FRESH_S + 0.1)
    assert (await books.book("derive", BTC, DEADLINE_S)).received_ns > old.received_ns


async def test_a_stream_that_cannot_be_reached_is_told_within_the_deadline(reach: Reach) -> None:
    async with KeptBooks(reach(ws={"derive": NOWHERE}), 5) as books:
        with pytest.raises(VenueUnavailable, match=r"no book of BTC/USDC:USDC within 0.3 s: .*127.0.0.1"):
            await books.book("derive", BTC, 0.3)


async def test_a_look_that_is_given_up_leaves_the_feed_connecting(books: KeptBooks, sim: Sim) -> None:
    before = len(sim.injected("rest_delay"))
    sim.begin(kind="rest_delay", venue="derive", path="get_all_instruments", delay_s=0.3, for_=60)
    with pytest.raises(VenueUnavailable, match="its stream is not open yet"):
        await books.book("derive", BTC, 0.05)
    assert (await books.book("derive", BTC, DEADLINE_S)).bids
    assert len(sim.injected("rest_delay")) == before + 1


async def test_what_is_not_listed_is_said_to_every_look(books: KeptBooks) -> None:
    for _ in range(2):
        with pytest.raises(UnknownSymbol, match="on derive"):
            await books.book("derive", "NOPE/USDC:USDC", DEADLINE_S)
