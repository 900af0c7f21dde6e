"""What the lake holds, without reading any data: listings and Parquet footers."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from xetrade_core.errors import ConfigError, LakeError
from xetrade_core.lake.layout import NS_PER_HOUR, parse_part_key, parse_segment_key
from xetrade_core.lake.schemas import DATASETS
from xetrade_core.lake.store import ObjectInfo, ObjectStore

_READERS = 8


@dataclass(frozen=True, slots=True)
class Holding:
    """One dataset of one symbol; `symbol` is empty for segments, which hold many. Times bound the hours held, in UTC
    ns.

    `rows` is None where they were not counted, `files` differs from `hours` for segments only.
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


def holdings(store: ObjectStore, count_rows: bool) -> list[Holding]:
    """One holding a dataset, venue and symbol, sorted. Objects of foreign names are passed over."""
    groups: dict[tuple[str, str, str], list[tuple[int, ObjectInfo]]] = {}
    for name in sorted(DATASETS):
        for suffix in ("", "_rejected"):
            for info in store.list(f"{name}{suffix}/"):
                place = _place(info.key)
                if place is not None:
                    groups.setdefault(place[:3], []).append((place[3], info))
    with ThreadPoolExecutor(_READERS) as pool:
        return [_holding(store, pool, group, members, count_rows) for group, members in sorted(groups.items())]


def _holding(
    store: ObjectStore,
    pool: ThreadPoolExecutor,
    group: tuple[str, str, str],
    members: list[tuple[int, ObjectInfo]],
    count_rows: bool,
) -> Holding:
    hours = {hour for hour, _ in members}
    rows = sum(pool.map(lambda member: _rows(store, member[1].key), members)) if count_rows else None
    return Holding(
        *group,
        hours=len(hours),
        files=len(members),
        rows=rows,
        bytes=_total(info.size for _, info in members),
        first_ns=min(hours),
        last_ns=max(hours) + NS_PER_HOUR,
    )


def _total(sizes: Iterable[int]) -> int:
    return sum(sizes)


def _rows(store: ObjectStore, key: str) -> int:
    try:
        with store.open(key) as file:
            return int(pq.read_metadata(file).num_rows)
    except pa.ArrowInvalid:  # a damaged file has no rows that could be read; reading it says what is wrong with it
        return 0


def _place(key: str) -> tuple[str, str, str, int] | None:
    """Dataset, venue, symbol (empty for a segment) and hour that a key names."""
    try:
        part = parse_part_key(key)
        return part.dataset, part.venue, part.symbol, part.hour_ns
    except LakeError:
        pass
    try:
        segment = parse_segment_key(key)
        return segment.dataset, segment.venue, "", segment.hour_ns
    except (LakeError, ConfigError):
        return None
