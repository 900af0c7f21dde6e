"""Which hours wait for compaction: those with segments."""

from __future__ import annotations

import hashlib

from xetrade_core.errors import LakeError
from xetrade_core.lake.layout import parse_segment_key, venue_prefix
from xetrade_core.lake.schemas import L2_GAP_SEGMENTS, L2_SEGMENTS
from xetrade_core.lake.store import ObjectStore


def pending_hours(store: ObjectStore, venue: str | None = None) -> list[tuple[str, int]]:
    """(venue id, start of the hour in UTC ns) of every hour that has segments, of one venue or of all, the oldest
    first. Foreign files make no hour wait; compaction tells of those that lie in an hour's folder.
    """
    return list(pending_contents(store, venue))


def pending_contents(store: ObjectStore, venue: str | None = None) -> dict[tuple[str, int], str]:
    """The `pending_hours`, each with a digest of its segments that changes when any of them comes, goes or changes."""
    found: dict[tuple[str, int], list[str]] = {}
    for dataset in (L2_SEGMENTS, L2_GAP_SEGMENTS):
        prefix = venue_prefix(dataset.name, venue) if venue is not None else f"{dataset.name}/"
        for info in store.list(prefix):
            try:
                key = parse_segment_key(info.key)
            except LakeError:
                continue
            found.setdefault((key.venue, key.hour_ns), []).append(f"{info.key} {info.etag}\n")
    return {hour: _digest(found[hour]) for hour in sorted(found, key=lambda hour: (hour[1], hour[0]))}


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()[:16]
