"""Funding of the simulated venues: years of it, the same for the same seed, read at any time without a running sum.

A rate is a seeded curve over time: what the market does (one curve a base currency, so that venues go together), what
the venue adds, and a little noise; most of the time it is the 0.01 % a day's third that real venues show. Nothing is
stored, so a page of 2021 costs what a page of today costs.

    curve = FundingCurve("binanceusdm", listing, FundingConfig(), seed=1)
    curve.next_ms(now), curve.estimate(now)        # the running period
    curve.page(start_ms, end_ms, limit=1000)       # past fundings, as the venue shows them

Intervals change over time as on the venues: a change at C means that the funding at C still pays for the old interval
and the next one follows after the new interval. Scenario options change the intervals, revise a past rate, or hide
rows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from zlib import crc32

import msgspec
from msgspec import Meta

from xetrade_core.errors import ConfigError
from xetrade_core.model.instruments import MarketType
from xetrade_core.simvenue.listing import Listing

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_HOURS = (1, 2, 4, 6, 8, 12, 24)
_VENUE_HOURS = {"deribit": 1, "derive": 1}  # all others begin with 8 h
_INTEREST = 1e-4  # an 8 h rate that the premium does not move
_CAP = 7.5e-3  # of an 8 h rate
_DECIMALS = 8
_SHORTENED: Mapping[str, tuple[tuple[str, int], ...]] = {
    "SOL": (("2024-05-02T08:00:00Z", 4),),
    "DOGE": (("2023-11-10T16:00:00Z", 4), ("2025-03-20T00:00:00Z", 1)),
    "ADA": (("2023-09-01T00:00:00Z", 4), ("2024-02-01T00:00:00Z", 8)),
}

Moment = Annotated[datetime, Meta(tz=True)]


class IntervalChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `since` on fundings are `hours` apart. `since` is a funding time of the old and of the new interval."""

    since: Moment
    hours: int


class FundingChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the venue shows of the fundings from `at` to before `until` (None: the one at `at`): `rate`, or no row."""

    symbol: str
    at: Moment
    until: Moment | None = None
    rate: float | None = None

    def span_ms(self) -> tuple[int, int]:
        """First moment concerned, first one not concerned any more."""
        start = moment_ms(self.at)
        return start, start + 1 if self.until is None else moment_ms(self.until)


class FundingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`since`: when the history begins. `hours`: the first interval, None = as the venue.

    `intervals`: universal symbol -> its changes, in place of the built-in ones. `changes`: rates that the venue shows
    otherwise, or hides, from the start. `predicts`: OKX states the rate after the next one.
    """

    since: Moment = datetime(2020, 1, 1, tzinfo=UTC)
    hours: Annotated[int, Meta(ge=1)] | None = None
    intervals: dict[str, tuple[IntervalChange, ...]] = {}
    changes: tuple[FundingChange, ...] = ()
    predicts: bool = True


@dataclass(frozen=True, slots=True)
class FundingPoint:
    """One funding: the rate paid at `time_ms` for the `interval_ms` before it, and the prices then.

    `stamp_ms` is the time as a venue writes it that stamps when it is done: up to some milliseconds late.
    """

    time_ms: int
    interval_ms: int
    rate: float
    mark_price: float
    index_price: float
    stamp_ms: int


