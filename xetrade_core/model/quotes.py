"""Market data as values: a book as somebody else may keep it, and its touch. Float64: this is market data, not money.

Prices are in quote currency; sizes in base currency for spot and in contracts otherwise; times in UTC nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

Level = tuple[float, float]


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """The best levels of one book, best first, as (price, size).

    `exchange_ns` is the venue's time of the book, None where it gives none; `received_ns` the recorder's own.
    `sequence` is the venue's id of the book, where it has one. `stale_s` is how old a cached answer is: None for one
    that was fetched for this call, the seconds since it was fetched for one that stands in for a venue that is down.
    """

    venue: str
    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    received_ns: int
    exchange_ns: int | None = None
    sequence: int | None = None
    stale_s: float | None = None

    def quote(self) -> Quote:
        """The touch of this book."""
        bid, bid_size = self.bids[0] if self.bids else (None, None)
        ask, ask_size = self.asks[0] if self.asks else (None, None)
        return Quote(
            self.venue, self.symbol, bid, bid_size, ask, ask_size, self.received_ns, self.exchange_ns, self.stale_s
        )


@dataclass(frozen=True, slots=True)
class MarkQuote:
    """What a venue marks a contract at, in quote currency; None for what it does not state. Times as in
    `BookSnapshot`."""

    venue: str
    symbol: str
    mark: float | None
    index: float | None
    received_ns: int
    exchange_ns: int | None = None
    stale_s: float | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """Best bid and ask of one instrument on one venue; a side that is empty is None. Times as in `BookSnapshot`."""

    venue: str
    symbol: str
    bid: float | None
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    received_ns: int
    exchange_ns: int | None = None
    stale_s: float | None = None
