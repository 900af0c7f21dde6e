"""The doctor: each check says what it found, and what to do."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from xetrade_core.checkup import State, check_breakers, check_budgets, check_clock, check_spool, check_variables
from xetrade_core.clock import ManualClock, SystemClock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.execution.clients import tradable_venues
from xetrade_core.simvenue.config import SimConfig, VenueConfig
from xetrade_core.simvenue.faults import Fault
from xetrade_core.simvenue.server import SimServer
from xetrade_core.venues.breaker import BreakerRules
from xetrade_core.venues.breaker_board import BreakerBoard, Scope
from xetrade_core.venues.budget import open_budget
from xetrade_core.venues.clock_offset import ClockOffset
from xetrade_core.venues.venue import RateRule

NOWHERE = "http://127.0.0.1:1"


def test_a_healthy_machine_passes_and_a_missing_venue_fails(xetrade: Callable[..., Ran], tmp_path: Path) -> None:
    async def examine() -> tuple[Ran, Ran]:
        config = SimConfig(venues={"binance": VenueConfig(symbols=1), "okx": VenueConfig(symbols=1)})
        async with SimServer(config) as sim:
            urls = {f"XETRADE_VENUES__{venue.upper()}__REST_URL": sim.url(venue).rest for venue in ("binance", "okx")}
            healthy = await asyncio.to_thread(xetrade, "doctor", "--json", **urls)
            urls["XETRADE_VENUES__OKX__REST_URL"] = NOWHERE
            return healthy, await asyncio.to_thread(xetrade, "doctor", "--json", **urls)

    healthy, broken = asyncio.run(examine())
    assert healthy.code == 0, healthy.out
    states = {check["name"]: check["state"] for check in healthy.json["checks"]}
    accounts = [f"account {venue}/main" for venue in tradable_venues() if venue in ("binance", "okx")]
    assert states == dict.fromkeys(
        (
            "python",
            "packages",
            "settings",
            "lake",
            "spool",
            "venue binance",
            "venue okx",
            "clock",
            "breakers",
            "budgets",
            "order store",
            "trading",
            *accounts,
        ),
        "ok",
    )
    assert broken.code == 1
    assert broken.json["ok"] is False
    failed = [check for check in broken.json["checks"] if check["state"] == "fail"]
    assert [check["name"] for check in failed] == ["venue okx"]
    assert "XETRADE_VENUES__OKX__REST_URL" in failed[0]["advice"]


async def test_a_wrong_venue_clock_is_seen(tmp_path: Path) -> None:
    from xetrade_core.assembly import venue_client
    from xetrade_core.checkup import check_machine
    from xetrade_core.lake.store import open_store
    from xetrade_core.settings import Settings
    from xetrade_core.settings_sections import VenueSettings

    slow = Fault(kind="clock", venue="binance", offset_s=9.0)
    async with SimServer(SimConfig(venues={"binance": VenueConfig(symbols=1)}, faults=(slow,))) as sim:
        await asyncio.sleep(0.1)
        settings = Settings(
            lake=str(tmp_path / "lake"),
            spool=tmp_path,
            venues={"binance": VenueSettings(rest_url=sim.url("binance").rest)},
        )
        clock = SystemClock()
        checks = await check_machine(
            settings,
            lambda: open_store(settings.lake),
            lambda venue: venue_client(settings, venue, clock, random.Random(1)),
            clock,
        )
    found = {check.name: check for check in checks}
    assert [name for name, check in found.items() if check.state is State.FAIL] == ["clock"]
    assert "behind the venues" in found["clock"].found
    assert re.search(
        r"its clock is (89|90)\d\d ms ahead of ours, give or take \d+\.\d ms", found["venue binance"].found
    )


def test_an_unwritable_lake_fails(xetrade: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = xetrade("doctor", "--json", "--lake", tmp_path / "file" / "lake", XETRADE_VENUES__OKX__REST_URL=NOWHERE)
    assert ran.code == 1
    assert next(check for check in ran.json["checks"] if check["name"] == "lake")["state"] == "fail"


@pytest.mark.parametrize(("offset_s", "state"), [(0.1, State.OK), (-0.7, State.WARN), (9.0, State.FAIL)])
def test_the_clock_is_judged_by_the_median_so_that_one_odd_venue_does_not_decide(offset_s: float, state: State) -> None:
    answers = [ClockOffset(seconds, 0.01, 0.01, 0.001, 5, 0) for seconds in (offset_s, offset_s, 1000.0)]
    assert check_clock(answers).state is state


def test_no_answer_at_all_is_a_warning() -> None:
    assert check_clock([]).state is State.WARN


def test_a_mistyped_variable_is_a_warning_with_the_right_name() -> None:
    check = check_variables({"XETRADE_LAEK": "x"})
    assert check.state is State.WARN
    assert "XETRADE_LAEK (did you mean XETRADE_LAKE?)" in check.found


def test_a_spool_in_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert check_spool(tmp_path / "file" / "spool").state is State.FAIL
    assert check_spool(tmp_path / "not" / "yet").state is not State.FAIL


def test_an_open_breaker_is_named_with_its_error_and_an_old_one_is_not(tmp_path: Path) -> None:
    clock = ManualClock(10**18)
    assert check_breakers(tmp_path, clock.wall_ns()).state is State.OK
    board = BreakerBoard(Scope("okx", "www.okx.com"), clock, BreakerRules(failures=1), directory=tmp_path)
    board.of("book").failed(VenueUnavailable("www.okx.com answered 503"))
    board.of("quotes").succeeded()
    clock.advance(2)
    check = check_breakers(tmp_path, clock.wall_ns())
    assert check.state is State.WARN
    assert check.found == ("okx_www.okx.com_default book open since 2 s, tried again in 3 s: www.okx.com answered 503")
    clock.advance(2 * 3600)
    assert check_breakers(tmp_path, clock.wall_ns()).state is State.OK


def test_of_many_budgets_those_that_have_spent_most_are_named(tmp_path: Path) -> None:
    clock = SystemClock()
    for name, weight in (("a", 9), ("b", 1), ("c", 8), ("d", 7)):
        open_budget(RateRule(100, 60), clock, directory=tmp_path, scope=("max", name)).observe(weight)
    found = check_budgets(tmp_path, clock).found
    assert found == "spent in the window: max_a_60s 9, max_c_60s 8, max_d_60s 7 and 1 more"


def test_a_venue_that_has_to_be_left_alone_is_named(tmp_path: Path) -> None:
    clock = SystemClock()
    budget = open_budget(RateRule(100, 60), clock, directory=tmp_path, scope=("max", "h"))
    assert check_budgets(tmp_path, clock).found == "nothing spent lately"
    budget.observe(7)
    assert check_budgets(tmp_path, clock).found == "spent in the window: max_h_60s 7"
    budget.pause(600)
    check = check_budgets(tmp_path, clock)
    assert check.state is State.WARN
    assert check.found.startswith("no calls to max_h_60s for ")
    (tmp_path / "max_h_60s.budget").write_bytes(b"damaged")
    assert check_budgets(tmp_path, clock).found == "nothing spent lately"
