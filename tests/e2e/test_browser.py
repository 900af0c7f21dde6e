"""The UI as a person uses it: launch, watch, stop, and look at lineage, partitions, checks and the picture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.browser import Console, browser_page
from tests.e2e.dagster_host import DagsterHost
from tests.pipelines.deployment import clear_of_the_hour

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("dagster deployment"), pytest.mark.timeout(300)]

CAPTURE = """ops:
  capture_l2:
    config:
      venues:
        binance: [BTC/USDT, ETH/USDT]
        okx: [BTC/USDT]
      duration_s: {duration_s}
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
    clear_of_the_hour(90)
    run = console.launch("capture_l2", CAPTURE.format(duration_s=600))
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
