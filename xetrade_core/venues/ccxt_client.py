"""Market data through the unmodified ccxt class of a venue.

ccxt brings the venue's words and the universal symbols; the connections, the budget and the errors are ours. A URL is
all that tells a simulated venue from a live one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.errors import NotSupported, RateLimited, UnknownSymbol, VenueRefused, VenueUnavailable, XETradeError
from xetrade_core.model.funding import FundingQuote, FundingRate
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.model.quotes import BookSnapshot, MarkQuote, Quote
from xetrade_core.telemetry import get_logger
from xetrade_core.venues.ccxt_errors import translated
from xetrade_core.venues.ccxt_markets import ccxt_exchange, market_instrument
from xetrade_core.venues.ccxt_reading import (
    Readable,
    funding_of,
    interval_s,
    levels_of,
    mark_of,
    ns_of,
    prices_of,
    quote_of,
)
from xetrade_core.venues.market_lists import Listed, MarketLists
from xetrade_core.venues.near import near_symbols
from xetrade_core.venues.transport import Call, Transport, calling
from xetrade_core.venues.venue import Capability, MarkCall, Support, Venue

_log = get_logger("markets")
_FUNDED = (MarketType.SWAP, MarketType.FUTURE)
_PAGE_LIMIT = 100  # where the venue's funding rules are not stated
_FRESH_S = 5.0
_INTERVALS_KEPT_NS = 3600 * NS_PER_S
_NEW_LISTING_S = 60.0  # a symbol that is not in the list is looked for in a newer one, so often at most

_T = TypeVar("_T")


class CcxtMarketData:
    """`MarketData` of one venue. The first call that needs them loads the venue's markets."""

    def __init__(
        self,
        venue: Venue,
        transport: Transport,
        clock: Clock,
        *,
        rest_url: str | None = None,
        testnet: bool = False,
        lists: MarketLists | None = None,
    ) -> None:
        """`rest_url` replaces the host of every REST URL of ccxt's. `lists` keeps the venue's markets for a day. Needs
        a running loop. The transport is closed with this client.
        """
        self.venue = venue.id
        self.rules = venue
        self.transport = transport
        self._clock = clock
        self._exchange = ccxt_exchange(venue, transport, rest_url, testnet)
        self._lists = lists
        self._intervals: tuple[int, dict[str, float | None]] = (-1, {})  # kept until then (monotonic), by symbol
        self._listing = asyncio.Lock()
        self._loaded_ns: int | None = None  # when they were fetched by this client, by the monotonic clock
        self.listed_ns: int | None = None  # when the venue listed the markets that are in use

    async def close(self) -> None:
        """See MarketData."""
        await self._exchange.close()
        vars(self._exchange).pop("fetch2", None)  # it knows its exchange: both would wait for a garbage collection
        await self.transport.close()

    async def exchange(self, symbol: str | None = None) -> Any:
        """ccxt's exchange, its markets loaded, for calls that are no market data. Raises UnknownSymbol if it does not
        list `symbol`.
        """
        if symbol is None:
            await self._load()
        else:
            await self._market(symbol)
        return self._exchange

    async def instruments(self, *, fresh: bool = False) -> tuple[Instrument, ...]:
        """See MarketData. A list that was kept is of the running UTC day, or of the week before if the venue is down:
        `listed_ns` says when the venue gave it.
        """
        await self._load(newer_than_s=_FRESH_S if fresh else None)
        mode = self._exchange.precisionMode
        with self._readable("list of markets"):
            return tuple(market_instrument(self.rules, row, mode) for row in self._exchange.markets.values())

    async def book(self, symbol: str, depth: int) -> BookSnapshot:
        """See MarketData. Raises NotSupported where the venue has no book over REST (Derive)."""
        what = f"order book of {symbol}"
        self._require("fetchOrderBook", "REST order book: its books come over the websocket alone")
        await self._market(symbol)
        limit = self.rules.rest.book_limit(depth)
        weight = self.rules.rest.snapshot_for(limit).weight if self.rules.rest.weights else None
        book = await self._read(what, lambda: self._exchange.fetch_order_book(symbol, limit), Call(weight=weight))
        received_ns = self._clock.wall_ns()
        with self._readable(what):
            if not (book["bids"] or book["asks"] or book.get("nonce") or book.get("timestamp")):
                raise ValueError("an empty book without id and time")  # what ccxt makes of a reply without a book
            return BookSnapshot(
                venue=self.venue,
                symbol=symbol,
                bids=levels_of(book["bids"], depth),
                asks=levels_of(book["asks"], depth),
                received_ns=received_ns,
                exchange_ns=ns_of(book.get("timestamp")),
                sequence=book.get("nonce"),
            )

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """See MarketData. Where ccxt's ticker has no bid and no ask, the best level of the book stands in for it."""
        wanted = tuple(dict.fromkeys(symbols))
        for symbol in wanted:
            await self._market(symbol)
        if wanted and self._all_at_once(Capability.QUOTES_ALL, "fetchBidsAsks", "fetchTickers"):
            rows = await self._read("best quotes", lambda: self._all_tickers(list(wanted)))
        else:
            tickers = await asyncio.gather(*(self._ticker(symbol) for symbol in wanted))
            rows = dict(zip(wanted, tickers, strict=True))
        received_ns = self._clock.wall_ns()
        with self._readable("best quotes"):
            found = {symbol: quote_of(self.venue, symbol, rows.get(symbol) or {}, received_ns) for symbol in wanted}
        empty = [symbol for symbol, quote in found.items() if quote.bid is None and quote.ask is None]
        if empty and self._has("fetchOrderBook"):
            books = await asyncio.gather(*(self.book(symbol, 1) for symbol in empty))
            found.update((book.symbol, book.quote()) for book in books)
        return found

    async def marks(self, symbols: Sequence[str]) -> dict[str, MarkQuote]:
        """See MarketData. By the call that the venue's facts name."""
        if self.rules.marks is None:
            raise NotSupported(f"{self.venue} marks nothing: it lists no contracts")
        wanted = tuple(dict.fromkeys(symbols))
        for symbol in wanted:
            await self._market(symbol)
        rows: dict[str, Any] = {}
        if self.rules.marks is MarkCall.TICKER:
            tickers = await asyncio.gather(*(self._ticker(symbol) for symbol in wanted))
            rows = dict(zip(wanted, tickers, strict=True))
        else:
            ask = getattr(self._exchange, self.rules.marks)
            for kind in self._kinds(wanted):
                rows |= await self._read("mark prices", partial(ask, kind))
        received_ns = self._clock.wall_ns()
        with self._readable("mark prices"):
            return {
                symbol: mark_of(self.venue, symbol, rows[symbol], received_ns) for symbol in wanted if symbol in rows
            }

    async def funding(self, symbol: str) -> FundingQuote:
        """See MarketData."""
        what = f"funding rate of {symbol}"
        self._require("fetchFundingRate", what)
        await self._funded(symbol)
        row = await self._read(what, lambda: self._exchange.fetch_funding_rate(symbol))
        received_ns = self._clock.wall_ns()
        intervals = await self._funding_intervals()
        with self._readable(what):
            return funding_of(self.venue, symbol, row, intervals.get(symbol), received_ns)

    async def fundings(self, symbols: Sequence[str]) -> dict[str, FundingQuote]:
        """See MarketData."""
        for symbol in symbols:
            await self._funded(symbol)
        if not self._all_at_once(Capability.FUNDING_ALL, "fetchFundingRates"):
            quotes = await asyncio.gather(*(self.funding(symbol) for symbol in symbols))
            return {quote.symbol: quote for quote in quotes}
        rows: dict[str, Any] = {}
        for kind in self._kinds(symbols):
            rows |= await self._read("funding rates", partial(self._exchange.fetch_funding_rates, kind))
        received_ns = self._clock.wall_ns()
        intervals = await self._funding_intervals()
        with self._readable("funding rates"):
            return {
                symbol: funding_of(self.venue, symbol, row, intervals.get(symbol), received_ns)
                for symbol, row in rows.items()
                if symbol in symbols
            }

    async def _funding_intervals(self) -> dict[str, float | None]:
        """Seconds between fundings by symbol, from venues that tell them in a call of their own; asked for hourly."""
        if not self._has("fetchFundingIntervals"):
            return {}
        until_ns, known = self._intervals
        if self._clock.monotonic_ns() >= until_ns:
            rows = await self._read("funding intervals", lambda: self._exchange.fetch_funding_intervals())
            known = {symbol: interval_s(row.get("interval")) for symbol, row in rows.items()}
            self._intervals = self._clock.monotonic_ns() + _INTERVALS_KEPT_NS, known
        return known

    async def funding_page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        """See MarketData."""
        what = f"funding history of {symbol}"
        self._require("fetchFundingRateHistory", what)
        await self._funded(symbol)
        rules = self.rules.funding
        limit = _PAGE_LIMIT if rules is None else rules.page_limit
        until = {"until" if rules is None else rules.end_param: -(-end_ns // NS_PER_MS)}
        rows = await self._read(
            what,
            lambda: self._exchange.fetch_funding_rate_history(symbol, start_ns // NS_PER_MS, limit, until),
            Call(weight=None if rules is None else rules.page_weight),
        )
        with self._readable(what):
            found = {row["timestamp"] * NS_PER_MS: row for row in rows}
            return tuple(
                FundingRate(self.venue, symbol, at_ns, float(self._paid(row)), None, *prices_of(row["info"]))
                for at_ns, row in sorted(found.items())
                if start_ns <= at_ns < end_ns
            )

    def _paid(self, row: dict[str, Any]) -> Any:
        """The rate that a row of the history says was paid."""
        rules = self.rules.funding
        return row["fundingRate"] if rules is None or rules.paid_field is None else row["info"][rules.paid_field]

    async def server_time_ns(self) -> int:
        """See MarketData."""
        self._require("fetchTime", "clock")
        millis = await self._read("time", lambda: self._exchange.fetch_time())
        with self._readable("time"):
            return int(millis) * NS_PER_MS

    # --- ccxt -------------------------------------------------------------------------------------------------------

    async def _read(self, what: str, ask: Callable[[], Awaitable[_T]], call: Call | None = None) -> _T:
        """One read of ccxt's; whatever it raises becomes an error of ours."""
        with calling(call or Call()) as under_way:
            try:
                return await ask()
            except RateLimited as error:  # of our own budget, which ccxt asks through its throttle
                raise RateLimited(f"{self.venue} {what}: {error}", error.retry_after_s) from None
            except XETradeError:
                raise
            except Exception as error:  # ccxt's parsers raise anything (IndexError, TypeError) on a garbled reply
                pause_s = self.transport.budget.rule.window_s
                raise translated(error, under_way, self.rules, what, pause_s) from None

    async def _load(self, newer_than_s: float | None = None) -> None:
        """Have the venue's markets: those in use, if they were listed less than `newer_than_s` ago (None: whenever),
        else today's that were kept, else the venue's own. Callers that come meanwhile wait for the same answer.
        """
        if newer_than_s is None and self._exchange.markets:
            return
        came_ns = self._clock.monotonic_ns()
        async with self._listing:
            if self._exchange.markets and (newer_than_s is None or self._newer(newer_than_s, came_ns)):
                return
            if newer_than_s is None and self._lists is not None and (kept := await self._lists.today()) is not None:
                self._use(kept)
                return
            try:
                await self._read("list of markets", lambda: self._exchange.load_markets(True))
            except VenueUnavailable as error:
                if newer_than_s is not None or not await self._use_earlier(error):
                    raise
                return
            self.listed_ns, self._loaded_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
            if self._lists is not None:
                await self._lists.keep(list(self._exchange.markets.values()))

    def _newer(self, than_s: float, came_ns: int) -> bool:
        """Whether the venue has listed the markets since the caller came, or so shortly ago."""
        return self._loaded_ns is not None and self._loaded_ns + round(than_s * NS_PER_S) > came_ns

    async def _use_earlier(self, error: VenueUnavailable) -> bool:
        if self._lists is None or isinstance(error, VenueRefused):
            return False
        kept = await self._lists.earlier()
        if kept is None:
            return False
        age_s = (self._clock.wall_ns() - kept.listed_ns) / NS_PER_S
        _log.warning("stale list of markets", venue=self.venue, age_s=round(age_s), error=str(error))
        self._use(kept)
        return True

    def _use(self, kept: Listed) -> None:
        self._exchange.set_markets(kept.markets)
        self.listed_ns = kept.listed_ns

    async def _market(self, symbol: str) -> dict[str, Any]:
        """The market of a symbol; one that is unknown may have been listed since the list was kept."""
        await self._load()
        if symbol not in self._exchange.markets and self._lists is not None:
            await self._load(newer_than_s=_NEW_LISTING_S)
        row: dict[str, Any] | None = self._exchange.markets.get(symbol)
        if row is None:
            raise UnknownSymbol(symbol, self.venue, near_symbols(symbol, self._exchange.markets))
        return row

    async def _funded(self, symbol: str) -> None:
        row = await self._market(symbol)
        if MarketType(row["type"]) not in _FUNDED:
            raise NotSupported(f"{symbol} on {self.venue} is {row['type']}: only perpetual contracts are funded")

    def _has(self, method: str) -> bool:
        return bool(self._exchange.has.get(method))

    def _require(self, method: str, what: str) -> None:
        if not self._has(method):
            raise NotSupported(f"{self.venue} has no {what}")

    def _all_at_once(self, capability: Capability, *methods: str) -> bool:
        """Whether one call brings many symbols: as the venue's facts say, else as ccxt does."""
        if self.rules.capabilities:
            return self.rules.capabilities.get(capability) is Support.NATIVE
        return any(self._has(method) for method in methods)

    def _kinds(self, symbols: Sequence[str]) -> list[list[str]]:
        """The symbols by kind of market: no venue mixes them in one call."""
        kinds: dict[tuple[Any, ...], list[str]] = {}
        for symbol in symbols:
            market = self._exchange.markets[symbol]
            kinds.setdefault((market["type"], market.get("linear")), []).append(symbol)
        return list(kinds.values())

    async def _all_tickers(self, symbols: list[str]) -> dict[str, Any]:
        """One call for each kind of market among the symbols."""
        exchange = self._exchange
        ask = exchange.fetch_bids_asks if exchange.has.get("fetchBidsAsks") is True else exchange.fetch_tickers
        found: dict[str, Any] = {}
        for answer in await asyncio.gather(*(ask(group) for group in self._kinds(symbols))):
            found.update(answer)
        return found

    async def _ticker(self, symbol: str) -> dict[str, Any]:
        ticker: dict[str, Any] = await self._read(f"quote of {symbol}", lambda: self._exchange.fetch_ticker(symbol))
        return ticker

    def _readable(self, what: str) -> Readable:
        return Readable(f"{self.venue} {what}")
