"""Partitions: the hour x venue grid on which all book data lives, the day x venue grid of what is asked for once a day,
the hours and days of what is of no one venue, and the translation between keys and times.

Symbols are the *content* of a partition, not a dimension: hour x venue x symbol would be millions of keys. Hours of
books reach two past the current one, because the run of the next hour starts before it does; hours of positions and
days include the running one. No data is read here.
https://docs.dagster.io/guides/build/partitions-and-backfills/partitioning-assets
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Self

import dagster as dg

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.venues import registry

#: keeps `:` out of the keys, so that they can be parts of paths and tags
HOUR_FORMAT = "%Y-%m-%dT%H"
DAY_FORMAT = "%Y-%m-%d"
#: no book older than this is partitioned; older recordings are compacted from the command line
FIRST_HOUR = "2024-08-01T00"
#: no listing or map older than this is partitioned: venues tell only what they list now
FIRST_DAY = "2024-08-01"
#: nobody looked at positions before this, and an hour that is over cannot be looked at: all hours since FIRST_HOUR
#: would be more than twice the 100,000 partitions up to which the UI is quick, most of them for nothing
FIRST_LOOK = "2026-11-01T00"
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS

hours = dg.HourlyPartitionsDefinition(start_date=FIRST_HOUR, fmt=HOUR_FORMAT, end_offset=2)
days = dg.DailyPartitionsDefinition(start_date=FIRST_DAY, fmt=DAY_FORMAT, end_offset=1)
venues = dg.StaticPartitionsDefinition([venue.id for venue in registry.venues()])
hour_x_venue = dg.MultiPartitionsDefinition({"hour": hours, "venue": venues})
looks = dg.HourlyPartitionsDefinition(start_date=FIRST_LOOK, fmt=HOUR_FORMAT, end_offset=1)
look_x_venue = dg.MultiPartitionsDefinition({"hour": looks, "venue": venues})
day_x_venue = dg.MultiPartitionsDefinition({"day": days, "venue": venues})


def _start_ns(text: str, form: str, key: str, allowed: str) -> int:
    try:
        return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()) * NS_PER_S
    except ValueError as error:
        raise ConfigError.of("partition", key, allowed) from error


def day_of_key(key: str) -> int:
    """The start (UTC nanoseconds) of the day that a partition key such as `2026-01-31` names. Raises ConfigError."""
    return _start_ns(key, DAY_FORMAT, key, "a day such as 2026-01-31")


def day_key(ns: int) -> str:
    """The key of the day in which `ns` lies, `2026-01-31`."""
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime(DAY_FORMAT)


def hour_of_key(key: str) -> int:
    """The start (UTC nanoseconds) of the hour that a key such as `2026-01-31T05` names. Raises ConfigError."""
    return _start_ns(key, HOUR_FORMAT, key, "an hour such as 2026-01-31T05")


def hour_key(ns: int) -> str:
    """The key of the hour in which `ns` lies, `2026-01-31T05`."""
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime(HOUR_FORMAT)


@dataclass(frozen=True, slots=True, order=True)
class _VenueSpan:
    """One partition of a venue, and the time that begins at `start_ns` (UTC nanoseconds)."""

    venue: str
    start_ns: int

    dimension: ClassVar[str]
    form: ClassVar[str]
    length_ns: ClassVar[int]
    first: ClassVar[str]
    example: ClassVar[str]

    @classmethod
    def containing(cls, venue: str, ns: int) -> Self:
        """The partition of `venue` in which `ns` lies."""
        return cls(venue, ns - ns % cls.length_ns)

    @classmethod
    def from_key(cls, key: str) -> Self:
        """Read a key such as `2026-01-31T05|okx`. Raises ConfigError or UnknownVenue where it is not a partition."""
        allowed = f"{cls.dimension} and venue such as {cls.example}"
        # Not by attributes of the key: the context hands out a plain str when just the partition tag is set.
        time, mark, venue = key.partition("|")
        if not mark or "|" in venue:
            raise ConfigError.of("partition", key, allowed)
        start_ns = _start_ns(time, cls.form, key, allowed)
        registry.venue(venue)
        return cls(venue, start_ns)

    @property
    def end_ns(self) -> int:
        """The span's end, exclusive."""
        return self.start_ns + self.length_ns

    @property
    def time(self) -> str:
        """The key of the time alone, `2026-01-31T05`."""
        return datetime.fromtimestamp(self.start_ns // NS_PER_S, UTC).strftime(self.form)

    @property
    def key(self) -> dg.MultiPartitionKey:
        """The partition key."""
        return dg.MultiPartitionKey({self.dimension: self.time, "venue": self.venue})

    @property
    def has_partition(self) -> bool:
        """Whether this is a partition at all: recordings may be older, or of a venue that is no longer known."""
        return self.time >= self.first and venues.has_partition_key(self.venue)

    @property
    def window(self) -> str:
        """Value of the tag that keeps two runs from working on the same partition."""
        return f"{self.venue}/{self.time}"


@dataclass(frozen=True, slots=True, order=True)
class VenueHour(_VenueSpan):
    """One partition of the hour x venue grid: a venue and an hour."""

    dimension = "hour"
    form = HOUR_FORMAT
    length_ns = HOUR_NS
    first = FIRST_HOUR
    example = "2026-01-31T05|okx"

    @property
    def hour(self) -> str:
        """The hour's own key, `2026-01-31T05`."""
        return self.time


@dataclass(frozen=True, slots=True, order=True)
class VenueDay(_VenueSpan):
    """One partition of the day x venue grid: a venue and a day."""

    dimension = "day"
    form = DAY_FORMAT
    length_ns = DAY_NS
    first = FIRST_DAY
    example = "2026-01-31|okx"

    @property
    def day(self) -> str:
        """The day's own key, `2026-01-31`."""
        return self.time
