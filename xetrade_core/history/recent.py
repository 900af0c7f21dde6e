"""A stretch of one instrument's funding history straight from the venue, for looking at; nothing is kept."""

from __future__ import annotations

from xetrade_core.clock import NS_PER_S
from xetrade_core.funding.history import SettledHistory, settle
from xetrade_core.history.pages import read_pages
from xetrade_core.model.funding import FundingRate
from xetrade_core.venues.market_data import MarketData
from xetrade_core.venues.venue import FundingRules

#: read before the wanted stretch, so that the first interval is known
_LEAD_NS = 2 * 86_400 * NS_PER_S


async def recent_fundings(
    client: MarketData, rules: FundingRules, symbol: str, start_ns: int, end_ns: int
) -> SettledHistory:
    """The fundings with start_ns <= time < end_ns, with intervals and APR, and those that the venue leaves out.

    Raises UnknownSymbol, NotSupported, RateLimited, VenueUnavailable.
    """
    rates: list[FundingRate] = []
    async for page in read_pages(client.funding_page, rules, symbol, start_ns - _LEAD_NS, end_ns):
        rates += page.rows
    found = settle(rates, rules.default_interval_s)
    return SettledHistory(
        tuple(row for row in found.rows if start_ns <= row.funding_ns < end_ns),
        tuple(at_ns for at_ns in found.missing if start_ns <= at_ns < end_ns),
    )
