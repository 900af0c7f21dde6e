"""The fallback: whole books polled over REST through ccxt, for any venue that ccxt knows.

A poll replaces the whole book, so there is no sequence to keep and no gap between two polls: a book is in sync while
its last poll succeeded, and lost when one fails or comes too late. What happened between two polls is not known; the
price of a fallback. ccxt is imported when a feed is opened, never before: it costs a second and 100 MB.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec
import structlog

from xetrade_core.books.book_set import BookSet
from xetrade_core.books.polled import PolledBook, PolledBooks
from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.errors import NotSupported, UnknownVenue, VenueUnavailable, XETradeError
from xetrade_core.feeds.feed import FeedOptions, FeedSink, FeedStatus, SymbolStatus
from xetrade_core.model.book_events import GapCause, Synced
from xetrade_core.model.instruments import Instrument, MarketType
from xetrade_core.venues.ccxt_markets import moved_urls
from xetrade_core.venues.clients import ClientOptions, open_client
from xetrade_core.venues.instruments import resolve_listed
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.registry import venues
from xetrade_core.venues.venue import Capability

_log = structlog.get_logger(__name__)


class BookSource(Protocol):
    """Where polls come from: ccxt's async exchanges have this shape."""

    async def fetch_order_book(self, symbol: str, limit: int | None = None) -> dict[str, Any]:
        """A book in ccxt's form."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class PollingFeed:
    """Polls every symbol each `poll_interval_s`, a few at a time; raises only what its sink raises."""

    def __init__(
        self,
        venue: str,
        symbols: Sequence[str],
        source: BookSource,
        options: FeedOptions,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.venue = venue
        self.options = options
        self.instruments = tuple(_instrument(venue, symbol) for symbol in symbols)
        self.books: BookSet = PolledBooks(self.instruments)
        self._source = source
        self._clock = clock
        self._rng = rng
        self._slots = asyncio.Semaphore(options.poll_concurrency)
        self._frames = self._failures = 0
        self._last_ns: int | None = None
        self._resyncs = dict.fromkeys(self.books.sequencers, 0)

    async def run(self, sink: FeedSink) -> None:
        """Poll until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for symbol in self.books.sequencers:
                    group.create_task(self._poll_forever(symbol, sink))
        except* XETradeError as errors:
            raise errors.exceptions[0] from None
        finally:
            await self.close()

    async def close(self) -> None:
        """See Feed."""
        await self._source.close()

    async def _poll_forever(self, symbol: str, sink: FeedSink) -> None:
        interval_s = self.options.poll_interval_s
        await self._clock.sleep(self._rng.uniform(0, interval_s))  # spread over the interval, not all at once
        failures = 0
        while True:
            started_ns = self._clock.monotonic_ns()
            failures = 0 if await self._poll(symbol, sink) else failures + 1
            took_s = (self._clock.monotonic_ns() - started_ns) / NS_PER_S
            wait_s = self.options.backoff.delay_s(failures - 1, self._rng) if failures else 0.0
            await self._clock.sleep(max(wait_s, interval_s - took_s, 0.0))

    async def _poll(self, symbol: str, sink: FeedSink) -> bool:
        """One poll; False when the book could not be got in time, which loses it."""
        try:
            limit_s = min(self.options.request_timeout_s, self.options.staleness_limit_s)
            async with asyncio.timeout(limit_s), self._slots:
                book = await self._source.fetch_order_book(symbol, self.options.depth)
            body = _dump(symbol, book)
        except Exception as error:  # ccxt's errors have no common root with ours, and a poll may fail in any way
            self._failures += 1
            _log.warning("poll_failed", venue=self.venue, symbol=symbol, error=f"{type(error).__name__}: {error}"[:300])
            received_ns = self._clock.wall_ns()
            sink.lost(received_ns, (symbol,), GapCause.DISCONNECT)
            sink.events(self.books.lose((symbol,), GapCause.DISCONNECT, received_ns))
            return False
        received_ns = self._clock.wall_ns()
        sink.frame(received_ns, body, f"rest:{symbol}")
        events = self.books.snapshot(symbol, body, received_ns)
        sink.events(events)
        self._frames += 1
        self._last_ns = self._clock.monotonic_ns()
        self._resyncs[symbol] += sum(type(event) is Synced for event in events)
        return True

    def status(self) -> FeedStatus:
        """See FeedStatus; `reconnects` counts failed polls."""
        now, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        rows = []
        for symbol, row in self.books.sequencers.items():
            age_s = None if row.received_ns is None else max(0, wall_ns - row.received_ns) / NS_PER_S
            stale = row.synced and age_s is not None and age_s > self.options.staleness_limit_s
            rows.append(SymbolStatus(symbol, row.synced, stale, age_s, self._resyncs[symbol]))
        return FeedStatus(
            venue=self.venue,
            connections=0,
            connections_wanted=0,
            last_frame_age_s=None if self._last_ns is None else (now - self._last_ns) / NS_PER_S,
            frames=self._frames,
            reconnects=self._failures,
            rotations=0,
            resyncs=sum(self._resyncs.values()),
            refused=sum(row.refused_count for row in self.books.sequencers.values()),
            handling_errors=0,
            queue_depth=0,
            dropped=0,
            unread_bytes=0,
            budget_used=0,
            budget_paused_s=0.0,
            symbols=tuple(rows),
        )


