"""The books of one instrument on several venues: fetched at once, within a deadline, and what is made of them.

Over REST through each venue's client; a venue without an order book over REST (Derive) is asked over its stream.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeVar

from xetrade_core.books.best import BestQuote, across
from xetrade_core.books.consolidated import ConsolidatedBook, consolidate
from xetrade_core.books.impact import Impact, TakerSide, Unit, price_impact
from xetrade_core.errors import (
    NotSupported,
    NotTrading,
    UnknownSymbol,
    UnknownVenue,
    VenueRefused,
    VenueRetired,
    VenueUnavailable,
    XETradeError,
)
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.asking import Answers, Failure, ask_all
from xetrade_core.market_data.one_shot import first_book
from xetrade_core.model.contracts import Contract
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.model.quotes import BookSnapshot
from xetrade_core.venues.instruments import tradable
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.registry import venue as known_venue
from xetrade_core.venues.venue import Venue

T = TypeVar("T")
Via = Literal["rest", "stream"]


@dataclass(frozen=True, slots=True)
class VenueBook:
    """One venue's book, and the instrument whose units it is in."""

    instrument: Instrument
    book: BookSnapshot

    @property
    def contract(self) -> Contract:
        """What one unit of the book's sizes is worth."""
        return Contract.of(self.instrument.symbol, self.instrument.contract_size)


@dataclass(frozen=True, slots=True)
class Books:
    """Books of one symbol, in the order in which the venues were asked; at least one. `failures` are the others."""

    symbol: str
    books: tuple[VenueBook, ...]
    failures: tuple[Failure, ...]

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """What sizes are worth, by venue."""
        return {one.book.venue: one.contract for one in self.books}

    def best(self, now_ns: int, staleness_limit_s: float) -> BestQuote:
        """Best bid and ask across these venues; quotes older than the limit do not count."""
        return across([one.book.quote() for one in self.books], now_ns, staleness_limit_s, self.contracts)

    def consolidated(self, depth: int) -> ConsolidatedBook:
        """The joint book."""
        return consolidate([one.book for one in self.books], depth, self.contracts)

    def impacts(self, side: TakerSide, unit: Unit, amount: float) -> Mapping[str, Impact[float]]:
        """What the amount costs on each venue alone, by venue."""
        return {
            one.book.venue: price_impact(one.book.bids, one.book.asks, side, unit, amount, one.contract)
            for one in self.books
        }

    def joint_impact(self, side: TakerSide, unit: Unit, amount: float) -> Impact[float]:
        """What the amount costs if it is spread over all of these venues at their best levels, whoever holds them."""
        deepest = sum(len(one.book.bids) + len(one.book.asks) for one in self.books)
        return price_impact(*self.consolidated(max(deepest, 1)).levels(), side, unit, amount)


async def fetch_books(
    access: Access, venues: Sequence[str], pair: str, depth: int, deadline_s: float, via: Via = "rest"
) -> Books:
    """The books of `pair` on these venues, at least `depth` levels a side where the venue has them.

    Venues that mean another instrument by `pair` than the others do (a swap where the others have the spot market) are
    among the failures. Raises UnknownVenue, VenueRetired; where no venue answers, what the one venue raised, or
    NoAnswer.
    """
    asked = list(dict.fromkeys(venues))
    what = f"book of {pair}"
    async with contextlib.AsyncExitStack() as opened:
        clients: dict[str, MarketData] = {}
        for venue in asked if via == "rest" else ():  # before the clock runs: the first client imports ccxt
            with contextlib.suppress(NotSupported):
                clients[venue] = access.client(venue)
                opened.push_async_callback(clients[venue].close)

        async def ask(venue: str) -> VenueBook:
            if (client := clients.get(venue)) is not None:
                instrument = await _instrument(known_venue(venue), pair, client)
                with contextlib.suppress(NotSupported):
                    return VenueBook(instrument, await client.book(instrument.symbol, depth))
            feed = await access.feed(venue, pair, depth)
            return VenueBook(feed.instruments[0], await first_book(feed, depth, access.clock))

        answers = await ask_all({venue: partial(ask, venue) for venue in asked}, what, deadline_s)
    found = require_known(answers).require_any(f"a {what}").by_venue
    symbol = common_symbol([one.instrument for one in found.values()])
    others = [one.instrument for one in found.values() if one.book.symbol != symbol]
    failures = (*answers.failures, *(another(instrument, symbol, pair) for instrument in others))
    by_venue = {failure.venue: failure for failure in failures}
    return Books(
        symbol,
        tuple(one for one in found.values() if one.book.symbol == symbol),
        tuple(by_venue[venue] for venue in asked if venue in by_venue),
    )


async def fetch_from_first(
    access: Access, venues: Sequence[str], pair: str, depth: int, deadline_s: float, via: Via = "rest"
) -> Books:
    """The book of the first of these venues that is not down, each asked for at most `deadline_s`.

    Those that were down are the failures. Raises what the first venue raised, if it is anything else, or none answers.
    """
    down: list[Failure] = []
    for venue in dict.fromkeys(venues):
        try:
            found = await fetch_books(access, [venue], pair, depth, deadline_s, via)
        except (VenueRefused, UnknownVenue, VenueRetired):
            raise
        except XETradeError as error:
            if not down and not isinstance(error, VenueUnavailable):
                raise
            down.append(Failure(venue, error))
            continue
        return replace(found, failures=tuple(down))
    raise down[0].error


async def _instrument(venue: Venue, pair: str, client: MarketData) -> Instrument:
    """The instrument of a pair; that there is none, or that it is not trading, is said by a fresh list alone."""
    try:
        return tradable(venue, pair, await client.instruments())
    except (UnknownSymbol, NotTrading):
        return tradable(venue, pair, await client.instruments(fresh=True))


def require_known(answers: Answers[T]) -> Answers[T]:
    """Itself; raises UnknownVenue or VenueRetired, where a venue that was asked for is not, or no more, there."""
    for failure in answers.failures:
        if isinstance(failure.error, UnknownVenue | VenueRetired):
            raise failure.error
    return answers


def common_symbol(instruments: Sequence[Instrument]) -> str:
    """The symbol that a pair means across venues: the spot market's where a venue has one, else the first venue's."""
    spot = next((one for one in instruments if one.market_type is MarketType.SPOT), None)
    return (spot or instruments[0]).symbol


def another(instrument: Instrument, symbol: str, pair: str) -> Failure:
    """That a venue has another instrument than `symbol` under the pair's name."""
    hint = f"it is {instrument.symbol} there, not {symbol}; to compare that, write it like {instrument.symbol}"
    return Failure(instrument.venue, UnknownSymbol(pair, instrument.venue, hint))
