"""Today's reference data of several venues in one go: ask each, store its list, then make the map and the changes.

A venue that does not answer costs the others nothing: its row says what was wrong.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from xetrade_core.clock import Clock
from xetrade_core.errors import XETradeError
from xetrade_core.lake.layout import day_start
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.instruments import Instrument
from xetrade_core.reference.days import StoredListing, store_changes, store_listing, store_map

ListVenue = Callable[[str], Awaitable[Iterable[Instrument]]]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What came of one venue; `problem` is empty where all went well."""

    venue: str
    instruments: int
    new: int
    unnamed: int
    changes: int
    problem: str = ""


async def refresh(
    store: ObjectStore, venues: Sequence[str], mapped: Sequence[str], list_venue: ListVenue, clock: Clock
) -> list[Refreshed]:
    """Ask `venues` at once, store what they list as the running day's, and make the map and changes of `mapped`."""
    day_ns = day_start(clock.wall_ns())

    async def one(venue: str) -> StoredListing | XETradeError:
        try:
            listed = await list_venue(venue)
            return await asyncio.to_thread(store_listing, store, venue, day_ns, listed, clock.wall_ns())
        except XETradeError as error:
            return error

    outcomes = await asyncio.gather(*(one(venue) for venue in venues))
    store_map(store, day_ns, mapped)
    changes = Counter(change.venue for change in store_changes(store, day_ns, mapped).changes)
    return [
        Refreshed(venue, 0, 0, 0, changes[venue], str(outcome))
        if isinstance(outcome, XETradeError)
        else Refreshed(venue, len(outcome.instruments), len(outcome.new), len(outcome.unnamed), changes[venue])
        for venue, outcome in zip(venues, outcomes, strict=True)
    ]
