"""What the demo proves: every second is in the lake or in the ledger, and every fault that was injected was found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from xetrade_core.cli.options import moment
from xetrade_core.cli.output import emit_table, emit_text, say
from xetrade_core.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from xetrade_core.lake.quality import QualityRecord

COLUMNS = (
    "venue", "symbol", "expected", "captured", "synced", "gaps", "resyncs", "p50 ms", "p99 ms", "bytes/snapshot",
    "unexplained", "crossed", "accounted for",
)  # fmt: skip
CHECKED_ROWS = 5
COUNTS = ("expected", "captured", "synced", "gaps", "resyncs", "unexplained", "crossed")
#: the ledger's cause of what the simulated venue calls `kind`
CAUSES = {"lost": "sequence", "disconnect": "disconnect"}
#: from the fault to the first sign of it
NOTICED_WITHIN_NS = 5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Book:
    """One book over the whole recording: counts summed over the hours it touched, latencies of the worst hour."""

    venue: str
    symbol: str
    expected: int
    captured: int
    synced: int
    gaps: int
    resyncs: int
    unexplained: int
    crossed: int
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    bytes_per_snapshot: float | None
    planned: int

    @property
    def accounted(self) -> bool:
        """Every planned second is a row or an explained gap, and no row is crossed."""
        return self.expected >= self.planned and self.unexplained == 0 and self.crossed == 0 and self.synced > 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that was made to go wrong, and the ledger's records of it: one for each symbol that it touched."""

    kind: str
    venue: str
    symbols: tuple[str, ...]
    wall_ns: int
    previous_id: int | None
    found: tuple[Mapping[str, Any], ...]

    @property
    def accounted(self) -> bool:
        """Each symbol that it touched has a record of the right cause (and place in the sequence) at the right time."""
        return {record["symbol"] for record in self.found} == set(self.symbols)


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in the lake. `equal` of `compared` rows are level for level the venue's true book."""

    books: tuple[Book, ...]
    faults: tuple[Fault, ...]
    wanted_faults: int
    compared: int
    equal: int

    @property
    def accounted(self) -> bool:
        """Whether the demo has proven what it is there to prove."""
        return (
            all(book.accounted for book in self.books)
            and len(self.faults) == self.wanted_faults
            and all(fault.accounted for fault in self.faults)
            and self.equal == self.compared > 0
        )

    @classmethod
    def gather(cls, lake: Path, symbols: Mapping[str, Sequence[str]], planned: int, admin: str) -> Findings:
        """Read the lake, and ask the simulated venues what they broke and what their books truly were."""
        from xetrade_core.cli.demo import FAULTS, call
        from xetrade_core.cli.upkeep import quality_records
        from xetrade_core.lake.store import open_store

        records = quality_records(open_store(lake), "", "", None, None)
        books = tuple(
            _book(venue, symbol, [one for one in records if (one.exchange, one.symbol) == (venue, symbol)], planned)
            for venue, names in symbols.items()
            for symbol in names
        )
        gaps = [gap for book in books for gap in ledger(lake, book.venue, book.symbol)]
        injected = call(f"{admin}/admin/faults")["injected"]
        faults = tuple(_fault(one, symbols, gaps) for one in injected)
        results = [_equals_truth(lake, book, admin) for book in books]
        compared, equal = (sum(one[index] for one in results) for index in (0, 1))
        return cls(books, faults, len(FAULTS), compared, equal)


def _book(venue: str, symbol: str, records: Sequence[QualityRecord], planned: int) -> Book:
    def total(name: str) -> int:
        return sum(getattr(record, name) for record in records)

    def worst(name: str) -> float | None:
        return max((value for record in records if (value := getattr(record, name)) is not None), default=None)

    return Book(
        venue,
        symbol,
        **{name: total(name) for name in COUNTS},
        latency_p50_ms=worst("latency_ms_p50"),
        latency_p99_ms=worst("latency_ms_p99"),
        bytes_per_snapshot=worst("bytes_per_snapshot"),
        planned=planned,
    )


