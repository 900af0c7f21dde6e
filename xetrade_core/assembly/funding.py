"""Funding of the settings' venues: years of it, a day, a sample, a file; into the lake.

The command line and the pipelines call the same functions. Those over several venues go on where one does not answer,
and tell it beside what went well.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from xetrade_core.assembly import client_options, require_lake
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, NotSupported, XETradeError
from xetrade_core.history.backfill import (
    SETTLES_WITHIN_NS,
    BackfillPlan,
    BackfillReport,
    BackfillStatus,
    backfill,
    funding_rules,
)
from xetrade_core.history.days import FundedDay, funded_day
from xetrade_core.history.imports import ImportReport, import_fundings
from xetrade_core.history.progress import FundingProgress
from xetrade_core.lake.funding_days import SampledFunding, store_quotes
from xetrade_core.lake.layout import day_start
from xetrade_core.lake.store import ObjectStore
from xetrade_core.market_data.funding import funding_venues, perpetual_at
from xetrade_core.settings import Settings
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.clients import open_market_data
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.registry import venues as all_venues
from xetrade_core.venues.venue import VenueStatus

MINUTE_NS = 60 * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
T = TypeVar("T")

#: venue -> pairs as people write them
Wanted = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Outcomes(Generic[T]):
    """What was done for several venues, and why it was not for others, by venue."""

    done: tuple[T, ...]
    problems: Mapping[str, str]


def over_venues(venues: Iterable[str], do: Callable[[str], Iterable[T]]) -> Outcomes[T]:
    """Do something for each venue; an error on purpose is that venue's problem and no other's."""
    done: list[T] = []
    problems: dict[str, str] = {}
    for venue in venues:
        try:
            done += do(venue)
        except XETradeError as error:
            problems[venue] = str(error)
    return Outcomes(tuple(done), problems)


def funded_symbols(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The perpetuals of the settings, by venue that has funding; venues without one are left out."""
    found = {}
    for name in settings.venues:
        rules = known_venue(name)
        if rules.status is VenueStatus.LIVE and rules.funding is not None:
            symbols = tuple(one for one in settings.venue(name).symbols if _may_be_perpetual(one, name))
            if symbols:
                found[name] = symbols
    return found


def _may_be_perpetual(text: str, venue: str) -> bool:
    """Whether a person can mean a perpetual by it: everything but the universal symbol of something else."""
    if "/" not in text:
        return True
    return _is_perpetual(SymbolParts.parse(text, venue))


def _is_perpetual(parts: SymbolParts) -> bool:
    return parts.settle is not None and parts.expiry is None


def wanted_pairs(settings: Settings, named: Wanted, venue: str) -> tuple[str, ...]:
    """The perpetuals of a venue that are meant: those named, else the settings'. Raises ConfigError for none."""
    wanted = tuple(named.get(venue, ())) or funded_symbols(settings).get(venue, ())
    if not wanted:
        raise ConfigError.of("symbols", "", f"name perpetuals, here or as venues.{venue}.symbols")
    return wanted


async def backfill_funding(
    settings: Settings,
    venue: str,
    pairs: Sequence[str],
    start_ns: int,
    end_ns: int,
    clock: Clock,
    on_progress: Callable[[BackfillStatus], None] = lambda _: None,
    *,
    store: ObjectStore | None = None,
    directory: Path | None = None,
) -> list[BackfillReport]:
    """Bring the funding history of some perpetuals of an exchange into the lake, one report an id of the exchange.

    Goes on where an earlier run stopped, which it finds in `directory` (default: of this machine's state).
    Raises UnknownVenue, VenueRetired, NotSupported, UnknownSymbol, SessionError while another process does the same,
    VenueUnavailable after minutes of trying, LakeError.
    """
    rng, store = random.Random(), store or require_lake(settings)
    directory = directory or settings.state_directory / "funding"
    ids = funding_venues(venue)
    async with contextlib.AsyncExitStack() as opened:
        clients = {name: open_market_data(name, client_options(settings, name), clock, rng) for name in ids}
        for client in clients.values():
            opened.push_async_callback(client.close)
        wanted: dict[str, list[str]] = {}
        for pair in pairs:
            name, symbol = await perpetual_at(clients, pair)
            wanted.setdefault(name, []).append(symbol)
        reports = []
        for name, symbols in wanted.items():
            plan = BackfillPlan(name, tuple(dict.fromkeys(symbols)), start_ns, end_ns)
            with FundingProgress(directory, name, clock.wall_ns()) as progress:
                reports.append(await backfill(clients[name], plan, progress, store, clock, rng, on_progress))
        return reports


