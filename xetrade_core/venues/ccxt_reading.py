"""From ccxt's structures to values of ours; a structure that is none of ccxt's is a reply that cannot be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from xetrade_core.clock import NS_PER_MS
from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.funding import FundingQuote
from xetrade_core.model.quotes import Level, MarkQuote, Quote

_UNITS_S = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class Readable:
    """Turns what goes wrong while ccxt's structures are read into VenueUnavailable."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, (KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError)):
            raise VenueUnavailable(f"{self._what}: its reply cannot be read: {error!r}"[:300]) from None


def levels_of(side: Sequence[Sequence[Any]], depth: int) -> tuple[Level, ...]:
    levels = tuple((float(row[0]), float(row[1])) for row in side[:depth])
    if not all(0 < price < math.inf and 0 <= size < math.inf for price, size in levels):
        raise ValueError("a level without a price above 0 and a size")
    return levels


def quote_of(venue: str, symbol: str, row: dict[str, Any], received_ns: int) -> Quote:
    """ccxt's ticker; a price of 0 is how venues write that a side is empty."""
    bid, ask = number(row.get("bid")) or None, number(row.get("ask")) or None
    return Quote(
        venue=venue,
        symbol=symbol,
        bid=bid,
        bid_size=None if bid is None else number(row.get("bidVolume")),
        ask=ask,
        ask_size=None if ask is None else number(row.get("askVolume")),
        received_ns=received_ns,
        exchange_ns=ns_of(row.get("timestamp")),
    )


def mark_of(venue: str, symbol: str, row: dict[str, Any], received_ns: int) -> MarkQuote:
    """ccxt's ticker; a price of 0 is how venues write that there is none."""
    return MarkQuote(
        venue=venue,
        symbol=symbol,
        mark=number(row.get("markPrice")) or None,
        index=number(row.get("indexPrice")) or None,
        received_ns=received_ns,
        exchange_ns=ns_of(row.get("timestamp")),
    )


def funding_of(
    venue: str, symbol: str, row: dict[str, Any], stated_interval_s: float | None, received_ns: int
) -> FundingQuote:
    """ccxt's funding rate; an interval that the venue tells elsewhere stands in for one that the row has not."""
    return FundingQuote(
        venue=venue,
        symbol=symbol,
        received_ns=received_ns,
        rate=number(row.get("fundingRate")),
        next_funding_ns=ns_of(row.get("fundingTimestamp")),
        predicted_rate=number(row.get("nextFundingRate")),
        predicted_funding_ns=ns_of(row.get("nextFundingTimestamp")),
        interval_s=interval_s(row.get("interval")) or stated_interval_s,
        mark_price=number(row.get("markPrice")),
        index_price=number(row.get("indexPrice")),
        exchange_ns=ns_of(row.get("timestamp")),
    )


def prices_of(info: dict[str, Any]) -> tuple[float | None, float | None]:
    """Mark and index price of a past funding, which ccxt passes through unread; empty in old rows of Binance's."""
    return number(info.get("markPrice") or None), number(info.get("index_price") or None)


def number(value: Any) -> float | None:
    number = None if value is None else float(value)
    return number if number is not None and math.isfinite(number) else None


def ns_of(millis: Any) -> int | None:
    return None if millis is None else int(millis) * NS_PER_MS


def interval_s(text: str | None) -> float | None:
    """ccxt's interval in seconds (`8h` is 28800.0); None for none, or one that is not of that form."""
    if not text or text[-1] not in _UNITS_S or not text[:-1].isdigit():
        return None
    return float(int(text[:-1]) * _UNITS_S[text[-1]])
