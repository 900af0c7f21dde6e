"""Which hours wait for compaction: those with segments."""

from __future__ import annotations

from xetrade_core.lake.layout import parse_segment_key, venue_prefix
from xetrade_core.lake.schemas import L2_GAP_SEGMENTS, L2_SEGMENTS
from xetrade_core.lake.store import ObjectStore


def pending_hours(store: ObjectStore, venue: str | None = None) -> list[tuple[str, int]]:
    """(venue id, start of the hour in UTC ns) of every hour that has segments, of one venue or of all, the oldest
    first.
    """
    found = set()
    for dataset in (L2_SEGMENTS, L2_GAP_SEGMENTS):
        prefix = venue_prefix(dataset.name, venue) if venue is not None else f"{dataset.name}/"
        for info in store.list(prefix):
            key = parse_segment_key(info.key)
            found.add((key.venue, key.hour_ns))
    return sorted(found, key=lambda hour: (hour[1], hour[0]))
