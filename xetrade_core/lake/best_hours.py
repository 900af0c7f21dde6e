"""`best_quotes` of an hour of the lake: read every venue's snapshots, compute, write, audit what was written.

Derived data, so it may be made anew at any time. Memory is that of one row group and a few numbers a second and venue,
whatever the number of symbols or the interval of the recording: a symbol is done before the next one is read.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import CorruptFile, LakeConflict, LakeError, ObjectNotFound
from xetrade_core.lake import parquet
from xetrade_core.lake.best_quotes import COLUMNS, SECONDS, Touch, best_rows, touch_of
from xetrade_core.lake.hourly import hour_records
from xetrade_core.lake.instrument_facts import part_facts
from xetrade_core.lake.layout import (
    hour_path,
    hour_start,
    hours_between,
    parse_part_key,
    part_key,
    symbol_hour_key,
    symbol_prefix,
    venue_prefix,
)
from xetrade_core.lake.levels import Levels
from xetrade_core.lake.measure import hour_symbols
from xetrade_core.lake.quality import QualityRecord
from xetrade_core.lake.quote_schemas import BEST_QUOTES
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.contracts import Contract
from xetrade_core.model.instruments import slug_symbol

_ATTEMPTS = 8
_BATCH_ROWS = 3600
_LIMIT_KEY, _SOURCES_KEY = b"staleness_limit_s", b"sources"


@dataclass(frozen=True, slots=True)
class SymbolBest:
    """One symbol's hour as it stands in the lake. Counts are of seconds.

    `expected`: which any venue's completeness record expects, or has a row of; `rows` of these are there, and `quoted`
    have a best bid and ask. `bid_held` and `ask_held`: how long each venue held the best, ties to the larger size.
    `crossed_within`: rows in which one venue's bid is at or above its own ask; `oldest_ms` the age of the oldest quote
    that counted. Both are read back from the file.
    """

    symbol: str
    venues: tuple[str, ...]
    expected: int
    rows: int
    quoted: int
    crossed: int
    locked: int
    stale: int
    spread_bps_mean: float | None
    bid_held: Mapping[str, int]
    ask_held: Mapping[str, int]
    crossed_within: int
    oldest_ms: float | None

    @property
    def missing(self) -> int:
        """Expected seconds without a row."""
        return self.expected - self.rows


@dataclass(frozen=True, slots=True)
class BestQuotesReport:
    """What was made of an hour."""

    hour_ns: int
    staleness_limit_s: float
    symbols: tuple[SymbolBest, ...]


def make_best_quotes(store: ObjectStore, hour_ns: int, staleness_limit_s: float) -> BestQuotesReport:
    """Write `best_quotes` of every symbol that any venue has compacted snapshots of in that hour.

    Quotes without a message for longer than `staleness_limit_s` do not count. Raises LakeError, CorruptFile.
    """
    hour_ns = hour_start(hour_ns)
    records = {
        (record.exchange, record.symbol): record
        for venue in _venues(store)
        for record in hour_records(store, venue, hour_ns)
    }
    made = [
        _make(store, hour_ns, symbol, venues, staleness_limit_s, records)
        for symbol, venues in _sources(store, hour_ns).items()
    ]
    return BestQuotesReport(hour_ns, staleness_limit_s, tuple(one for one in made if one is not None))


def read_best_hour(store: ObjectStore, symbol: str, hour_ns: int) -> pa.Table:
    """The file of one symbol and hour. Raises ObjectNotFound, CorruptFile."""
    key = symbol_hour_key(BEST_QUOTES.name, symbol, hour_ns)
    return BEST_QUOTES.conform(parquet.from_bytes(store.read(key), f"{store.uri}/{key}"))


def outdated_hours(store: ObjectStore, start_ns: int, end_ns: int) -> list[int]:
    """The hours of the range, the oldest first, whose snapshots have no best quotes or are others than they were made
    from: compacted late, or again.
    """
    present: dict[tuple[int, str], dict[str, str]] = defaultdict(dict)
    wanted = set(hours_between(start_ns, end_ns))
    days = sorted({hour_path(hour_ns).partition("/")[0] for hour_ns in wanted})
    for venue in _venues(store):
        for folder in store.folders(venue_prefix(L2_SNAPSHOTS.name, venue)):
            symbol = slug_symbol(folder.removeprefix("symbol="))
            for day in days:
                for info in store.list(f"{symbol_prefix(L2_SNAPSHOTS.name, venue, symbol)}{day}/"):
                    with contextlib.suppress(LakeError):  # a foreign file
                        present[parse_part_key(info.key).hour_ns, symbol][venue] = info.etag
    due = {hour_ns for (hour_ns, symbol), etags in present.items() if _made_from(store, symbol, hour_ns) != etags}
    return sorted(due & wanted)


def _made_from(store: ObjectStore, symbol: str, hour_ns: int) -> dict[str, str] | None:
    """The etags of the snapshots that a file was made from, by venue; None where there is no such file."""
    try:
        with store.open(symbol_hour_key(BEST_QUOTES.name, symbol, hour_ns)) as file:
            metadata = pq.read_schema(file).metadata or {}
    except (ObjectNotFound, pa.ArrowInvalid):
        return None
    return dict(json.loads(metadata.get(_SOURCES_KEY, b"{}")))


def _venues(store: ObjectStore) -> list[str]:
    """The venues that have compacted snapshots."""
    return [name.removeprefix("venue=") for name in store.folders(f"{L2_SNAPSHOTS.name}/")]


def _sources(store: ObjectStore, hour_ns: int) -> dict[str, list[str]]:
    """The venues that have the hour, by symbol."""
    found: dict[str, list[str]] = defaultdict(list)
    for venue in _venues(store):
        for symbol in hour_symbols(store, venue, hour_ns):
            found[symbol].append(venue)
    return dict(sorted(found.items()))


def _make(
    store: ObjectStore,
    hour_ns: int,
    symbol: str,
    venues: list[str],
    limit_s: float,
    records: Mapping[tuple[str, str], QualityRecord],
) -> SymbolBest | None:
    """One symbol; again where a compaction changed its snapshots meanwhile. None where no row is of a full second."""
    for _ in range(_ATTEMPTS):
        before = _etags(store, venues, symbol, hour_ns)
        try:
            touches = {venue: _touch(store, venue, symbol, hour_ns, limit_s) for venue in before}
        except LakeConflict:
            continue
        rows = best_rows(symbol, hour_ns, touches)
        if not len(rows):
            return None
        stated = {_LIMIT_KEY: str(limit_s).encode(), _SOURCES_KEY: json.dumps(before, sort_keys=True).encode()}
        checked = BEST_QUOTES.validate(rows.replace_schema_metadata({**(rows.schema.metadata or {}), **stated}))
        if len(checked.rejected):
            reason = checked.rejected.column("rejected_reason")[0].as_py()
            raise LakeError(f"the best quotes of {symbol} {hour_path(hour_ns)} do not fit their schema: {reason}")
        store.replace(symbol_hour_key(BEST_QUOTES.name, symbol, hour_ns), parquet.to_bytes(checked.good))
        if _etags(store, venues, symbol, hour_ns) == before:
            expected = _expected([record for venue in before if (record := records.get((venue, symbol)))], touches)
            return _audited(read_best_hour(store, symbol, hour_ns), symbol, tuple(before), expected)
    raise LakeError(f"the snapshots of {symbol} {hour_path(hour_ns)} keep changing: try when compaction is over")


def _etags(store: ObjectStore, venues: Iterable[str], symbol: str, hour_ns: int) -> dict[str, str]:
    infos = {venue: store.stat(part_key(L2_SNAPSHOTS.name, venue, symbol, hour_ns)) for venue in venues}
    return {venue: info.etag for venue, info in infos.items() if info is not None}


def _touch(store: ObjectStore, venue: str, symbol: str, hour_ns: int, limit_s: float) -> Touch:
    key = part_key(L2_SNAPSHOTS.name, venue, symbol, hour_ns)
    with store.open(key) as source:
        try:
            file = pq.ParquetFile(source)
            contract = Contract.of(symbol, Decimal(part_facts(file.schema_arrow).get("contract_size", "1")))
            return touch_of(_batches(file), hour_ns, contract, limit_s)
        except pa.ArrowInvalid as error:
            raise CorruptFile(f"{store.uri}/{key} is not a readable Parquet file: {error}") from error


def _batches(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for batch in file.iter_batches(_BATCH_ROWS, columns=list(COLUMNS)):
        yield pa.Table.from_batches([batch])


def _expected(records: Iterable[QualityRecord], touches: Mapping[str, Touch]) -> int:
    """Full seconds on the grid of any venue's window, or with a row."""
    due = np.any([touch.recorded for touch in touches.values()], axis=0)
    for record in records:
        times = record.hour + np.arange(SECONDS) * NS_PER_S
        on_grid = times % round(record.interval_s * NS_PER_S) == 0
        due |= on_grid & (record.from_timestamp <= times) & (times < record.to_timestamp)
    return int(due.sum())


