"""The stress test against a simulated venue: everything is accounted for, and what is wrong is seen."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.execution.conftest import Open
from tests.support.sim import Sim
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.errors import ConfigError
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.journal import GroupCommit
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.stress.plan import StressPlan, Target, harmless
from xetrade_core.trading.stress.report import StressReport
from xetrade_core.trading.stress.run import STEP, StressProgress, stress
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.clients import ClientOptions, open_client
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import RateRule

VENUE, SYMBOL = "binance", "BTC/USDT"


@dataclass
class Rig:
    """A service over one account, and what a test needs to run on it."""

    orders: OrderService
    store: OrderStore
    account: TradingAccount
    target: Target
    key: str  # of this test alone: the venue remembers the names of all

    async def stress(self, plan: StressPlan, **options: Any) -> StressReport:
        accounts = {(self.account.venue.id, "main"): self.account}
        return await stress(
            self.orders, self.store, accounts, [self.target], plan, key=self.key, clock=SystemClock(), **options
        )


@contextlib.asynccontextmanager
async def rigged(
    venue: str,
    symbol: str,
    opened: Open,
    sim: Sim,
    tmp_path: Path,
    policy: Policy | None = None,
    budget: WeightBudget | None = None,
) -> AsyncIterator[Rig]:
    """A rig on an instrument of a venue."""
    clock, client = SystemClock(), opened(venue, request_timeout_s=3.0, budget=budget)
    data = open_client(venue, ClientOptions(rest_url=sim.url(venue).rest), clock, random.Random(1))
    instruments = {one.symbol: one for one in await data.instruments()}
    bid = (await data.quotes([symbol]))[symbol].bid
    await data.close()
    assert bid is not None
    store = OrderStore(tmp_path / "orders.db", marks=Marks(), clock=clock)
    journal = GroupCommit(store)
    account = TradingAccount(known_venue(venue), "main", client, instruments)
    async with OrderService(store, journal, [account], clock=clock, rng=random.Random(1), policy=policy) as orders:
        target = harmless(venue, "main", instruments[symbol], Decimal(str(bid)), Decimal("0.05"))
        yield Rig(orders, store, account, target, tmp_path.name)
    await journal.close()
    store.close()


@pytest.fixture
async def rig(opened: Open, sim: Sim, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(VENUE, SYMBOL, opened, sim, tmp_path) as rig:
        yield rig


async def test_two_hundred_clients_place_and_cancel_and_all_is_accounted_for(rig: Rig, sim: Sim) -> None:
    told: list[int] = []
    before = len(sim.account(VENUE)["orders"])
    report = await rig.stress(StressPlan(clients=200), told=lambda progress: told.append(progress.ended))
    assert (report.total.orders, report.total.canceled, report.total.failed) == (200, 200, 0), report.total.causes
    assert report.passed
    assert told == list(range(1, 201))
    assert len(sim.account(VENUE)["orders"]) - before == 200
    for times in (report.total.place, report.total.ack, report.total.cancel):
        assert times is not None
        assert times.count == 200
        assert 0 < times.p50_ms <= times.p90_ms <= times.p99_ms <= times.max_ms
    assert sim.account(VENUE)["open_orders"] == []


async def test_what_waits_for_the_venues_budget_is_not_counted_as_the_venues_time(
    opened: Open, sim: Sim, tmp_path: Path
) -> None:
    budget = WeightBudget(RateRule(10**6, 60), SystemClock())
    async with rigged(VENUE, SYMBOL, opened, sim, tmp_path, budget=budget) as rig:
        await rig.stress(StressPlan(clients=1))  # loads the venue's lists and measures its clock
        budget.pause(1.5)
        rig.key += "-paused"
        report = await rig.stress(StressPlan(clients=5))
    assert report.passed
    assert report.total.budget is not None
    assert report.total.budget.p50_ms > 1000
    for one in report.attempts:
        assert one.place_s is not None
        assert one.ack_s is not None
        assert 0 < one.ack_s < one.place_s - 1


async def test_the_same_key_again_finds_the_orders_and_places_none(rig: Rig, sim: Sim) -> None:
    await rig.stress(StressPlan(clients=10))
    before = len(sim.account(VENUE)["orders"])
    again = await rig.stress(StressPlan(clients=10))
    assert again.passed
    assert (again.total.orders, again.total.placed_before, again.total.place) == (10, 10, None)
    assert len(sim.account(VENUE)["orders"]) == before


async def test_what_a_longer_test_of_the_key_left_open_is_cancelled_and_accounted_for(rig: Rig, sim: Sim) -> None:
    """It was killed, and is executed again with fewer orders: of the rest nobody would hear."""
    expires_ns = SystemClock().wall_ns() + 60 * NS_PER_S
    for index in (1, 7):
        await rig.orders.place(rig.target.request(expires_ns), key=rig.key, step=STEP, index=index)
    other = await rig.orders.place(rig.target.request(expires_ns), key=rig.key + "1", step=STEP, index=7)
    report = await rig.stress(StressPlan(clients=2))
    assert report.passed
    assert (report.total.orders, report.total.canceled, report.total.placed_before) == (3, 3, 2)
    assert [str(number) for number in sim.account(VENUE)["open_orders"]] == [other.venue_order_id]
    await rig.orders.cancel(other.client_id)


async def test_a_key_of_a_test_of_other_places_is_refused(rig: Rig, sim: Sim) -> None:
    """Its orders would be counted for places that never saw them."""
    await rig.stress(StressPlan(clients=2))
    rig.target = replace(rig.target, instrument=replace(rig.target.instrument, symbol="ETH/USDT"))
    with pytest.raises(ConfigError, match="named a test of BTC/USDT on binance/main; give one of ETH/USDT"):
        await rig.stress(StressPlan(clients=2))


async def test_lost_answers_are_no_failures_and_nothing_is_doubled(rig: Rig, sim: Sim) -> None:
    before = len(sim.account(VENUE)["orders"])
    sim.begin(kind="rest_dropped", venue=VENUE, path="/api/v3/order", probability=0.2, for_=5, seed=3)
    report = await rig.stress(StressPlan(clients=30))
    assert sim.injected("rest_dropped")
    assert report.accounted
    assert (report.total.failed, report.total.unknown) == (0, 0), report.total.causes
    assert len(sim.account(VENUE)["orders"]) - before == 30


async def test_where_a_venue_takes_a_name_twice_lost_answers_double_nothing_either(
    opened: Open, sim: Sim, tmp_path: Path
) -> None:
    """Deribit's orders are GETs, which HTTP libraries repeat when a connection is lost."""
    async with rigged("deribit", "BTC/USD:BTC", opened, sim, tmp_path) as rig:
        before = len(sim.account("deribit")["orders"])
        for path in ("/private/buy", "/private/cancel"):
            sim.begin(kind="rest_dropped", venue="deribit", path=path, count=3)
        report = await rig.stress(StressPlan(clients=6))
        assert [row["detail"].rpartition("/")[2] for row in sim.injected("rest_dropped")].count("cancel") == 3
        assert report.accounted
        assert (report.total.failed, report.total.unknown) == (0, 0), report.total.causes
        assert len(sim.account("deribit")["orders"]) - before == 6


