"""Funding as values. A rate is a fraction of position notional, paid by longs to shorts when positive.

Times are UTC nanoseconds; `interval_s` is the time between two fundings of this instrument at that time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FundingRate:
    """One funding that has happened, as the venue's history states it.

    `interval_s` is None until it is inferred or stated; `mark_price` and `index_price` (quote currency) where the
    venue gives them.
    """

    venue: str
    symbol: str
    funding_ns: int
    rate: float
    interval_s: float | None = None
    mark_price: float | None = None
    index_price: float | None = None


@dataclass(frozen=True, slots=True)
class SettledFunding:
    """One funding as it is kept: on the grid of funding times, with its interval and what the rate is a year.

    `funding_ns` is the full minute that is meant, `stated_ns` the venue's stamp of it. `apr` is simple, a fraction;
    None as `interval_s` is where the history does not tell.
    """

    venue: str
    symbol: str
    funding_ns: int
    stated_ns: int
    rate: float
    interval_s: float | None = None
    apr: float | None = None
    mark_price: float | None = None
    index_price: float | None = None


@dataclass(frozen=True, slots=True)
class FundingQuote:
    """Funding as it stands now. What `rate` and `predicted_rate` really mean is the venue's: see its `FundingRules`.

    `rate` will be, or is being, paid at `next_funding_ns`; `predicted_rate` belongs to the funding after that.
    """

    venue: str
    symbol: str
    received_ns: int
    rate: float | None
    next_funding_ns: int | None = None
    predicted_rate: float | None = None
    predicted_funding_ns: int | None = None
    interval_s: float | None = None
    mark_price: float | None = None
    index_price: float | None = None
    exchange_ns: int | None = None
    stale_s: float | None = None
