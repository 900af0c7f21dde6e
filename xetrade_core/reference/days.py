"""A day of reference data: what a venue lists into `instruments`, all venues' lists into the map and into the changes.

Each step reads the lake and writes one file, and the same listing gives the same file: whoever repeats a step changes
nothing. The map stands on the prices of the day before, which are complete, so that it does not depend on the hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, LakeError, UnknownSymbol, VenueUnavailable
from xetrade_core.lake.day_tables import WrittenDay, day_version, days_of, latest_day, read_day, write_day
from xetrade_core.lake.layout import NS_PER_DAY, day_start, venue_prefix
from xetrade_core.lake.reader import Lake
from xetrade_core.lake.reference_schemas import INSTRUMENTS, SYMBOL_MAP, SYMBOL_MAP_CHANGES
from xetrade_core.lake.schemas import BOOK_METRICS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.instruments import Instrument, slug_symbol
from xetrade_core.reference.tables import (
    changes_table,
    first_seen,
    instruments_of,
    instruments_table,
    key_of,
    map_table,
)
from xetrade_core.symbols.changes import Change, compare
from xetrade_core.symbols.equivalence import with_prices
from xetrade_core.symbols.mapping import SymbolMap
from xetrade_core.symbols.parts import SymbolParts


@dataclass(frozen=True, slots=True)
class StoredListing:
    """A venue's list as it was stored. `unnamed` have no universal symbol and are left out: combinations of several.

    `before` is how many instruments the newest day before had, None where there is none; `new` are those that were not
    listed before, empty on the venue's first day.
    """

    venue: str
    day_ns: int
    instruments: tuple[Instrument, ...]
    unnamed: tuple[str, ...]
    new: tuple[Instrument, ...]
    before: int | None
    written: WrittenDay


@dataclass(frozen=True, slots=True)
class StoredMap:
    """The map of a day, the instruments and venues that it was made of, and how many prices bore witness."""

    symbols: SymbolMap
    instruments: tuple[Instrument, ...]
    venues: tuple[str, ...]
    priced: int
    written: WrittenDay


@dataclass(frozen=True, slots=True)
class StoredChanges:
    """The changes of a day; `first` are venues that have no day before."""

    changes: tuple[Change, ...]
    compared: dict[str, int]
    first: tuple[str, ...]
    written: WrittenDay


@dataclass(frozen=True, slots=True)
class VenueChanges:
    """What changed in one venue's list between two days of the lake, by their starts."""

    venue: str
    earlier_ns: int
    later_ns: int
    changes: tuple[Change, ...]


def require_running_day(day_ns: int, now_ns: int) -> None:
    """Raises ConfigError unless the day is the running one: a venue tells only what it lists now."""
    if day_start(now_ns) != day_ns:
        raise ConfigError(
            f"the instruments of {_day(day_ns):%F} cannot be fetched: venues list only what there is now, "
            f"which is {_day(now_ns):%F}"
        )


def store_listing(
    store: ObjectStore, venue: str, day_ns: int, listed: Iterable[Instrument], now_ns: int
) -> StoredListing:
    """Put what a venue lists at `now_ns` in the place of the day's list.

    An instrument that was there on the newest day before, or earlier on this one, keeps the time at which it was first
    seen. Raises VenueUnavailable for an empty list, LakeConflict where another run stores the same day.
    """
    version = day_version(store, INSTRUMENTS, venue, day_ns)
    today = read_day(store, INSTRUMENTS, venue, day_ns)
    earlier_ns = latest_day(store, INSTRUMENTS, venue, day_ns)
    earlier = read_day(store, INSTRUMENTS, venue, earlier_ns) if earlier_ns is not None else None
    rows, unnamed = _named(listed)
    if not rows:
        raise VenueUnavailable(f"{venue} lists nothing: an empty list is not taken for the day's")
    known = {**first_seen(earlier), **first_seen(today)}
    new = tuple(row for row in rows if key_of(row) not in known) if known else ()
    table = instruments_table(day_ns, rows, {key_of(row): known.get(key_of(row), now_ns) for row in rows})
    written = write_day(store, INSTRUMENTS, venue, day_ns, table, version=version)
    before = len(earlier) if earlier is not None else None
    return StoredListing(venue, day_ns, tuple(rows), unnamed, new, before, written)


def store_map(store: ObjectStore, day_ns: int, venues: Sequence[str]) -> StoredMap:
    """Make the day's map of the lists that the lake has of `venues`, with the prices of the day before."""
    listings = {venue: rows for venue in venues if (rows := read_listing(store, venue, day_ns)) is not None}
    instruments = tuple(row for rows in listings.values() for row in rows)
    symbols = SymbolMap.of(instruments)
    prices = last_prices(store, listings, day_ns - NS_PER_DAY)
    priced = with_prices(symbols, prices) if prices else symbols
    written = write_day(store, SYMBOL_MAP, None, day_ns, map_table(day_ns, priced))
    return StoredMap(priced, instruments, tuple(listings), len(prices), written)


def store_changes(store: ObjectStore, day_ns: int, venues: Sequence[str]) -> StoredChanges:
    """Compare each venue's list of the day with the newest one before."""
    found: list[tuple[int, Change]] = []
    compared, first = {}, []
    for venue in venues:
        rows = read_listing(store, venue, day_ns)
        earlier_ns = latest_day(store, INSTRUMENTS, venue, day_ns)
        if rows is None:
            continue
        if earlier_ns is None:
            first.append(venue)
            continue
        compared[venue] = earlier_ns
        found += [(earlier_ns, change) for change in _changes(store, venue, earlier_ns, day_ns)]
    written = write_day(store, SYMBOL_MAP_CHANGES, None, day_ns, changes_table(day_ns, found))
    return StoredChanges(tuple(change for _, change in found), compared, tuple(first), written)


def changes_between(
    store: ObjectStore, venues: Sequence[str], earlier_ns: int | None, later_ns: int | None
) -> list[VenueChanges]:
    """What changed between two days of each venue's list; a day that is None is the newest, or the one before it.

    A venue of which the lake does not have both days is left out where no day was given, and LakeError where one was.
    """
    found = []
    if earlier_ns is not None and later_ns is not None:
        _require_order(day_start(earlier_ns), day_start(later_ns))
    for venue in venues:
        held = days_of(store, INSTRUMENTS, venue)
        later = day_start(later_ns) if later_ns is not None else max(held, default=None)
        before = [day_ns for day_ns in held if later is not None and day_ns < later]
        earlier = day_start(earlier_ns) if earlier_ns is not None else max(before, default=None)
        if later in held and earlier in held and later is not None and earlier is not None:
            _require_order(earlier, later)
            found.append(VenueChanges(venue, earlier, later, _changes(store, venue, earlier, later)))
    if not found and (earlier_ns is not None or later_ns is not None):
        days = " and ".join(f"{_day(ns):%F}" for ns in (earlier_ns, later_ns) if ns is not None)
        raise LakeError(f"the lake has no two lists of {', '.join(venues)} to compare for {days}")
    return found


def _require_order(earlier: int, later: int) -> None:
    if earlier >= later:
        raise ConfigError(f"{_day(earlier):%F} is not before {_day(later):%F}: give the earlier day first")


def _changes(store: ObjectStore, venue: str, earlier_ns: int, later_ns: int) -> tuple[Change, ...]:
    """What changed between two days that the lake holds."""
    before, after = read_listing(store, venue, earlier_ns), read_listing(store, venue, later_ns)
    return tuple(compare(before or (), after or (), f"{_day(later_ns):%y%m%d}"))


def read_listing(store: ObjectStore, venue: str, day_ns: int) -> list[Instrument] | None:
    """What the venue listed on a day; None where the lake does not have it."""
    table = read_day(store, INSTRUMENTS, venue, day_ns)
    return instruments_of(table) if table is not None else None


def newest_map(store: ObjectStore, venues: Iterable[str]) -> tuple[SymbolMap, dict[str, int]]:
    """The map of the newest lists that the lake has of `venues`, and the start of each one's day."""
    newest = {venue: max(days_of(store, INSTRUMENTS, venue), default=None) for venue in venues}
    return _map_of(store, newest)


def day_map(store: ObjectStore, venues: Iterable[str], day_ns: int) -> tuple[SymbolMap, dict[str, int]]:
    """The map of the lists of one day, and its start for each venue that has one."""
    return _map_of(store, dict.fromkeys(venues, day_start(day_ns)))


def _map_of(store: ObjectStore, days: Table[str, int | None]) -> tuple[SymbolMap, dict[str, int]]:
    held: dict[str, int] = {}
    rows: list[Instrument] = []
    for venue, day_ns in days.items():
        listed = read_listing(store, venue, day_ns) if day_ns is not None else None
        if day_ns is not None and listed is not None:
            held[venue] = day_ns
            rows += listed
    return SymbolMap.of(rows), held


def last_prices(store: ObjectStore, venues: Iterable[str], day_ns: int) -> dict[tuple[str, str], float]:
    """The last mid price of the day of each recorded symbol, by venue and symbol."""
    lake = Lake(store)
    prices: dict[tuple[str, str], float] = {}
    for venue in venues:
        for folder in store.folders(venue_prefix(BOOK_METRICS.name, venue)):
            symbol = slug_symbol(folder.removeprefix("symbol="))
            metrics = lake.read_metrics(venue, symbol, day_ns, day_ns + NS_PER_DAY, columns=["mid_last"])
            mids: pa.ChunkedArray = metrics.column("mid_last").drop_null()
            if len(mids):
                prices[venue, symbol] = mids[-1].as_py()
    return prices


def _named(listed: Iterable[Instrument]) -> tuple[list[Instrument], tuple[str, ...]]:
    """The instruments that have a universal symbol, each id of a kind once, and the ids of the others."""
    rows: dict[tuple[str, str], Instrument] = {}
    unnamed = []
    for row in listed:
        try:
            SymbolParts.parse(row.symbol, row.venue)
        except UnknownSymbol:
            unnamed.append(row.venue_id)
        else:
            rows.setdefault(key_of(row), row)
    return list(rows.values()), tuple(sorted(unnamed))


def _day(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC)
