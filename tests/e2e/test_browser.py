"""The UI as a person uses it: launch, watch, stop, and look at lineage, partitions, checks and the picture; and the
books of a desk, from its fills to the curve of its profit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal

import dagster as dg
import pytest

from tests.e2e.browser import Console, browser_page
from tests.e2e.dagster_host import DagsterHost
from tests.monitor.conftest import trading
from tests.support.hours import within_one_hour
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import Side
from xetrade_core.settings import load_settings
from xetrade_core.trading.fundings import add_fundings
from xetrade_core.trading.store import OrderStore
from xetrade_pipelines.accounting.assets import fills, funding_payments, pnl_daily, positions
from xetrade_pipelines.definitions import default_resources
from xetrade_pipelines.partitions import DAY_NS, VenueDay, VenueHour

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dagster deployment"), pytest.mark.timeout(300)]

CAPTURE = """ops:
  capture_l2:
    config:
      venues:
        binance: [BTC/USDT, ETH/USDT]
        okx: [BTC/USDT]
      end: "{end}"
"""
STRESS = """ops:
  stress_test:
    config: {venues: [binance], pair: BTC-USDT, clients: 50}
"""


@pytest.fixture(scope="module")
def console(host: DagsterHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with browser_page() as page:
        host.start()
        yield Console(page, host.url, tmp_path_factory.mktemp("pictures"))


def test_a_recording_from_launch_to_report(console: Console, host: DagsterHost) -> None:
    """One story, so one test: each part shows what the part before has recorded."""
    a_recording_is_launched_watched_and_stopped(console, host)
    what_was_recorded_is_compacted_and_shown(console, host)
    the_hourly_report_shows_its_numbers_and_its_picture(console)


def a_recording_is_launched_watched_and_stopped(console: Console, host: DagsterHost) -> None:
    hour_ends = within_one_hour(100)  # a window into the next hour has a report of that hour too, without a picture
    run = console.launch("capture_l2", CAPTURE.format(end=hour_ends.isoformat()))
    console.shows("books in sync", within_ms=30_000)
    console.shows("3 of 3 books in sync", within_ms=30_000)
    console.picture("run-recording")
    console.page.get_by_role("button", name="Terminate").click()
    console.page.get_by_role("dialog").get_by_role("button", name="Terminate").click()
    assert host.wait_for_status(run, "CANCELED", "SUCCESS", "FAILURE") == "CANCELED"
    console.open(f"/runs/{run}", "Canceled")
    console.picture("run-stopped")
    assert {one["partition"].split("|")[1] for one in host.materializations(run)} == {"binance", "okx"}
    assert all(one["metadata"]["dagster/row_count"] > 0 for one in host.materializations(run))


def what_was_recorded_is_compacted_and_shown(console: Console, host: DagsterHost) -> None:
    run = console.launch("compact_l2", "{}")
    assert host.wait_for_status(run, "SUCCESS", "FAILURE") == "SUCCESS"
    assert all(host.check_evaluations(run).values())

    console.open(
        "/locations/xetrade/asset-groups/market_data/lineage",
        "l2_segments",
        "l2_snapshots",
        "l2_gaps",
        "l2_quality",
        "book_metrics",
        "2 / 2 Passed",
    )
    console.picture("lineage")
    made = host.materialized_partitions("l2_quality")
    assert made >= 2
    console.open("/assets/l2_quality?view=partitions", f"Materialized ({made})", "binance", "okx")
    console.picture("partitions")
    console.open("/assets/l2_snapshots?view=checks", "no_crossed_row", "monotone_time", "schema", "Passed")
    console.picture("checks")


def the_hourly_report_shows_its_numbers_and_its_picture(console: Console) -> None:
    console.open("/assets/l2_quality?view=events", "completeness", "synced_share", "[Show Markdown]")
    console.picture("report")
    console.page.get_by_text("[Show Markdown]").last.click()
    image = console.page.locator("img[src^='data:image/png;base64,']")
    image.wait_for()
    size = image.evaluate(
        "img => [img.naturalWidth, img.naturalHeight, img.getBoundingClientRect().width, img.parentElement.clientWidth]"
    )
    assert size[0] > 800
    assert size[1] > 300
    assert size[2] <= size[3]  # nothing of it is cut off
    console.picture("picture")


def test_a_stress_test_from_launch_to_picture(console: Console, host: DagsterHost) -> None:
    run = console.launch("stress_test", STRESS, partitioned=False)
    assert host.wait_for_status(run, "SUCCESS", "FAILURE") == "SUCCESS"
    console.open(f"/runs/{run}", "Success", "picture")
    console.page.get_by_text("[Show Markdown]").first.click()
    image = console.page.locator("img[src^='data:image/png;base64,']")
    image.wait_for()
    assert image.evaluate("img => img.naturalWidth") > 800
    console.picture("stress")


SWAP = "BTC/USDT:USDT"


@pytest.fixture
def booked(host: DagsterHost, console: Console, monkeypatch: pytest.MonkeyPatch) -> VenueDay:
    """The books of a desk that trades since three days, made in the deployment's own instance."""
    within_one_hour(60)
    monkeypatch.chdir(host.home)
    for name, value in host.environment.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    today = VenueDay.containing("binanceusdm", time.time_ns())
    with closing(OrderStore(settings.trading.store)) as store:
        trade = trading(store)
        for day in range(3):
            at_ns = today.start_ns - day * DAY_NS
            for strategy, amount, entry, left in (("maker", "0.5", "60000", 60_400), ("hedge", "2", "60100", 60_050)):
                more = {"venue": "binanceusdm", "symbol": SWAP, "account": "desk", "strategy": strategy}
                fee = {"fee": Decimal("7.5"), "fee_currency": "USDT"}
                trade((amount, entry), at_ns=at_ns + 1, fee=fee, **more)
                trade((amount, str(left + 100 * day)), at_ns=at_ns + 1000, fee=fee, side=Side.SELL, **more)
            paid = FundingPayment("binanceusdm", "desk", SWAP, f"f{day}", Decimal("-1.25"), "USDT", at_ns + 500)
            add_fundings(store, [paid])
        trade(("0.25", "61000"), at_ns=today.start_ns + 5000, venue="binanceusdm", symbol=SWAP, account="desk")

    def make() -> None:
        hour = VenueHour.containing("binanceusdm", time.time_ns())
        days = [VenueDay("binanceusdm", today.start_ns - day * DAY_NS) for day in (2, 1, 0)]
        with dg.DagsterInstance.from_config(str(host.home)) as instance:
            for assets, span in (([positions], hour), *(([fills, funding_payments, pnl_daily], day) for day in days)):
                resources = default_resources(settings)
                assert dg.materialize(assets, partition_key=span.key, instance=instance, resources=resources).success

    with ThreadPoolExecutor(1) as apart:  # the browser's event loop runs on this thread
        apart.submit(make).result()
    return today