def ledger(lake: Path, venue: str, symbol: str) -> list[dict[str, Any]]:
    """The gap ledger of one book, with times as nanoseconds; a gap that crosses an hour counts once."""
    from xetrade_core.lake.reader import Lake

    reader = Lake(lake)
    held = [one for one in reader.ls(count_rows=False) if (one.venue, one.symbol) == (venue, symbol)]
    if not held:
        return []
    start, end = min(one.first_ns for one in held), max(one.last_ns for one in held)
    table = reader.read_gaps(venue, symbol, start, end)
    times = {name: table.column(name).cast("int64").to_pylist() for name in ("from_timestamp", "to_timestamp")}
    rows = table.drop_columns(list(times)).to_pylist()
    merged: dict[str, dict[str, Any]] = {}
    for row, from_ns, to_ns in zip(rows, times["from_timestamp"], times["to_timestamp"], strict=True):
        first = merged.setdefault(row["gap_id"], {**row, "from_ns": from_ns})
        first["to_ns"] = to_ns
    return list(merged.values())


def _fault(
    injected: Mapping[str, Any], symbols: Mapping[str, Sequence[str]], gaps: Sequence[Mapping[str, Any]]
) -> Fault:
    """Lay an injected fault beside the ledger's records of its venue, cause, time and sequence id."""
    venue, kind, wall_ns = injected["venue"], injected["kind"], injected["wall_ns"]
    touched = (injected["symbol"],) if injected["symbol"] else tuple(symbols[venue])
    previous_id = injected["previous_id"] if kind == "lost" else None
    found = [
        gap
        for gap in gaps
        if gap["exchange"] == venue
        and gap["symbol"] in touched
        and gap["cause"] == CAUSES[kind]
        and -NS_PER_S <= gap["from_ns"] - wall_ns <= NOTICED_WITHIN_NS
        and (previous_id is None or gap["from_sequence"] == previous_id)
    ]
    return Fault(kind, venue, touched, wall_ns, previous_id, tuple(found))


