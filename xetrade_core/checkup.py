"""Is this machine fit to record? One check after another, each with what was found and what to do about it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.errors import XETradeError
from xetrade_core.lake.store import ObjectStore
from xetrade_core.settings import Settings, unknown_variables
from xetrade_core.venues.budget import NOT_SHARED, Sharing
from xetrade_core.venues.http import RestClient, rest_budget
from xetrade_core.venues.registry import venues
from xetrade_core.venues.venue import RestRequest, Venue

LEAST_FREE_BYTES = 1 << 30
COMFORTABLE_FREE_BYTES = 10 << 30
SKEW_WARN_S = 0.5
SKEW_FAIL_S = 5.0
VENUE_TIMEOUT_S = 5.0


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


@dataclass(frozen=True, slots=True)
class VenueClock:
    """What a venue's clock said: its offset from ours in seconds (positive: ours is slow), and the round trip."""

    venue: str
    offset_s: float
    round_trip_s: float


async def check_machine(
    settings: Settings,
    open_lake: Callable[[], ObjectStore],
    clock: Clock,
    rng: random.Random,
    sharing: Sharing = NOT_SHARED,
) -> list[Check]:
    """All checks, in the order in which they should be read. Raises nothing that a check can say."""
    asked = [venue for venue in venues() if venue.id in settings.venues] or list(venues())
    answers = await asyncio.gather(*(_venue_clock(venue, settings, clock, rng, sharing) for venue in asked))
    return [
        check_python(),
        check_packages(),
        check_variables(os.environ),
        await asyncio.to_thread(check_lake, open_lake, settings.lake),
        check_spool(settings.spool),
        *(_venue_check(venue, answer, settings) for venue, answer in zip(asked, answers, strict=True)),
        check_clock([answer for answer in answers if isinstance(answer, VenueClock)]),
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


def check_clock(answers: list[VenueClock]) -> Check:
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


def _venue_check(venue: Venue, answer: VenueClock | XETradeError, settings: Settings) -> Check:
    name = f"venue {venue.id}"
    if isinstance(answer, VenueClock):
        return Check(name, State.OK, f"answers in {answer.round_trip_s * 1000:.0f} ms")
    wanted = venue.id in settings.venues
    advice = f"check the network, or set XETRADE_VENUES__{venue.id.upper()}__REST_URL"
    return Check(name, State.FAIL if wanted else State.WARN, str(answer), advice)


async def _venue_clock(
    venue: Venue, settings: Settings, clock: Clock, rng: random.Random, sharing: Sharing
) -> VenueClock | XETradeError:
    """Ask the venue for its time once; the error instead where it does not tell."""
    own = settings.venue(venue.id)
    endpoints = venue.endpoints(rest_url=own.rest_url, ws_url=own.ws_url)
    client = RestClient(
        endpoints.rest, rest_budget(venue, endpoints, sharing, clock), clock, rng, timeout_s=VENUE_TIMEOUT_S
    )
    try:
        async with client:
            sent_ns, began_ns = clock.wall_ns(), clock.monotonic_ns()
            body = await client.get(RestRequest(venue.rest.time_path or "/"), attempts=1)
            round_trip_ns = clock.monotonic_ns() - began_ns
        offset_ns = venue_time_ns(body) - (sent_ns + round_trip_ns // 2)
        return VenueClock(venue.id, offset_ns / NS_PER_S, round_trip_ns / NS_PER_S)
    except XETradeError as error:
        return error
    except (msgspec.MsgspecError, ValueError) as error:
        return XETradeError(f"{endpoints.rest} answers, but not with its time: {error}")


class _Millis(msgspec.Struct):
    ts: str


class _Time(msgspec.Struct):
    serverTime: int | None = None  # Binance's name
    data: list[_Millis] = []


def venue_time_ns(body: bytes) -> int:
    """The venue's clock from its reply: Binance's `serverTime` or OKX's `data[0].ts`, in ms. ValueError if neither."""
    reply = msgspec.json.decode(body, type=_Time)
    if reply.serverTime is not None:
        return reply.serverTime * NS_PER_MS
    if reply.data:
        return int(reply.data[0].ts) * NS_PER_MS
    raise ValueError("no time in the reply")
