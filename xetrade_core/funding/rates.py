"""What a funding rate is worth a year, and over another interval. Rates are fractions of notional for one interval."""

from __future__ import annotations

import math

from xetrade_core.errors import ConfigError

HOUR_S = 3600.0
YEAR_S = 365 * 24 * HOUR_S


def apr(rate: float, interval_s: float) -> float:
    """The simple annual rate: rate x 365 x 24 / interval in hours, as a fraction. Raises ConfigError."""
    return rate * _periods(interval_s)


def apy(rate: float, interval_s: float) -> float:
    """The annual rate with every payment put back into the position, as a fraction; -1 where a rate takes it all.

    Infinite where compounding leaves the range of a float. Raises ConfigError.
    """
    periods = _periods(interval_s)
    if rate <= -1.0:
        return -1.0
    try:
        return math.expm1(periods * math.log1p(rate))
    except OverflowError:
        return math.inf


def rate_over(rate: float, interval_s: float, target_s: float) -> float:
    """The rate for `target_s` that pays as much a year, so that intervals can be compared. Raises ConfigError."""
    return rate * _positive(target_s, "target_s") / _positive(interval_s, "interval_s")


def _periods(interval_s: float) -> float:
    return YEAR_S / _positive(interval_s, "interval_s")


def _positive(seconds: float, name: str) -> float:
    if not 0 < seconds < math.inf:
        raise ConfigError.of(name, seconds, "a number of seconds above 0")
    return seconds
