"""Made-up rows of `l2_snapshots` and `l2_gaps` for tests: small books that walk, with every column filled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.lake.schemas import L2_GAPS, L2_SNAPSHOTS
from xetrade_core.model.book_events import GapCause

HOUR = 1_723_161_600 * NS_PER_S  # 2024-08-09T00:00:00Z
VENUE = "binance"
SYMBOL = "BTC/USDT"


def snapshot_rows(
    seconds: Iterable[int],
    *,
    symbol: str = SYMBOL,
    venue: str = VENUE,
    unsynced: Iterable[int] = (),
    depth: int = 3,
    sequence_offset: int = 0,
    hour: int = HOUR,
    interval_ns: int = NS_PER_S,
    **columns: Any,
) -> pa.Table:
    """One row a second after `hour`. The book of a second depends on the second and `sequence_offset` alone."""
    out_of_sync = set(unsynced)
    rows = [
        _row(second, symbol, venue, second in out_of_sync, depth, sequence_offset, hour, interval_ns)
        for second in seconds
    ]
    for name, value in columns.items():
        for row in rows:
            row[name] = value
    return pa.Table.from_pylist(rows, pa.schema([f.with_nullable(True) for f in L2_SNAPSHOTS.schema]))


def _row(
    second: int, symbol: str, venue: str, lost: bool, depth: int, offset: int, hour: int, interval_ns: int
) -> dict[str, Any]:
    time = hour + second * interval_ns
    mid = 60_000 + (second * 7919 + offset) % 101
    steps = np.arange(1, depth + 1)
    book = {
        "bid_known": len(steps),
        "ask_known": len(steps),
        "bid_price": (mid - steps * 0.5).tolist(),
        "bid_size": (steps * 0.25).tolist(),
        "ask_price": (mid + steps * 0.5).tolist(),
        "ask_size": (steps * 0.125 + offset).tolist(),
    }
    return {
        "timestamp": time,
        "exchange": venue,
        "symbol": symbol,
        "exchange_timestamp": None if lost else time - 30 * NS_PER_MS,
        "received_timestamp": None if lost else time - 10 * NS_PER_MS,
        "sequence": None if lost else 1000 + second * 10 + offset,
        "book_epoch": 1,
        "synced": not lost,
        "stale": False,
        "update_count": 0 if lost else 10,
        "refused_count": 0,
        **(dict.fromkeys(book) if lost else book),
    }


def gap_rows(*gaps: Mapping[str, Any], symbol: str = SYMBOL, venue: str = VENUE, hour: int = HOUR) -> pa.Table:
    """Gap records; `start` and `end` (None: open) are seconds after `hour`, the rest are columns, with defaults."""
    rows = []
    for number, gap in enumerate(gaps):
        given = dict(gap)
        start, end = given.pop("start"), given.pop("end")
        row = {
            "gap_id": f"session-{number}",
            "exchange": venue,
            "symbol": symbol,
            "from_timestamp": hour + start * NS_PER_S,
            "to_timestamp": None if end is None else hour + end * NS_PER_S,
            "cause": GapCause.DISCONNECT.value,
            "session": "session",
        }
        rows.append(row | given)
    return pa.Table.from_pylist(rows, L2_GAPS.schema)


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Snapshot rows given in full."""
    return pa.Table.from_pylist([dict(row) for row in rows], L2_SNAPSHOTS.schema)
