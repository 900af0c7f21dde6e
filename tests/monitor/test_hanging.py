"""A venue that takes connections and does not answer: it holds up nobody else, is named, and is current again once it
answers. Against simulated venues of which one hangs; what is waited for are updates, not times."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.monitor.conftest import Trade
from tests.support.sim import Sim, no_faults_left, sim_process
from tests.trading.samples import fill
from xetrade_core.assembly.watching import OpenWatch, open_watch, watch_positions
from xetrade_core.clock import SystemClock
from xetrade_core.lake.local_store import LocalStore
from xetrade_core.monitor.ledger import Selection
from xetrade_core.monitor.limits import PositionLimits, Watchman
from xetrade_core.monitor.pace import Pace
from xetrade_core.monitor.view import PositionView
from xetrade_core.monitor.watch import Update
from xetrade_core.settings import load_settings
from xetrade_core.telemetry import add_alarm_sink
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.store import OrderStore

__all__ = ["no_faults_left"]

SWAP, OTHER = "BTC/USDT:USDT", "ETH/USDT:USDT"
FINE, HUNG = "binanceusdm", "okx"
SCENARIO = "seed = 8\n" + "".join(
    f"[venues.{venue}]\nsymbols = ['{SWAP}', '{OTHER}']\nweight_limit = 0\n[venues.{venue}.accounts.main]\n"
    for venue in (FINE, HUNG)
)
FOREVER_S = 600.0
NO_MARK = f"{HUNG} gave no mark within 1.5 s"


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@pytest.fixture
def reader(
    sim: Sim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: OrderStore, trade: Trade
) -> Iterator[OrderReader]:
    """An order store with a position on each venue, and settings whose accounts are those of the simulated venues."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XETRADE_TRADING__STORE", f"sqlite:///{tmp_path}/orders.db")
    for venue in (FINE, HUNG):
        monkeypatch.setenv(f"XETRADE_VENUES__{venue.upper()}__REST_URL", sim.url(venue).rest)
        monkeypatch.setenv(f"XETRADE_VENUES__{venue.upper()}__WS_URL", sim.url(venue).ws)
        trade(("1", "60000"), venue=venue, symbol=SWAP)
    with OrderReader(f"sqlite:///{tmp_path}/orders.db") as opened:
        yield opened


def hang(sim: Sim) -> None:
    """From now on one venue takes calls and does not answer them, until `sim.clear`."""
    sim.begin(kind="rest_delay", venue=HUNG, delay_s=FOREVER_S, for_=FOREVER_S)


@asynccontextmanager
async def watching(reader: OrderReader, pace: Pace) -> AsyncIterator[tuple[OpenWatch, AsyncIterator[Update]]]:
    """A watch and its updates, which end when left."""
    stop = asyncio.Event()
    async with (
        asyncio.timeout(60),
        open_watch(load_settings(), reader, Selection(), pace, SystemClock(), random.Random(1)) as opened,
    ):
        updates = opened.updates(stop)
        yield opened, updates
        stop.set()
        assert [one async for one in updates] == []


async def until(updates: AsyncIterator[Update], holds: Callable[[Update], bool]) -> Update:
    """The next update of which something holds."""
    async for update in updates:
        if holds(update):
            return update
    raise AssertionError("the updates have ended")


def row(update: Update, venue: str) -> PositionView:
    [found] = [one for one in update.positions if one.venue == venue]
    return found


def marked_ns(update: Update, venue: str) -> float:
    """When the mark of a venue's position was true."""
    age_s = row(update, venue).mark_age_s
    assert age_s is not None
    return update.at_ns - age_s * 1e9


def reasons(update: Update, venue: str) -> list[str]:
    """Why a venue does not answer."""
    return [failure.reason for failure in update.failures if failure.venue == venue]


async def test_what_hangs_from_the_start_is_named_and_the_others_are_shown_at_the_interval(
    sim: Sim, reader: OrderReader
) -> None:
    hang(sim)
    began = time.monotonic()
    async with watching(reader, Pace(interval_s=0.1, first_s=0.5, mark_deadline_s=50)) as (_, updates):
        first = await until(updates, lambda one: row(one, FINE).mark is not None)
        seen = [await anext(updates) for _ in range(10)]
        seen.append(await until(updates, lambda one: marked_ns(one, FINE) > marked_ns(first, FINE)))
    assert time.monotonic() - began < 50  # nobody has waited for its deadline
    assert [one.number for one in seen[:10]] == list(range(first.number + 1, first.number + 11))
    for update in (first, *seen):
        hung = row(update, HUNG)
        assert (hung.quantity, hung.mark, hung.net, hung.mark_stale) == (1, None, None, False)
        assert "okx has been asked for marks for" in " ".join(reasons(update, HUNG))
    assert len(sim.injected("rest_delay")) < 4 * len(seen)  # not one question, of four calls, for each update


