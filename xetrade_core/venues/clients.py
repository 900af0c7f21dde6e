"""From a venue's name to a client of its market data: ccxt's class, or a client of our own where ccxt has none."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from xetrade_core.clock import Clock
from xetrade_core.errors import ConfigError, NotSupported
from xetrade_core.venues.breaker import BreakerRules
from xetrade_core.venues.breaker_board import open_board
from xetrade_core.venues.budget import NOT_SHARED, Sharing, WeightBudget
from xetrade_core.venues.ccxt_client import CcxtMarketData
from xetrade_core.venues.http import rest_budget
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.market_lists import MarketLists, MarketStore
from xetrade_core.venues.max_client import MaxMarketData
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.resilient import ReadRules, ResilientMarketData
from xetrade_core.venues.transport import HostRules, Transport
from xetrade_core.venues.venue import Venue, require_no_userinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a client of market data connects. Times are seconds.

    `rest_url` replaces the host of every REST URL (a simulated venue, a proxy). `budget` is given to share one among
    several clients in this process; None opens the one that `sharing` says. `reads` and `breakers` are for
    `open_market_data`: how reads are repeated, how old a stale answer may be, when a circuit opens. `lists` is where
    the venue's list of markets is kept for a day, the nearest first; with none, each client asks the venue.
    """

    rest_url: str | None = None
    testnet: bool = False
    request_timeout_s: float = 10.0
    budget: WeightBudget | None = None
    sharing: Sharing = NOT_SHARED
    reads: ReadRules = field(default_factory=ReadRules)
    breakers: BreakerRules = field(default_factory=BreakerRules)
    lists: tuple[MarketStore, ...] = ()

    def __post_init__(self) -> None:
        require_no_userinfo(self.rest_url, "rest_url")
        if self.request_timeout_s <= 0:
            raise ConfigError.of("request_timeout_s", self.request_timeout_s, "a number of seconds above 0")

    @property
    def timeout_s(self) -> float:
        """Of one request: never past the deadline of the whole read."""
        return min(self.request_timeout_s, self.reads.repeating.deadline_s)


ClientFactory = Callable[[Venue, Transport, ClientOptions, Clock, random.Random], MarketData]


def _max(venue: Venue, transport: Transport, options: ClientOptions, clock: Clock, rng: random.Random) -> MaxMarketData:
    return MaxMarketData(venue, transport, clock, rest_url=options.rest_url)


#: clients of our own, by venue id: for venues that ccxt does not know
OWN_CLIENTS: dict[str, ClientFactory] = {"max": _max}


def open_market_data(venue_id: str, options: ClientOptions, clock: Clock, rng: random.Random) -> MarketData:
    """Market data of a venue of the registry, by a client that repeats, waits and gives up as `options.reads` says.

    Close it after use. Needs a running event loop; asks the venue nothing yet. Raises UnknownVenue, VenueRetired,
    ConfigError, and NotSupported for a venue that has no client.
    """
    client = open_client(venue_id, options, clock, rng)
    venue = known_venue(venue_id)
    endpoints = venue.endpoints(testnet=options.testnet, rest_url=options.rest_url)
    board = open_board(venue, endpoints, options.sharing, options.breakers, clock)
    return ResilientMarketData(client, board, options.reads, clock, rng)


def open_client(venue_id: str, options: ClientOptions, clock: Clock, rng: random.Random) -> MarketData:
    """The bare client: every call is made once, within the budget, and its errors are ours. See `open_market_data`."""
    venue = known_venue(venue_id).require_live()
    endpoints = venue.endpoints(testnet=options.testnet, rest_url=options.rest_url)
    budget = options.budget or rest_budget(venue, endpoints, options.sharing, clock)
    transport = Transport(budget, clock, HostRules.of(venue), within_s=options.timeout_s)
    if (own := OWN_CLIENTS.get(venue_id)) is not None:
        return own(venue, transport, options, clock, rng)
    if venue.ccxt_class is None:
        raise NotSupported(f"{venue.name} has no client of market data: ccxt does not know it")
    return CcxtMarketData(
        venue,
        transport,
        clock,
        rest_url=options.rest_url,
        testnet=options.testnet,
        lists=MarketLists(venue_id, urlsplit(endpoints.rest).netloc, options.lists, clock) if options.lists else None,
    )
