"""What instruments are worth now: contracts at what their venue marks them at, spot at the middle of bid and ask.

A contract that its venue's answer has no mark of is worth its index, if that is there, else the middle; one whose venue
does not answer has no mark at all. Each mark says which it is, and how old.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import Self

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import NotSupported, UnknownSymbol, XETradeError
from xetrade_core.market_data.access import Access
from xetrade_core.market_data.asking import Failure, ask_all
from xetrade_core.model.quotes import MarkQuote, Quote
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.market_data import MarketData

Instrumented = tuple[str, str]
"""Venue and universal symbol."""


class MarkKind(StrEnum):
    """What a mark is."""

    MARK = "mark"  # the venue's mark price, by which it reckons margin
    INDEX = "index"
    MID = "mid"  # the middle of best bid and ask


@dataclass(frozen=True, slots=True)
class Mark:
    """One instrument's worth in quote currency, as of `at_ns`."""

    venue: str
    symbol: str
    price: Decimal
    kind: MarkKind
    at_ns: int

    def age_s(self, now_ns: int) -> float:
        """Seconds since it was true; clocks may make that a little less than 0."""
        return (now_ns - self.at_ns) / NS_PER_S


@dataclass(frozen=True, slots=True)
class MarkAnswers:
    """Marks by venue and symbol, and the venues that gave none."""

    marks: Mapping[Instrumented, Mark]
    failures: tuple[Failure, ...] = field(default=())


class MarkSource:
    """Asks venues for marks over clients that stay open; an asynchronous context."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._clients: dict[str, MarketData] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            with contextlib.suppress(XETradeError):
                await client.close()

    def open(self, venue: str) -> None:
        """Have a client of a venue: the first one imports ccxt, which is no time that its venue takes."""
        self._client(venue)

    async def sizes(self, venue: str) -> dict[Instrumented, Decimal]:
        """The contract sizes of everything that a venue lists. Raises what its client raises."""
        return {(venue, one.symbol): one.contract_size for one in await self._client(venue).instruments()}

    async def fetch(self, wanted: Collection[Instrumented], deadline_s: float) -> MarkAnswers:
        """The marks of these instruments, all venues at once. Who is late or fails is a failure; nothing is raised."""
        by_venue: dict[str, list[str]] = {}
        for venue, symbol in wanted:
            by_venue.setdefault(venue, []).append(symbol)
        for venue in by_venue:
            self.open(venue)  # before the clock runs
        questions = {venue: partial(self._ask, venue, symbols) for venue, symbols in by_venue.items()}
        answers = await ask_all(questions, "mark", deadline_s)
        found = {(mark.venue, mark.symbol): mark for marks in answers.by_venue.values() for mark in marks}
        return MarkAnswers(found, answers.failures)

    async def _ask(self, venue: str, symbols: list[str]) -> list[Mark]:
        """The marks of what the venue lists; one that it lists no more (expired, delisted) costs the others nothing.
        Raises UnknownSymbol where it lists none of them."""
        listed = list(symbols)
        while True:
            try:
                return await self._ask_listed(self._client(venue), listed)
            except UnknownSymbol as error:
                if error.symbol not in listed or len(listed) == 1:
                    raise
                listed.remove(error.symbol)

    async def _ask_listed(self, client: MarketData, symbols: list[str]) -> list[Mark]:
        marks = await self._stated(client, [one for one in symbols if ":" in one])
        rest = [one for one in symbols if one not in marks]
        if rest:
            for symbol, quote in (await client.quotes(rest)).items():
                if (mid := mid_of(quote)) is not None:
                    marks[symbol] = mid
        return list(marks.values())

    async def _stated(self, client: MarketData, contracts: list[str]) -> dict[str, Mark]:
        """What the venue marks contracts at."""
        if not contracts:
            return {}
        try:
            quotes = await client.marks(contracts)
        except NotSupported:
            return {}
        return {symbol: mark for symbol, quote in quotes.items() if (mark := mark_of(quote)) is not None}

    def _client(self, venue: str) -> MarketData:
        if venue not in self._clients:
            self._clients[venue] = self._access.client(venue)
        return self._clients[venue]


def mark_of(quote: MarkQuote) -> Mark | None:
    """The mark, or else the index, that a venue states. The index of an option is that of what it is on."""
    at_ns = quote.exchange_ns or _as_of(quote.received_ns, quote.stale_s)
    index = None if SymbolParts.parse(quote.symbol, quote.venue).strike else quote.index
    for price, kind in ((quote.mark, MarkKind.MARK), (index, MarkKind.INDEX)):
        if price is not None and price > 0:
            return Mark(quote.venue, quote.symbol, Decimal(repr(price)), kind, at_ns)
    return None


def mid_of(quote: Quote) -> Mark | None:
    """The middle of a quote that has both sides."""
    if quote.bid is None or quote.ask is None:
        return None
    mid = (Decimal(repr(quote.bid)) + Decimal(repr(quote.ask))) / 2
    at_ns = quote.exchange_ns or _as_of(quote.received_ns, quote.stale_s)
    return Mark(quote.venue, quote.symbol, mid, MarkKind.MID, at_ns)


def _as_of(received_ns: int, stale_s: float | None) -> int:
    """When an answer was true that may have been kept for a while."""
    return received_ns - round((stale_s or 0.0) * NS_PER_S)


def is_perpetual(symbol: str) -> bool:
    """Whether a universal symbol is that of a perpetual contract."""
    parts = SymbolParts.parse(symbol, "any venue")
    return parts.settle is not None and parts.expiry is None