def fetch_funding_day(
    settings: Settings, store: ObjectStore, venue: str, symbols: Sequence[str], day_ns: int, clock: Clock
) -> FundedDay:
    """Bring one day of a venue's funding into the lake; of the running day what is settled by now.

    Raises what `backfill_funding` does, and ConfigError for a day that is not there yet.
    """
    funding_rules(venue)  # a day is of one id: the exchange's name does not stand for its perpetuals here
    if day_ns > clock.wall_ns():
        raise ConfigError.of("day", day_ns, "a day that has begun")
    with tempfile.TemporaryDirectory(prefix="xetrade-funding-") as directory:  # a day is a few pages: not gone on with
        [fetched] = asyncio.run(
            backfill_funding(
                settings, venue, symbols, day_ns, day_ns + DAY_NS, clock, store=store, directory=Path(directory)
            )
        )
    return funded_day(store, venue, day_ns, fetched)


def fetch_recent_funding(settings: Settings, store: ObjectStore, named: Wanted, clock: Clock) -> Outcomes[FundedDay]:
    """Bring yesterday's and today's funding of every venue that is named, or of the settings, into the lake.

    In a day's first minutes nothing of it is settled yet: then yesterday's alone.
    """
    settled_ns = clock.wall_ns() - SETTLES_WITHIN_NS
    today_ns = day_start(clock.wall_ns())
    days = [day_ns for day_ns in (today_ns - DAY_NS, today_ns) if day_ns < settled_ns]

    def fetch(venue: str) -> list[FundedDay]:
        pairs = wanted_pairs(settings, named, venue)
        return [fetch_funding_day(settings, store, venue, pairs, day_ns, clock) for day_ns in days]

    return over_venues(named or funded_symbols(settings), fetch)


def fetch_funding_years(
    settings: Settings, store: ObjectStore, named: Wanted, start_ns: int, end_ns: int, clock: Clock
) -> Outcomes[BackfillReport]:
    """Bring any stretch of funding of every venue that is named, or of the settings, into the lake."""

    def fetch(venue: str) -> list[BackfillReport]:
        pairs = wanted_pairs(settings, named, venue)
        return asyncio.run(backfill_funding(settings, venue, pairs, start_ns, end_ns, clock, store=store))

    return over_venues(named or funded_symbols(settings), fetch)


def sample_funding(settings: Settings, store: ObjectStore, named: Wanted, clock: Clock) -> Outcomes[SampledFunding]:
    """Ask every venue that is named, or of the settings, how funding stands, as the sample of the running minute."""

    def sample(venue: str) -> list[SampledFunding]:
        return [asyncio.run(_sample(settings, store, venue, wanted_pairs(settings, named, venue), clock))]

    return over_venues(named or funded_symbols(settings), sample)


def sample_funding_of(
    settings: Settings, store: ObjectStore, venue: str, pairs: Sequence[str], clock: Clock
) -> SampledFunding:
    """Ask one venue how funding stands and keep the answer as the sample of the running minute.

    Raises UnknownSymbol, NotSupported, VenueUnavailable, RateLimited, LakeError.
    """
    return asyncio.run(_sample(settings, store, venue, pairs, clock))


async def _sample(
    settings: Settings, store: ObjectStore, venue: str, pairs: Sequence[str], clock: Clock
) -> SampledFunding:
    funding_rules(venue)
    client = open_market_data(venue, client_options(settings, venue), clock, random.Random())
    try:
        asked = tuple([(await perpetual_at({venue: client}, pair))[1] for pair in pairs])
        quotes = tuple((await client.fundings(asked)).values())
    finally:
        await client.close()
    sample_ns = clock.wall_ns() // MINUTE_NS * MINUTE_NS
    return SampledFunding(venue, sample_ns, asked, quotes, store_quotes(store, venue, sample_ns, quotes))


def import_funding(
    settings: Settings, path: Path, venue: str, symbol: str, zone: str | None, clock: Clock
) -> ImportReport:
    """Bring a CSV file of fundings into the lake; see `history.imports`. Raises ConfigError, UnknownSymbol, LakeError.

    Files of venues that the registry does not know are taken too: only the name has to be one.
    """
    if not re.fullmatch(r"[a-z0-9]+", venue):
        raise ConfigError.of("--venue", venue, "an id such as okx: small letters and digits")
    if not _is_perpetual(SymbolParts.parse(symbol, venue)):
        raise ConfigError.of("--pair", symbol, "a perpetual, as only they are funded, such as BTC/USDT:USDT")
    known = next((one for one in all_venues() if one.id == venue), None)
    if known is not None and known.funding is None:
        raise NotSupported(f"{known.name} has no funding: it lists no perpetual contracts")
    usual_s = 8 * 3600.0 if known is None or known.funding is None else known.funding.default_interval_s
    return import_fundings(path, venue, symbol, zone, usual_s, require_lake(settings), clock.wall_ns())
