"""Funding in the lake, by venue and day: what is fetched again changes nothing, unless the venue has changed it.

A row is known by symbol and funding time. Fetched again with the same rate it stays as it is, down to the bytes of its
file. With another rate it takes the row's place as the next revision, and `funding_revisions` keeps what stood there.
A row that the venue shows no more is kept: histories are cut off at their old end. A file that was imported never
overrides the venue, the venue always overrides a file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from xetrade_core.errors import LakeConflict
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.day_tables import WrittenDay, day_version, days_of, read_day, write_day, write_days
from xetrade_core.lake.funding_schemas import FUNDING_QUOTES, FUNDING_RATES, FUNDING_REVISIONS, YEAR_S
from xetrade_core.lake.layout import day_start
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.funding import FundingQuote, SettledFunding

_ATTEMPTS = 5
_READERS = 8
_DAYS_AT_ONCE = 400  # bounds the memory of a backfill of years
_LEARNT = ("interval_s", "apr", "mark_price", "index_price")

Row = dict[str, Any]


@dataclass(slots=True)
class Stored:
    """What became of rows: counts of rows, and the changes.

    `refined` rows have got an interval or a price that was not known before, at the same rate. `overruled` rows of a
    file differ from what the venue says and were left out. `revisions` are rows of `funding_revisions`.
    """

    new: int = 0
    unchanged: int = 0
    refined: int = 0
    revised: int = 0
    overruled: int = 0
    rejected: int = 0
    days_changed: list[int] = field(default_factory=list)
    revisions: list[Row] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows that were given."""
        return self.new + self.unchanged + self.refined + self.revised + self.overruled + self.rejected

    @property
    def changes(self) -> int:
        """Rows that change the day."""
        return self.new + self.refined + self.revised

    def add(self, other: Stored) -> None:
        """Count another day in."""
        self.new += other.new
        self.unchanged += other.unchanged
        self.refined += other.refined
        self.revised += other.revised
        self.overruled += other.overruled
        self.rejected += other.rejected
        self.days_changed += other.days_changed
        self.revisions += other.revisions


@dataclass(frozen=True, slots=True)
class SampledFunding:
    """The sample of one moment (UTC ns): the symbols asked for, the answers, and how many rows the schema refused."""

    venue: str
    sample_ns: int
    asked: tuple[str, ...]
    quotes: tuple[FundingQuote, ...]
    rejected: int


def store_fundings(
    store: ObjectStore, venue: str, rows: Iterable[SettledFunding], now_ns: int, *, source: str = "venue"
) -> Stored:
    """Bring rows of one venue and any days into the lake. Days without rows are left alone.

    Raises LakeError; days before the one that failed are written, and repeating the call brings the rest.
    """
    by_day: dict[int, list[SettledFunding]] = defaultdict(list)
    for row in rows:
        by_day[day_start(row.funding_ns)].append(row)
    total = Stored()
    days = sorted(by_day)
    for first in range(0, len(days), _DAYS_AT_ONCE):
        some = days[first : first + _DAYS_AT_ONCE]
        total.add(_store_days(store, venue, {day_ns: by_day[day_ns] for day_ns in some}, now_ns, source))
    return total


def store_quotes(store: ObjectStore, venue: str, sample_ns: int, quotes: Sequence[FundingQuote]) -> int:
    """Add the sample of one moment to its day; a sample that is there already is replaced. Gives the rows refused."""
    if not quotes:
        return 0
    for attempt in range(_ATTEMPTS):
        version = day_version(store, FUNDING_QUOTES, venue, sample_ns)
        held = read_day(store, FUNDING_QUOTES, venue, sample_ns)
        rows = _by_key(_rows(held))
        rows |= {(row["symbol"], sample_ns): row for row in (_quote_row(venue, sample_ns, one) for one in quotes)}
        table = _table(FUNDING_QUOTES, [rows[key] for key in sorted(rows)])
        try:
            return write_day(store, FUNDING_QUOTES, venue, sample_ns, table, version=version).rejected
        except LakeConflict:  # another sampler's rows: read them too
            if attempt + 1 == _ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _store_days(
    store: ObjectStore, venue: str, days: Mapping[int, Sequence[SettledFunding]], now_ns: int, source: str
) -> Stored:
    """Merge days into what the lake holds of them; days that another run changes meanwhile are merged anew."""
    total = Stored()
    left = dict(days)
    for _ in range(_ATTEMPTS):
        held = _held_days(store, venue, left)
        merges = {
            day_ns: _merge(held[day_ns].rows if day_ns in held else {}, rows, now_ns, source)
            for day_ns, rows in left.items()
        }
        for day_ns, (_, outcome) in merges.items():
            if outcome.revisions:  # first, so that no change is ever without its record
                _record_revisions(store, venue, day_ns, outcome.revisions)
        changed = [day_ns for day_ns in sorted(merges) if merges[day_ns][1].changes]
        rows = [merges[day_ns][0][key] for day_ns in changed for key in sorted(merges[day_ns][0])]
        versions = {day_ns: one.version for day_ns, one in held.items()}
        written = write_days(store, FUNDING_RATES, venue, _table(FUNDING_RATES, rows), versions) if rows else {}
        left = {day_ns: left[day_ns] for day_ns, result in written.items() if isinstance(result, LakeConflict)}
        for day_ns, (_, outcome) in merges.items():
            if day_ns not in left:
                total.add(_counted(outcome, day_ns, written.get(day_ns)))
        if not left:
            return total
    raise LakeConflict(
        f"funding_rates of {venue}: {len(left)} days are being written by other runs: repeat it when they are done"
    )


