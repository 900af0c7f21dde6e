"""Is this machine fit to record? One check after another, each with what was found and what to do about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable, XETradeError
from xetrade_core.lake.store import ObjectStore
from xetrade_core.settings import Settings, unknown_variables
from xetrade_core.venues.breaker import BreakerState
from xetrade_core.venues.breaker_board import BreakerRecord, read_breakers
from xetrade_core.venues.clock_offset import ClockOffset, measure_offset
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.registry import venues
from xetrade_core.venues.shared_spending import read_budgets
from xetrade_core.venues.venue import VenueStatus

LEAST_FREE_BYTES = 1 << 30
COMFORTABLE_FREE_BYTES = 10 << 30
SKEW_WARN_S = 0.5
SKEW_FAIL_S = 5.0
VENUE_TIMEOUT_S = 5.0
BUDGETS_NAMED = 3  # that have spent most; every simulated venue of the last days may have one
REMEMBERED_NS = 3600 * NS_PER_S  # an older state of a breaker tells of processes that are gone


class State(StrEnum):
    """How a check came out; only FAIL keeps a capture from running."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report: what was looked at, how it is, what was found, what to do (empty where nothing is)."""

    name: str
    state: State
    found: str
    advice: str = ""


async def check_machine(
    settings: Settings, open_lake: Callable[[], ObjectStore], open_venue: Callable[[str], MarketData], clock: Clock
) -> list[Check]:
    """All checks, in the order in which they should be read. Raises nothing that a check can say.

    `open_venue` gives a bare client of a venue, which is closed here.
    """
    live = [venue for venue in venues() if venue.status is VenueStatus.LIVE]
    asked = [venue.id for venue in live if venue.id in settings.venues] or [venue.id for venue in live]
    answers = dict(
        zip(asked, await asyncio.gather(*(_offset(open_venue, venue, clock) for venue in asked)), strict=True)
    )
    return [
        check_python(),
        check_packages(),
        check_variables(os.environ),
        await asyncio.to_thread(check_lake, open_lake, settings.lake),
        check_spool(settings.spool),
        *(_venue_check(venue, answer, settings) for venue, answer in answers.items()),
        check_clock([answer for answer in answers.values() if isinstance(answer, ClockOffset)]),
        check_breakers(settings.state_directory / "breakers", clock.wall_ns()),
        check_budgets(settings.state_directory / "budgets", clock),
    ]


def check_python() -> Check:
    """The interpreter is one that XETrade supports."""
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] < (3, 14):
        return Check("python", State.OK, found)
    return Check("python", State.FAIL, found, "use Python 3.11, 3.12 or 3.13")


def check_packages() -> Check:
    """Every package that XETrade declares is installed in a version that fits."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in requires("xetrade") or () if "extra ==" not in line]
    wrong: list[str] = []
    for requirement in wanted:
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            wrong.append(f"{requirement.name} {installed} is not {requirement.specifier}")
    if wrong:
        return Check("packages", State.FAIL, "; ".join(wrong), "run `make install`")
    return Check("packages", State.OK, f"{len(wanted)} declared, all installed")


def check_variables(environment: Mapping[str, str]) -> Check:
    """No XETRADE_ variable is mistyped; the settings themselves were read before this."""
    unknown = unknown_variables(dict(environment))
    if not unknown:
        return Check("settings", State.OK, "read")
    names = "; ".join(name + (f" (did you mean {nearest}?)" if nearest else "") for name, nearest in unknown)
    return Check("settings", State.WARN, f"variables that nothing reads: {names}", "see docs/settings.md")


def check_lake(open_lake: Callable[[], ObjectStore], root: str) -> Check:
    """The lake takes a conditional create, which all uploads rest on."""
    began = time.monotonic()
    try:
        store = open_lake()
        store.check_writable()
    except XETradeError as error:
        return Check("lake", State.FAIL, f"{root}: {error}", "set XETRADE_LAKE to a root that can be written")
    except OSError as error:
        return Check(
            "lake", State.FAIL, f"{root}: {error.strerror or error}", "set XETRADE_LAKE to one that can be written"
        )
    took_ms = (time.monotonic() - began) * 1000
    return Check("lake", State.OK, f"{store.uri} takes conditional writes ({took_ms:.0f} ms)")


def check_spool(spool: Path) -> Check:
    """The spool can be written, and its disk has room for what waits while the lake is away."""
    existing = next(path for path in (spool, *spool.absolute().parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        return Check("spool", State.FAIL, f"{spool} cannot be written", "set XETRADE_SPOOL to a directory that can")
    free = shutil.disk_usage(existing).free
    found = f"{spool}: {free / (1 << 30):.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return Check("spool", State.FAIL, found, "free some space: a capture alarms below 1 GiB")
    if free < COMFORTABLE_FREE_BYTES:
        return Check("spool", State.WARN, found, "10 GiB outlast about a day without the lake at ten books a second")
    return Check("spool", State.OK, found)


def check_clock(answers: list[ClockOffset]) -> Check:
    """Our clock against the venues': the median of what they say, which one odd venue does not move."""
    if not answers:
        return Check("clock", State.WARN, "no venue answered, so there is nothing to compare with", "keep NTP running")
    offset_s = statistics.median(answer.offset_s for answer in answers)
    found = f"{abs(offset_s) * 1000:.0f} ms {'behind' if offset_s > 0 else 'ahead of'} the venues"
    if abs(offset_s) >= SKEW_FAIL_S:
        return Check("clock", State.FAIL, found, "set the clock: the grid times of every row would be wrong")
    if abs(offset_s) >= SKEW_WARN_S:
        return Check("clock", State.WARN, found, "let NTP keep the clock; the skew is recorded beside every row")
    return Check("clock", State.OK, found)


