"""An hour from segments to evidence: compact, audit what stands in the lake, collect the records, draw one book."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xetrade_core.lake import parquet
from xetrade_core.lake.audit import HourAudit, audit_hour
from xetrade_core.lake.compaction import CompactionReport, Window, compact_hour
from xetrade_core.lake.inventory import rows_of
from xetrade_core.lake.layout import part_key
from xetrade_core.lake.measure import hour_symbols
from xetrade_core.lake.quality import QualityRecord
from xetrade_core.lake.schemas import L2_GAPS, L2_QUALITY
from xetrade_core.lake.store import ObjectStore


@dataclass(frozen=True, slots=True)
class HourEvidence:
    """What compaction did, what the files hold now, and the completeness record of every symbol.

    `gap_rows` are the rows of the ledger: a gap that another session's rows interrupt is several.
    """

    report: CompactionReport
    audit: HourAudit
    records: tuple[QualityRecord, ...]
    gap_rows: int

    @property
    def rejected(self) -> int:
        """Rows that were refused of the hour, by this compaction or by one before it, which the records remember."""
        of_no_symbol = self.report.rejected - sum(one.quality.rejected for one in self.report.symbols)
        return of_no_symbol + sum(record.rejected for record in self.records)


def settle_hour(
    store: ObjectStore,
    venue: str,
    hour_ns: int,
    *,
    interval_ns: int | None = None,
    usual_interval_ns: int | None = None,
    expected: Iterable[str] = (),
    window: Window | None = None,
) -> HourEvidence:
    """Compact one venue and hour and audit the result. Symbols that the hour already has are looked at again.

    The options are those of `compact_hour`. A file that cannot be read is in the evidence, not an error,
    unless it stands in the way of new rows. Raises LakeError and ConfigError.
    """
    report = compact_hour(
        store,
        venue,
        hour_ns,
        interval_ns=interval_ns,
        usual_interval_ns=usual_interval_ns,
        expected=expected,
        window=window,
    )
    symbols = {*hour_symbols(store, venue, hour_ns), *(one.symbol for one in report.symbols)}
    audit = audit_hour(store, venue, hour_ns, sorted(symbols))
    return HourEvidence(report, audit, hour_records(store, venue, hour_ns), _gap_rows(store, venue, hour_ns))


def hour_records(store: ObjectStore, venue: str, hour_ns: int) -> tuple[QualityRecord, ...]:
    """The completeness records of one venue and hour, by symbol."""
    keys = [
        part_key(L2_QUALITY.name, venue, symbol, hour_ns)
        for symbol in hour_symbols(store, venue, hour_ns, L2_QUALITY.name)
    ]
    return tuple(QualityRecord.from_table(parquet.from_bytes(store.read(key), f"{store.uri}/{key}")) for key in keys)


def _gap_rows(store: ObjectStore, venue: str, hour_ns: int) -> int:
    symbols = hour_symbols(store, venue, hour_ns, L2_GAPS.name)
    return sum(rows_of(store, part_key(L2_GAPS.name, venue, symbol, hour_ns)) for symbol in symbols)