def _audited(rows: pa.Table, symbol: str, venues: tuple[str, ...], expected: int) -> SymbolBest:
    """The numbers of a file as it was read back."""
    bids, asks, ages = (Levels.of(rows, name) for name in ("venue_bid", "venue_ask", "venue_age_ms"))
    mean = pc.mean(rows.column("spread_bps")).as_py()
    return SymbolBest(
        symbol=symbol,
        venues=venues,
        expected=expected,
        rows=len(rows),
        quoted=len(rows) - rows.column("spread_bps").null_count,
        crossed=_total(rows, "crossed"),
        locked=_total(rows, "locked"),
        stale=_total(rows, "venues_stale"),
        spread_bps_mean=mean,
        bid_held=_held(rows, "bid_venue"),
        ask_held=_held(rows, "ask_venue"),
        crossed_within=int(bids.rows_with(bids.values >= asks.values).sum()),
        oldest_ms=float(ages.values.max()) if len(ages.values) else None,
    )


def _total(rows: pa.Table, column: str) -> int:
    return int(pc.sum(rows.column(column).cast(pa.int64())).as_py())


def _held(rows: pa.Table, column: str) -> dict[str, int]:
    """Seconds by holder, the longest first."""
    counts = rows.column(column).drop_null().cast(pa.string()).value_counts().to_pylist()
    return {one["values"]: one["counts"] for one in sorted(counts, key=lambda one: -one["counts"])}
