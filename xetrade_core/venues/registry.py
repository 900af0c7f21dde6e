"""Which venues there are. A new venue is one module and one line here."""

from __future__ import annotations

from xetrade_core.errors import UnknownVenue
from xetrade_core.venues import (
    binance,
    binancecoinm,
    binanceusdm,
    bitmart,
    bybit,
    deribit,
    derive,
    kucoin,
    kucoinfutures,
    okx,
)
from xetrade_core.venues import max as max_spot
from xetrade_core.venues.venue import Venue

_MODULES = (
    binance, binanceusdm, binancecoinm, okx, bybit, kucoin, kucoinfutures, deribit, derive, max_spot, bitmart,
)  # fmt: skip
_VENUES: dict[str, Venue] = {module.VENUE.id: module.VENUE for module in _MODULES}


def venue(venue_id: str) -> Venue:
    """The venue of that id (ccxt's id); raises UnknownVenue, which names all that are known."""
    try:
        return _VENUES[venue_id]
    except KeyError:
        raise UnknownVenue(venue_id, _VENUES) from None


def venues() -> tuple[Venue, ...]:
    """All venues, retired ones included, in a fixed order."""
    return tuple(_VENUES.values())
