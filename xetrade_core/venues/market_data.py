"""What every venue's client can be asked for, whoever answers: an unmodified ccxt, or a client of our own (MAX).

Symbols are universal. Every call raises UnknownSymbol, RateLimited, VenueUnavailable or VenueRetired, and nothing else
of the venue's making; `NotSupported` says that the venue has no such thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from xetrade_core.model.funding import FundingQuote, FundingRate
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.quotes import BookSnapshot, MarkQuote, Quote


class MarketData(Protocol):
    """Public reads of one venue."""

    venue: str

    async def instruments(self, *, fresh: bool = False) -> tuple[Instrument, ...]:
        """All instruments the venue lists, whatever their status; `fresh`: asked for now, and not from a list that was
        kept, which may be of earlier today.
        """
        ...

    async def book(self, symbol: str, depth: int) -> BookSnapshot:
        """The best `depth` levels a side now."""
        ...

    async def quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """Best bid and ask now, by symbol; one call for all where the venue has one."""
        ...

    async def marks(self, symbols: Sequence[str]) -> dict[str, MarkQuote]:
        """What the venue marks these contracts at now, by symbol; one call for all where the venue has one.

        What the venue does not answer is left out. Raises NotSupported where it marks nothing.
        """
        ...

    async def funding(self, symbol: str) -> FundingQuote:
        """Funding as it stands now."""
        ...

    async def fundings(self, symbols: Sequence[str]) -> dict[str, FundingQuote]:
        """Funding as it stands now, by symbol; one call for all where the venue has one.

        What the venue does not answer is left out.
        """
        ...

    async def funding_page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        """One page of the fundings with start_ns <= funding_ns < end_ns, oldest first.

        Which end of the range a venue's page is taken from, and how many rows it holds, say its `FundingRules`.
        """
        ...

    async def server_time_ns(self) -> int:
        """The venue's clock."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
