"""Backfills against simulated venues: the whole history, once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from tests.history.conftest import BTC, SOL, SYMBOLS, HastyClock, Opener
from tests.support.sim import Sim
from xetrade_core.cli.options import moment
from xetrade_core.clock import NS_PER_MS, NS_PER_S, ManualClock
from xetrade_core.errors import ConfigError, NotSupported, UnknownSymbol, VenueUnavailable
from xetrade_core.history.backfill import BackfillPlan, BackfillReport, BackfillStatus, backfill, funding_rules
from xetrade_core.history.days import funded_day
from xetrade_core.history.progress import FundingProgress
from xetrade_core.lake.day_tables import days_of, read_day
from xetrade_core.lake.funding_schemas import FUNDING_RATES, FUNDING_REVISIONS
from xetrade_core.lake.layout import NS_PER_DAY
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.funding import FundingRate
from xetrade_core.venues.market_data import MarketData

START = 1_709_251_200_000_000_000  # 2024-03-01
HOUR_NS = 3600 * NS_PER_S
END = START + 110 * NS_PER_DAY  # SOL goes from 8 h to 4 h within


class Venue:
    """A client whose pages are counted, and which may be stopped after some of them."""

    def __init__(self, client: MarketData, stop_after: int | None = None) -> None:
        self._client, self._left = client, stop_after
        self.pages: list[tuple[str, int, int]] = []

    async def funding_page(self, symbol: str, start_ns: int, end_ns: int) -> Any:
        if self._left is not None and len(self.pages) >= self._left:
            raise asyncio.CancelledError
        self.pages.append((symbol, start_ns, end_ns))
        return await self._client.funding_page(symbol, start_ns, end_ns)


async def fill(
    client: Any,
    name: str,
    store: ObjectStore,
    directory: Path,
    end_ns: int = END,
    start_ns: int = START,
    watch: Callable[[BackfillStatus], None] = lambda _: None,
) -> BackfillReport:
    plan = BackfillPlan(name, SYMBOLS[name], start_ns, end_ns)
    clock = HastyClock()
    with FundingProgress(directory, name, clock.wall_ns()) as progress:
        return await backfill(client, plan, progress, store, clock, random.Random(1), watch)


def held(store: ObjectStore, name: str) -> list[tuple[str, int, float, float]]:
    """Symbol, time (ms), rate and interval of every row in the lake."""
    found = []
    for day_ns in days_of(store, FUNDING_RATES, name):
        table = read_day(store, FUNDING_RATES, name, day_ns)
        assert table is not None
        rows = table.to_pylist()
        found += [(row["symbol"], row["timestamp"].value // NS_PER_MS, row["rate"], row["interval_s"]) for row in rows]
    return sorted(found)


def paid(sim: Sim, name: str, end_ns: int = END, start_ns: int = START) -> list[tuple[str, int, float, float]]:
    return sorted(
        (symbol, row["time_ms"], row["rate"], row["interval_ms"] / 1000)
        for symbol in SYMBOLS[name]
        for row in sim.funding(name, symbol, start_ns // NS_PER_MS, end_ns // NS_PER_MS - 1)
    )


@pytest.mark.parametrize("name", SYMBOLS)
async def test_the_lake_holds_what_was_paid_with_every_interval(
    name: str, sim: Sim, client_of: Opener, store: ObjectStore, tmp_path: Path
) -> None:
    statuses: list[BackfillStatus] = []
    async with client_of(name) as client:
        report = await fill(client, name, store, tmp_path, watch=statuses.append)
    assert held(store, name) == paid(sim, name)
    assert report.missing == 0
    assert report.stored.new == len(paid(sim, name))
    assert (report.kept_s is not None) == (name == "okx")  # three months, it says
    assert {one.symbol: one.rows for one in report.symbols} == {
        symbol: sum(row[0] == symbol for row in held(store, name)) for symbol in SYMBOLS[name]
    }
    shares = [status.share for status in statuses if status.phase == "reading"]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert not any("sqlite" in name for name in os.listdir(tmp_path))


@pytest.mark.parametrize("name", ["okx", "deribit"])
async def test_an_interrupted_backfill_goes_on_where_it_stopped(
    name: str, sim: Sim, client_of: Opener, store: ObjectStore, tmp_path: Path
) -> None:
    async with client_of(name) as client:
        whole = Venue(client)
        await fill(whole, name, open_store(tmp_path / "other lake"), tmp_path / "other")
        total = len(whole.pages)
        first = Venue(client, stop_after=total // 2)
        with pytest.raises(asyncio.CancelledError):
            await fill(first, name, store, tmp_path)
        second = Venue(client)
        report = await fill(second, name, store, tmp_path)
    assert report.resumed > 0
    assert len(first.pages) + len(second.pages) <= total + len(SYMBOLS[name])  # of pages under way
    assert held(store, name) == paid(sim, name)
    assert report.stored.new == len(paid(sim, name))


async def test_errors_and_limits_on_the_way_are_waited_out(
    sim: Sim, client_of: Opener, store: ObjectStore, tmp_path: Path
) -> None:
    sim.inject(kind="rest_error", venue="okx", path="funding-rate-history", status=503, probability=0.2, for_=60.0)
    sim.inject(kind="rest_error", venue="okx", path="funding-rate-history", count=8)  # more than a read tries
    sim.inject(kind="rest_garbled", venue="okx", path="funding-rate-history", count=2)
    sim.inject(kind="rate_limit", venue="okx", path="funding-rate-history", count=1, retry_after_s=1)
    troubles = []

    def watch(status: BackfillStatus) -> None:
        if status.trouble:
            troubles.append(status.trouble)

    async with client_of("okx") as client:
        report = await fill(client, "okx", store, tmp_path, watch=watch)
    assert len(sim.injected("rest_error")) > 0
    assert len(sim.injected("rate_limit")) == 1
    assert held(store, "okx") == paid(sim, "okx")
    assert report.retries == len(troubles)  # what the client did not wait out by itself


async def test_a_venue_that_stays_away_ends_it_with_what_was_read_kept(
    sim: Sim, client_of: Opener, store: ObjectStore, tmp_path: Path
) -> None:
    async with client_of("okx") as client:
        await client.instruments()
        fault = sim.inject(kind="rest_error", venue="okx", symbol=SOL, path="funding-rate-history", for_=600.0)
        with pytest.raises(VenueUnavailable, match="what was read is kept: repeat it"):
            await fill(client, "okx", store, tmp_path)
        sim.clear(fault)
        report = await fill(client, "okx", store, tmp_path)
    assert report.resumed > 0
    assert held(store, "okx") == paid(sim, "okx")


async def test_a_rate_that_the_venue_revised_is_noticed_and_nothing_else_changes(
    sim: Sim, client_of: Opener, store: ObjectStore, tmp_path: Path
) -> None:
    async with client_of("binanceusdm") as client:
        await fill(client, "binanceusdm", store, tmp_path)
        before = {info.key: info.etag for info in store.list("funding_")}
        again = await fill(client, "binanceusdm", store, tmp_path)
        assert (again.stored.changes, again.stored.days_changed) == (0, [])
        sim.change_funding("binanceusdm", BTC, "2024-03-05T08:00:00Z", rate=0.0042)
        report = await fill(client, "binanceusdm", store, tmp_path)
    assert (report.stored.revised, report.stored.new) == (1, 0)
    changed = {info.key for info in store.list("funding_") if before.get(info.key) != info.etag}
    day = "venue=binanceusdm/date=2024-03-05/part.parquet"
    assert changed == {f"funding_rates/{day}", f"funding_revisions/{day}"}
    [revision] = report.stored.revisions
    assert (revision["symbol"], revision["rate_after"], revision["revision"]) == (BTC, 0.0042, 1)
    ledger = read_day(store, FUNDING_REVISIONS, "binanceusdm", revision["timestamp"])
    assert ledger is not None
    assert ledger.num_rows == 1


async def test_rows_that_the_venue_leaves_out_are_named(
    sim: Sim, client_of: Opener, store: ObjectStore, tmp_path: Path
) -> None:
    sim.change_funding("okx", BTC, "2024-03-20T08:00:00Z")
    sim.change_funding("okx", SOL, "2024-06-01T04:00:00Z", "2024-06-01T12:00:00Z")  # two of its 4 h rows
    async with client_of("okx") as client:
        report = await fill(client, "okx", store, tmp_path)
    missing = {one.symbol: [f"{moment(at):%m-%d %H}" for at in one.missing] for one in report.symbols}
    assert missing == {BTC: ["03-20 08"], SOL: ["06-01 04", "06-01 08"]}
    assert held(store, "okx") == paid(sim, "okx")  # their neighbours keep their intervals


async def test_what_is_not_settled_yet_is_left_for_later(
    sim: Sim, client_of: Opener, store: ObjectStore, tmp_path: Path
) -> None:
    now_ns = HastyClock().wall_ns()
    start_ns = now_ns // NS_PER_DAY * NS_PER_DAY - 2 * NS_PER_DAY
    async with client_of("okx") as client:
        report = await fill(client, "okx", store, tmp_path, now_ns + NS_PER_DAY, start_ns)
    assert report.missing == 0
    assert now_ns - 301 * 10**9 <= report.plan.end_ns <= now_ns
    assert held(store, "okx") == paid(sim, "okx", report.plan.end_ns, start_ns)


class Clockwork:
    """A venue that has paid one perpetual at four, twelve and twenty o'clock until `until_ns`, but for `left_out`."""

    def __init__(self, until_ns: int, left_out: Collection[int] = ()) -> None:
        self._until_ns, self._left_out = until_ns, left_out

    async def funding_page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        first = -(-(start_ns - 4 * HOUR_NS) // (8 * HOUR_NS)) * 8 * HOUR_NS + 4 * HOUR_NS
        times = set(range(first, min(end_ns, self._until_ns), 8 * HOUR_NS)).difference(self._left_out)
        return tuple(FundingRate("okx", symbol, at_ns, 0.0001) for at_ns in sorted(times))


@pytest.mark.parametrize(
    ("hours", "left_out", "without"),
    [
        (1, (), ()),  # paid four hours ago, and again in three
        (1, (-4,), (BTC,)),  # the venue tells of none for twelve hours
        (5, (4,), (BTC,)),
        (5, (), ()),
        (24, (4, 12, 20), (BTC,)),
    ],
)
async def test_a_day_is_without_a_funding_only_where_one_was_due(
    hours: int, left_out: tuple[int, ...], without: tuple[str, ...], store: ObjectStore, tmp_path: Path
) -> None:
    now_ns = START + hours * HOUR_NS + 600 * NS_PER_S
    client: Any = Clockwork(now_ns, [START + hour * HOUR_NS for hour in left_out])
    plan = BackfillPlan("okx", (BTC,), START, START + NS_PER_DAY)
    with FundingProgress(tmp_path, "okx", now_ns) as progress:
        report = await backfill(client, plan, progress, store, ManualClock(now_ns), random.Random(1))
    assert funded_day(store, "okx", START, report).without == without


async def test_what_cannot_be_backfilled_is_refused(client_of: Opener, store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one perpetual"):
        BackfillPlan("okx", (), 0, 1)
    with pytest.raises(ConfigError, match="before the end"):
        BackfillPlan("okx", (BTC,), 1, 1)
    with pytest.raises(ConfigError, match="nothing of okx is settled yet since then"):
        BackfillPlan("okx", (BTC,), START, END).until(START + 10**9)
    with pytest.raises(NotSupported, match="has no funding"):
        funding_rules("binance")
    async with client_of("okx") as client:
        plan = BackfillPlan("okx", ("NOPE/USDT:USDT",), START, END)
        with FundingProgress(tmp_path, "okx", 0) as progress, pytest.raises(UnknownSymbol, match="NOPE"):
            await backfill(client, plan, progress, store, HastyClock(), random.Random(1))
