"""Years of funding, from the simulated venue's pages to days in the lake; and what ccxt's own paging finds of them."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Measurement
from xetrade_core.clock import NS_PER_MS, SystemClock
from xetrade_core.history.backfill import BackfillPlan, BackfillReport, backfill
from xetrade_core.history.progress import FundingProgress
from xetrade_core.lake.layout import NS_PER_DAY, day_start
from xetrade_core.lake.store import open_store
from xetrade_core.simvenue import SimConfig, VenueUrl, ccxt_config
from xetrade_core.simvenue.instruments import default_symbols
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.clients import ClientOptions, open_market_data
from xetrade_core.venues.registry import venue

YEARS, QUICK_YEARS = 4, 1
EIGHT_HOURLY = "binanceusdm"
CHANGING, CHANGED_SYMBOL = "binancecoinm", "SOL/USD:SOL"  # 8 h, from May 2024 on 4 h
CLOCK = SystemClock()


def run(quick: bool = False) -> list[Measurement]:
    """One backfill of ten symbols, and the history of one whose interval has changed, by us and by ccxt."""
    years = QUICK_YEARS if quick else YEARS
    symbols = default_symbols(EIGHT_HOURLY, 10)
    end_ns = day_start(CLOCK.wall_ns())
    start_ns = end_ns - years * 365 * NS_PER_DAY
    with _venues(symbols) as served:
        ten = asyncio.run(_ours(served, BackfillPlan(EIGHT_HOURLY, symbols, start_ns, end_ns)))
        one = asyncio.run(_ours(served, BackfillPlan(CHANGING, (CHANGED_SYMBOL,), start_ns, end_ns)))
        theirs = _by_ccxt(served, start_ns, end_ns)
    ours, share = one.report.stored.new, ten.most_used / venue(EIGHT_HOURLY).rest.budget.limit
    what = f"{years} years of 8 h funding of {len(symbols)} symbols, from pages to days in the lake"
    report = ten.report
    return [
        Measurement(
            what, ten.seconds, "s", "under 10 s", ten.seconds < 10,
            note=f"{report.stored.new:,} rows in {report.pages} pages and {len(report.stored.days_changed):,} days, "
            f"{report.missing} missing.",
        ),
        Measurement("of the venue's budget used for it, at most", 100 * share, "%", "at most 100 %", share <= 1),
        Measurement(
            "fundings found of a symbol that went from 8 h to 4 h", ours, "rows", "all", one.report.missing == 0,
            ours / theirs if theirs else None, f"ccxt paginate: {theirs:,} rows",
        ),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    """`most_used`: the most that the budget's window ever held."""

    report: BackfillReport
    seconds: float
    most_used: int


@dataclass(frozen=True, slots=True)
class _Served:
    urls: dict[str, VenueUrl]

    @property
    def venues(self) -> tuple[str, ...]:
        return tuple(self.urls)

    def url(self, name: str) -> VenueUrl:
        return self.urls[name]


async def _ours(served: _Served, plan: BackfillPlan) -> _Run:
    budget = WeightBudget(venue(plan.venue).rest.budget, CLOCK)
    client = open_market_data(
        plan.venue, ClientOptions(rest_url=served.url(plan.venue).rest, budget=budget), CLOCK, random.Random(1)
    )
    used = 0

    def watch(_: object) -> None:
        nonlocal used
        used = max(used, budget.used())

    with tempfile.TemporaryDirectory(prefix="xetrade-bench-") as folder:
        store = open_store(Path(folder, "lake"))
        try:
            await client.instruments()
            start = time.perf_counter()
            with FundingProgress(Path(folder), plan.venue, CLOCK.wall_ns()) as progress:
                report = await backfill(client, plan, progress, store, CLOCK, random.Random(1), watch)
            return _Run(report, time.perf_counter() - start, used)
        finally:
            await client.close()


def _by_ccxt(served: _Served, start_ns: int, end_ns: int) -> int:
    """The rows that ccxt's own paging finds; it takes eight hours for granted."""
    import ccxt

    exchange = getattr(ccxt, CHANGING)(ccxt_config(CHANGING, served))
    rows = exchange.fetch_funding_rate_history(
        CHANGED_SYMBOL, start_ns // NS_PER_MS, None, {"paginate": True, "until": end_ns // NS_PER_MS - 1}
    )
    return len({row["timestamp"] for row in rows})


@contextmanager
def _venues(symbols: tuple[str, ...]) -> Iterator[_Served]:
    """The simulated venues as a process of their own, quiet but for what is asked of them."""
    calm = 'mode = "levels"\ndepth = 5\nevents_per_s = 0.1\n'
    scenario = f"seed = {SimConfig().seed}\n[venues.{EIGHT_HOURLY}]\nsymbols = {list(symbols)}\n{calm}"
    scenario += f"[venues.{EIGHT_HOURLY}.funding.intervals]\n" + "".join(f'"{symbol}" = []\n' for symbol in symbols)
    scenario += f'[venues.{CHANGING}]\nsymbols = ["{CHANGED_SYMBOL}"]\n{calm}'
    with tempfile.TemporaryDirectory(prefix="xetrade-bench-") as folder:
        config, ports = Path(folder, "scenario.toml"), Path(folder, "ports.json")
        config.write_text(scenario)
        command = [sys.executable, "-m", "xetrade_core.simvenue", "--config", str(config), "--port-file", str(ports)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not ports.exists():
                if process.poll() is not None:
                    raise SystemExit(f"the simulated venues ended with {process.returncode}")
                time.sleep(0.05)
            urls = json.loads(ports.read_text())["venues"]
            yield _Served({name: VenueUrl(**url) for name, url in urls.items()})
        finally:
            process.terminate()
            process.wait()
