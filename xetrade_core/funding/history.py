"""From what a venue's history says to what is kept of it: on the grid, each funding once, with interval and APR."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xetrade_core.funding.intervals import grid_ns, infer_intervals
from xetrade_core.funding.rates import apr
from xetrade_core.model.funding import FundingRate, SettledFunding

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SettledHistory:
    """Fundings of one instrument, oldest first, and the funding times between them that have no row."""

    rows: tuple[SettledFunding, ...]
    missing: tuple[int, ...]


def settle(rates: Iterable[FundingRate], usual_interval_s: float | None = None) -> SettledHistory:
    """The history of one instrument out of its pages, in any order and with overlaps: of two rows the later one counts.

    `usual_interval_s` is the venue's usual interval, for histories too short to tell. Rows that are known already
    beside those that are wanted make the intervals at both ends certain: cut them off afterwards.
    """
    by_time = {grid_ns(rate.funding_ns): rate for rate in rates}
    times = sorted(by_time)
    usual_ns = None if usual_interval_s is None else round(usual_interval_s * NS_PER_S)
    found = infer_intervals(times, usual_ns)
    rows = tuple(
        _settled(by_time[time_ns], time_ns, interval_ns)
        for time_ns, interval_ns in zip(times, found.interval_ns, strict=True)
    )
    return SettledHistory(rows, found.missing)


def _settled(rate: FundingRate, time_ns: int, interval_ns: int | None) -> SettledFunding:
    interval_s = rate.interval_s if interval_ns is None else interval_ns / NS_PER_S
    return SettledFunding(
        venue=rate.venue,
        symbol=rate.symbol,
        funding_ns=time_ns,
        stated_ns=rate.funding_ns,
        rate=rate.rate,
        interval_s=interval_s,
        apr=None if interval_s is None else apr(rate.rate, interval_s),
        mark_price=rate.mark_price,
        index_price=rate.index_price,
    )
