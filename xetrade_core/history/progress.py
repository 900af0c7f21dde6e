"""What a backfill has read so far, on disk: rows, and which part of time they are known to cover.

A page and its cover are committed together, so that a backfill that dies goes on where it stood, without a lost or
doubled row. One SQLite file a venue, below the spool; two backfills of one venue at once are refused. Nothing is left
once the rows are in the lake.
"""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from xetrade_core.errors import SessionError
from xetrade_core.history.pages import FundingPage
from xetrade_core.model.funding import FundingRate

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rates (
    symbol TEXT, funding_ns INTEGER, rate REAL NOT NULL, interval_s REAL, mark_price REAL, index_price REAL,
    PRIMARY KEY (symbol, funding_ns)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS covered (symbol TEXT, start_ns INTEGER, end_ns INTEGER);
"""

_GOOD_FOR_NS = 7 * 86_400 * 1_000_000_000

Span = tuple[int, int]


class FundingProgress:
    """The progress of one venue's backfill. A context manager: one process at a time holds it."""

    def __init__(self, directory: Path, venue: str, now_ns: int) -> None:
        """What is older than a week at `now_ns` (UTC) is not gone on with: the venue may have changed it since."""
        self.venue = venue
        self._now_ns = now_ns
        self._path = directory / f"{venue}.sqlite"

    def __enter__(self) -> Self:
        """Raises SessionError while another process holds it, or where the file cannot be used."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SessionError(f"another backfill of {self.venue} is running: wait for it, or stop it") from None
        with contextlib.suppress(FileNotFoundError):
            if self._now_ns - self._path.stat().st_mtime_ns > _GOOD_FOR_NS:
                self._delete()
        try:
            self._base = sqlite3.connect(self._path)
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            self._base.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._lock.close()
            raise SessionError(f"{self._path} cannot be read ({error}): delete it to begin the backfill anew") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        empty = self._base.execute("SELECT 1 FROM covered LIMIT 1").fetchone() is None
        self._base.close()
        if empty:
            self._delete()
        self._lock.close()

    def _delete(self) -> None:
        for suffix in (".sqlite", ".sqlite-wal", ".sqlite-shm"):
            self._path.with_suffix(suffix).unlink(missing_ok=True)

    def add(self, symbol: str, page: FundingPage) -> None:
        """Keep a page; a row that is there already is replaced."""
        rows = [
            (symbol, row.funding_ns, row.rate, row.interval_s, row.mark_price, row.index_price) for row in page.rows
        ]
        with self._base:
            self._base.executemany("INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._base.execute("INSERT INTO covered VALUES (?, ?, ?)", (symbol, page.start_ns, page.end_ns))

    def open_spans(self, symbol: str, start_ns: int, end_ns: int) -> list[Span]:
        """The parts of [start_ns, end_ns) that are not read yet, oldest first."""
        spans = self._base.execute(
            "SELECT start_ns, end_ns FROM covered WHERE symbol = ? ORDER BY start_ns", (symbol,)
        ).fetchall()
        return uncovered(spans, start_ns, end_ns)

    def rates(self, symbol: str, start_ns: int, end_ns: int) -> list[FundingRate]:
        """The rows read of [start_ns, end_ns), oldest first."""
        found = self._base.execute(
            "SELECT funding_ns, rate, interval_s, mark_price, index_price FROM rates "
            "WHERE symbol = ? AND funding_ns >= ? AND funding_ns < ? ORDER BY funding_ns",
            (symbol, start_ns, end_ns),
        )
        return [FundingRate(self.venue, symbol, *row) for row in found]

    def count(self, symbols: Sequence[str]) -> int:
        """Rows read of these symbols."""
        marks = ", ".join("?" * len(symbols))
        (count,) = self._base.execute(f"SELECT count(*) FROM rates WHERE symbol IN ({marks})", symbols).fetchone()
        return int(count)

    def forget(self, symbols: Iterable[str]) -> None:
        """Drop what was read of these symbols: it is in the lake."""
        with self._base:
            for symbol in symbols:
                self._base.execute("DELETE FROM rates WHERE symbol = ?", (symbol,))
                self._base.execute("DELETE FROM covered WHERE symbol = ?", (symbol,))


def uncovered(spans: Iterable[Span], start_ns: int, end_ns: int) -> list[Span]:
    """What is left of [start_ns, end_ns) outside the spans, which are ordered by their start and may overlap."""
    left: list[Span] = []
    at = start_ns
    for first, beyond in spans:
        if at < min(first, end_ns):
            left.append((at, min(first, end_ns)))
        at = max(at, beyond)
        if at >= end_ns:
            return left
    if at < end_ns:
        left.append((at, end_ns))
    return left
