"""What a lake's segments hold, for assertions."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from xetrade_core.capture.ledger import GapRecord
from xetrade_core.lake import parquet
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.book_events import GapCause


def segment_rows(store: ObjectStore) -> list[dict[str, Any]]:
    """All rows of l2_segments, times as integers."""
    return [row for table in _tables(store, "l2_segments/") for row in _plain(table)]


def rows_by_symbol(store: ObjectStore) -> dict[tuple[str, str], dict[int, bool]]:
    """Grid time -> synced, by venue and symbol. Fails on a doubled row."""
    found: dict[tuple[str, str], dict[int, bool]] = {}
    for table in _tables(store, "l2_segments/"):
        narrow = table.select(["timestamp", "exchange", "symbol", "synced"])
        for row in _plain(narrow):
            rows = found.setdefault((row["exchange"], row["symbol"]), {})
            assert row["timestamp"] not in rows, f"{row['symbol']} {row['timestamp']} twice"
            rows[row["timestamp"]] = row["synced"]
    return found


def gap_records(store: ObjectStore) -> list[GapRecord]:
    """All records of l2_gap_segments."""
    return [
        GapRecord(
            row["gap_id"],
            row["exchange"],
            row["symbol"],
            row["from_timestamp"],
            row["to_timestamp"],
            GapCause(row["cause"]),
            row["session"],
            row["from_sequence"],
            row["to_sequence"],
            row["resync_ms"],
            row["detail"],
        )
        for table in _tables(store, "l2_gap_segments/")
        for row in _plain(table)
    ]


def _tables(store: ObjectStore, prefix: str) -> list[pa.Table]:
    return [parquet.from_bytes(store.read(info.key), info.key) for info in store.list(prefix)]


def _plain(table: pa.Table) -> list[dict[str, Any]]:
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(pa.int64()))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows
