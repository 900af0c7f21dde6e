"""The names of the lake's objects, and the hours and days they are cut into.

`<dataset>/venue=V/symbol=SLUG/date=YYYY-MM-DD/hour=HH/part.parquet` for what readers use (a "part"), and
`<dataset>/venue=V/date=YYYY-MM-DD/hour=HH/<startns>-<endns>-<writer>.parquet` for what captures upload (a "segment").
What is of one symbol across venues is `<dataset>/symbol=SLUG/date=YYYY-MM-DD/hour=HH/part.parquet`. What is of a day
is `<dataset>/venue=V/date=YYYY-MM-DD/part.parquet`, all symbols of the venue in one file, what is of an hour of a venue
`<dataset>/venue=V/date=YYYY-MM-DD/hour=HH/part.parquet`, and what is of no one venue
`<dataset>/date=YYYY-MM-DD/part.parquet`. Hours and days are UTC; every object belongs to exactly one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, LakeError
from xetrade_core.model.instruments import slug_symbol, symbol_slug

NS_PER_HOUR = 3600 * NS_PER_S
NS_PER_DAY = 24 * NS_PER_HOUR

_HOUR = r"date=(?P<date>\d{4}-\d{2}-\d{2})/hour=(?P<hour>\d{2})"
_PART = re.compile(rf"(?P<dataset>\w+)/venue=(?P<venue>[^/]+)/symbol=(?P<slug>[^/]+)/{_HOUR}/(?P<name>[^/]+)\.parquet")
_SEGMENT = re.compile(
    rf"(?P<dataset>\w+)/venue=(?P<venue>[^/]+)/{_HOUR}/(?P<start>\d+)-(?P<end>\d+)-(?P<writer>[^/]+)\.parquet"
)
_SYMBOL_HOUR = re.compile(rf"(?P<dataset>\w+)/symbol=(?P<slug>[^/]+)/{_HOUR}/(?P<name>[^/]+)\.parquet")
_VENUE_HOUR = re.compile(rf"(?P<dataset>\w+)/venue=(?P<venue>[^/]+)/{_HOUR}/(?P<name>[^/]+)\.parquet")
_DAY = re.compile(
    r"(?P<dataset>\w+)/(?:venue=(?P<venue>[^/]+)/)?date=(?P<date>\d{4}-\d{2}-\d{2})/(?P<name>[^/]+)\.parquet"
)
_WRITER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True, slots=True)
class PartKey:
    """What the key of a compacted file says; `name` is `part` but for rejected rows."""

    dataset: str
    venue: str
    symbol: str
    hour_ns: int
    name: str = "part"

    def __str__(self) -> str:
        folder = f"{symbol_prefix(self.dataset, self.venue, self.symbol)}{hour_path(self.hour_ns)}"
        return f"{folder}/{self.name}.parquet"


@dataclass(frozen=True, slots=True)
class SegmentKey:
    """What the key of a segment says: rows of `writer` with start_ns <= timestamp < end_ns, all within one hour."""

    dataset: str
    venue: str
    start_ns: int
    end_ns: int
    writer: str

    def __post_init__(self) -> None:
        if not _WRITER.fullmatch(self.writer):
            raise ConfigError.of("writer", self.writer, "use letters, digits and . _ + -")
        if not 0 <= self.start_ns < self.end_ns <= hour_start(self.start_ns) + NS_PER_HOUR:
            raise ConfigError.of("segment", (self.start_ns, self.end_ns), "start < end, both within one UTC hour")

    @property
    def hour_ns(self) -> int:
        return hour_start(self.start_ns)

    @property
    def name(self) -> str:
        """The file name: what a capture's spool and the lake both call it."""
        return f"{self.start_ns}-{self.end_ns}-{self.writer}.parquet"

    def __str__(self) -> str:
        return f"{segment_prefix(self.dataset, self.venue, self.hour_ns)}{self.name}"


@dataclass(frozen=True, slots=True)
class SymbolHourKey:
    """What the key of a file of one symbol across venues says; `name` is `part` but for rejected rows."""

    dataset: str
    symbol: str
    hour_ns: int
    name: str = "part"

    def __str__(self) -> str:
        folder = f"{self.dataset}/symbol={symbol_slug(self.symbol)}/{hour_path(self.hour_ns)}"
        return f"{folder}/{self.name}.parquet"


@dataclass(frozen=True, slots=True)
class DayKey:
    """What the key of a day's file says; `venue` is None where the file is of no one venue.

    `name` is `part` but for rejected rows.
    """

    dataset: str
    venue: str | None
    day_ns: int
    name: str = "part"

    def __str__(self) -> str:
        return f"{day_prefix(self.dataset, self.venue)}{day_path(self.day_ns)}/{self.name}.parquet"


@dataclass(frozen=True, slots=True)
class VenueHourKey:
    """What the key of a file of one venue and hour says; `name` is `part` but for rejected rows."""

    dataset: str
    venue: str
    hour_ns: int
    name: str = "part"

    def __str__(self) -> str:
        return f"{venue_prefix(self.dataset, self.venue)}{hour_path(self.hour_ns)}/{self.name}.parquet"


def part_key(dataset: str, venue: str, symbol: str, hour_ns: int) -> str:
    """The key of the compacted file of one symbol and hour; `hour_ns` may lie anywhere in the hour."""
    return str(PartKey(dataset, venue, symbol, hour_start(hour_ns)))


def segment_key(dataset: str, venue: str, start_ns: int, end_ns: int, writer: str) -> str:
    """The key of one segment; see `SegmentKey`."""
    return str(SegmentKey(dataset, venue, start_ns, end_ns, writer))


