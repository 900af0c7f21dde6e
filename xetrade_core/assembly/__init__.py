"""From settings to working parts: the lake's store, the feeds' options, a capture session.

The command line and the pipelines put the parts together here, so that both record in the same way. What is done about
funding stands in `funding.py` beside this. Every command that works from settings comes through here, so each function
imports the parts that it joins: a look at the orders does not wait for what records books.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from xetrade_core.clock import Clock
from xetrade_core.errors import LakeUnavailable, NotTrading, UnknownSymbol
from xetrade_core.lake.store import ObjectStore, S3Options, open_store
from xetrade_core.settings import Settings

if TYPE_CHECKING:
    from xetrade_core.capture.config import CaptureConfig
    from xetrade_core.capture.session import CaptureSession
    from xetrade_core.capture.status import CaptureStatus
    from xetrade_core.feeds.feed import Feed, FeedOptions
    from xetrade_core.market_data.access import Access
    from xetrade_core.market_data.asking import Answers
    from xetrade_core.model.instruments import Instrument
    from xetrade_core.reference.days import StoredListing
    from xetrade_core.reference.refresh import ListVenue, Refreshed
    from xetrade_core.venues.budget import Sharing
    from xetrade_core.venues.clients import ClientOptions
    from xetrade_core.venues.market_data import MarketData


def lake_store(settings: Settings) -> ObjectStore:
    """The object store of the lake that the settings name; touches nothing yet."""
    return open_store(settings.lake, s3_options(settings))


def lake_to_fill(settings: Settings) -> ObjectStore:
    """The lake's store for what is brought in if there is something. A local one that is no directory is a LakeError
    also if there is nothing; an S3 is not asked before it is needed.
    """
    store = lake_store(settings)
    if not settings.lake.startswith("s3://"):
        next(iter(store.folders("")), None)
    return store


def s3_options(settings: Settings) -> S3Options:
    """How the settings reach the S3."""
    s3 = settings.s3
    return S3Options(
        endpoint_url=s3.endpoint_url,
        region=s3.region,
        access_key_id=s3.access_key_id.get_secret_value() if s3.access_key_id else None,
        secret_access_key=s3.secret_access_key.get_secret_value() if s3.secret_access_key else None,
    )


def require_lake(settings: Settings) -> ObjectStore:
    """The lake's store for a recording that is about to start.

    A local lake that cannot be written is a LakeError now and not after an hour. An S3 that does not answer is only
    logged: what is sampled waits in the spool until it does.
    """
    from xetrade_core.telemetry import get_logger

    store = lake_store(settings)
    try:
        store.check_writable()
    except LakeUnavailable as error:
        if not settings.lake.startswith("s3://"):
            raise
        get_logger("lake").warning("the lake does not answer; what is sampled waits in the spool", error=str(error))
    return store


def sharing(settings: Settings) -> Sharing:
    """Where this machine's processes share their rate budgets."""
    from xetrade_core.venues.budget import Sharing

    rates = settings.rates
    return Sharing(directory=settings.state_directory, address=rates.address, headroom=rates.headroom)


def feed_options(settings: Settings, venue: str, depth: int | None = None) -> FeedOptions:
    """How the feed of one venue connects. `depth` is the least number of levels a side that must be known."""
    from xetrade_core.feeds.feed import FeedOptions

    own = settings.venue(venue)
    return FeedOptions(
        feed=own.feed,
        poll_interval_s=own.poll_interval_s,
        rest_url=own.rest_url,
        ws_url=own.ws_url,
        depth=depth or settings.capture.depth,
        staleness_limit_s=own.staleness_s or settings.capture.staleness_s,
        sharing=sharing(settings),
    )


def client_options(settings: Settings, venue: str) -> ClientOptions:
    """How the client of one venue's market data connects, and where it keeps what the venue lists."""
    from xetrade_core.lake.kept_lists import KeptLists
    from xetrade_core.venues.breaker import BreakerRules
    from xetrade_core.venues.clients import ClientOptions
    from xetrade_core.venues.reads import Repeating
    from xetrade_core.venues.resilient import ReadRules

    reads, breakers = settings.reads, settings.breakers
    return ClientOptions(
        rest_url=settings.venue(venue).rest_url,
        sharing=sharing(settings),
        reads=ReadRules(
            repeating=Repeating(attempts=reads.attempts, deadline_s=reads.deadline_s), max_stale_s=reads.max_stale_s
        ),
        breakers=BreakerRules(failures=breakers.failures, open_s=breakers.open_s, cap_s=breakers.cap_s),
        lists=(
            KeptLists(open_store(settings.state_directory), history=False),
            KeptLists(lake_store(settings), history=True),
        ),
    )


def venue_client(settings: Settings, venue: str, clock: Clock, rng: random.Random) -> MarketData:
    """A client of one venue's market data that makes each call once; needs a running event loop."""
    from xetrade_core.venues.clients import open_client

    return open_client(venue, client_options(settings, venue), clock, rng)


