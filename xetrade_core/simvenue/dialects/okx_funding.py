"""OKX's funding bodies: `public/funding-rate` and `public/funding-rate-history`.

The simulated swaps are charged by `next_period`: `fundingRate` was fixed when the running period began and is paid at
`fundingTime`; `nextFundingRate` is the estimate for the period after it. With `predicts = false` they are charged by
`current_period`, as most of the venue's are now: `fundingRate` moves until it is paid and nothing is predicted. The
history is newest first, 100 rows a page at most, `before` and `after` excluded.
"""

from __future__ import annotations

from xetrade_core.simvenue.dialects.base import Request
from xetrade_core.simvenue.funding import FundingCurve, number
from xetrade_core.simvenue.market import Market
from xetrade_core.simvenue.venue import Venue

_MOST_ROWS = 100
_ANY = "ANY"

Rows = list[dict[str, object]]


def funding_now(venue: Venue, request: Request) -> Rows | None:
    """The rows of `funding-rate`, of all swaps for `ANY`; None for an instrument without funding."""
    wanted = request.query.get("instId", "")
    if wanted == _ANY:
        return [
            _now_row(venue, venue.markets[symbol], curve, request.now_ms) for symbol, curve in venue.funding.items()
        ]
    found = _funded(venue, wanted)
    return None if found is None else [_now_row(venue, *found, request.now_ms)]


def _now_row(venue: Venue, market: Market, curve: FundingCurve, now_ms: int) -> dict[str, object]:
    predicts = venue.config.funding.predicts
    funding_ms = curve.next_ms(now_ms)
    after_ms = curve.next_ms(funding_ms)
    before_ms = curve.last_ms(now_ms)
    rate = curve.settled(funding_ms) if predicts else curve.estimate(now_ms)
    return {
        "formulaType": "noRate",
        "fundingRate": number(rate),
        "fundingTime": str(funding_ms),
        "impactValue": "",
        "instId": market.venue_id,
        "instType": "SWAP",
        "interestRate": "",
        "maxFundingRate": "0.00750000",
        "method": "next_period" if predicts else "current_period",
        "minFundingRate": "-0.00750000",
        "nextFundingRate": number(curve.estimate(now_ms, after_ms)) if predicts else "",
        "nextFundingTime": str(after_ms),
        "premium": number(rate),
        "settFundingRate": "" if before_ms is None else number(curve.settled(before_ms)),
        "settState": "settled",
        "ts": str(now_ms),
    }


def funding_history(venue: Venue, request: Request) -> Rows | None:
    """The rows of `funding-rate-history`; None for an instrument without funding."""
    query = request.query
    found = _funded(venue, query.get("instId", ""))
    if found is None:
        return None
    market, curve = found
    before, after, limit = (query.get(name, "") for name in ("before", "after", "limit"))
    start = int(before) + 1 if before.isdigit() else None
    end = int(after) - 1 if after.isdigit() else request.now_ms
    most = max(1, min(_MOST_ROWS, int(limit))) if limit.isdigit() else _MOST_ROWS
    points = curve.page(start, min(end, request.now_ms), most, newest_first=True)
    method = "next_period" if venue.config.funding.predicts else "current_period"
    return [
        {
            "formulaType": "noRate",
            "fundingRate": number(point.rate),
            "fundingTime": str(point.time_ms),
            "instId": market.venue_id,
            "instType": "SWAP",
            "method": method,
            "realizedRate": number(point.rate),
        }
        for point in points
    ]


def _funded(venue: Venue, instrument_id: str) -> tuple[Market, FundingCurve] | None:
    market = venue.by_id.get(instrument_id)
    curve = None if market is None else venue.funding.get(market.symbol)
    return None if market is None or curve is None else (market, curve)
