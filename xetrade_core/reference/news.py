"""What was listed since somebody last looked, out of the lists that the lake has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from xetrade_core.errors import CorruptFile
from xetrade_core.lake.day_tables import day_version, days_of, read_day
from xetrade_core.lake.reference_schemas import INSTRUMENTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.instruments import Instrument
from xetrade_core.reference.tables import first_seen, instruments_of, key_of
from xetrade_core.telemetry import get_logger

_log = get_logger("reference")


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody knows of a venue: the version of the newest list, and when its youngest instrument was seen.

    `told_ns`: people were told of what was seen up to then, and of nothing since; None: of all of it.
    """

    version: str
    latest_ns: int
    told_ns: int | None = None


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
    before is not read again. What is news is owed to people until `told`; a list that cannot be read keeps none back.
    """
    news: list[Listed] = []
    seen: dict[str, Seen] = dict(known)
    for venue in venues:
        try:
            found = _newest(store, venue, known.get(venue))
        except CorruptFile as error:
            _log.warning("a venue's newest list cannot be read", venue=venue, error=str(error))
            continue
        if found is not None:
            listed, seen[venue] = found
            if listed.instruments:
                news.append(listed)
    return news, seen


def untold(store: ObjectStore, seen: Mapping[str, Seen]) -> list[Listed]:
    """What people are owed, of each venue in one: all of it that its newest list still has, be it nothing any more."""
    owed: list[Listed] = []
    for venue, one in seen.items():
        if one.told_ns is None:
            continue
        try:
            found = _newest(store, venue, Seen("", one.told_ns))
        except CorruptFile as error:
            _log.warning("a venue's newest list cannot be read", venue=venue, error=str(error))
            continue
        if found is not None:
            owed.append(found[0])
    return owed


def told(seen: Mapping[str, Seen], venues: Collection[str]) -> dict[str, Seen]:
    """What is known once people were told of all that these venues list."""
    return {venue: replace(one, told_ns=None) if venue in venues else one for venue, one in seen.items()}


def _newest(store: ObjectStore, venue: str, before: Seen | None) -> tuple[Listed, Seen] | None:
    """What a venue's newest list has that is new, if it is another list than before. Raises CorruptFile."""
    day_ns = max(days_of(store, INSTRUMENTS, venue), default=None)
    version = day_version(store, INSTRUMENTS, venue, day_ns) if day_ns is not None else None
    if day_ns is None or version is None or (before is not None and before.version == version):
        return None
    table = read_day(store, INSTRUMENTS, venue, day_ns)
    times = first_seen(table)
    if table is None or not times:
        return None
    fresh = [row for row in instruments_of(table) if before is not None and times[key_of(row)] > before.latest_ns]
    told_ns = before.told_ns if before is not None else None
    if fresh and told_ns is None and before is not None:
        told_ns = before.latest_ns
    return Listed(venue, day_ns, tuple(fresh)), Seen(version, max(times.values()), told_ns)
