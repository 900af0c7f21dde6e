"""What the lake holds, without reading any data: listings and Parquet footers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from xetrade_core.errors import ConfigError, LakeError
from xetrade_core.lake.layout import (
    NS_PER_DAY,
    NS_PER_HOUR,
    parse_day_key,
    parse_part_key,
    parse_segment_key,
    parse_symbol_hour_key,
    parse_venue_hour_key,
)
from xetrade_core.lake.schemas import DATASETS
from xetrade_core.lake.store import ObjectInfo, ObjectStore

_READERS = 8


@dataclass(frozen=True, slots=True)
class Holding:
    """One dataset of one symbol; `symbol` is empty for files that hold many, `venue` for those of no one venue.

    `hours` counts the hours covered (24 a day's file), times bound them, in UTC ns. `rows` is None where they were not
    counted.
    """

    dataset: str
    venue: str
    symbol: str
    hours: int
    files: int
    rows: int | None
    bytes: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class _Member:
    """One file, and the hours that it is of."""

    start_ns: int
    hours: int
    info: ObjectInfo


def holdings(store: ObjectStore, count_rows: bool) -> list[Holding]:
    """One holding a dataset, venue and symbol, sorted. Objects of foreign names are passed over."""
    groups: dict[tuple[str, str, str], list[_Member]] = {}
    for name in sorted(DATASETS):
        for suffix in ("", "_rejected"):
            for info in store.list(f"{name}{suffix}/"):
                place = _place(info.key)
                if place is not None:
                    group, start_ns, hours = place
                    groups.setdefault(group, []).append(_Member(start_ns, hours, info))
    with ThreadPoolExecutor(_READERS) as pool:
        return [_holding(store, pool, group, members, count_rows) for group, members in sorted(groups.items())]


def _holding(
    store: ObjectStore,
    pool: ThreadPoolExecutor,
    group: tuple[str, str, str],
    members: list[_Member],
    count_rows: bool,
) -> Holding:
    rows = sum(pool.map(lambda member: rows_of(store, member.info.key), members)) if count_rows else None
    spans = {(member.start_ns, member.hours) for member in members}
    return Holding(
        *group,
        hours=sum(hours for _, hours in spans),
        files=len(members),
        rows=rows,
        bytes=_total(member.info.size for member in members),
        first_ns=min(start_ns for start_ns, _ in spans),
        last_ns=max(start_ns + hours * NS_PER_HOUR for start_ns, hours in spans),
    )


def _total(sizes: Iterable[int]) -> int:
    return sum(sizes)


def rows_of(store: ObjectStore, key: str) -> int:
    """The rows of a file, by its footer. Raises ObjectNotFound, LakeUnavailable."""
    try:
        with store.open(key) as file:
            return int(pq.read_metadata(file).num_rows)
    except pa.ArrowInvalid:  # a damaged file has no rows that could be read; reading it says what is wrong with it
        return 0


def _place(key: str) -> tuple[tuple[str, str, str], int, int] | None:
    """Dataset, venue and symbol (empty where the file is of none alone) that a key names; its start and its hours."""
    with contextlib.suppress(LakeError):
        part = parse_part_key(key)
        return (part.dataset, part.venue, part.symbol), part.hour_ns, 1
    with contextlib.suppress(LakeError, ConfigError):
        segment = parse_segment_key(key)
        return (segment.dataset, segment.venue, ""), segment.hour_ns, 1
    with contextlib.suppress(LakeError):
        of_venue = parse_venue_hour_key(key)
        return (of_venue.dataset, of_venue.venue, ""), of_venue.hour_ns, 1
    with contextlib.suppress(LakeError):
        hour = parse_symbol_hour_key(key)
        return (hour.dataset, "", hour.symbol), hour.hour_ns, 1
    with contextlib.suppress(LakeError):
        day = parse_day_key(key)
        return (day.dataset, day.venue or "", ""), day.day_ns, NS_PER_DAY // NS_PER_HOUR
    return None