def market_access(settings: Settings, clock: Clock, rng: random.Random) -> Access:
    """How the functions of `market_data` reach the settings' venues."""
    from xetrade_core.feeds.factory import open_feed
    from xetrade_core.market_data.access import Access
    from xetrade_core.venues.clients import open_market_data

    async def feed(venue: str, pair: str, depth: int) -> Feed:
        return await open_feed(venue, [pair], feed_options(settings, venue, depth), clock, rng)

    return Access(
        client=lambda venue: open_market_data(venue, client_options(settings, venue), clock, rng),
        feed=feed,
        clock=clock,
    )


def capture_session(
    config: CaptureConfig,
    settings: Settings,
    clock: Clock,
    rng: random.Random,
    on_progress: Callable[[CaptureStatus], None] | None = None,
) -> CaptureSession:
    """A session that records `config` from the settings' venues into the settings' lake. Raises LakeError."""
    from xetrade_core.capture.session import CaptureSession, feed_opener

    options = {venue: feed_options(settings, venue, config.depth) for venue in config.venues}
    opener = feed_opener(options, clock, rng)
    return CaptureSession(config, require_lake(settings), opener, clock=clock, rng=rng, on_progress=on_progress)


async def universal_symbols(
    settings: Settings, wanted: Mapping[str, Sequence[str]], clock: Clock, rng: random.Random
) -> Answers[tuple[str, ...]]:
    """The universal symbols of what a person wrote, by venue: `BTC-USDT`, `BTCUSDT`, a venue's id, a universal symbol.

    Asks every venue for its instruments. A venue that lacks one, or does not trade it now, is a failure. Raises
    UnknownVenue, VenueRetired, VenueUnavailable.
    """
    from xetrade_core.feeds.factory import rest_client
    from xetrade_core.feeds.polling import polled_symbols
    from xetrade_core.market_data.asking import Answers, Failure
    from xetrade_core.venues.instruments import load_instruments
    from xetrade_core.venues.registry import venue as known_venue

    async def resolve(name: str, pairs: Sequence[str]) -> tuple[str, ...] | Failure:
        try:
            return await listed(name, pairs)
        except (UnknownSymbol, NotTrading) as error:
            return Failure(name, error)

    async def listed(name: str, pairs: Sequence[str]) -> tuple[str, ...]:
        options = feed_options(settings, name)
        if options.feed == "poll":
            return await polled_symbols(name, pairs, options, clock, rng)
        rules = known_venue(name).require_live()
        async with rest_client(rules, options, clock, rng) as client:
            return tuple(instrument.symbol for instrument in await load_instruments(rules, client, pairs))

    resolved = await asyncio.gather(*(resolve(name, pairs) for name, pairs in wanted.items()))
    found = dict(zip(wanted, resolved, strict=True))
    return Answers(
        {name: one for name, one in found.items() if not isinstance(one, Failure)},
        tuple(one for one in resolved if isinstance(one, Failure)),
    )


async def listed_instruments(
    settings: Settings, venue: str, clock: Clock, rng: random.Random
) -> tuple[Instrument, ...]:
    """Everything that a venue lists now. Raises UnknownVenue, VenueRetired, VenueUnavailable, RateLimited."""
    from xetrade_core.venues.clients import open_market_data

    client = open_market_data(venue, client_options(settings, venue), clock, rng)
    try:
        return await client.instruments(fresh=True)
    finally:
        await client.close()


def reference_venues(settings: Settings) -> tuple[str, ...]:
    """The venues whose lists are kept: those that the settings name and that still answer."""
    from xetrade_core.venues.registry import venue as known_venue
    from xetrade_core.venues.venue import VenueStatus

    return tuple(name for name in settings.venues if known_venue(name).status is VenueStatus.LIVE)


def venue_ids() -> tuple[str, ...]:
    """All venues of the registry, retired ones included."""
    from xetrade_core.venues.registry import venues as all_venues

    return tuple(one.id for one in all_venues())


def fetch_listing(
    settings: Settings, store: ObjectStore, venue: str, day_ns: int, wall_ns: Callable[[], int], clock: Clock
) -> StoredListing:
    """Ask a venue what it lists and keep it as that day's, which must be the running one by `wall_ns`.

    Raises ConfigError, UnknownVenue, VenueRetired, VenueUnavailable, RateLimited, LakeError.
    """
    from xetrade_core.reference.refresh import refresh_listing
    from xetrade_core.venues.registry import venue as known_venue

    known_venue(venue).require_live()
    return asyncio.run(refresh_listing(store, venue, day_ns, _lister(settings, clock), wall_ns))


def refresh_reference(
    settings: Settings, store: ObjectStore, venues: Sequence[str], wall_ns: Callable[[], int], clock: Clock
) -> Refreshed:
    """Ask venues what they list, keep it as the running day's, and make that day's symbol map and changes.

    Raises UnknownVenue, VenueRetired, LakeError; a venue that does not answer is told in what is returned.
    """
    from xetrade_core.reference.refresh import refresh
    from xetrade_core.venues.registry import venue as known_venue

    for name in venues:
        known_venue(name).require_live()
    return asyncio.run(refresh(store, venues, venue_ids(), _lister(settings, clock), wall_ns))


def _lister(settings: Settings, clock: Clock) -> ListVenue:
    return lambda name: listed_instruments(settings, name, clock, random.Random())
