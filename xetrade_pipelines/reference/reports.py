"""From the core's days of reference data to asset results: which numbers are shown, under which name, with what checks.

Formatting only; what a number means is said where the core computes it (`reference.days`, `reference.audit`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from xetrade_core.reference.days import StoredChanges, StoredListing, StoredMap
from xetrade_core.reference.refresh import Refreshed
from xetrade_core.symbols.reasons import Reason
from xetrade_pipelines.events import Event, as_events
from xetrade_pipelines.metadata import Metadata, markdown_table, plotted
from xetrade_pipelines.partitions import VenueDay, day_key
from xetrade_pipelines.reference.checks import changes_checks, listing_checks, map_checks

Result = dg.MaterializeResult[None]

#: reasons that the map's table counts by venue
COUNTED = (Reason.ALIAS, Reason.MULTIPLIER, Reason.SHARED_SYMBOL, Reason.PRICE_AGREES)
#: rows of a table that the UI shows; all of them are in the lake
SHOWN = 50


def listing_result(listing: StoredListing) -> Result:
    """The result of `instruments` of one venue and day."""
    kinds = Counter(f"{row.market_type} {row.status}" for row in listing.instruments)
    numbers = {
        "instruments": len(listing.instruments),
        "trading": sum(row.status == "trading" for row in listing.instruments),
        "new": len(listing.new),
        "unnamed": len(listing.unnamed),
    }
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(listing.written.rows),
        "changed_the_lake": dg.MetadataValue.bool(listing.written.changed),
        "bytes": dg.MetadataValue.int(listing.written.bytes),
        "kinds": markdown_table([{"kind": kind, "instruments": count} for kind, count in sorted(kinds.items())]),
        "new": markdown_table(
            [{"symbol": row.symbol, "id": row.venue_id, "status": row.status} for row in listing.new[:SHOWN]]
        ),
        **plotted(listing.venue, numbers),
    }
    return Result("instruments", metadata=metadata, check_results=listing_checks(listing))


def map_result(made: StoredMap, venues: Sequence[str]) -> Result:
    """The result of `symbol_map` of one day; `venues` are those that should be in it."""
    rows = []
    for venue in made.venues:
        own = [one for one in made.symbols if one.venue == venue]
        reasons = Counter(reason for one in own for reason in one.reasons)
        least = min(own, key=lambda one: one.confidence)
        rows.append(
            {
                "venue": venue,
                "instruments": len(own),
                **{reason.value: reasons[reason] for reason in COUNTED},
                "least confidence": least.confidence,
                "of": least.venue_id,
            }
        )
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(made.written.rows),
        "changed_the_lake": dg.MetadataValue.bool(made.written.changed),
        "venues": markdown_table(rows),
        **plotted(None, {"instruments": len(made.symbols), "venues": len(made.venues), "prices": made.priced}),
    }
    return Result("symbol_map", metadata=metadata, check_results=map_checks(made, venues))


def changes_result(made: StoredChanges) -> Result:
    """The result of `symbol_map_changes` of one day."""
    kinds = Counter(change.kind.value for change in made.changes)
    shown = [
        {"venue": one.venue, "change": one.kind, "symbol": one.symbol, "before": one.before, "after": one.after}
        for one in made.changes[:SHOWN]
    ]
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(made.written.rows),
        "changed_the_lake": dg.MetadataValue.bool(made.written.changed),
        "changes": markdown_table(shown),
        "compared_with": dg.MetadataValue.json({venue: day_key(ns) for venue, ns in made.compared.items()}),
        **plotted(None, {"all": len(made.changes), **kinds}),
    }
    return Result("symbol_map_changes", metadata=metadata, check_results=changes_checks(made))


def refreshed_events(made: Refreshed, venues: Sequence[str]) -> Iterator[Event]:
    """A refreshed day as events of its assets, one partition each."""
    for venue, listing in made.listings.items():
        yield from as_events(VenueDay(venue, made.day_ns).key, [listing_result(listing)])
    day = day_key(made.day_ns)
    yield from as_events(day, [map_result(made.map, venues), changes_result(made.changes)])


def problems(made: Refreshed) -> str:
    """Which venues could not be asked and why, in one line."""
    return "; ".join(f"{venue}: {problem}" for venue, problem in made.problems.items())


def sentence(symbols: Iterable[str], venue: str) -> str:
    """New instruments in a sentence, the first few by name."""
    names = list(symbols)
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{venue} lists {', '.join(names[:5])}{more}"