async def test_what_hangs_later_keeps_its_last_mark_which_grows_old_and_is_current_once_it_is_back(
    sim: Sim, reader: OrderReader
) -> None:
    told: list[dict[str, Any]] = []
    remove = add_alarm_sink(told.append)
    watchman = Watchman(PositionLimits())
    pace = Pace(interval_s=0.2, mark_deadline_s=1.5, stale_after_s=1.3, accounts_every_s=0.5)
    async with watching(reader, pace) as (_, updates):
        await until(updates, lambda one: not one.failures and all(row.mark is not None for row in one.positions))
        hang(sim)
        gone = await until(updates, lambda one: NO_MARK in reasons(one, HUNG))
        old = await until(
            updates, lambda one: row(one, HUNG).mark_stale and marked_ns(one, FINE) > marked_ns(gone, FINE)
        )
        assert row(old, HUNG).mark == row(gone, HUNG).mark is not None
        assert marked_ns(old, HUNG) == pytest.approx(marked_ns(gone, HUNG))
        watchman.look(old)
        sim.clear()
        back = await until(updates, lambda one: not row(one, HUNG).mark_stale)
    remove()
    assert "BTC/USDT:USDT on okx main maker has a mark of" in " ".join(one["message"] for one in told)
    assert marked_ns(back, HUNG) > marked_ns(old, HUNG)
    assert NO_MARK not in reasons(back, HUNG)


async def test_a_fill_is_seen_at_once_while_another_venue_hangs(sim: Sim, reader: OrderReader, trade: Trade) -> None:
    """Even where the venue that hangs has never told a mark that a position needs."""
    order = trade(("1", "60000"), venue=FINE, symbol=SWAP, at_ns=2_000)
    hang(sim)
    took: list[float] = []
    async with watching(reader, Pace(interval_s=60, first_s=0.5, mark_deadline_s=50)) as (opened, updates):
        await anext(updates)
        for number in range(5):
            one = fill(
                f"s{number}", "1", "60000", venue=FINE, symbol=SWAP, received_ns=time.time_ns(),
                client_id=order.client_id,
            )  # fmt: skip
            told = time.monotonic()
            opened.watch.hear(one)
            update = await until(updates, lambda one: bool(one.fills))
            took.append(time.monotonic() - told)
            assert row(update, FINE).quantity == 3 + number
    assert min(took) < 0.1, took  # the best of five: the machine may be busy


async def test_a_fill_whose_contract_size_only_the_venue_knows_waits_alone(sim: Sim, reader: OrderReader) -> None:
    """Somebody has traded on the account what no order of ours was placed in."""
    hang(sim)
    pace = Pace(interval_s=0.2, first_s=0.5, mark_deadline_s=1.5)
    async with watching(reader, pace) as (opened, updates):
        await until(updates, lambda one: row(one, FINE).mark is not None)
        for number, venue in enumerate((HUNG, FINE)):
            symbol = OTHER if venue == HUNG else SWAP
            opened.watch.hear(
                fill(f"x{number}", "3", "3000", venue=venue, symbol=symbol, received_ns=time.time_ns(), client_id=None)
            )
        without = await until(updates, lambda one: len(one.positions) == 3)
        assert {(one.venue, one.symbol) for one in without.positions} == {(FINE, SWAP), (HUNG, SWAP)}
        said = [failure.reason for failure in without.failures]
        assert f"{OTHER} on {HUNG} is left out until the venue has told its contract size" in said
        sim.clear()
        whole = await until(updates, lambda one: len(one.positions) == 4)
    [found] = [one for one in whole.positions if one.symbol == OTHER]
    assert (found.venue, found.quantity) == (HUNG, 3)


async def test_a_stop_ends_a_watch_that_still_waits_for_its_first_marks(sim: Sim, reader: OrderReader) -> None:
    hang(sim)
    stop = asyncio.Event()
    pace = Pace(max_updates=1, mark_deadline_s=50)
    async with open_watch(load_settings(), reader, Selection(), pace, SystemClock(), random.Random(1)) as opened:
        first = asyncio.ensure_future(anext(opened.updates(stop), None))
        while not sim.injected("rest_delay"):
            await asyncio.sleep(0.05)
        stopped = time.monotonic()
        stop.set()
        assert await first is None
    assert time.monotonic() - stopped < 8  # a request alone may take ten seconds


def test_a_bounded_watch_compares_the_accounts_that_tell_and_says_which_did_not(
    sim: Sim, reader: OrderReader, tmp_path: Path
) -> None:
    hang(sim)
    pace = Pace(interval_s=0.05, max_updates=2, first_s=0.2, mark_deadline_s=4)
    made = watch_positions(load_settings(), LocalStore(tmp_path / "lake"), pace, SystemClock())
    assert made.compared == (f"{FINE}/main",)
    assert made.mismatches == (f"{FINE}/main {SWAP}: 1 here, 0 at the venue",)
    assert made.untold == (f"{HUNG}/main gave no positions within 4 s",)
