"""Binance futures' funding bodies: `fundingRate`, `fundingInfo`, and the running rate in `premiumIndex`.

Shapes and paging follow the venue's documentation (USD-M and COIN-M, Get Funding Rate History, Get Funding Rate Info):
ascending, 100 rows or up to 1,000, both ends of a range included; a range of more rows is answered from its start,
no range by the newest rows. Rows before November 2023 carry no mark price.
"""

from __future__ import annotations

from dataclasses import dataclass

from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.funding import HOUR_MS, FundingCurve, FundingPoint, number
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Venue

_DEFAULT_ROWS, _MOST_ROWS = 100, 1_000
_MARK_PRICES_SINCE_MS = 1_698_768_000_000

Rows = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class FundingRefused:
    """The venue's error in place of rows."""

    code: int
    message: str


def running(curve: FundingCurve, now_ms: int) -> dict[str, object]:
    """The fields of `premiumIndex` that tell the running period: the estimate so far, and when it is paid."""
    return {
        "lastFundingRate": number(curve.estimate(now_ms)),
        "interestRate": "0.00010000",
        "nextFundingTime": curve.next_ms(now_ms),
    }


def funding_history(venue: Venue, request: Request, *, needs_symbol: bool) -> Rows | FundingRefused:
    """The rows of `fundingRate`. USD-M answers without a symbol too, for all of them."""
    query = request.query
    markets: list[Market] = list(venue.markets.values())
    if "symbol" in query or needs_symbol:
        market = venue.by_id.get(query.get("symbol", ""))
        if market is None:
            return FundingRefused(-1121, "Invalid symbol.")
        markets = [market]
    try:
        start = int(query["startTime"]) if "startTime" in query else None
        end = int(query["endTime"]) if "endTime" in query else request.now_ms
        limit = max(1, min(_MOST_ROWS, int(query.get("limit", _DEFAULT_ROWS))))
    except ValueError:
        return FundingRefused(-1102, "A mandatory parameter was not sent, was empty/null, or malformed.")
    if start is not None and start > end:
        return FundingRefused(-1128, "Combination of optional parameters invalid.")
    rows = [
        (point.stamp_ms, market, point)
        for market in markets
        for point in venue.funding[market.symbol].page(
            start, min(end, request.now_ms), limit, newest_first=start is None
        )
    ]
    rows.sort(key=lambda row: row[0])
    rows = rows[-limit:] if start is None else rows[:limit]
    return [_row(market, point) for _, market, point in rows]


def _row(market: Market, point: FundingPoint) -> dict[str, object]:
    mark = number(point.mark_price) if point.time_ms >= _MARK_PRICES_SINCE_MS else ""
    row: dict[str, object] = {"symbol": market.venue_id, "fundingTime": point.stamp_ms}
    return {**row, "fundingRate": number(point.rate), "markPrice": mark}


def funding_info(venue: Venue, now_ms: int) -> Rows:
    """The rows of `fundingInfo`: the interval now, with caps."""
    return [
        {
            "symbol": venue.markets[symbol].venue_id,
            "adjustedFundingRateCap": "0.00750000",
            "adjustedFundingRateFloor": "-0.00750000",
            "fundingIntervalHours": curve.interval_ms(now_ms + 1) // HOUR_MS,
            "disclaimer": False,
        }
        for symbol, curve in venue.funding.items()
    ]
