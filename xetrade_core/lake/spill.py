"""An hour's segments, fetched once each and split by symbol on the local disk, so that memory holds one symbol at a
time.

A segment holds all symbols of a shard, and compaction needs all segments of one symbol. Each segment becomes one
Arrow file with a record batch a symbol; a symbol is then read from sixty such files without touching the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.errors import CorruptFile, LakeError, ObjectNotFound, SchemaViolation
from xetrade_core.lake import parquet
from xetrade_core.lake.absence import Presence
from xetrade_core.lake.dataset import REJECTED_REASON, Dataset
from xetrade_core.lake.instrument_facts import segment_facts
from xetrade_core.lake.interval import segment_interval_ns
from xetrade_core.lake.layout import NS_PER_HOUR, PartKey, SegmentKey, parse_segment_key, segment_prefix
from xetrade_core.lake.store import ObjectStore

UNKNOWN_SYMBOL = "unknown"

_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class SymbolRows:
    """One symbol's rows in one segment: where they lie on the local disk, and what the segment says beside them."""

    source: str
    """Short digest of the segment's key; names are never used twice, so it stands for the content."""
    file: Path
    batch: int
    presence: Presence | None
    interval_ns: int | None
    """At which it was sampled, if the segment says so."""
    facts: dict[str, str]
    rejected: int

    def read(self) -> pa.Table:
        """The rows, copied out of the file: it may go while they are in use."""
        with pa.OSFile(str(self.file), "rb") as file:
            return pa.Table.from_batches([pa.ipc.open_file(file).get_batch(self.batch)])


@dataclass(slots=True)
class Spill:
    """One dataset's segments of one venue and hour. `unreadable` keys, damaged or of files that are no segments, stay
    where they are, for a person to look at.
    """

    store: ObjectStore
    dataset: Dataset
    rejected_dataset: str
    venue: str
    hour_ns: int
    folder: Path
    by_symbol: dict[str, list[SymbolRows]] = field(default_factory=dict)
    merged: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    """Keys that were listed and then gone: another compaction has merged and deleted them."""

    def load(self) -> None:
        """Fetch every segment there is now. Rejected rows are in the lake when this returns."""
        for info in list(self.store.list(segment_prefix(self.dataset.name, self.venue, self.hour_ns))):
            try:
                name = parse_segment_key(info.key)
            except LakeError:  # a foreign file: not ours to read or to delete
                self.unreadable.append(info.key)
                continue
            try:
                self._load_one(name, info.key)
            except ObjectNotFound:
                self.vanished.append(info.key)
            except (CorruptFile, SchemaViolation):
                self.unreadable.append(info.key)
            else:
                self.merged.append(info.key)

    def of(self, symbol: str, without: Iterable[str] = ()) -> list[SymbolRows]:
        """The symbol's rows by segment, leaving out those whose source is in `without`."""
        skipped = set(without)
        return [rows for rows in self.by_symbol.get(symbol, []) if rows.source not in skipped]

    def _load_one(self, name: SegmentKey, key: str) -> None:
        table = self.dataset.conform(parquet.from_bytes(self.store.read(key), key))
        table, misplaced = self._split_misplaced(table)
        checked = self.dataset.validate(table)
        refused = pa.concat_tables([misplaced, checked.rejected], promote_options="permissive")
        source = hashlib.sha256(key.encode()).hexdigest()[:16]
        refused_by_symbol = self._write_rejected(refused, source)
        symbols = sorted({*pc.unique(checked.good.column("symbol").cast(pa.string())).to_pylist(), *refused_by_symbol})
        path = self.folder / f"{self.dataset.name}-{source}.arrow"
        labels = ("symbol", "exchange")  # constant within a batch, and dictionaries may not change within an Arrow file
        plain = checked.good.drop_columns(list(labels))
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, plain.schema, options=_COMPRESSED) as writer:
            column = checked.good.column("symbol").cast(pa.string())
            for position, symbol in enumerate(symbols):
                rows = plain.filter(pc.equal(column, symbol)).combine_chunks()
                batches = rows.to_batches()
                writer.write_batch(batches[0] if batches else pa.RecordBatch.from_pylist([], schema=plain.schema))
                entry = SymbolRows(
                    source,
                    path,
                    position,
                    _presence(rows, name),
                    segment_interval_ns(table.schema),
                    segment_facts(table.schema, symbol),
                    refused_by_symbol.get(symbol, 0),
                )
                self.by_symbol.setdefault(symbol, []).append(entry)

    def _split_misplaced(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Rows of this venue and hour, and the others with the reason."""
        time_column = "timestamp" if "timestamp" in table.column_names else "from_timestamp"
        times = table.column(time_column).cast(pa.int64()).fill_null(self.hour_ns).to_numpy()
        late = (times < self.hour_ns) | (times >= self.hour_ns + NS_PER_HOUR)
        venues = table.column("exchange").cast(pa.string()).fill_null(self.venue)
        foreign = pc.not_equal(venues, self.venue).to_numpy()
        wrong = np.asarray(late | foreign)
        reasons = [
            ("outside the hour of its segment" if late[i] else "of another venue than its segment")
            for i in np.flatnonzero(wrong)
        ]
        misplaced = table.filter(pa.array(wrong)).append_column(REJECTED_REASON, pa.array(reasons, pa.string()))
        return table.filter(pa.array(~wrong)), misplaced

    def _write_rejected(self, refused: pa.Table, source: str) -> dict[str, int]:
        """Put refused rows beside the dataset, one file a segment and symbol; how many of each symbol."""
        labels = refused.column("symbol").cast(pa.string()).fill_null(UNKNOWN_SYMBOL)
        labels = pc.if_else(pc.equal(labels, ""), UNKNOWN_SYMBOL, labels)
        counts = {}
        for symbol in sorted(pc.unique(labels).to_pylist()):
            rows = refused.filter(pc.equal(labels, symbol))
            counts[symbol] = len(rows)
            key = PartKey(self.rejected_dataset, self.venue, symbol, self.hour_ns, source)
            self.store.create(str(key), parquet.to_bytes(rows))
        return counts


def _presence(rows: pa.Table, name: SegmentKey) -> Presence | None:
    """That the segment's writer recorded this symbol; None where it has no rows of it."""
    if "timestamp" not in rows.column_names or not len(rows):
        return None
    times = rows.column("timestamp").cast(pa.int64()).to_numpy()
    return Presence(name.writer, int(times.min()), int(times.max()))
