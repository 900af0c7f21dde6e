"""Audit: what an hour's compacted files hold, judged from the files alone.

Compaction verifies what it wrote when it wrote it. This looks again, later and from outside, so that a file which was
damaged, replaced or written by something else is found: it trusts no record and no schema metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xetrade_core.errors import CorruptFile, SchemaViolation
from xetrade_core.lake import parquet
from xetrade_core.lake.dataset import REJECTED_REASON
from xetrade_core.lake.layout import NS_PER_HOUR, hour_start, part_key
from xetrade_core.lake.levels import Levels
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore

_REASONS_KEPT = 20


@dataclass(frozen=True, slots=True)
class HourAudit:
    """Counts over all symbols of one venue's hour of `l2_snapshots`.

    `crossed`: rows with best bid >= best ask. `disordered`: rows whose time is not after the row before, or is
    outside the hour. `invalid`: rows that the schema refuses; `reasons` says why, at most 20 different ones.
    `unreadable`: files that are damaged or have the wrong columns. `bytes` is the size of all files.
    """

    files: int
    rows: int
    bytes: int
    crossed: int
    disordered: int
    invalid: int
    reasons: tuple[str, ...]
    unreadable: tuple[str, ...]


def audit_hour(store: ObjectStore, venue: str, hour_ns: int, symbols: Iterable[str]) -> HourAudit:
    """Read the hour's file of each symbol that has one, and count what should not be. Raises LakeUnavailable."""
    hour_ns = hour_start(hour_ns)
    files = rows = size = crossed = disordered = invalid = 0
    reasons: dict[str, None] = {}
    unreadable: list[str] = []
    for symbol in symbols:
        key = part_key(L2_SNAPSHOTS.name, venue, symbol, hour_ns)
        info = store.stat(key)
        if info is None:
            continue
        files, size = files + 1, size + info.size
        try:
            table = L2_SNAPSHOTS.conform(parquet.from_bytes(store.read(key), f"{store.uri}/{key}"))
            refused = L2_SNAPSHOTS.validate(table).rejected
        except (CorruptFile, SchemaViolation):
            unreadable.append(key)
            continue
        rows += len(table)
        crossed += int(np.count_nonzero(Levels.of(table, "bid_price").best() >= Levels.of(table, "ask_price").best()))
        disordered += _disordered(table, hour_ns)
        invalid += len(refused)
        reasons |= dict.fromkeys(f"{symbol}: {text}" for text in refused.column(REJECTED_REASON).to_pylist())
    return HourAudit(files, rows, size, crossed, disordered, invalid, tuple(reasons)[:_REASONS_KEPT], tuple(unreadable))


def _disordered(table: pa.Table, hour_ns: int) -> int:
    times = table.column("timestamp").cast(pa.int64()).fill_null(-1).to_numpy()
    outside = (times < hour_ns) | (times >= hour_ns + NS_PER_HOUR)
    return int(np.count_nonzero((np.diff(times, prepend=np.int64(-2)) <= 0) | outside))
