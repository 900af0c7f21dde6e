"""Book metrics of an hour of the lake: read its snapshots, compute, write. Derived data, so it may be made anew at
any time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.errors import LakeError
from xetrade_core.lake import parquet
from xetrade_core.lake.instrument_facts import part_facts
from xetrade_core.lake.layout import hour_path, hour_start, part_key, venue_prefix
from xetrade_core.lake.metrics import minute_metrics
from xetrade_core.lake.schemas import BOOK_METRICS, L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.contracts import Contract
from xetrade_core.model.instruments import slug_symbol

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """What was written: minutes by symbol. Symbols without a synced sample have 0 and no file."""

    venue: str
    hour_ns: int
    minutes: dict[str, int]


def hour_symbols(store: ObjectStore, venue: str, hour_ns: int, dataset: str = L2_SNAPSHOTS.name) -> list[str]:
    """The symbols that have a compacted file of that hour."""
    folders = store.folders(venue_prefix(dataset, venue))
    symbols = [slug_symbol(folder.removeprefix("symbol=")) for folder in folders if folder.startswith("symbol=")]
    return sorted(symbol for symbol in symbols if store.exists(part_key(dataset, venue, symbol, hour_ns)))


def measure_hour(store: ObjectStore, venue: str, hour_ns: int, symbols: Iterable[str] | None = None) -> MetricsReport:
    """Write `book_metrics` of one venue and hour from its compacted snapshots; `symbols` None means all that it has."""
    hour_ns = hour_start(hour_ns)
    chosen = sorted(symbols) if symbols is not None else hour_symbols(store, venue, hour_ns)
    return MetricsReport(venue, hour_ns, {symbol: _measure(store, venue, hour_ns, symbol) for symbol in chosen})


def _measure(store: ObjectStore, venue: str, hour_ns: int, symbol: str) -> int:
    """Minutes written for one symbol; again where a compaction changed its snapshots meanwhile."""
    source = part_key(L2_SNAPSHOTS.name, venue, symbol, hour_ns)
    for _ in range(_ATTEMPTS):
        before = store.stat(source)
        if before is None:
            return 0
        rows = parquet.from_bytes(store.read(source), f"{store.uri}/{source}")
        size = Decimal(part_facts(rows.schema).get("contract_size", "1"))
        checked = BOOK_METRICS.validate(minute_metrics(rows, venue, symbol, Contract.of(symbol, size)))
        if len(checked.rejected):
            reason = checked.rejected.column("rejected_reason")[0].as_py()
            raise LakeError(f"the book metrics of {symbol} on {venue} do not fit their schema: {reason}")
        if len(checked.good):
            store.replace(part_key(BOOK_METRICS.name, venue, symbol, hour_ns), parquet.to_bytes(checked.good))
        if store.stat(source) == before:
            return len(checked.good)
    raise LakeError(
        f"the snapshots of {symbol} on {venue} {hour_path(hour_ns)} keep changing: measure them when compaction is over"
    )
