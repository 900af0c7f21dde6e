"""What the venues of a trading desk list, and what that is worth now: brought to the desk's instruments and marks."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Collection, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from xetrade_core.assembly import feed_options
from xetrade_core.assembly.accounts import AccountPlan, Plans
from xetrade_core.clock import Clock
from xetrade_core.errors import NotSupported, NotTrading, UnknownSymbol
from xetrade_core.feeds.factory import known_streaming_feed, open_feed
from xetrade_core.feeds.feed import Feed, FeedOptions
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.asking import Failure
from xetrade_core.market_data.kept_books import KeptBooks
from xetrade_core.market_data.marks import Instrumented, MarkSource
from xetrade_core.model.contracts import Contract
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.quotes import BookSnapshot
from xetrade_core.settings import Settings
from xetrade_core.symbols.pairs import as_asked
from xetrade_core.trading.marks import Marks
from xetrade_core.venues.clients import open_market_data
from xetrade_core.venues.instruments import tradable
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.registry import venue as known_venue

MARK_DEADLINE_S = 5.0
BOOK_DEPTH = 100
#: how long a book that comes over a stream alone is waited for
BOOK_DEADLINE_S = 5.0
#: what other currencies are valued in, where their venue trades them against it
DOLLAR = "USDT"
#: what is held to be worth one of the accounting currency (trading/marks.py)
DOLLARS = ("USD", "USDT", "USDC")


def desk_markets(settings: Settings, plans: Plans, marks: Marks, clock: Clock, rng: random.Random) -> Markets:
    """The markets of a desk, read from where the orders of its accounts go, on a testnet or on this machine too."""
    reading, listed = plans.reading(), dict[str, dict[str, Instrument]]()

    async def feed(venue: str, pair: str, depth: int) -> Feed:
        options = stream_options(settings, reading[venue], depth)
        if (known := listed.get(venue, {}).get(pair)) is not None:
            return known_streaming_feed([known], options, clock, rng)
        return await open_feed(venue, [pair], options, clock, rng)

    access = Access(
        client=lambda venue: open_market_data(venue, reading[venue].options, clock, rng), feed=feed, clock=clock
    )
    return Markets(access, marks, listed)


def stream_options(settings: Settings, plan: AccountPlan, depth: int) -> FeedOptions:
    """How books are streamed from where an account's orders go."""
    return replace(
        feed_options(settings, plan.venue.id, depth),
        feed="stream",
        rest_url=plan.options.rest_url,
        ws_url=plan.ws_url,
        testnet=plan.options.testnet,
    )


class Markets:
    """Reads for a desk, over clients that stay open; an asynchronous context.

    `listed` are the instruments by venue and symbol, in mappings that are filled as they are asked for, so that they
    can be given to accounts before.
    """

    def __init__(self, access: Access, marks: Marks, listed: dict[str, dict[str, Instrument]]) -> None:
        self._access = access
        self._source = MarkSource(access)
        self._streamed = KeptBooks(access, BOOK_DEPTH)
        self._clients: dict[str, MarketData] = {}
        self.marks = marks
        self.listed = listed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._source, self._streamed:
            for client in self._clients.values():
                await client.close()

    def on(self, venue: str) -> dict[str, Instrument]:
        """What a venue lists, as far as it was asked for."""
        return self.listed.setdefault(venue, {})

    async def instrument(self, venue: str, pair: str) -> Instrument:
        """What a person means by `pair`: any spelling. That there is none, or that it does not trade, is said by a
        fresh list alone. Raises UnknownSymbol, NotTrading, VenueUnavailable, RateLimited."""
        try:
            return tradable(known_venue(venue), as_asked(pair), await self.instruments(venue))
        except (UnknownSymbol, NotTrading):
            return tradable(known_venue(venue), as_asked(pair), await self.instruments(venue, fresh=True))

    async def instruments(self, venue: str, *, fresh: bool = False) -> tuple[Instrument, ...]:
        """Everything that a venue lists. Raises VenueUnavailable, RateLimited."""
        listed = self.on(venue)
        if fresh or not listed:
            if venue not in self._clients:
                self._clients[venue] = self._access.client(venue)
            listed |= {one.symbol: one for one in await self._clients[venue].instruments(fresh=fresh)}
        return tuple(listed.values())

    async def book(self, venue: str, symbol: str) -> BookSnapshot:
        """The book of a universal symbol now, from a stream that stays open where the venue has none over REST.

        Raises what the venue's client and its feed do."""
        await self.instruments(venue)
        with contextlib.suppress(NotSupported):
            return await self._clients[venue].book(symbol, BOOK_DEPTH)
        return await self._streamed.book(venue, symbol, BOOK_DEADLINE_S)

    async def refresh(
        self, wanted: Collection[Instrumented], deadline_s: float = MARK_DEADLINE_S
    ) -> tuple[Failure, ...]:
        """Bring the marks of these instruments, and the values of what they are quoted in, up to date.

        Whoever does not answer in time is a failure; risk then measures by what it has, or lets nothing pass.
        """
        conversions = {pair: (venue, pair) for venue, symbol in wanted for pair in self._conversions(venue, symbol)}
        answers = await self._source.fetch({*wanted, *conversions.values()}, deadline_s)
        for (venue, symbol), mark in answers.marks.items():
            self.marks.set(venue, symbol, mark.price, mark.at_ns)
        for pair, key in conversions.items():
            if key in answers.marks:
                base, price = pair.partition("/")[0], answers.marks[key].price
                self.marks.set_rate(*((_quote(pair), 1 / price) if base == DOLLAR else (base, price)))
        return answers.failures

    def _conversions(self, venue: str, symbol: str) -> Iterator[str]:
        """The spot market that tells what the quote currency of `symbol` is worth, where the venue lists one."""
        currency = _quote(symbol)
        if currency not in DOLLARS:
            pairs = (f"{currency}/{DOLLAR}", f"{DOLLAR}/{currency}")
            yield from [pair for pair in pairs if pair in self.on(venue)][:1]


def _quote(symbol: str) -> str:
    """What its prices are in."""
    return Contract.currencies(symbol)[1]
