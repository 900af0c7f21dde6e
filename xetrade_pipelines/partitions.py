"""Partitions: the hour x venue grid on which all book data lives, and the translation between keys and times.

Symbols are the *content* of a partition, not a dimension: hour x venue stays quick in the UI (some 80,000 keys), hour x
venue x symbol would not. Hours reach two past the current one, because the run of the next hour starts before it does.
No data is read here. https://docs.dagster.io/guides/build/partitions-and-backfills/partitioning-assets
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.venues import registry

#: keeps `:` out of the keys, so that they can be parts of paths and tags
HOUR_FORMAT = "%Y-%m-%dT%H"
#: no book older than this is partitioned; older recordings are compacted from the command line
FIRST_HOUR = "2024-08-01T00"
HOUR_NS = 3600 * NS_PER_S

hours = dg.HourlyPartitionsDefinition(start_date=FIRST_HOUR, fmt=HOUR_FORMAT, end_offset=2)
venues = dg.StaticPartitionsDefinition([venue.id for venue in registry.venues()])
hour_x_venue = dg.MultiPartitionsDefinition({"hour": hours, "venue": venues})


@dataclass(frozen=True, slots=True, order=True)
class VenueHour:
    """One partition: a venue and the hour that begins at `start_ns` (UTC nanoseconds)."""

    venue: str
    start_ns: int

    @classmethod
    def containing(cls, venue: str, ns: int) -> VenueHour:
        """The hour of `venue` in which `ns` lies."""
        return cls(venue, ns - ns % HOUR_NS)

    @classmethod
    def from_key(cls, key: str) -> VenueHour:
        """Read `2026-01-31T05|okx`. Raises ConfigError or UnknownVenue where it is not a partition."""
        allowed = "an hour and a venue such as 2026-01-31T05|okx"
        if key.count("|") != 1:
            raise ConfigError.of("partition", key, allowed)
        # Only through the definition: the context hands out a plain str when just the partition tag is set.
        by_dimension = hour_x_venue.get_partition_key_from_str(key).keys_by_dimension
        try:
            start = datetime.strptime(by_dimension["hour"], HOUR_FORMAT).replace(tzinfo=UTC)
        except ValueError as error:
            raise ConfigError.of("partition", key, allowed) from error
        registry.venue(by_dimension["venue"])
        return cls(by_dimension["venue"], int(start.timestamp()) * NS_PER_S)

    @property
    def has_partition(self) -> bool:
        """Whether this is a partition at all: recordings may be older, or of a venue that is no longer known."""
        return self.hour >= FIRST_HOUR and venues.has_partition_key(self.venue)

    @property
    def end_ns(self) -> int:
        """The hour's end, exclusive."""
        return self.start_ns + HOUR_NS

    @property
    def hour(self) -> str:
        """The hour's own key, `2026-01-31T05`."""
        return datetime.fromtimestamp(self.start_ns // NS_PER_S, UTC).strftime(HOUR_FORMAT)

    @property
    def key(self) -> dg.MultiPartitionKey:
        """The partition key."""
        return dg.MultiPartitionKey({"hour": self.hour, "venue": self.venue})

    @property
    def window(self) -> str:
        """Value of the tag that keeps two runs from recording the same window."""
        return f"{self.venue}/{self.hour}"
