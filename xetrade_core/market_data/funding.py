"""Funding of one pair on several venues as it stands now: asked at once, within a deadline.

People write `binance` for Binance's perpetuals too, and `BTC-USDT` for the perpetual of that pair; so a venue that has
none stands for the ids under which its exchange lists them, and only perpetuals are looked at.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from xetrade_core.errors import NotSupported, NotTrading, UnknownSymbol
from xetrade_core.funding.rates import apr, apy
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.asking import Answers, Failure, ask_all
from xetrade_core.market_data.books import require_known
from xetrade_core.model.funding import FundingQuote
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.venues.instruments import tradable
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import FundingRules


@dataclass(frozen=True, slots=True)
class VenueFunding:
    """Funding on one venue. `asked` is the venue that was named: another id of the same exchange may have answered.

    `interval_s` is what the venue states, else its usual one (`interval_stated` False). `apr` and `apy` are fractions
    a year, of the live rate over that interval.
    """

    asked: str
    quote: FundingQuote
    rules: FundingRules

    @property
    def interval_stated(self) -> bool:
        """Whether the venue said how far apart fundings are."""
        return self.quote.interval_s is not None

    @property
    def interval_s(self) -> float:
        """Seconds between two fundings."""
        return self.quote.interval_s or self.rules.default_interval_s

    @property
    def apr(self) -> float | None:
        """Simple annual rate."""
        return None if self.quote.rate is None else apr(self.quote.rate, self.interval_s)

    @property
    def apy(self) -> float | None:
        """Compounded annual rate."""
        return None if self.quote.rate is None else apy(self.quote.rate, self.interval_s)


@dataclass(frozen=True, slots=True)
class Fundings:
    """What was answered, in the order asked, at least one; `failures` are the other venues."""

    answers: tuple[VenueFunding, ...]
    failures: tuple[Failure, ...]


def funding_venues(venue: str) -> tuple[str, ...]:
    """The ids of an exchange that have funding. Raises UnknownVenue, VenueRetired, NotSupported."""
    named = known_venue(venue).require_live()
    if named.funding is not None:
        return (named.id,)
    if not named.contracts_at:
        raise NotSupported(f"{named.name} has no funding: it lists no perpetual contracts")
    return named.contracts_at


async def perpetual(venue: str, pair: str, client: MarketData) -> Instrument:
    """The perpetual that `pair` means on a venue. Raises UnknownSymbol, NotTrading, NotSupported.

    A pair that is a spot symbol means the perpetual of its base and quote. That there is none is said by a fresh list
    alone.
    """
    rules = known_venue(venue)
    for fresh in (False, True):
        listed = await client.instruments(fresh=fresh)
        swaps = [row for row in listed if row.market_type is MarketType.SWAP]
        try:
            return tradable(rules, pair.replace("/", "-") if ":" not in pair else pair, swaps)
        except NotTrading:
            if fresh:
                raise
        except UnknownSymbol as error:
            if fresh:
                raise _told(venue, pair, listed, error) from None
    raise AssertionError("unreachable: a fresh list ends it")


async def perpetual_at(clients: Mapping[str, MarketData], pair: str) -> tuple[str, str]:
    """The id of an exchange, and the symbol there, of the perpetual that `pair` means; the first id that has one.

    Raises what `perpetual` does of the last id.
    """
    *others, last = clients
    for venue in others:
        with contextlib.suppress(UnknownSymbol):
            return venue, (await perpetual(venue, pair, clients[venue])).symbol
    return last, (await perpetual(last, pair, clients[last])).symbol


def _told(venue: str, pair: str, listed: Sequence[Instrument], error: UnknownSymbol) -> UnknownSymbol | NotSupported:
    with contextlib.suppress(UnknownSymbol, NotTrading):
        other = tradable(known_venue(venue), pair, listed)
        return NotSupported(f"{other.symbol} on {venue} is {other.market_type}: only perpetual contracts are funded")
    return error


async def fetch_fundings(access: Access, venues: Sequence[str], pair: str, deadline_s: float) -> Fundings:
    """Funding of `pair` as it stands on these venues.

    Raises UnknownVenue, VenueRetired; where no venue answers, what the one venue raised, or NoAnswer.
    """

    async def ask(named: str, ids: Sequence[str]) -> VenueFunding:
        venue, symbol = await perpetual_at({name: clients[name] for name in ids}, pair)
        rules = known_venue(venue).funding
        assert rules is not None
        return VenueFunding(named, await clients[venue].funding(symbol), rules)

    what = f"funding of {pair}"
    async with contextlib.AsyncExitStack() as opened:
        clients: dict[str, MarketData] = {}
        questions = {}
        unfunded: dict[str, Failure] = {}
        for named in dict.fromkeys(venues):
            try:
                ids = funding_venues(named)
            except NotSupported as error:
                unfunded[named] = Failure(named, error)
                continue
            for venue in ids:  # before the clock runs: the first client imports ccxt
                if venue not in clients:
                    clients[venue] = access.client(venue)
                    opened.push_async_callback(clients[venue].close)
            questions[named] = partial(ask, named, ids)
        answers = require_known(await ask_all(questions, what, deadline_s))
    failures = (*unfunded.values(), *answers.failures)
    Answers(answers.by_venue, failures).require_any(f"a {what}")
    return Fundings(tuple(answers.by_venue.values()), failures)
