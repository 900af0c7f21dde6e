"""By whatever rule a venue pages, its whole history is read, each row once, and every page says what it covers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.errors import VenueUnavailable
from xetrade_core.history.pages import FundingPage, read_pages
from xetrade_core.model.funding import FundingRate
from xetrade_core.venues.venue import FundingRules, Paging

H = 3_600_000_000_000
START = 480_000 * H
RULES = FundingRules("", None, Paging.OLDEST_FIRST, 7, 8 * 3600)
SPAN_S = 40 * 3600.0


class Venue:
    """A history that is paged as the rules say; `limit` is what it really does."""

    def __init__(self, times: Sequence[int], rules: FundingRules, limit: int | None = None) -> None:
        self._times, self._rules = times, rules
        self._limit = limit or rules.page_limit
        self.calls = 0

    async def page(self, symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        self.calls += 1
        assert self.calls < 2_000, "it does not end"
        within = [at for at in self._times if start_ns <= at < end_ns]
        if self._rules.max_span_s is not None:
            assert end_ns - start_ns <= self._rules.max_span_s * 1e9
        oldest = self._rules.paging is Paging.OLDEST_FIRST
        chosen = within[: self._limit] if oldest else within[-self._limit :]
        return tuple(FundingRate("v", symbol, at, 0.0) for at in chosen)


def pages(venue: Venue, rules: FundingRules, start_ns: int, end_ns: int) -> list[FundingPage]:
    async def read() -> list[FundingPage]:
        return [page async for page in read_pages(venue.page, rules, "S", start_ns, end_ns)]

    return asyncio.run(read())


def rules_of(paging: Paging) -> FundingRules:
    return replace(RULES, paging=paging, max_span_s=SPAN_S if paging is Paging.RANGE else None)


@st.composite
def fundings(draw: st.DrawFn) -> list[int]:
    """Up to 150 funding times with intervals that change, from START on."""
    at, times = START, [START]
    for _ in range(draw(st.integers(0, 4))):
        step = draw(st.sampled_from([1, 4, 8])) * H
        for _ in range(draw(st.integers(1, 30))):
            at += step
            times.append(at)
    return times


@given(fundings(), st.sampled_from(Paging), st.integers(-30, 200), st.integers(1, 400), st.booleans())
def test_every_row_of_the_range_comes_once_and_the_range_is_covered(
    times: list[int], paging: Paging, first: int, length: int, lower_limit: bool
) -> None:
    """Also where the venue's limit is lower than we believe; but spans must be as they are stated."""
    rules = rules_of(paging)
    start_ns, end_ns = START + first * H, START + (first + length) * H
    venue = Venue(times, rules, 3 if lower_limit and paging is not Paging.RANGE else None)
    read = pages(venue, rules, start_ns, end_ns)
    rows = sorted(row.funding_ns for page in read for row in page.rows)
    assert rows == [at for at in times if start_ns <= at < end_ns]
    for page in read:
        assert all(page.start_ns <= row.funding_ns < page.end_ns for row in page.rows)
    spans = sorted((page.start_ns, page.end_ns) for page in read)
    assert spans[0][0] == start_ns
    assert spans[-1][1] == end_ns
    assert all(one[1] == following[0] for one, following in pairwise(spans))


@pytest.mark.parametrize(("paging", "calls"), [(Paging.OLDEST_FIRST, 6), (Paging.NEWEST_FIRST, 5)])
def test_no_more_is_asked_than_there_are_pages(paging: Paging, calls: int) -> None:
    """29 rows in pages of 7: four full ones, one of a row, and an empty one where hours are left after that row."""
    venue = Venue([START + i * 8 * H for i in range(29)], rules_of(paging))
    pages(venue, rules_of(paging), START, START + 29 * 8 * H)
    assert venue.calls == calls


def test_time_before_the_listing_costs_two_calls_and_not_years_of_them() -> None:
    rules = rules_of(Paging.RANGE)
    venue = Venue([START], rules)
    read = pages(venue, rules, START - 100_000 * H, START + H)
    assert venue.calls <= 4
    assert read[-1].start_ns == START - 100_000 * H


def test_a_venue_that_answers_nonsense_does_not_hold_us_for_ever() -> None:
    rules = replace(rules_of(Paging.RANGE), page_limit=2)

    async def always_full(symbol: str, start_ns: int, end_ns: int) -> tuple[FundingRate, ...]:
        return (FundingRate("v", symbol, start_ns + 1, 0.0), FundingRate("v", symbol, start_ns + 2, 0.0))

    async def read() -> None:
        async for _ in read_pages(always_full, rules, "S", START, START + H):
            pass

    with pytest.raises(VenueUnavailable, match="cannot be true"):
        asyncio.run(read())