def _equals_truth(lake: Path, book: Book, admin: str) -> tuple[int, int]:
    """Compare some synced rows, spread over the recording, with the venue's true book at their sequence id."""
    from xetrade_core.cli.demo import call
    from xetrade_core.lake.reader import Lake

    reader = Lake(lake)
    levels = ["bid_price", "bid_size", "ask_price", "ask_size"]
    hours = [one for one in reader.ls(count_rows=False) if (one.venue, one.symbol) == (book.venue, book.symbol)]
    if not hours:
        return 0, 0
    start, end = min(one.first_ns for one in hours), max(one.last_ns for one in hours)
    table = reader.read_l2(book.venue, book.symbol, start, end, columns=["timestamp", "synced", "sequence", *levels])
    rows = [row for row in table.drop_columns(["timestamp"]).to_pylist() if row["synced"]]
    chosen = rows[:: max(1, len(rows) // CHECKED_ROWS)][:CHECKED_ROWS]
    equal = 0
    for row in chosen:
        depth = max(len(row["bid_price"]), len(row["ask_price"]))
        query = {"venue": book.venue, "symbol": book.symbol, "sequence": row["sequence"], "depth": depth}
        truth = call(f"{admin}/admin/truth?{urlencode(query)}")
        equal += all(
            [list(level) for level in zip(row[f"{side}_price"], row[f"{side}_size"], strict=True)]
            == truth[f"{side}s"][: len(row[f"{side}_price"])]
            for side in ("bid", "ask")
        )
    return len(chosen), equal


def show(findings: Findings, lake: Path, picture: Path) -> None:
    """Print the tables, the files, the snippets and what they give; draw the picture."""
    rows = [
        (book.venue, book.symbol, book.expected, book.captured, book.synced, book.gaps, book.resyncs,
         book.latency_p50_ms, book.latency_p99_ms, book.bytes_per_snapshot, book.unexplained,
         book.crossed, book.accounted)
        for book in findings.books
    ]  # fmt: skip
    emit_table("books", COLUMNS, rows)
    columns = (
        "injected",
        "at (UTC)",
        "book",
        "cause in the ledger",
        "out of sync for",
        "sequence ids",
        "accounted for",
    )
    emit_table("faults injected on purpose, and the gap ledger", columns, _fault_rows(findings.faults))
    emit_text(f"found and accounted for: {'yes' if findings.accounted else 'NO'}")
    emit_text(
        f"compared with the venues' true books, level by level: {findings.equal} of {findings.compared} rows equal"
    )
    if len(findings.faults) != findings.wanted_faults:
        say(f"{len(findings.faults)} of {findings.wanted_faults} faults were injected")
    emit_text(f"\nfiles: {lake}")
    for path in sorted(lake.rglob("*.parquet"))[:3]:
        emit_text(f"  {path.relative_to(lake)}")
    emit_text(f"  ... {sum(1 for _ in lake.rglob('*.parquet'))} in all; docs/data-dictionary.md describes them")
    draw(findings, lake, picture)
    for title, code in snippets(findings, lake).items():
        emit_text(f"\n# {title}\n{code}")
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        emit_text(ran.stdout.rstrip())


def _fault_rows(faults: Sequence[Fault]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for fault in faults:
        by_symbol = {record["symbol"]: record for record in fault.found}
        for symbol in fault.symbols:
            head = fault.kind, f"{moment(fault.wall_ns):%T.%f}"[:-3], f"{fault.venue} {symbol}"
            record = by_symbol.get(symbol)
            if record is None:
                rows.append((*head, None, None, None, False))
                continue
            open_ns = None if record["to_ns"] is None else record["to_ns"] - record["from_ns"]
            lasted = "still open" if open_ns is None else f"{open_ns / NS_PER_MS:,.0f} ms"
            ids = f"{record['from_sequence'] or '?'} -> {record['to_sequence'] or '?'}"
            rows.append((*head, record["cause"], lasted, ids, True))
    return rows


def draw(findings: Findings, lake: Path, picture: Path) -> None:
    """The book that lost a message: depth, mid and spread, with the gap shaded."""
    from xetrade_core.lake.reader import Lake
    from xetrade_core.plots import book_picture

    book = findings.books[0]
    start, end = _span(lake, book)
    rows = Lake(lake).read_l2(book.venue, book.symbol, start, end)
    picture.write_bytes(book_picture(rows, f"{book.symbol} on {book.venue} (simulated)"))
    emit_text(f"picture: {picture}")


def _span(lake: Path, book: Book) -> tuple[int, int]:
    from xetrade_core.lake.reader import Lake

    held = [one for one in Lake(lake).ls(count_rows=False) if (one.venue, one.symbol) == (book.venue, book.symbol)]
    return min(one.first_ns for one in held), max(one.last_ns for one in held)


def snippets(findings: Findings, lake: Path) -> dict[str, str]:
    """Programs to copy, which the demo runs as they are printed."""
    book = findings.books[0]
    start, end = (moment(ns) for ns in _span(lake, book))
    return {
        "DuckDB, straight on the files": (
            "import duckdb\n"
            f"files = '{lake}/l2_snapshots/**/*.parquet'\n"
            "print(duckdb.sql(f'''\n"
            "    SELECT exchange, symbol, count(*) AS rows, round(avg(ask_price[1] - bid_price[1]), 4) AS mean_spread\n"
            "    FROM read_parquet('{files}', hive_partitioning = false) WHERE synced GROUP BY ALL ORDER BY ALL'''))"
        ),
        "pandas": (
            "from xetrade_core.lake.reader import Lake\n"
            f"lake = Lake('{lake}')\n"
            f"books = lake.read_l2('{book.venue}', '{book.symbol}', '{_iso(start)}', '{_iso(end)}',\n"
            "    columns=['timestamp', 'synced', 'bid_price', 'ask_price'], as_='pandas')\n"
            "books['mid'] = (books.bid_price.str[0] + books.ask_price.str[0]) / 2\n"
            "print(books[['timestamp', 'synced', 'mid']].head(4))"
        ),
    }


def _iso(time: datetime) -> str:
    return f"{time:%FT%TZ}"
