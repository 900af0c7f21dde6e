"""What a running capture looks like: a live table on a terminal, a line now and then where there is none."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from xetrade_core.cli.output import console, count, say, table
from xetrade_core.clock import NS_PER_S

if TYPE_CHECKING:
    from xetrade_core.capture.status import CaptureStatus, SymbolStatus

COLUMNS = (
    "venue", "symbol", "expected", "captured", "synced", "gaps", "resyncs", "updates", "p50 ms", "p99 ms", "state",
)  # fmt: skip
LINE_EVERY_NS = 10 * NS_PER_S


def rows_of(status: CaptureStatus) -> list[tuple[object, ...]]:
    """One row a book, in the order of COLUMNS."""
    feeds = {venue.venue: venue.state for venue in status.venues}
    return [
        (book.venue, book.symbol, book.expected, book.captured, book.synced, book.gaps, book.resyncs, book.updates,
         book.latency_p50_ms, book.latency_p99_ms, state_of(book, feeds.get(book.venue, "")))
        for book in status.symbols
    ]  # fmt: skip


def state_of(book: SymbolStatus, feed: str) -> str:
    """The book's state in one word, the feed's where that is not running."""
    if feed != "running":
        return feed
    return "in sync" if book.in_sync else "out of sync"


def headline(status: CaptureStatus) -> str:
    """The session in one line."""
    elapsed_s = max(0, status.heartbeat_ns - status.start_ns) / NS_PER_S
    waiting = f"{count(status.spool_files, 'file')} waiting for the lake" if status.spool_files else "nothing waits"
    sent = count(status.uploaded_files, "file")
    line = f"{status.session_id}: {status.state}, {elapsed_s:.0f} s, {sent} uploaded, {waiting}"
    return f"{line} ({status.upload_error})" if status.upload_error else line


def rendered(status: CaptureStatus) -> Any:
    """The live table of one moment."""
    return table(headline(status), COLUMNS, rows_of(status))


class Progress:
    """Shows each status it is given, until left."""

    def __init__(self) -> None:
        self._live: Any = None
        self._told_ns = 0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.live import Live

            self._live = Live(console=console(stderr=True), auto_refresh=False, transient=True)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def show(self, status: CaptureStatus) -> None:
        """Show it now on a terminal; elsewhere only if nothing was said for a while."""
        if self._live is not None:
            self._live.update(rendered(status), refresh=True)
        elif status.heartbeat_ns - self._told_ns >= LINE_EVERY_NS:
            self._told_ns = status.heartbeat_ns
            in_sync = sum(book.in_sync for book in status.symbols)
            say(f"{headline(status)}; {in_sync} of {len(status.symbols)} books in sync")
