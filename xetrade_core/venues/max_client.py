"""MAX's market data through a client of our own: ccxt has none.

Source: https://max.maicoin.com/documents/api_list/v3 (checked 2026-11). REST times are whole seconds; prices and
volumes are JSON strings; an empty side of a ticker is written "0.0".
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import msgspec

from xetrade_core.books.book_set import Price, SequenceId, Size
from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import NotSupported, RateLimited, UnknownSymbol, VenueRefused, VenueUnavailable
from xetrade_core.model.funding import FundingQuote, FundingRate
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.quotes import BookSnapshot, MarkQuote, Quote
from xetrade_core.venues.near import near_symbols
from xetrade_core.venues.transport import LIMITED, Call, Transport, UnreadableReply, calling
from xetrade_core.venues.venue import ErrorKind, RestRequest, Venue

_MOST_LEVELS = 300
_SHOWN = 200
_NO_FUNDING = "is a spot market: nothing is funded on MAX"

_T = TypeVar("_T")


class _Time(msgspec.Struct):
    timestamp: int


class _Depth(msgspec.Struct):
    timestamp: int
    last_update_id: SequenceId
    asks: list[tuple[Price, Size]]
    bids: list[tuple[Price, Size]]


class _Ticker(msgspec.Struct):
    market: str
    at: int
    buy: Size
    buy_vol: Size
    sell: Size
    sell_vol: Size


_TIME = msgspec.json.Decoder(_Time)
_DEPTH = msgspec.json.Decoder(_Depth, strict=False)
_TICKERS = msgspec.json.Decoder(list[_Ticker], strict=False)


class MaxMarketData:
    """`MarketData` of MAX. The first call that needs them loads its markets. The transport is closed with it."""

    def __init__(self, venue: Venue, transport: Transport, clock: Clock, *, rest_url: str | None = None) -> None:
        self.venue = venue.id
        self.transport = transport
        self.rules = venue
        self.base_url = venue.endpoints(rest_url=rest_url).rest
        self._clock = clock
        self._ids: dict[str, str] = {}  # venue ids by universal symbol

    async def close(self) -> None:
        """See MarketData."""
        await self.transport.close()

    async def instruments(self, *, fresh: bool = False) -> tuple[Instrument, ...]:
        """See MarketData; always asked for now: it is a short list."""
        codec = self.rules.instruments
        bodies = [await self._get(request) for request in codec.requests(())]
        rows = tuple(row for body in bodies for row in codec.parse(body))
        self._ids = {row.symbol: row.venue_id for row in rows}
        return rows

    async def book(self, symbol: str, depth: int) -> BookSnapshot:
        """See MarketData; at most 300 levels a side."""
        market = await self.market_id(symbol)
        limit = str(min(depth, _MOST_LEVELS))
        body = await self._get(RestRequest("/api/v3/depth", (("market", market), ("limit", limit))))
        received_ns = self._clock.wall_ns()
        book = self._read(_DEPTH, body, f"order book of {symbol}")
        return BookSnapshot(
            venue=self.venue,
            symbol=symbol,
            bids=tuple(sorted(book.bids, reverse=True)[:depth]),
            asks=tuple(sorted(book.asks)[:depth]),  # they come with the best one last
            received_ns=received_ns,
            exchange_ns=book.timestamp * NS_PER_S,
            sequence=book.last_update_id,
        )

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """See MarketData; one call for all."""
        markets = {await self.market_id(symbol): symbol for symbol in symbols}
        if not markets:
            return {}
        params = tuple(("markets[]", market) for market in markets)
        body = await self._get(RestRequest("/api/v3/tickers", params))
        received_ns = self._clock.wall_ns()
        tickers = {row.market: row for row in self._read(_TICKERS, body, "best quotes")}
        return {
            symbol: _quote(self.venue, symbol, tickers.get(market), received_ns) for market, symbol in markets.items()
        }

    async def marks(self, symbols: Sequence[str]) -> dict[str, MarkQuote]:
        """Raises NotSupported: MAX has spot markets only."""
        raise NotSupported(f"{', '.join(symbols)} on {self.venue} are spot markets: nothing is marked there")

    async def funding(self, symbol: str) -> FundingQuote:
        """Raises NotSupported: MAX has spot markets only."""
        raise NotSupported(f"{symbol} {_NO_FUNDING}")

    async def fundings(self, symbols: Sequence[str]) -> dict[str, FundingQuote]:
        """Raises NotSupported: MAX has spot markets only."""
        raise NotSupported(f"{', '.join(symbols)} {_NO_FUNDING}")

    async def funding_page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        """Raises NotSupported: MAX has spot markets only."""
        raise NotSupported(f"{symbol} {_NO_FUNDING}")

    async def server_time_ns(self) -> int:
        """See MarketData; to the second, which is all that MAX tells."""
        body = await self._get(RestRequest(self.rules.rest.time_path or ""))
        return self._read(_TIME, body, "time").timestamp * NS_PER_S

    async def market_id(self, symbol: str) -> str:
        """The venue's id of a symbol. Raises UnknownSymbol, and what `instruments` raises."""
        ids = await self._listed()
        try:
            return ids[symbol]
        except KeyError:
            raise UnknownSymbol(symbol, self.venue, near_symbols(symbol, ids)) from None

    async def symbols(self) -> dict[str, str]:
        """The universal symbol of each id that the venue lists. Raises what `instruments` raises."""
        return {venue_id: symbol for symbol, venue_id in (await self._listed()).items()}

    async def _listed(self) -> dict[str, str]:
        if not self._ids:
            await self.instruments()
        return self._ids

    def _read(self, decoder: msgspec.json.Decoder[_T], body: bytes, what: str) -> _T:
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise VenueUnavailable(f"{self.venue} {what}: its reply cannot be read: {error}") from None

    async def _get(self, request: RestRequest) -> bytes:
        """The body of a 200 reply without an error in it. One attempt; raises what MarketData says."""
        url, call = self.base_url + request.path, Call(weight=request.weight)
        with calling(call):
            await self.transport.acquire(request.weight)
            try:
                async with self.transport.session.get(
                    url, params=request.params, timeout=self.transport.connecting
                ) as reply:
                    body = await reply.read()
                    self._raise_for(reply.status, call, url, body)
                    return body
            except TimeoutError:
                raise VenueUnavailable(f"{url} did not answer within {self.transport.within_s:g} s") from None
            except UnreadableReply as error:
                raise VenueUnavailable(f"{url} answered {error}") from None
            except aiohttp.ClientError as error:
                raise VenueUnavailable(f"{url} cannot be reached: {error or type(error).__name__}") from error

    def _raise_for(self, status: int, call: Call, url: str, body: bytes) -> None:
        if status < HTTPStatus.BAD_REQUEST and call.code is None:
            return
        said = f"{url} answered {status}: {body[:_SHOWN].decode('utf-8', 'replace').strip()}"
        kind = self.rules.errors.get(call.code or "")
        if status in LIMITED or kind is ErrorKind.RATE_LIMITED:
            seconds = self.transport.budget.rule.window_s if call.retry_after_s is None else call.retry_after_s
            raise RateLimited(f"{said}; no calls for {seconds:g} s", seconds)
        if kind in (ErrorKind.UNAVAILABLE, ErrorKind.OUTCOME_UNKNOWN) or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise VenueUnavailable(said)
        raise VenueRefused(said)


def _quote(venue: str, symbol: str, row: _Ticker | None, received_ns: int) -> Quote:
    if row is None:
        return Quote(venue, symbol, None, None, None, None, received_ns)
    bid, ask = row.buy or None, row.sell or None
    return Quote(
        venue=venue,
        symbol=symbol,
        bid=bid,
        bid_size=None if bid is None else row.buy_vol,
        ask=ask,
        ask_size=None if ask is None else row.sell_vol,
        received_ns=received_ns,
        exchange_ns=row.at * NS_PER_S,
    )
