"""Points in time as a person or a program gives them, read as UTC nanoseconds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError

Moment = datetime | str | int
"""An aware datetime (pandas timestamps too, to the nanosecond), ISO 8601 text with an offset or `Z`, a plain date
(`2024-08-09`: its midnight UTC), or UTC nanoseconds since the epoch."""

_ALLOWED = "give UTC nanoseconds, a datetime with a time zone, or ISO text like 2024-08-09T12:00:00Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_ns(moment: Moment, field: str) -> int:
    """`moment` as UTC nanoseconds; `ConfigError` naming `field` where it has no time zone or cannot be read."""
    if isinstance(moment, bool) or not isinstance(moment, int | str | datetime):
        raise ConfigError.of(field, moment, _ALLOWED)
    if isinstance(moment, int):
        return moment
    parsed = _parse(moment, field) if isinstance(moment, str) else moment
    if parsed.tzinfo is None:
        raise ConfigError.of(field, str(moment), f"it has no time zone, so it could mean any; {_ALLOWED}")
    whole, micro = divmod(parsed.astimezone(UTC) - _EPOCH, timedelta(seconds=1))
    return whole * NS_PER_S + micro.microseconds * 1000 + int(getattr(parsed, "nanosecond", 0))


def _parse(text: str, field: str) -> datetime:
    try:
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError.of(field, text, _ALLOWED) from None
