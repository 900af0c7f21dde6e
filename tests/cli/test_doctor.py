"""The doctor: each check says what it found, and what to do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from xetrade_core.checkup import State, VenueClock, check_clock, check_spool, check_variables, venue_time_ns
from xetrade_core.simvenue.config import SimConfig, VenueConfig
from xetrade_core.simvenue.faults import Fault
from xetrade_core.simvenue.server import SimServer

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
    assert states == dict.fromkeys(
        ("python", "packages", "settings", "lake", "spool", "venue binance", "venue okx", "clock"), "ok"
    )
    assert broken.code == 1
    assert broken.json["ok"] is False
    failed = [check for check in broken.json["checks"] if check["state"] == "fail"]
    assert [check["name"] for check in failed] == ["venue okx"]
    assert "XETRADE_VENUES__OKX__REST_URL" in failed[0]["advice"]


async def test_a_wrong_venue_clock_is_seen(tmp_path: Path) -> None:
    from xetrade_core.checkup import check_machine
    from xetrade_core.clock import SystemClock
    from xetrade_core.lake.store import open_store
    from xetrade_core.settings import Settings, VenueSettings

    slow = Fault(kind="clock", venue="binance", offset_s=9.0)
    async with SimServer(SimConfig(venues={"binance": VenueConfig(symbols=1)}, faults=(slow,))) as sim:
        await asyncio.sleep(0.1)
        settings = Settings(
            lake=str(tmp_path / "lake"),
            spool=tmp_path,
            venues={"binance": VenueSettings(rest_url=sim.url("binance").rest)},
        )
        checks = await check_machine(settings, lambda: open_store(settings.lake), SystemClock(), random.Random(1))
    assert [(check.name, check.found) for check in checks if check.state is State.FAIL] == [("clock", checks[-1].found)]
    assert "behind the venues" in checks[-1].found


def test_an_unwritable_lake_fails(xetrade: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    ran = xetrade("doctor", "--json", "--lake", tmp_path / "file" / "lake", XETRADE_VENUES__OKX__REST_URL=NOWHERE)
    assert ran.code == 1
    assert next(check for check in ran.json["checks"] if check["name"] == "lake")["state"] == "fail"


@pytest.mark.parametrize(("offset_s", "state"), [(0.1, State.OK), (-0.7, State.WARN), (9.0, State.FAIL)])
def test_the_clock_is_judged_by_the_median_so_that_one_odd_venue_does_not_decide(offset_s: float, state: State) -> None:
    answers = [VenueClock(str(n), offset_s, 0.01) for n in range(2)] + [VenueClock("odd", 1000.0, 0.01)]
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


def test_both_venues_ways_of_telling_the_time_are_read() -> None:
    assert venue_time_ns(b'{"serverTime":1700000000123}') == 1_700_000_000_123_000_000
    assert venue_time_ns(b'{"code":"0","data":[{"ts":"1700000000123"}]}') == 1_700_000_000_123_000_000
    with pytest.raises(ValueError, match="no time"):
        venue_time_ns(b"{}")