class ClientBooks:
    """A venue's client as a source of polls."""

    def __init__(self, client: MarketData) -> None:
        self._client = client

    async def fetch_order_book(self, symbol: str, limit: int | None = None) -> dict[str, Any]:
        """See BookSource."""
        book = await self._client.book(symbol, limit or 1)
        millis = None if book.exchange_ns is None else book.exchange_ns // NS_PER_MS
        return {"bids": book.bids, "asks": book.asks, "timestamp": millis, "nonce": book.sequence}

    async def close(self) -> None:
        """See BookSource."""
        await self._client.close()


async def open_polling_feed(
    venue: str,
    symbols: Sequence[str],
    options: FeedOptions,
    clock: Clock,
    rng: random.Random,
    *,
    ccxt_config: dict[str, Any] | None = None,
) -> PollingFeed:
    """A polling feed of symbols, in any form that `resolve_symbol` reads, on any venue that ccxt knows, by ccxt's id.

    A venue of the registry is polled through its client, within the budget that its other calls spend from; another
    one through ccxt alone, with ccxt's own limiter. `options.rest_url` replaces the host of every REST URL;
    `ccxt_config` goes to the ccxt class, and asks for it. Raises UnknownVenue, UnknownSymbol, VenueRetired,
    NotSupported, VenueUnavailable.
    """
    source, found = await _open_source(venue, symbols, options, clock, rng, ccxt_config)
    return PollingFeed(venue, found, source, options, clock, rng)


async def polled_symbols(
    venue: str, symbols: Sequence[str], options: FeedOptions, clock: Clock, rng: random.Random
) -> tuple[str, ...]:
    """The universal symbols of what a person wrote, by what the venue lists; raises as opening does."""
    source, found = await _open_source(venue, symbols, options, clock, rng, None)
    await source.close()
    return found


async def _open_source(
    venue: str,
    symbols: Sequence[str],
    options: FeedOptions,
    clock: Clock,
    rng: random.Random,
    config: dict[str, Any] | None,
) -> tuple[BookSource, tuple[str, ...]]:
    """Where books come from, and the symbols found there, each once."""
    registered = next((row.require_live() for row in venues() if row.id == venue), None)
    if registered is None or config is not None:
        return await _open_ccxt(venue, symbols, options, config or {})
    if registered.capabilities and Capability.BOOK_REST not in registered.capabilities:
        raise NotSupported(f"{venue} cannot be polled, as it has no order book over REST: leave its feed at `stream`")
    client = open_client(
        venue,
        ClientOptions(
            rest_url=options.rest_url,
            testnet=options.testnet,
            request_timeout_s=options.request_timeout_s,
            budget=options.budget,
            sharing=options.sharing,
        ),
        clock,
        rng,
    )
    try:
        listed = await client.instruments()
        return ClientBooks(client), tuple(dict.fromkeys(resolve_listed(venue, text, listed).symbol for text in symbols))
    except BaseException:
        await client.close()
        raise


async def _open_ccxt(
    venue: str, symbols: Sequence[str], options: FeedOptions, config: dict[str, Any]
) -> tuple[BookSource, tuple[str, ...]]:
    """ccxt's exchange with its markets loaded, for a venue that the registry does not know."""
    import ccxt.async_support as ccxt

    if venue not in ccxt.exchanges:
        raise UnknownVenue(venue, ccxt.exchanges)
    source = getattr(ccxt, venue)({"enableRateLimit": True, **config})
    if options.rest_url is not None:
        source.urls["api"] = moved_urls(source.urls["api"], options.rest_url.rstrip("/"))
    try:
        await source.load_markets()
        listed = [_instrument(venue, row["symbol"], row["id"]) for row in source.markets.values()]
        found = tuple(dict.fromkeys(resolve_listed(venue, text, listed).symbol for text in symbols))
    except ccxt.BaseError as error:
        await source.close()
        raise VenueUnavailable(f"{venue} gave no list of markets: {error}") from error
    except BaseException:
        await source.close()
        raise
    return source, found


def _instrument(venue: str, symbol: str, venue_id: str = "") -> Instrument:
    expiring = "-" in symbol.partition(":")[2]
    kind = MarketType.FUTURE if expiring else MarketType.SWAP if ":" in symbol else MarketType.SPOT
    return Instrument(venue, symbol, venue_id or symbol, kind, price_tick=Decimal(0), lot=Decimal(0))


def _dump(symbol: str, book: dict[str, Any]) -> bytes:
    levels = {side: [(float(row[0]), float(row[1])) for row in book[side]] for side in ("bids", "asks")}
    poll = PolledBook(symbol, levels["bids"], levels["asks"], book.get("timestamp"), book.get("nonce"))
    return msgspec.json.encode(poll)