def symbol_hour_key(dataset: str, symbol: str, hour_ns: int) -> str:
    """The key of the file of one symbol across venues; `hour_ns` may lie anywhere in the hour."""
    return str(SymbolHourKey(dataset, symbol, hour_start(hour_ns)))


def day_key(dataset: str, venue: str | None, day_ns: int) -> str:
    """The key of the file of one venue and day, or of one day; `day_ns` may lie anywhere in the day."""
    return str(DayKey(dataset, venue, day_start(day_ns)))


def venue_hour_key(dataset: str, venue: str, hour_ns: int) -> str:
    """The key of the file of one venue and hour; `hour_ns` may lie anywhere in the hour."""
    return str(VenueHourKey(dataset, venue, hour_start(hour_ns)))


def parse_part_key(key: str) -> PartKey:
    """The inverse of `part_key`; `LakeError` for any other key."""
    found = _PART.fullmatch(key)
    if found is None:
        raise LakeError(
            f"{key} is not the key of a compacted file: expected dataset/venue=/symbol=/date=/hour=/part.parquet"
        )
    hour_ns = _parse_hour(found["date"], found["hour"])
    return PartKey(found["dataset"], found["venue"], slug_symbol(found["slug"]), hour_ns, found["name"])


def parse_segment_key(key: str) -> SegmentKey:
    """The inverse of `segment_key`; `LakeError` for any other key."""
    found = _SEGMENT.fullmatch(key)
    if found is None:
        raise LakeError(
            f"{key} is not the key of a segment: expected dataset/venue=/date=/hour=/start-end-writer.parquet"
        )
    try:
        parsed = SegmentKey(found["dataset"], found["venue"], int(found["start"]), int(found["end"]), found["writer"])
    except ConfigError as error:
        raise LakeError(f"{key} is not the key of a segment: {error}") from error
    if str(parsed) != key:
        raise LakeError(f"{key} is not the key of a segment: its times belong at {parsed}")
    return parsed


def parse_symbol_hour_key(key: str) -> SymbolHourKey:
    """The inverse of `symbol_hour_key`; `LakeError` for any other key."""
    found = _SYMBOL_HOUR.fullmatch(key)
    if found is None:
        raise LakeError(f"{key} is not the key of a symbol's hour: expected dataset/symbol=/date=/hour=/part.parquet")
    hour_ns = _parse_hour(found["date"], found["hour"])
    return SymbolHourKey(found["dataset"], slug_symbol(found["slug"]), hour_ns, found["name"])


def parse_venue_hour_key(key: str) -> VenueHourKey:
    """The inverse of `venue_hour_key`; `LakeError` for any other key, a segment's included."""
    found = _VENUE_HOUR.fullmatch(key)
    if found is None or _SEGMENT.fullmatch(key) is not None:
        raise LakeError(f"{key} is not the key of a venue's hour: expected dataset/venue=/date=/hour=/part.parquet")
    return VenueHourKey(found["dataset"], found["venue"], _parse_hour(found["date"], found["hour"]), found["name"])


def parse_day_key(key: str) -> DayKey:
    """The inverse of `day_key`; `LakeError` for any other key."""
    found = _DAY.fullmatch(key)
    if found is None:
        raise LakeError(f"{key} is not the key of a day's file: expected dataset/[venue=/]date=/part.parquet")
    return DayKey(found["dataset"], found["venue"], _parse_hour(found["date"], "00"), found["name"])


def venue_prefix(dataset: str, venue: str) -> str:
    """Prefix of everything of one dataset and venue."""
    return f"{dataset}/venue={venue}/"


def symbol_prefix(dataset: str, venue: str, symbol: str) -> str:
    """Prefix of the compacted files of one symbol."""
    return f"{dataset}/venue={venue}/symbol={symbol_slug(symbol)}/"


def segment_prefix(dataset: str, venue: str, hour_ns: int) -> str:
    """Prefix of one venue's segments of one hour."""
    return f"{dataset}/venue={venue}/{hour_path(hour_ns)}/"


def day_prefix(dataset: str, venue: str | None) -> str:
    """Prefix of the files of a dataset by day: of one venue, or of none."""
    return f"{dataset}/" if venue is None else venue_prefix(dataset, venue)


def hour_start(ns: int) -> int:
    """The start of the UTC hour that holds `ns`."""
    return ns - ns % NS_PER_HOUR


def hour_path(ns: int) -> str:
    """`date=YYYY-MM-DD/hour=HH` of the UTC hour that holds `ns`."""
    return datetime.fromtimestamp(hour_start(ns) // NS_PER_S, UTC).strftime("date=%Y-%m-%d/hour=%H")


def day_start(ns: int) -> int:
    """The start of the UTC day that holds `ns`."""
    return ns - ns % NS_PER_DAY


def day_path(ns: int) -> str:
    """`date=YYYY-MM-DD` of the UTC day that holds `ns`."""
    return hour_path(ns).partition("/")[0]


def hours_between(start_ns: int, end_ns: int) -> range:
    """The start of every hour that shares a moment with [start_ns, end_ns)."""
    return range(hour_start(start_ns), end_ns, NS_PER_HOUR)


def _parse_hour(date: str, hour: str) -> int:
    try:
        return int(datetime.strptime(f"{date} {hour} +0000", "%Y-%m-%d %H %z").timestamp()) * NS_PER_S
    except ValueError as error:
        raise LakeError(f"date={date}/hour={hour} is no hour of the calendar") from error