async def test_an_order_that_is_acknowledged_after_patience_has_ended_is_cancelled_all_the_same(
    opened: Open, sim: Sim, tmp_path: Path
) -> None:
    async with rigged(VENUE, SYMBOL, opened, sim, tmp_path, Policy(patience_s=0.1)) as rig:
        sim.begin(kind="rest_delay", venue=VENUE, path="/api/v3/order", delay_s=0.5, count=3)
        report = await rig.stress(StressPlan(clients=3))
        assert report.accounted
        assert (report.total.canceled, report.total.unknown) == (3, 0), report.total.causes
        assert sim.account(VENUE)["open_orders"] == []


async def test_refusals_are_counted_by_the_venues_own_code(rig: Rig, sim: Sim) -> None:
    sim.begin(kind="order_refused", venue=VENUE, variant="insufficient_funds", count=4)
    report = await rig.stress(StressPlan(clients=10))
    assert (report.total.failed, report.total.canceled) == (4, 6)
    assert list(report.total.causes.values()) == [4]
    assert next(iter(report.total.causes)).startswith("-2010: ")
    assert report.accounted
    assert not report.passed


async def test_an_order_that_its_venue_has_ended_is_refused_and_not_unknown(
    opened: Open, sim: Sim, tmp_path: Path
) -> None:
    """The market has fallen to it: Bybit takes such a post-only order, and ends it."""
    async with rigged("bybit", "BTC/USDT", opened, sim, tmp_path) as rig:
        rig.target = replace(rig.target, price=rig.target.price * 2)
        report = await rig.stress(StressPlan(clients=2))
    assert (report.total.failed, report.total.unknown) == (2, 0), report.total.causes
    assert report.accounted
    assert not report.passed
    assert list(report.total.causes.values()) == [2]


async def test_a_paced_test_begins_its_orders_evenly(rig: Rig) -> None:
    seen: list[StressProgress] = []
    report = await rig.stress(StressPlan(clients=5, count=10, over_s=1.0), told=seen.append)
    assert report.total.canceled == 10
    assert 0.9 <= report.seconds


async def test_a_soak_goes_on_for_its_time(rig: Rig) -> None:
    report = await rig.stress(StressPlan(clients=2, soak_s=0.5))
    assert report.total.orders > 2
    assert report.seconds >= 0.5
    assert report.passed


async def test_a_second_order_of_one_of_our_names_that_has_traded_is_named_by_the_proof(rig: Rig, sim: Sim) -> None:
    """Binance says no name with a trade, and takes one again once its order has ended."""
    from tests.execution.test_binance import intent

    await rig.stress(StressPlan(clients=1))
    name = sim.account(VENUE)["orders"][-1]["client_id"]
    await rig.account.execution.place(intent("0.001", None, client_id=name))
    again = await rig.stress(StressPlan(clients=1))
    assert [proof.doubled for proof in again.proofs] == [(name,)]
    assert not again.accounted


async def test_an_order_that_stays_open_is_named_by_the_proof(rig: Rig, sim: Sim) -> None:
    """Somebody's second order under one of our ids, as a blind repetition would leave it."""
    from tests.execution.test_binance import intent

    report = await rig.stress(StressPlan(clients=1))
    name = next(row["client_id"] for row in reversed(sim.account(VENUE)["orders"]))
    await rig.account.execution.place(intent("0.001", "20000", client_id=name))
    again = await rig.stress(StressPlan(clients=1))
    assert report.passed
    assert [proof.doubled for proof in again.proofs] == [(name,)]
    assert not again.accounted
    await rig.account.execution.cancel_all(SYMBOL)
