"""From what a user writes to the instruments of a venue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from decimal import Decimal

from xetrade_core.errors import NotTrading, UnknownSymbol
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType, symbol_slug
from xetrade_core.symbols.pairs import plain_name
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.http import RestClient
from xetrade_core.venues.near import near_symbols
from xetrade_core.venues.venue import PagedInstruments, RestRequest, Venue

_PAGES_MOST = 50
# When a short name such as BTCUSDT fits several markets, the first of these kinds is meant.
_PREFERENCE = (MarketType.SPOT, MarketType.SWAP)


async def load_instruments(venue: Venue, client: RestClient, symbols: Sequence[str]) -> tuple[Instrument, ...]:
    """The instruments of `symbols`, in their order, each once; asks the venue for its lists.

    Raises UnknownSymbol with near matches, VenueRetired, and what the client raises when the venue does not answer.
    """
    requests = venue.require_live().instruments.requests(symbols)
    lists = await asyncio.gather(*(_listed(venue, client, request) for request in requests))
    listed = [row for one in lists for row in one]
    return tuple({row.symbol: row for row in (tradable(venue, text, listed) for text in symbols)}.values())


async def _listed(venue: Venue, client: RestClient, request: RestRequest) -> list[Instrument]:
    """What the venue lists in answer to a request and, where its lists come in pages, to those that continue it."""
    codec, found = venue.instruments, list[Instrument]()
    following: RestRequest | None = request
    for _ in range(_PAGES_MOST):
        if following is None:
            break
        body = await client.get(following)
        found += codec.parse(body)
        following = codec.next_page(following, body) if isinstance(codec, PagedInstruments) else None
    return found


def tradable(venue: Venue, text: str, listed: Sequence[Instrument]) -> Instrument:
    """What `resolve_symbol` finds among `listed`, preferably one that trades.

    An id may be listed twice, once settled; the book of what does not trade does not move. Raises UnknownSymbol, and
    NotTrading where only such an instrument fits.
    """
    trading = [row for row in listed if row.status is InstrumentStatus.TRADING]
    try:
        return resolve_symbol(venue, text, trading)
    except UnknownSymbol:
        with contextlib.suppress(UnknownSymbol):
            row = resolve_symbol(venue, text, listed)
            raise NotTrading(row.symbol, venue.id, row.status) from None
        raise


def resolve_symbol(venue: Venue, text: str, listed: Iterable[Instrument]) -> Instrument:
    """The instrument that `text` names: a universal symbol (`-` for `/` too), `BTCUSDT`, or the venue's own id.

    A short form that fits several instruments means the spot market, else the perpetual swap. Raises UnknownSymbol.
    """
    return resolve_listed(venue.id, text, listed)


def resolve_listed(venue_id: str, text: str, listed: Iterable[Instrument]) -> Instrument:
    """As `resolve_symbol`, on a venue that the registry need not know."""
    rows = list(listed)
    wanted = text.strip().upper()
    for name in (_symbol, _venue_id, _slug, _dashed):
        for row in rows:
            if name(row).upper() == wanted:
                return row
    if "/" not in text:  # a universal symbol means itself; a short form leaves open what kind of market
        short = plain_name(text)
        for kind in _PREFERENCE:
            fits = [row for row in rows if row.market_type is kind and _short(row) == short]
            if len(fits) == 1:
                return fits[0]
            if fits:
                raise UnknownSymbol(text, venue_id, f"it can be any of {', '.join(row.symbol for row in fits)}")
    raise UnknownSymbol(
        text, venue_id, near_symbols(text.strip(), [row.symbol for row in rows], [row.venue_id for row in rows])
    )


def named_instrument(venue: Venue, symbol: str) -> Instrument:
    """The instrument of a universal symbol by the venue's naming rule alone, for reading recordings without a network.

    Tick and lot are 0: they are not known without asking. Raises UnknownSymbol.
    """
    parts = SymbolParts.parse(symbol, venue.id)
    kind = MarketType.OPTION if parts.strike else MarketType.FUTURE if parts.expiry else MarketType.SWAP
    return Instrument(
        venue=venue.id,
        symbol=symbol,
        venue_id=venue.instruments.venue_id(symbol),
        market_type=kind if parts.settle else MarketType.SPOT,
        price_tick=Decimal(0),
        lot=Decimal(0),
    )


def _symbol(row: Instrument) -> str:
    return row.symbol


def _venue_id(row: Instrument) -> str:
    return row.venue_id


def _slug(row: Instrument) -> str:
    return symbol_slug(row.symbol)


def _dashed(row: Instrument) -> str:
    """As a symbol is told apart on a command line: `BTC-USDT:USDT`."""
    return row.symbol.replace("/", "-")


def _short(row: Instrument) -> str:
    return plain_name(row.symbol.partition(":")[0])