def test_the_books_from_fills_to_the_curve(console: Console, booked: VenueDay) -> None:
    console.open(
        "/locations/xetrade/asset-groups/accounting/lineage", "orders", "fills", "funding_payments", "pnl_daily",
        "positions", "5 / 5 Passed",
    )  # fmt: skip
    console.picture("books-lineage")
    console.open("/assets/pnl_daily?view=lineage&lineageScope=upstream", "fills", "funding_payments", "pnl_daily")
    console.picture("profit-lineage")
    console.open("/assets/funding_payments?view=events", booked.key, "received_USDT", "-1.25")
    console.picture("funding-payments")
    console.open("/assets/pnl_daily?view=checks", "adds_up", "from_fills", "from_funding", "marked", "Passed")
    console.picture("profit-checks")
    for asset, texts in {"pnl_daily": (booked.key, "net_USDT"), "positions": ("open_positions",)}.items():
        console.open(f"/assets/{asset}?view=events", *texts, "[Show Markdown]")
        console.picture(f"{asset}-report")
        console.page.get_by_text("[Show Markdown]").last.click()
        image = console.page.locator("img[src^='data:image/png;base64,']")
        image.wait_for()
        assert image.evaluate("img => img.naturalWidth") > 800
        console.picture(f"{asset}-picture")
        console.page.keyboard.press("Escape")


def test_what_starts_by_itself_is_listed_and_off(console: Console) -> None:
    names = (
        "capture_l2_hourly",
        "compact_l2_hourly",
        "prune_runs_daily",
        "capture_watchdog",
        "recover_orphans",
        "compact_late_l2",
        "alert_run_failure",
    )
    console.open("/automation", *names)
    assert console.page.locator("input[type=checkbox][role=switch]:checked").count() == 0
    console.picture("automation")