class FundingCurve:
    """The funding of one instrument. Times are UTC milliseconds; `now_ms` is the venue's clock."""

    def __init__(self, venue: str, listing: Listing, config: FundingConfig, seed: int) -> None:
        """Raises ConfigError for intervals that a venue cannot have."""
        self.symbol = listing.instrument.symbol
        self._market = _key(seed, listing.base)
        self._own = _key(seed, f"{venue}:{self.symbol}")
        self._price = float(listing.start_ticks * listing.instrument.price_tick)
        self._starts, self._intervals = _schedule(venue, listing, config)
        self._changes = [change for change in config.changes if change.symbol == self.symbol]

    def change(self, change: FundingChange) -> None:
        """From now on the venue shows these fundings otherwise, or not at all."""
        self._changes.append(change)

    def restore(self) -> None:
        """Take all changes back: the venue shows what it once paid."""
        self._changes.clear()

    # --- when -------------------------------------------------------------------------------------------------------

    def interval_ms(self, at_ms: int) -> int:
        """The length of the period that runs at `at_ms` or ends then."""
        return self._intervals[max(0, bisect_left(self._starts, at_ms) - 1)]

    def next_ms(self, now_ms: int) -> int:
        """The first funding time after `now_ms`."""
        now_ms = max(now_ms, self._starts[0])
        interval = self.interval_ms(now_ms + 1)
        return (now_ms // interval + 1) * interval

    def last_ms(self, now_ms: int) -> int | None:
        """The last funding time at or before `now_ms`; None before the first."""
        interval = self.interval_ms(now_ms)
        at_ms = now_ms // interval * interval
        return at_ms if at_ms > self._starts[0] else None

    # --- how much ---------------------------------------------------------------------------------------------------

    def settled(self, time_ms: int) -> float:
        """The rate that was, or will be, paid at a funding time."""
        drift = 3e-4 * _curve(self._market, time_ms / (40 * DAY_MS))
        drift += 2e-4 * _curve(self._market + 1, time_ms / (6 * DAY_MS))
        local = 1e-4 * _curve(self._own, time_ms / DAY_MS) + 5e-5 * _noise(self._own + 1, time_ms // HOUR_MS)
        premium = drift + local
        # Venues clamp: a small premium leaves the interest rate alone.
        beyond = math.copysign(max(0.0, abs(premium) - 1e-4), premium)
        rate = max(-_CAP, min(_CAP, _INTEREST + beyond))
        return round(rate * self.interval_ms(time_ms) / (8 * HOUR_MS), _DECIMALS)

    def estimate(self, now_ms: int, funding_ms: int | None = None) -> float:
        """What the venue thinks at `now_ms` of the rate at a later funding time (default: the next)."""
        funding_ms = self.next_ms(now_ms) if funding_ms is None else funding_ms
        interval = self.interval_ms(funding_ms)
        ahead = max(0.0, min(1.0, (funding_ms - now_ms) / interval))
        wander = 5e-5 * interval / (8 * HOUR_MS) * _curve(self._own + 2, now_ms / HOUR_MS)
        return round(self.settled(funding_ms) + ahead * wander, _DECIMALS)

    def mark_price(self, at_ms: int) -> float:
        """The mark price of the past: a curve through the start price. (What is now is in the book.)"""
        return self.index_price(at_ms) * (1 + 1e-4 * _curve(self._own + 3, at_ms / (5 * 60_000)))

    def index_price(self, at_ms: int) -> float:
        """The index price of the past, the same on every venue."""
        swing = 0.5 * _curve(self._market + 2, at_ms / (150 * DAY_MS)) + 0.03 * _curve(self._market + 3, at_ms / DAY_MS)
        return self._price * math.exp(swing)

    # --- history ----------------------------------------------------------------------------------------------------

    def page(
        self, start_ms: int | None, end_ms: int, limit: int | None = None, *, newest_first: bool = False
    ) -> list[FundingPoint]:
        """What the venue shows of the fundings with start_ms <= time <= end_ms, at most `limit`, oldest first.

        `newest_first` gives the newest ones of the range, newest first. `start_ms` None = since ever. The caller sees
        to it that `end_ms` is not after the venue's clock.
        """
        points: list[FundingPoint] = []
        for time_ms in self._backward(start_ms, end_ms) if newest_first else self._forward(start_ms, end_ms):
            point = self._shown(time_ms)
            if point is not None:
                points.append(point)
            if limit is not None and len(points) >= limit:
                break
        return points

    def _forward(self, start_ms: int | None, end_ms: int) -> Iterator[int]:
        at_ms = self.next_ms(self._starts[0] if start_ms is None else start_ms - 1)
        while at_ms <= end_ms:
            yield at_ms
            at_ms = self.next_ms(at_ms)

    def _backward(self, start_ms: int | None, end_ms: int) -> Iterator[int]:
        at_ms = self.last_ms(end_ms)
        while at_ms is not None and (start_ms is None or at_ms >= start_ms):
            yield at_ms
            at_ms = self.last_ms(at_ms - 1)

    def _shown(self, time_ms: int) -> FundingPoint | None:
        """The row of a funding time, with whatever the venue has changed about it; None if it hides it."""
        rate: float | None = self.settled(time_ms)
        for change in self._changes:
            first, beyond = change.span_ms()
            if first <= time_ms < beyond:
                rate = change.rate
        if rate is None:
            return None
        late = _hash(self._own + 4, time_ms // HOUR_MS)
        return FundingPoint(
            time_ms,
            self.interval_ms(time_ms),
            rate,
            round(self.mark_price(time_ms), _DECIMALS),
            round(self.index_price(time_ms), _DECIMALS),
            time_ms + (late >> 8) % 12 if late % 3 == 0 else time_ms,
        )


def moment_ms(moment: Moment) -> int:
    """UTC milliseconds."""
    return round(moment.timestamp() * 1000)


def number(value: float, decimals: int = _DECIMALS) -> str:
    """A rate or price as venues write it: plain digits, never an exponent."""
    return f"{value:.{decimals}f}"


def is_funded(listing: Listing) -> bool:
    """Whether the instrument is a perpetual."""
    return listing.instrument.market_type is MarketType.SWAP


def _schedule(venue: str, listing: Listing, config: FundingConfig) -> tuple[list[int], list[int]]:
    """Starts of the interval regimes (ms), and the interval of each (ms)."""
    hours = config.hours or _VENUE_HOURS.get(venue, 8)
    changes: Sequence[IntervalChange]
    if listing.instrument.symbol in config.intervals:
        changes = config.intervals[listing.instrument.symbol]
    elif hours == 8:
        known = _SHORTENED.get(listing.base, ())
        changes = [IntervalChange(datetime.fromisoformat(since), length) for since, length in known]
    else:
        changes = ()
    starts, intervals = [moment_ms(config.since)], [_interval(hours)]
    for change in changes:
        since, interval = moment_ms(change.since), _interval(change.hours)
        if since <= starts[-1] and len(starts) > 1:
            raise ConfigError.of("intervals", change.since.isoformat(), "changes are listed oldest first")
        if since % interval or since % intervals[-1]:
            allowed = f"a funding time of {change.hours} h and of the {intervals[-1] // HOUR_MS} h before, in UTC"
            raise ConfigError.of("intervals", change.since.isoformat(), allowed)
        if since <= starts[0]:
            intervals[0] = interval  # it was so before the history begins
        else:
            starts.append(since)
            intervals.append(interval)
    return starts, intervals


def _interval(hours: int) -> int:
    if hours not in _HOURS:
        raise ConfigError.of("hours", hours, f"one of {', '.join(map(str, _HOURS))}")
    return hours * HOUR_MS


# --- noise: a hash of (key, number), so that any time is as near as any other ---------------------------------------

_MASK = (1 << 64) - 1


def _key(seed: int, name: str) -> int:
    return (seed * 0x9E3779B97F4A7C15 + crc32(name.encode()) * 0x632BE59BD9B4E019) & _MASK


def _hash(key: int, n: int) -> int:
    """A splitmix64 step: 64 well-mixed bits of (key, n)."""
    x = (key + n * 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def _noise(key: int, n: int) -> float:
    """Uniform in [-1, 1)."""
    return _hash(key, n) / (1 << 63) - 1.0


def _curve(key: int, at: float) -> float:
    """A smooth curve through `_noise` at the whole numbers."""
    n = math.floor(at)
    f = at - n
    left, right = _noise(key, n), _noise(key, n + 1)
    return left + (right - left) * f * f * (3 - 2 * f)
