"""Market data that outlives a venue's bad moments: repeated reads, circuit breakers, a deadline, stale answers.

`ResilientMarketData` stands before any client of a venue. `FallbackMarketData` stands before several venues, for a
caller that takes a pair from where it can be had; every answer says whose it is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, VenueRefused, VenueUnavailable, XETradeError
from xetrade_core.model.funding import FundingQuote, FundingRate
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.quotes import BookSnapshot, MarkQuote, Quote
from xetrade_core.telemetry import METRICS, get_logger
from xetrade_core.venues.breaker import CircuitOpen, Outcome, outcome_of
from xetrade_core.venues.breaker_board import BreakerBoard
from xetrade_core.venues.budget import Priority
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.reads import Read, ReadEndpoint, Repeating, repeat
from xetrade_core.venues.transport import Asking, asking

_log = get_logger("reads")
_ANSWERS_KEPT = 10_000
_HISTORY_DEADLINE_S = 600.0  # pages of years of history wait for what the budget leaves them

T = TypeVar("T")
_Stamped = TypeVar("_Stamped", BookSnapshot, Quote, MarkQuote, FundingQuote)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRules:
    """How reads outlive a venue's bad moments. `max_stale_s`: how old an answer may be that stands in while the venue
    is down; 0 for none.
    """

    repeating: Repeating = field(default_factory=Repeating)
    max_stale_s: float = 0.0

    def __post_init__(self) -> None:
        if self.max_stale_s < 0:
            raise ConfigError.of("max_stale_s", self.max_stale_s, "a number of seconds, 0 for no stale answers")


class LastAnswers:
    """The last good answers of a venue, so many at most, with the time they came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[ReadEndpoint, str], tuple[int, object]] = {}

    def keep(self, endpoint: ReadEndpoint, symbol: str, answer: object) -> None:
        """Remember the answer, which came now."""
        self._kept.pop((endpoint, symbol), None)
        self._kept[endpoint, symbol] = (self._clock.monotonic_ns(), answer)
        if len(self._kept) > _ANSWERS_KEPT:
            del self._kept[next(iter(self._kept))]

    def stale(self, endpoint: ReadEndpoint, symbol: str, kind: type[_Stamped], max_stale_s: float) -> _Stamped | None:
        """The last answer with its age in `stale_s`, if it is no older than that."""
        came_ns, answer = self._kept.get((endpoint, symbol), (0, None))
        age_s = (self._clock.monotonic_ns() - came_ns) / NS_PER_S
        if not isinstance(answer, kind) or max_stale_s == 0 or age_s > max_stale_s:
            return None
        return replace(answer, stale_s=age_s)


