"""A whole hour written at once never undoes what another writer did meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from tests.support.snapshots import HOUR, SYMBOL, VENUE, snapshot_rows
from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import LakeConflict
from xetrade_core.lake import parquet
from xetrade_core.lake.compaction import compact_hour
from xetrade_core.lake.hour_tables import part_versions, read_hour, write_hour
from xetrade_core.lake.interval import interval_metadata
from xetrade_core.lake.layout import segment_key
from xetrade_core.lake.schemas import L2_SEGMENTS, L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore

OTHER = "ETH/USDT"


def compacted(store: ObjectStore, seconds: range, symbol: str = SYMBOL) -> None:
    """These seconds, captured and compacted."""
    rows = snapshot_rows(seconds, symbol=symbol).cast(L2_SEGMENTS.schema)
    data = parquet.to_bytes(rows.replace_schema_metadata(interval_metadata(NS_PER_S)))
    start, end = (HOUR + second * NS_PER_S for second in (seconds.start, seconds.stop))
    store.create(segment_key(L2_SEGMENTS.name, VENUE, start, end, f"w{symbol[:3]}"), data)
    compact_hour(store, VENUE, HOUR, clock=ManualClock(HOUR))


def seconds(store: ObjectStore) -> dict[str, list[int]]:
    """The seconds that are in the lake, by symbol."""
    rows = read_hour(store, L2_SNAPSHOTS, VENUE, HOUR)
    found: dict[str, list[int]] = {}
    times = rows.column("timestamp").cast(pa.int64()).to_pylist()
    for symbol, time in zip(rows.column("symbol").to_pylist(), times, strict=True):
        found.setdefault(symbol, []).append((time - HOUR) // NS_PER_S)
    return found


class Beside:
    """The store, and someone who is quicker: `meanwhile` runs once, just before the first write of an hour's file."""

    def __init__(self, store: ObjectStore, meanwhile: Callable[[], None]) -> None:
        self._store, self._meanwhile = store, meanwhile

    def __getattr__(self, name: str) -> Any:
        if name in ("replace", "create"):
            meanwhile, self._meanwhile = self._meanwhile, lambda: None
            meanwhile()
        return getattr(self._store, name)


def test_an_hour_is_replaced_as_often_as_one_likes(store: ObjectStore) -> None:
    for count in (10, 5, 5):
        write_hour(store, L2_SNAPSHOTS, VENUE, HOUR, snapshot_rows(range(count)))
        assert seconds(store) == {SYMBOL: list(range(count))}


@pytest.mark.parametrize("before", [range(0), range(10)], ids=["no file yet", "a file"])
def test_a_compaction_that_was_quicker_is_not_undone(store: ObjectStore, before: range) -> None:
    if before:
        compacted(store, before)
    beside: Any = Beside(store, lambda: compacted(store, range(20, 30)))
    with pytest.raises(LakeConflict, match=r"l2_snapshots of BTC/USDT on binance .*hour=00 was changed while it was"):
        write_hour(beside, L2_SNAPSHOTS, VENUE, HOUR, snapshot_rows(range(5)))
    assert seconds(store) == {SYMBOL: [*before, *range(20, 30)]}
    write_hour(store, L2_SNAPSHOTS, VENUE, HOUR, snapshot_rows(range(5)))
    assert seconds(store) == {SYMBOL: list(range(5))}, "repeated with what is there now, it is written"


def test_what_was_compacted_since_the_table_was_made_is_not_undone(store: ObjectStore) -> None:
    compacted(store, range(10))
    versions = part_versions(store, L2_SNAPSHOTS, VENUE, HOUR, [SYMBOL, OTHER])
    made = read_hour(store, L2_SNAPSHOTS, VENUE, HOUR)
    compacted(store, range(20, 30))
    with pytest.raises(LakeConflict, match="read it again and repeat"):
        write_hour(store, L2_SNAPSHOTS, VENUE, HOUR, made, versions=versions)
    assert seconds(store) == {SYMBOL: [*range(10), *range(20, 30)]}


def test_a_symbol_that_came_since_is_not_undone_either(store: ObjectStore) -> None:
    versions = part_versions(store, L2_SNAPSHOTS, VENUE, HOUR, [OTHER])
    assert versions == {}
    compacted(store, range(10), OTHER)
    with pytest.raises(LakeConflict, match="ETH/USDT"):
        write_hour(store, L2_SNAPSHOTS, VENUE, HOUR, snapshot_rows(range(5), symbol=OTHER), versions=versions)
    assert seconds(store) == {OTHER: list(range(10))}
