"""Today's reference data of several venues in one go: ask each, store its list, then make the map and the changes.

A venue that does not answer costs the others nothing: what was wrong is told beside what went well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from xetrade_core.errors import XETradeError
from xetrade_core.lake.layout import day_start
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.instruments import Instrument
from xetrade_core.reference.days import (
    StoredChanges,
    StoredListing,
    StoredMap,
    require_running_day,
    store_changes,
    store_listing,
    store_map,
)

ListVenue = Callable[[str], Awaitable[Iterable[Instrument]]]
WallNs = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A day as it was made: `listings` and `problems` by venue, then what came of them."""

    day_ns: int
    listings: dict[str, StoredListing]
    problems: dict[str, str]
    map: StoredMap
    changes: StoredChanges


async def refresh_listing(
    store: ObjectStore, venue: str, day_ns: int, list_venue: ListVenue, wall_ns: WallNs
) -> StoredListing:
    """Ask one venue and store what it lists as that day's, which must be the running one.

    Raises ConfigError for another day, and what asking and storing raise.
    """
    require_running_day(day_ns, wall_ns())
    listed = await list_venue(venue)
    return await asyncio.to_thread(store_listing, store, venue, day_ns, listed, wall_ns())


async def refresh(
    store: ObjectStore, venues: Sequence[str], mapped: Sequence[str], list_venue: ListVenue, wall_ns: WallNs
) -> Refreshed:
    """Ask `venues` at once, store what they list as the running day's, and make the map and changes of `mapped`.

    Raises LakeError where the map or the changes cannot be stored.
    """
    day_ns = day_start(wall_ns())

    async def one(venue: str) -> StoredListing | XETradeError:
        try:
            return await refresh_listing(store, venue, day_ns, list_venue, wall_ns)
        except XETradeError as error:
            return error

    outcomes = dict(zip(venues, await asyncio.gather(*(one(venue) for venue in venues)), strict=True))
    return Refreshed(
        day_ns,
        {venue: one for venue, one in outcomes.items() if isinstance(one, StoredListing)},
        {venue: str(one) for venue, one in outcomes.items() if isinstance(one, XETradeError)},
        store_map(store, day_ns, mapped),
        store_changes(store, day_ns, mapped),
    )
