"""Where a replay's rows and gaps go: straight into the lake, as the segments of a live session."""

from __future__ import annotations

import pyarrow as pa

from xetrade_core.capture.columns import SnapshotColumns
from xetrade_core.capture.config import HOUR_NS
from xetrade_core.capture.ledger import GapRecord
from xetrade_core.capture.recorder import RecorderPlan, Seal
from xetrade_core.capture.segments import gap_segments, row_segments
from xetrade_core.lake.schemas import L2_SEGMENTS
from xetrade_core.lake.store import ObjectStore


class SegmentStore:
    """RecorderOutput of a replay: rows wait in memory until their segment is complete, and go straight to the lake."""

    def __init__(self, store: ObjectStore, plan: RecorderPlan, writer: str) -> None:
        self.keys: list[str] = []
        self.gaps: dict[tuple[str, int], GapRecord] = {}
        self.hours: set[int] = set()
        self.rejected = 0
        self.metadata: dict[str, str] = {}
        self._store, self._plan, self._writer = store, plan, writer
        self._batches: list[pa.RecordBatch] = []

    def rows(self, columns: SnapshotColumns, log_start_ns: int) -> bool:
        self._batches.append(columns.batch())
        self.hours.add(log_start_ns // HOUR_NS)
        return True

    def line(self, line: bytes) -> None:
        """A replay needs no gap log: it can be run again."""

    def seal(self, seal: Seal) -> None:
        table = pa.Table.from_batches(self._batches, L2_SEGMENTS.schema)
        self._batches = []
        for file in row_segments(seal.venue, self._writer, self._plan.interval_ns, table, self.metadata):
            self._put(file.key, file.content)
            self.rejected += file.rejected
        for file in gap_segments(seal.venue, self._writer, self._plan.interval_ns, seal.revision, seal.gaps):
            self._put(file.key, file.content)
        for gap in seal.gaps:
            self.gaps[gap.gap_id, gap.from_ns] = gap
            self.hours.add(gap.from_ns // HOUR_NS)

    def _put(self, key: str, content: bytes) -> None:
        self._store.create(key, content)
        self.keys.append(key)
