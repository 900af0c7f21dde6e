"""Reading a venue's funding history page by page, by the venue's own rule, until nothing can be missing.

Venues fill a page from one end of the range or the other, or bound the range; ccxt's own paging believes in eight hours
and leaves gaps where fundings are closer. Each page says which part of the range is known completely by it, so that
whoever stops can go on from there. A page that is shorter than the venue's limit ends the reading only where the next
funding could not be in the range any more: a limit may be lower than it was when we read of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import VenueUnavailable
from xetrade_core.funding.intervals import KNOWN_HOURS, NS_PER_HOUR
from xetrade_core.model.funding import FundingRate
from xetrade_core.venues.venue import FundingRules, Paging

#: (symbol, start_ns, end_ns) -> the rows of one page, oldest first: `MarketData.funding_page`
ReadPage = Callable[[str, int, int], Awaitable[tuple[FundingRate, ...]]]

_EMPTY_SPANS = 2  # so many without a row, older than rows, are before the listing
_SHORTEST_NS = 60 * NS_PER_S
#: an interval may change just behind the end of a page, so the interval of its rows proves nothing
_SHORTEST_INTERVAL_NS = KNOWN_HOURS[0] * NS_PER_HOUR


@dataclass(frozen=True, slots=True)
class FundingPage:
    """Rows of one page, oldest first; all that the venue has of [start_ns, end_ns) is in them."""

    rows: tuple[FundingRate, ...]
    start_ns: int
    end_ns: int


def read_pages(
    read: ReadPage, rules: FundingRules, symbol: str, start_ns: int, end_ns: int
) -> AsyncIterator[FundingPage]:
    """The pages of [start_ns, end_ns), in the venue's order. Raises what `read` raises."""
    walk = {Paging.OLDEST_FIRST: _forward, Paging.NEWEST_FIRST: _backward, Paging.RANGE: _by_span}[rules.paging]
    return walk(read, rules, symbol, start_ns, end_ns)


async def _forward(
    read: ReadPage, rules: FundingRules, symbol: str, start_ns: int, end_ns: int
) -> AsyncIterator[FundingPage]:
    while start_ns < end_ns:
        rows = await read(symbol, start_ns, end_ns)
        if not rows:
            yield FundingPage(rows, start_ns, end_ns)
            return
        last_ns = rows[-1].funding_ns
        done = len(rows) < rules.page_limit and last_ns + _SHORTEST_INTERVAL_NS >= end_ns
        following_ns = end_ns if done else last_ns + 1
        yield FundingPage(rows, start_ns, following_ns)
        start_ns = following_ns


async def _backward(
    read: ReadPage, rules: FundingRules, symbol: str, start_ns: int, end_ns: int
) -> AsyncIterator[FundingPage]:
    while start_ns < end_ns:
        rows = await read(symbol, start_ns, end_ns)
        if not rows:
            yield FundingPage(rows, start_ns, end_ns)
            return
        first_ns = rows[0].funding_ns
        done = len(rows) < rules.page_limit and first_ns - _SHORTEST_INTERVAL_NS < start_ns
        reached_ns = start_ns if done else first_ns
        yield FundingPage(rows, reached_ns, end_ns)
        end_ns = reached_ns


async def _by_span(
    read: ReadPage, rules: FundingRules, symbol: str, start_ns: int, end_ns: int
) -> AsyncIterator[FundingPage]:
    """From the newest span back; spans that come out cut off are asked for in halves from then on."""
    span_ns = end_ns - start_ns if rules.max_span_s is None else round(rules.max_span_s * NS_PER_S)
    seen, empty = False, 0
    while start_ns < end_ns:
        from_ns = max(start_ns, end_ns - span_ns)
        rows = await read(symbol, from_ns, end_ns)
        if len(rows) >= rules.page_limit and _cut_off(rows, from_ns, end_ns):
            span_ns = (end_ns - from_ns) // 2
            if span_ns < _SHORTEST_NS:
                raise VenueUnavailable(f"{symbol}: {len(rows)} fundings within a minute cannot be true")
            continue
        seen = seen or bool(rows)
        empty = 0 if rows else empty + 1
        if seen and empty == _EMPTY_SPANS:
            from_ns = start_ns
        yield FundingPage(rows, from_ns, end_ns)
        end_ns = from_ns


def _cut_off(rows: tuple[FundingRate, ...], start_ns: int, end_ns: int) -> bool:
    """Whether another row could stand before the first or after the last one."""
    first_ns, last_ns = rows[0].funding_ns, rows[-1].funding_ns
    closest = min((later.funding_ns - earlier.funding_ns for earlier, later in pairwise(rows)), default=last_ns)
    step_ns = min(closest, _SHORTEST_INTERVAL_NS)
    return first_ns - step_ns >= start_ns or last_ns + step_ns < end_ns
