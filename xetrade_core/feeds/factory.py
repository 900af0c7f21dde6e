"""From a venue's name and some symbols to a feed that is ready to run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from xetrade_core.clock import Clock
from xetrade_core.errors import ConfigError
from xetrade_core.feeds.binance import BinanceDialect
from xetrade_core.feeds.bybit import BybitDialect
from xetrade_core.feeds.deribit import DeribitDialect
from xetrade_core.feeds.derive import DeriveDialect
from xetrade_core.feeds.feed import Feed, FeedOptions
from xetrade_core.feeds.kucoin import KucoinDialect
from xetrade_core.feeds.max import MaxDialect
from xetrade_core.feeds.okx import OkxDialect
from xetrade_core.feeds.polling import open_polling_feed
from xetrade_core.feeds.rest_snapshots import RestSnapshots
from xetrade_core.feeds.resubscribe import Resubscribe
from xetrade_core.feeds.streaming import StreamingFeed
from xetrade_core.feeds.subscriptions import Dialect
from xetrade_core.model.instruments import Instrument
from xetrade_core.venues.breaker import BreakerRules
from xetrade_core.venues.breaker_board import open_board
from xetrade_core.venues.http import RestClient, rest_budget
from xetrade_core.venues.instruments import load_instruments
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.transport import HostRules
from xetrade_core.venues.venue import BookProtocol, Venue, WireDialect

#: a book that is out of sync loses rows each second: the venue is tried again soon
_BREAKERS = BreakerRules(failures=10, open_s=1.0, cap_s=10.0)
_DIALECTS: dict[WireDialect, Callable[[str], Dialect]] = {
    WireDialect.BINANCE: BinanceDialect,
    WireDialect.OKX: OkxDialect,
    WireDialect.BYBIT: BybitDialect,
    WireDialect.KUCOIN: KucoinDialect,
    WireDialect.DERIBIT: DeribitDialect,
    WireDialect.MAX: MaxDialect,
    WireDialect.DERIVE: DeriveDialect,
}


async def open_feed(venue: str, symbols: Sequence[str], options: FeedOptions, clock: Clock, rng: random.Random) -> Feed:
    """A feed of these symbols, in any form that `resolve_symbol` reads; asks the venue for its instruments.

    Over the websocket, or polled from any venue that ccxt knows where `options.feed` is `poll`. Raises UnknownVenue,
    UnknownSymbol, VenueRetired, ConfigError, and VenueUnavailable when the venue does not answer.
    """
    if not symbols:
        raise ConfigError(f"no symbols to feed from {venue}: name at least one, like BTC/USDT")
    if options.feed == "poll":
        return await open_polling_feed(venue, symbols, options, clock, rng)
    return await open_streaming_feed(venue, symbols, options, clock, rng)


async def open_streaming_feed(
    venue: str, symbols: Sequence[str], options: FeedOptions, clock: Clock, rng: random.Random
) -> StreamingFeed:
    """The websocket feed of a venue of the registry; see `open_feed`."""
    rules = known_venue(venue).require_live()
    client = rest_client(rules, options, clock, rng)
    try:
        instruments = await load_instruments(rules, client, symbols)
    except BaseException:
        await client.close()
        raise
    return _streaming(rules, instruments, client, options, clock, rng)


def known_streaming_feed(
    instruments: Sequence[Instrument], options: FeedOptions, clock: Clock, rng: random.Random
) -> StreamingFeed:
    """The websocket feed of instruments of one venue whose list is known already: it asks for none, and so begins even
    where the venue's REST does not answer. Raises VenueRetired, ConfigError."""
    rules = known_venue(instruments[0].venue).require_live()
    return _streaming(rules, instruments, rest_client(rules, options, clock, rng), options, clock, rng)


def _streaming(
    rules: Venue,
    instruments: Sequence[Instrument],
    client: RestClient,
    options: FeedOptions,
    clock: Clock,
    rng: random.Random,
) -> StreamingFeed:
    feed = StreamingFeed(rules, instruments, client, options, _dialect(rules), clock, rng)
    if rules.protocol is BookProtocol.REST_SNAPSHOT:
        feed.use(RestSnapshots(rules, feed, client, clock, rng))
    else:
        feed.use(Resubscribe(feed, clock, rng))
    return feed


def rest_client(venue: Venue, options: FeedOptions, clock: Clock, rng: random.Random) -> RestClient:
    """The REST client of a venue within its budget; close it after use."""
    endpoints = venue.endpoints(testnet=options.testnet, rest_url=options.rest_url, ws_url=options.ws_url)
    return RestClient(
        endpoints.rest,
        options.budget or rest_budget(venue, endpoints, options.sharing, clock),
        clock,
        rng,
        timeout_s=options.request_timeout_s,
        rules=HostRules.of(venue),
        breakers=open_board(venue, endpoints, options.sharing, _BREAKERS, clock),
    )


def _dialect(venue: Venue) -> Dialect:
    return _DIALECTS[venue.websocket.dialect](venue.websocket.channel)
