"""What was listed since somebody last looked, out of the lists that the lake has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from xetrade_core.lake.day_tables import day_version, days_of, read_day
from xetrade_core.lake.reference_schemas import INSTRUMENTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.instruments import Instrument
from xetrade_core.reference.tables import first_seen, instruments_of, key_of


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody knows of a venue: the version of the newest list, and when its youngest instrument was seen."""

    version: str
    latest_ns: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Instruments that are new on a venue, in the list of the day that starts at `day_ns`."""

    venue: str
    day_ns: int
    instruments: tuple[Instrument, ...]


_CURSOR = msgspec.json.Decoder(dict[str, Seen])


def read_cursor(text: str | None) -> dict[str, Seen]:
    """What a cursor says is known; nothing where it cannot be read: the newest lists are then where it begins."""
    try:
        return _CURSOR.decode(text or "{}")
    except msgspec.MsgspecError:
        return {}


def write_cursor(seen: Mapping[str, Seen]) -> str:
    """The inverse of `read_cursor`."""
    return msgspec.json.encode(dict(seen)).decode()


def listed_since(
    store: ObjectStore, venues: Iterable[str], known: Mapping[str, Seen]
) -> tuple[list[Listed], dict[str, Seen]]:
    """What the newest lists have that was first seen after what is `known`, and what is known then.

    A venue of which nothing was known has no news: its whole first list is not new. A list that is the same file as
    before is not read again.
    """
    news: list[Listed] = []
    seen: dict[str, Seen] = dict(known)
    for venue in venues:
        day_ns = max(days_of(store, INSTRUMENTS, venue), default=None)
        version = day_version(store, INSTRUMENTS, venue, day_ns) if day_ns is not None else None
        before = known.get(venue)
        if day_ns is None or version is None or (before is not None and before.version == version):
            continue
        table = read_day(store, INSTRUMENTS, venue, day_ns)
        times = first_seen(table)
        if table is None or not times:
            continue
        seen[venue] = Seen(version, max(times.values()))
        fresh = [row for row in instruments_of(table) if before is not None and times[key_of(row)] > before.latest_ns]
        if fresh:
            news.append(Listed(venue, day_ns, tuple(fresh)))
    return news, seen