def check_breakers(directory: Path, now_ns: int) -> Check:
    """Which circuit breakers the processes of this machine have open, and why."""
    known = {path.stem: read_breakers(path) for path in sorted(directory.glob("*.json"))}
    troubled = [
        f"{name} {endpoint} {_open_since(record, now_ns)}: {record.error}"
        for name, records in known.items()
        for endpoint, record in sorted(records.items())
        if record.state is not BreakerState.CLOSED and now_ns - record.changed_ns < REMEMBERED_NS
    ]
    if troubled:
        return Check("breakers", State.WARN, "; ".join(troubled), "calls resume by themselves once the venue answers")
    return Check("breakers", State.OK, f"{sum(map(len, known.values()))} known, none open")


def _open_since(record: BreakerRecord, now_ns: int) -> str:
    since_s, left_s = (now_ns - record.changed_ns) / NS_PER_S, (record.until_ns - now_ns) / NS_PER_S
    return f"{record.state} since {since_s:.0f} s" + (f", tried again in {left_s:.0f} s" if left_s > 0 else "")


def check_budgets(directory: Path, clock: Clock) -> Check:
    """Which venues are silent because they said so, and how much of the budgets is spent."""
    budgets = read_budgets(directory, clock)
    silent = [f"{budget.name} for {budget.paused_s:.0f} s" for budget in budgets if budget.paused_s > 0]
    if silent:
        return Check(
            "budgets", State.WARN, f"no calls to {', '.join(silent)}", "wait: going on would prolong the venue's ban"
        )
    spent = sorted((budget for budget in budgets if budget.used), key=lambda budget: -budget.used)
    if not spent:
        return Check("budgets", State.OK, "nothing spent lately")
    most = ", ".join(f"{budget.name} {budget.used}" for budget in spent[:BUDGETS_NAMED])
    more = f" and {len(spent) - BUDGETS_NAMED} more" if len(spent) > BUDGETS_NAMED else ""
    return Check("budgets", State.OK, f"spent in the window: {most}{more}")


def _venue_check(venue: str, answer: ClockOffset | XETradeError, settings: Settings) -> Check:
    name = f"venue {venue}"
    if isinstance(answer, ClockOffset):
        side = "ahead of" if answer.offset_s > 0 else "behind"
        offset = f"{abs(answer.offset_s) * 1000:.0f} ms {side} ours, give or take {answer.uncertainty_s * 1000:.1f} ms"
        return Check(name, State.OK, f"answers in {answer.round_trip_s * 1000:.1f} ms; its clock is {offset}")
    advice = f"check the network, or set XETRADE_VENUES__{venue.upper()}__REST_URL"
    return Check(name, State.FAIL if venue in settings.venues else State.WARN, str(answer), advice)


async def _offset(open_venue: Callable[[str], MarketData], venue: str, clock: Clock) -> ClockOffset | XETradeError:
    """The offset of the venue's clock; the error instead where it does not tell."""
    try:
        client = open_venue(venue)
    except XETradeError as error:
        return error
    try:
        async with asyncio.timeout(VENUE_TIMEOUT_S):
            return await measure_offset(client.server_time_ns, clock)
    except XETradeError as error:
        return error
    except TimeoutError:
        return VenueUnavailable(f"{venue} did not tell its time within {VENUE_TIMEOUT_S:g} s")
    finally:
        await client.close()