def _counted(outcome: Stored, day_ns: int, written: WrittenDay | LakeConflict | None) -> Stored:
    if isinstance(written, WrittenDay):
        outcome.rejected = written.rejected
        outcome.new -= written.rejected
        outcome.days_changed = [day_ns] if written.changed else []
    return outcome


@dataclass(frozen=True, slots=True)
class _Held:
    version: str
    rows: dict[tuple[str, int], Row]


def _held_days(store: ObjectStore, venue: str, days: Iterable[int]) -> dict[int, _Held]:
    """What the lake holds of these days; the version is taken before the rows are read."""
    there = set(days_of(store, FUNDING_RATES, venue)) & set(days)

    def read(day_ns: int) -> _Held | None:
        version = day_version(store, FUNDING_RATES, venue, day_ns)
        table = None if version is None else read_day(store, FUNDING_RATES, venue, day_ns)
        return None if version is None or table is None else _Held(version, _by_key(_rows(table)))

    with ThreadPoolExecutor(_READERS, thread_name_prefix="lake-days") as pool:
        found = dict(zip(sorted(there), pool.map(read, sorted(there)), strict=True))
    return {day_ns: held for day_ns, held in found.items() if held is not None}


def _merge(
    held: dict[tuple[str, int], Row], rows: Sequence[SettledFunding], now_ns: int, source: str
) -> tuple[dict[tuple[str, int], Row], Stored]:
    """The day as it is from now on, and what has changed."""
    merged, outcome = dict(held), Stored()
    for row in rows:
        key = row.symbol, row.funding_ns
        fresh = _rate_row(row, now_ns, source)
        old = merged.get(key)
        if old is None:
            merged[key] = fresh
            outcome.new += 1
        elif old["rate"] == row.rate:
            learnt = {name: fresh[name] for name in _LEARNT if fresh[name] is not None and fresh[name] != old[name]}
            merged[key] = {**old, **learnt}
            outcome.refined += bool(learnt)
            outcome.unchanged += not learnt
        elif source == "file" and old["source"] == "venue":
            outcome.overruled += 1
        else:
            revision = old["revision"] + 1
            merged[key] = {**fresh, "revision": revision}
            outcome.revised += 1
            outcome.revisions.append(_revision_row(old, merged[key], now_ns))
    return merged, outcome


def _record_revisions(store: ObjectStore, venue: str, day_ns: int, revisions: Sequence[Row]) -> None:
    version = day_version(store, FUNDING_REVISIONS, venue, day_ns)
    held = _rows(None if version is None else read_day(store, FUNDING_REVISIONS, venue, day_ns))
    known = {(row["symbol"], row["timestamp"], row["revision"]): row for row in held}
    for row in revisions:
        known.setdefault((row["symbol"], row["timestamp"], row["revision"]), row)
    table = _table(FUNDING_REVISIONS, [known[key] for key in sorted(known)])
    write_day(store, FUNDING_REVISIONS, venue, day_ns, table, version=version)


def _rate_row(row: SettledFunding, now_ns: int, source: str) -> Row:
    return {
        "timestamp": row.funding_ns,
        "exchange": row.venue,
        "symbol": row.symbol,
        "exchange_timestamp": row.stated_ns,
        "rate": row.rate,
        "interval_s": row.interval_s,
        "apr": row.apr,
        "mark_price": row.mark_price,
        "index_price": row.index_price,
        "source": source,
        "revision": 0,
        "recorded_timestamp": now_ns,
    }


def _revision_row(old: Row, new: Row, now_ns: int) -> Row:
    return {
        "timestamp": new["timestamp"],
        "exchange": new["exchange"],
        "symbol": new["symbol"],
        "revision": new["revision"],
        "rate_before": old["rate"],
        "rate_after": new["rate"],
        "source_before": old["source"],
        "source_after": new["source"],
        "noticed_timestamp": now_ns,
    }


def _quote_row(venue: str, sample_ns: int, quote: FundingQuote) -> Row:
    return {
        "timestamp": sample_ns,
        "exchange": venue,
        "symbol": quote.symbol,
        "exchange_timestamp": quote.exchange_ns,
        "received_timestamp": quote.received_ns,
        "rate": quote.rate,
        "next_funding_timestamp": quote.next_funding_ns,
        "predicted_rate": quote.predicted_rate,
        "predicted_funding_timestamp": quote.predicted_funding_ns,
        "interval_s": quote.interval_s,
        "apr": quote.rate * YEAR_S / quote.interval_s if quote.rate is not None and quote.interval_s else None,
        "mark_price": quote.mark_price,
        "index_price": quote.index_price,
    }


def _by_key(rows: Iterable[Row]) -> dict[tuple[str, int], Row]:
    return {(row["symbol"], row["timestamp"]): row for row in rows}


def _rows(table: pa.Table | None) -> list[Row]:
    """Rows as plain values; times as nanoseconds."""
    if table is None:
        return []
    plain = [
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in table.itercolumns()
    ]
    rows: list[Row] = pa.table(plain, names=table.column_names).to_pylist()
    return rows


def _table(dataset: Dataset, rows: Sequence[Row]) -> pa.Table:
    """The inverse of `_rows`."""
    arrays = [pa.array([row[field.name] for row in rows], _loose(field.type)) for field in dataset.schema]
    return pa.table(arrays, names=dataset.schema.names)


def _loose(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(kind) else kind
