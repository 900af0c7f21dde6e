"""Reading the lake: what a researcher uses.

    lake = Lake("./data/lake")
    table = lake.read_l2("binance", "BTC/USDT", "2024-08-09T00:00Z", "2024-08-09T01:00Z", columns=["timestamp",
    "bid_price"])

Time ranges are half open, start <= t < end, in UTC. The newest minutes are there too: rows that compaction has not
merged yet come from the segments, each second once, by the same rule that compaction uses.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.errors import ConfigError, LakeConflict, LakeError, ObjectNotFound, UnknownSymbol
from xetrade_core.lake import parquet
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.inventory import Holding, holdings
from xetrade_core.lake.layout import (
    PartKey,
    SegmentKey,
    hour_path,
    hours_between,
    parse_part_key,
    parse_segment_key,
    parse_symbol_hour_key,
    symbol_prefix,
    venue_prefix,
)
from xetrade_core.lake.merge import merge_gaps, merge_snapshots
from xetrade_core.lake.moments import Moment, as_ns
from xetrade_core.lake.quote_schemas import BEST_QUOTES
from xetrade_core.lake.schemas import (
    BOOK_METRICS,
    L2_GAP_SEGMENTS,
    L2_GAPS,
    L2_QUALITY,
    L2_SEGMENTS,
    L2_SNAPSHOTS,
)
from xetrade_core.lake.store import ObjectStore, S3Options, open_store
from xetrade_core.model.instruments import slug_symbol, symbol_slug

if TYPE_CHECKING:
    import duckdb

Form = Literal["arrow", "pandas", "polars"]
K = TypeVar("K", PartKey, SegmentKey)

_ATTEMPTS = 5
_READERS = 8
_DAYS_LISTED_APART = 14  # a store lists a thousand keys at a time, which is 40 days of a symbol


class Lake:
    """A lake, read only. `root` is a directory, `s3://bucket/prefix` (with `s3` to reach it), or a store that is open
    already.
    """

    def __init__(self, root: str | PathLike[str] | ObjectStore, s3: S3Options | None = None) -> None:
        self.store = open_store(root, s3) if isinstance(root, str | PathLike) else root

    def __repr__(self) -> str:
        return f"Lake({self.store.uri!r})"

    def read_l2(
        self,
        venue: str,
        symbol: str,
        start: Moment,
        end: Moment,
        columns: Sequence[str] | None = None,
        as_: Form = "arrow",
    ) -> Any:
        """Order book snapshots in order of time: the columns of `l2_snapshots`, or those asked for.

        A pyarrow Table, or with `as_` a pandas or Polars DataFrame. No rows where nothing was recorded in the range;
        `UnknownSymbol` where nothing ever was, as for gaps, quality and metrics.
        """
        return _as(self._read_rows(L2_SNAPSHOTS, L2_SEGMENTS, venue, symbol, start, end, columns), as_)

    def read_gaps(self, venue: str, symbol: str, start: Moment, end: Moment, as_: Form = "arrow") -> Any:
        """The gap ledger: records of the hours that share a moment with the range, in order of time."""
        first, last = _range(start, end)
        table = self._read_rows(L2_GAPS, L2_GAP_SEGMENTS, venue, symbol, first, last, None)
        return _as(table, as_)

    def read_quality(self, venue: str, symbol: str, start: Moment, end: Moment, as_: Form = "arrow") -> Any:
        """Completeness records of the compacted hours that share a moment with the range."""
        return _as(self._read_rows(L2_QUALITY, None, venue, symbol, start, end, None), as_)

    def read_metrics(
        self,
        venue: str,
        symbol: str,
        start: Moment,
        end: Moment,
        columns: Sequence[str] | None = None,
        as_: Form = "arrow",
    ) -> Any:
        """Book metrics by the minute, of minutes that start in the range."""
        return _as(self._read_rows(BOOK_METRICS, None, venue, symbol, start, end, columns), as_)

    def read_best(
        self, symbol: str, start: Moment, end: Moment, columns: Sequence[str] | None = None, as_: Form = "arrow"
    ) -> Any:
        """Best quotes across venues, of seconds in the range; no rows where none were made."""
        first, last = _range(start, end)
        chosen = _chosen(BEST_QUOTES, columns)
        needed = list(dict.fromkeys([*chosen, "timestamp"]))
        by_hour = self._by_hour(f"{BEST_QUOTES.name}/symbol={symbol_slug(symbol)}/", hours_between(first, last))
        held = [key for hour in sorted(by_hour) for key in by_hour[hour]]
        with ThreadPoolExecutor(_READERS) as pool:
            tables = list(pool.map(lambda key: self._read_file(key, needed), held))
        table = pa.concat_tables(tables) if tables else BEST_QUOTES.empty().select(needed)
        return _as(_within(BEST_QUOTES, table, "timestamp", (first, last)).select(chosen), as_)

    def venues(self) -> list[str]:
        """Venues that have compacted snapshots."""
        return [name.removeprefix("venue=") for name in self.store.folders(f"{L2_SNAPSHOTS.name}/")]

    def symbols(self, venue: str) -> list[str]:
        """Symbols of `venue` that have compacted snapshots."""
        folders = self.store.folders(venue_prefix(L2_SNAPSHOTS.name, venue))
        return [slug_symbol(name.removeprefix("symbol=")) for name in folders]

    def recorded(self, venue: str) -> list[str]:
        """Symbols of `venue` that the lake has rows of, compacted or not yet."""
        found: set[str] = set()
        for info in self.store.list(venue_prefix(L2_SEGMENTS.name, venue)):
            with contextlib.suppress(ObjectNotFound):  # compacted meanwhile: its symbols are in the list that follows
                found.update(self._read_file(info.key, ["symbol"]).column("symbol").unique().to_pylist())
        return sorted(found.union(self.symbols(venue)))

    def ls(self, count_rows: bool = True) -> list[Holding]:
        """What the lake holds, by dataset, venue and symbol; counting rows reads the footer of every file."""
        return holdings(self.store, count_rows)

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with a view for each dataset that has files; see `duck.connect`."""
        from xetrade_core.lake.duck import connect

        return connect(self.store)

    def _read_rows(
        self,
        dataset: Dataset,
        segments: Dataset | None,
        venue: str,
        symbol: str,
        start: Moment,
        end: Moment,
        columns: Sequence[str] | None,
    ) -> pa.Table:
        first, last = _range(start, end)
        chosen = _chosen(dataset, columns)
        hours = hours_between(first, last)
        for attempt in range(1, _ATTEMPTS + 1):
            # Segments are looked for before files: what compaction moves meanwhile is then seen twice, never missed.
            loose = self._by_hour(venue_prefix(segments.name, venue), hours) if segments is not None else {}
            parts = self._by_hour(symbol_prefix(dataset.name, venue, symbol), hours)
            wanted = sorted({*loose, *parts})

            def read(hour: int, loose: dict[int, list[str]] = loose, parts: dict[int, list[str]] = parts) -> pa.Table:
                return self._read_hour(
                    dataset, venue, symbol, parts.get(hour, []), loose.get(hour, []), chosen, (first, last)
                )

            try:
                with ThreadPoolExecutor(_READERS) as pool:
                    tables = list(pool.map(read, wanted))
            except (ObjectNotFound, LakeConflict):  # compaction has deleted a segment, or replaced a file meanwhile
                if attempt == _ATTEMPTS:
                    raise
                continue
            found = pa.concat_tables(tables) if tables else dataset.empty().select(chosen)
            if not len(found):
                self._check_known(dataset, venue, symbol)
            return found
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _read_hour(
        self,
        dataset: Dataset,
        venue: str,
        symbol: str,
        parts: list[str],
        loose: list[str],
        columns: list[str],
        span: tuple[int, int],
    ) -> pa.Table:
        """One hour's rows within `span`: the file's alone, or merged with what the segments have of the symbol."""
        time_column = next(one.name for one in dataset.columns if pa.types.is_timestamp(one.type))
        if not loose:
            needed = columns if time_column in columns else [*columns, time_column]
            tables = [self._read_file(key, needed) for key in parts]
            table = pa.concat_tables(tables) if tables else dataset.empty().select(needed)
            return _within(dataset, table, time_column, span).select(columns)
        tables = [dataset.conform(self._read_file(key, None)) for key in parts]
        match = [("symbol", "=", symbol)]
        tables += [dataset.conform(self._read_file(key, None, match)) for key in loose]
        merged = merge_snapshots(tables, venue, symbol).table if dataset is L2_SNAPSHOTS else merge_gaps(tables)
        return _within(dataset, merged, time_column, span).select(columns)

    def _read_file(self, key: str, columns: Sequence[str] | None, filters: Any = None) -> pa.Table:
        with self.store.open(key) as file:
            table = parquet.read(file, f"{self.store.uri}/{key}", columns, filters)
        return table.replace_schema_metadata(None)

    def _by_hour(self, prefix: str, hours: range) -> dict[int, list[str]]:
        """Keys of the objects below `prefix`, which ends before the date, by hour."""
        keys: dict[int, list[str]] = {}
        for scope in _scopes(hours):
            for info in self.store.list(f"{prefix}{scope}"):
                hour = _hour_of(info.key)
                if hour is not None and hour in hours:
                    keys.setdefault(hour, []).append(info.key)
        return keys

    def _check_known(self, dataset: Dataset, venue: str, symbol: str) -> None:
        """`UnknownSymbol` where the lake never had the symbol, so that a typing error looks neither like a quiet market
        nor like a ledger without gaps.
        """
        for name in dict.fromkeys((dataset.name, L2_SNAPSHOTS.name)):
            if any(True for _ in self.store.list(symbol_prefix(name, venue, symbol))):
                return
        known = self.recorded(venue)
        if symbol in known:
            return
        hint = (
            f"the lake has {', '.join(known[:20])}"
            if known
            else f"the lake has nothing of this venue; it has {self.venues()}"
        )
        raise UnknownSymbol(symbol, venue, hint)


