"""Segments: sampled rows and gap records as guarded, durable Parquet files, named as the lake will name them.

The name of a rows segment comes from its rows and its session, so sealing the same log twice (a crash came between)
gives the same file again, byte for byte. For that reason no file says how its session ended: the ledger does. Each
says its sampling interval, by which compaction judges the hour. Rows that the dataset's schema refuses go to the
`_rejected` sibling with their reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.capture.config import HOUR_NS
from xetrade_core.capture.ledger import GapRecord, gap_table
from xetrade_core.capture.spool import sync_directory, write_durably
from xetrade_core.lake import parquet
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.interval import interval_metadata
from xetrade_core.lake.layout import segment_key
from xetrade_core.lake.schemas import L2_GAP_SEGMENTS, L2_SEGMENTS


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One Parquet file to be: `key` is its name in the lake, `rows` 0 for gap records."""

    key: str
    content: bytes
    rows: int
    rejected: int = 0


class ReadyDirectory:
    """The spool's `ready/`: durable files waiting for the lake."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, content: bytes) -> None:
        """Keep the file; it is safe once this returns. Raises OSError when there is no room."""
        path = self._root / key
        made = []
        for parent in path.parents:
            if parent.is_dir():
                break
            made.append(parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, content)
        for directory in made:
            sync_directory(directory.parent)


def row_segments(
    venue: str, writer: str, interval_ns: int, table: pa.Table, metadata: Mapping[str, str]
) -> Iterator[SegmentFile]:
    """The rows of one log (all of one hour) as segment files, sorted by symbol and time.

    `metadata` goes into the files beside the interval: what is known of the instruments.
    """
    if table.num_rows:
        table = _sorted(table).replace_schema_metadata({**metadata, **interval_metadata(interval_ns)})
        ticks = table.column("timestamp").cast(pa.int64()).to_numpy()
        first_ns, last_ns = int(ticks.min()), int(ticks.max())
        end_ns = min(last_ns + interval_ns, (first_ns // HOUR_NS + 1) * HOUR_NS)
        yield from _guarded(L2_SEGMENTS, table, venue, first_ns, end_ns, writer)


def gap_segments(
    venue: str, writer: str, interval_ns: int, revision: int, records: Sequence[GapRecord]
) -> Iterator[SegmentFile]:
    """Gap records as one file an hour.

    The ledger's revision is in the name, as the same gap comes again when it closes.
    """
    ordered = sorted(records, key=lambda gap: gap.from_ns)
    for hour, group in groupby(ordered, key=lambda gap: gap.from_ns // HOUR_NS):
        gaps = list(group)
        start_ns = gaps[0].from_ns
        last_ns = max(gap.from_ns if gap.to_ns is None else gap.to_ns for gap in gaps)
        end_ns = min(max(last_ns, start_ns + 1), (hour + 1) * HOUR_NS)
        table = gap_table(gaps).replace_schema_metadata(interval_metadata(interval_ns))
        for file in _guarded(L2_GAP_SEGMENTS, table, venue, start_ns, end_ns, f"{writer}.g{revision}"):
            yield SegmentFile(file.key, file.content, 0, file.rejected)


def _guarded(
    dataset: Dataset, table: pa.Table, venue: str, start_ns: int, end_ns: int, writer: str
) -> Iterator[SegmentFile]:
    checked = dataset.validate(table)
    rejected = checked.rejected.num_rows
    if checked.good.num_rows:
        key = segment_key(dataset.name, venue, start_ns, end_ns, writer)
        yield SegmentFile(key, parquet.to_bytes(checked.good), checked.good.num_rows, rejected)
    if rejected:
        key = segment_key(dataset.rejected_name, venue, start_ns, end_ns, writer)
        yield SegmentFile(key, parquet.to_bytes(checked.rejected), 0, 0 if checked.good.num_rows else rejected)


def _sorted(table: pa.Table) -> pa.Table:
    """By symbol and time; most logs are by time and symbol, so neighbouring rows were not alike."""
    combined = table.combine_chunks().unify_dictionaries()
    symbol = combined.column("symbol").combine_chunks()
    rank = pc.rank(symbol.dictionary, tiebreaker="dense").to_numpy()[symbol.indices.to_numpy()]
    order = np.lexsort((combined.column("timestamp").cast(pa.int64()).to_numpy(), rank))
    return combined.take(pa.array(order))