class ResilientMarketData:
    """`MarketData` of one venue, by a client of it. Closing this closes the client."""

    def __init__(
        self, source: MarketData, breakers: BreakerBoard, rules: ReadRules, clock: Clock, rng: random.Random
    ) -> None:
        self.venue = source.venue
        self.source = source
        self._breakers, self._rules, self._clock, self._rng = breakers, rules, clock, rng
        self._answers = LastAnswers(clock)

    async def close(self) -> None:
        """See MarketData."""
        await self.source.close()

    async def instruments(self, *, fresh: bool = False) -> tuple[Instrument, ...]:
        """See MarketData."""
        return await self._read(
            ReadEndpoint.INSTRUMENTS, "list of instruments", lambda: self.source.instruments(fresh=fresh)
        )

    async def book(self, symbol: str, depth: int) -> BookSnapshot:
        """See MarketData. A stale book is one of the same depth."""
        what = f"order book of {symbol}"
        try:
            book = await self._read(ReadEndpoint.BOOK, what, lambda: self.source.book(symbol, depth))
        except VenueUnavailable as error:
            kept = self._stale(ReadEndpoint.BOOK, f"{symbol} {depth}", BookSnapshot, error, what)
            if kept is None:
                raise
            return kept
        self._answers.keep(ReadEndpoint.BOOK, f"{symbol} {depth}", book)
        return book

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """See MarketData. Stale quotes are given if there is one of every symbol."""
        ask = partial(self.source.quotes, symbols)
        return await self._of_all(ReadEndpoint.QUOTES, "best quotes", symbols, ask, Quote)

    async def marks(self, symbols: Sequence[str]) -> dict[str, MarkQuote]:
        """See MarketData. Stale marks are given if there is one of every symbol."""
        ask = partial(self.source.marks, symbols)
        return await self._of_all(ReadEndpoint.MARKS, "mark prices", symbols, ask, MarkQuote)

    async def funding(self, symbol: str) -> FundingQuote:
        """See MarketData."""
        what = f"funding rate of {symbol}"
        try:
            quote = await self._read(ReadEndpoint.FUNDING, what, lambda: self.source.funding(symbol))
        except VenueUnavailable as error:
            kept = self._stale(ReadEndpoint.FUNDING, symbol, FundingQuote, error, what)
            if kept is None:
                raise
            return kept
        self._answers.keep(ReadEndpoint.FUNDING, symbol, quote)
        return quote

    async def fundings(self, symbols: Sequence[str]) -> dict[str, FundingQuote]:
        """See MarketData. Never stale: these are samples."""
        return await self._read(ReadEndpoint.FUNDING, "funding rates", lambda: self.source.fundings(symbols))

    async def funding_page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        """See MarketData. Asks with the lowest priority, and waits for its turn up to ten minutes."""
        return await self._read(
            ReadEndpoint.FUNDING_HISTORY,
            f"funding history of {symbol}",
            lambda: self.source.funding_page(symbol, start_ns, end_ns),
            Priority.BACKFILL,
        )

    async def server_time_ns(self) -> int:
        """See MarketData."""
        return await self._read(ReadEndpoint.TIME, "time", self.source.server_time_ns)

    async def _read(
        self,
        endpoint: ReadEndpoint,
        what: str,
        ask: Callable[[], Awaitable[T]],
        priority: Priority = Priority.START,
    ) -> T:
        """The answer within the deadline; the breaker is asked before each try and told after it."""
        rules = self._rules.repeating
        if priority is Priority.BACKFILL:
            rules = replace(rules, deadline_s=max(rules.deadline_s, _HISTORY_DEADLINE_S))
        deadline_ns = self._clock.monotonic_ns() + round(rules.deadline_s * NS_PER_S)
        read = Read(endpoint, what, lambda: self._ask_once(endpoint, ask))
        try:
            with asking(Asking(priority, deadline_ns, repeated=True)):
                async with asyncio.timeout(rules.deadline_s):
                    return await repeat(read, rules, self._clock, self._rng)
        except TimeoutError:
            raise VenueUnavailable(f"{self.venue} {what}: no answer within {rules.deadline_s:g} s") from None
        except CircuitOpen as error:
            raise CircuitOpen(f"{self.venue} {what}: {error}", error.retry_after_s) from None

    async def _of_all(
        self,
        endpoint: ReadEndpoint,
        what: str,
        symbols: Sequence[str],
        ask: Callable[[], Awaitable[dict[str, _Stamped]]],
        kind: type[_Stamped],
    ) -> dict[str, _Stamped]:
        """An answer by symbol, or the last of each while the venue is down."""
        try:
            found = await self._read(endpoint, what, ask)
        except VenueUnavailable as error:
            kept = {symbol: self._stale(endpoint, symbol, kind, error, f"{what} of {symbol}") for symbol in symbols}
            stale = {symbol: one for symbol, one in kept.items() if one is not None}
            if not stale or len(stale) < len(kept):
                raise
            return stale
        for symbol, one in found.items():
            self._answers.keep(endpoint, symbol, one)
        return found

    async def _ask_once(self, endpoint: ReadEndpoint, ask: Callable[[], Awaitable[T]]) -> T:
        outcome = Outcome.ANSWERED
        try:
            with self._breakers.of(endpoint).watch():
                return await ask()
        except BaseException as error:
            outcome = Outcome.NOT_ASKED if isinstance(error, CircuitOpen) else outcome_of(error)
            raise
        finally:
            METRICS.reads.labels(self.venue, endpoint, outcome).inc()

    def _stale(
        self, endpoint: ReadEndpoint, key: str, kind: type[_Stamped], error: VenueUnavailable, what: str
    ) -> _Stamped | None:
        if isinstance(error, VenueRefused):  # it is there, and said no
            return None
        kept = self._answers.stale(endpoint, key, kind, self._rules.max_stale_s)
        if kept is not None:
            METRICS.reads.labels(self.venue, endpoint, "stale").inc()
            _log.warning(
                "stale answer", venue=self.venue, what=what, stale_s=round(kept.stale_s or 0.0, 1), error=str(error)
            )
        return kept


class FallbackMarketData:
    """Market data of a venue, or where that is down, of the next one that lists the same universal symbol.

    For books, quotes and live funding, whose answers name their venue. What is *of* a venue (its instruments, its
    funding history, its clock) is never taken from another.
    """

    def __init__(self, first: MarketData, *others: MarketData) -> None:
        self.venue = first.venue
        self._sources = (first, *others)

    async def close(self) -> None:
        """See MarketData."""
        await asyncio.gather(*(source.close() for source in self._sources))

    async def instruments(self, *, fresh: bool = False) -> tuple[Instrument, ...]:
        """See MarketData."""
        return await self._sources[0].instruments(fresh=fresh)

    async def book(self, symbol: str, depth: int) -> BookSnapshot:
        """See MarketData."""
        return await self._first(f"order book of {symbol}", lambda source: source.book(symbol, depth))

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """See MarketData. All quotes are of one venue."""
        return await self._first("best quotes", lambda source: source.quotes(symbols))

    async def marks(self, symbols: Sequence[str]) -> dict[str, MarkQuote]:
        """See MarketData. Marks are of the first venue alone: it is the one that liquidates."""
        return await self._sources[0].marks(symbols)

    async def funding(self, symbol: str) -> FundingQuote:
        """See MarketData."""
        return await self._first(f"funding rate of {symbol}", lambda source: source.funding(symbol))

    async def fundings(self, symbols: Sequence[str]) -> dict[str, FundingQuote]:
        """See MarketData. Samples are of the first venue alone."""
        return await self._sources[0].fundings(symbols)

    async def funding_page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        """See MarketData."""
        return await self._sources[0].funding_page(symbol, start_ns, end_ns)

    async def server_time_ns(self) -> int:
        """See MarketData."""
        return await self._sources[0].server_time_ns()

    async def _first(self, what: str, ask: Callable[[MarketData], Awaitable[T]]) -> T:
        """The answer of the first venue that has one; the first venue's error if none has."""
        try:
            return await ask(self._sources[0])
        except VenueRefused:
            raise
        except VenueUnavailable as error:
            first = error
        for source in self._sources[1:]:
            try:
                answer = await ask(source)
            except XETradeError as error:
                _log.warning("fallback has no answer", venue=source.venue, what=what, error=str(error))
                continue
            _log.warning("fallback answered", venue=source.venue, instead_of=self.venue, what=what, error=str(first))
            return answer
        raise first