def _range(start: Moment, end: Moment) -> tuple[int, int]:
    first, last = as_ns(start, "start"), as_ns(end, "end")
    if first > last:
        raise ConfigError.of("end", str(end), f"it is before start = {start}")
    return first, last


def _chosen(dataset: Dataset, columns: Sequence[str] | None) -> list[str]:
    if columns is None:
        return list(dataset.schema.names)
    unknown = [name for name in columns if name not in dataset.schema.names]
    if unknown or not columns:
        raise ConfigError.of("columns", list(columns), f"choose from {', '.join(dataset.schema.names)}")
    return list(dict.fromkeys(columns))


def _within(dataset: Dataset, table: pa.Table, time_column: str, span: tuple[int, int]) -> pa.Table:
    """Rows of the range. Hour-grained datasets keep the hours that share a moment with it."""
    if dataset in (L2_QUALITY, L2_GAPS) or not len(table):
        return table
    times = table.column(time_column).cast(pa.int64())
    if times[0].as_py() >= span[0] and times[-1].as_py() < span[1]:  # files are in order of time
        return table
    return table.filter(pc.and_(pc.greater_equal(times, span[0]), pc.less(times, span[1])))


def _scopes(hours: range) -> Iterator[str]:
    """Prefixes that cover `hours`: an hour's own where a day has one, else the day's; of many days, all there is."""
    by_day: dict[str, list[int]] = {}
    for hour in hours[: (_DAYS_LISTED_APART + 1) * 24]:
        by_day.setdefault(hour_path(hour).partition("/")[0], []).append(hour)
    if len(by_day) > _DAYS_LISTED_APART:
        yield ""
        return
    for day, members in by_day.items():
        yield f"{hour_path(members[0])}/" if len(members) == 1 else f"{day}/"


def _hour_of(key: str) -> int | None:
    for parse in (parse_part_key, parse_segment_key, parse_symbol_hour_key):
        try:
            return parse(key).hour_ns
        except (LakeError, ConfigError):
            continue
    return None


def _as(table: pa.Table, form: Form) -> Any:
    if form == "arrow":
        return table
    if form == "pandas":
        return table.to_pandas()
    if form == "polars":
        import polars

        return polars.from_arrow(table)
    raise ConfigError.of("as_", form, "choose arrow, pandas or polars")
