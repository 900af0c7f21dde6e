"""One venue's way from book events to rows and gaps: the same code for a live session and for a replay.

A recorder is the sink of a venue's feed. It takes the due samples before each frame, fills the columns, keeps the gap
ledger, and hands whole batches and segment boundaries to its output. It does no I/O and never waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from xetrade_core.books.sequencer import BookSequencer
from xetrade_core.capture.columns import SnapshotColumns
from xetrade_core.capture.config import HOUR_NS
from xetrade_core.capture.instrument_json import instrument_rows
from xetrade_core.capture.ledger import GapLedger, GapRecord
from xetrade_core.capture.sampler import NEVER_NS, GridSampler, grid_at_or_after
from xetrade_core.capture.tallies import SymbolTallies
from xetrade_core.clock import Clock
from xetrade_core.model.book_events import Applied, BookEvent, Buffered, Gap, GapCause, Ignored, Refused, Synced
from xetrade_core.model.instruments import Instrument

_QUIET = frozenset({Applied, Buffered, Ignored})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderPlan:
    """What one recorder records. The window is [start_ns, end_ns); `opened_ns` is when the recorder came up."""

    venue: str
    symbols: tuple[str, ...]
    session_id: str
    interval_ns: int
    depth: int
    staleness_ns: int
    segment_ns: int
    opened_ns: int
    start_ns: int
    end_ns: int | None
    batch_ticks: int
    """Grid times in one batch."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Everything since the seal before becomes a segment.

    The log that begins at `log_start_ns`, and these gap records.
    """

    venue: str
    log_start_ns: int | None
    """None: no rows since the seal before."""
    gaps: tuple[GapRecord, ...]
    revision: int


class RecorderOutput(Protocol):
    """Where rows and gaps go; none of these may block."""

    def rows(self, columns: SnapshotColumns, log_start_ns: int) -> bool:
        """Take over a batch of rows; False if there is no room for it."""
        ...

    def line(self, line: bytes) -> None:
        """Append a line to the gap log."""
        ...

    def seal(self, seal: Seal) -> None:
        """Seal a segment."""
        ...


class RawControl(Protocol):
    """The raw recording of this venue."""

    def frame(self, received_ns: int, frame: bytes | str | memoryview, source: str) -> None:
        """A frame, exactly as it came."""
        ...

    def control(self, wall_ns: int, kind: str, facts: Mapping[str, object]) -> None:
        """Something that happened to the recorder, and that a replay must repeat."""
        ...


class BookRecorder:
    """Rows and gaps of one venue. Everything is called from one thread."""

    def __init__(
        self, plan: RecorderPlan, output: RecorderOutput, clock: Clock | None, raw: RawControl | None = None
    ) -> None:
        self.plan = plan
        self.sampler = GridSampler(
            plan.interval_ns, max(plan.start_ns, plan.opened_ns), plan.end_ns, self._take, self._skip, clock
        )
        self.ledger = GapLedger(plan.venue, plan.session_id, output.line)
        self.tallies = SymbolTallies(plan.symbols)
        self._output = output
        self._raw = raw
        self._now_ns = plan.opened_ns
        self._index = {symbol: index for index, symbol in enumerate(plan.symbols)}
        self._books: list[BookSequencer | None] = [None] * len(plan.symbols)
        self._columns: SnapshotColumns | None = None
        self._log_start_ns: int | None = None
        self._segment_end_ns = self._boundary_after(self.sampler.first_ns)
        self._last_row: list[tuple[int, tuple[int, int, int | None]] | None] = [None] * len(plan.symbols)
        self._stopped = False
        self._stop_detail: str | None = None
        self._over_ns = 0
        self._open_window()

    def attach(self, sequencers: Mapping[str, BookSequencer], instruments: Iterable[Instrument] = ()) -> None:
        """Sample these books from now on. Until then (the venue does not answer yet) rows are written as not in sync.

        `instruments`, where they are known, go into the raw recording.
        """
        for symbol, index in self._index.items():
            self._books[index] = sequencers[symbol]
            self.tallies.restart(index, sequencers[symbol])
        if self._raw is not None:
            self._raw.control(self._now_ns, "instruments", {"instruments": instrument_rows(instruments)})

    # ---- what a feed calls (FeedSink)

    def frame(self, received_ns: int, frame: bytes | str | memoryview, source: str = "ws") -> None:
        """Take the samples that are due before this frame is applied."""
        if received_ns >= self.sampler.next_ns:
            self._now_ns = received_ns
            self.sampler.advance(received_ns)
        if source.startswith("rest:"):
            self._forget_rows()  # a REST snapshot may deepen a book without a message being applied
        if self._raw is not None:
            self._raw.frame(received_ns, frame, source)

    def events(self, events: tuple[BookEvent, ...], detail: str | None = None) -> None:
        """Keep the ledger after a frame; `detail` says more about a gap, for a person."""
        for event in events:
            kind = type(event)
            if kind in _QUIET or event.symbol not in self._index:
                continue
            if isinstance(event, Refused):
                detail = event.detail  # a gap of the same symbol may follow
            elif isinstance(event, Gap):
                self._open_gap(event, detail)
            elif isinstance(event, Synced):
                self._close_gap(event)

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause, detail: str | None = None) -> None:
        """A connection is lost; the feed tells the books right after this."""
        self._now_ns = received_ns
        self.sampler.advance(received_ns)
        if self._raw is not None:
            self._raw.control(received_ns, "lost", {"symbols": symbols, "cause": cause.value, "detail": detail})

    # ---- what the session calls

    def tick(self, now_ns: int) -> None:
        """Take what is due although no frame has come."""
        due = now_ns >= self.sampler.next_ns
        self._now_ns = now_ns
        self.sampler.advance(now_ns)
        if due and self._raw is not None:
            self._raw.control(now_ns, "tick", {})

    def skip_to(self, to_ns: int, cause: GapCause) -> None:
        """Leave out samples, as the live session did whose recording is being replayed."""
        self.sampler.skip_to(to_ns, cause)

    def in_sync(self, symbol: str) -> bool:
        """Whether a sample taken now would show this book."""
        book = self._books[self._index[symbol]]
        return book is not None and book.synced

    @property
    def done(self) -> bool:
        """Whether the window is over."""
        return self.sampler.next_ns == NEVER_NS

    def stop(self, now_ns: int, detail: str | None) -> None:
        """Take what is due, and then nothing more; `detail` says why. `finish` must follow."""
        if not self._stopped:
            self._stopped = True
            self._stop_detail = detail
            self.tick(now_ns)
            if self._raw is not None:
                self._raw.control(now_ns, "stop", {"detail": detail})
                self._raw = None
            self._over_ns = self.sampler.last_ns + self.plan.interval_ns
            if self.done and self.plan.end_ns is not None:
                self._over_ns = self.plan.end_ns
            self.sampler.stop()
            self.flush()

    def finish(self, durable_ns: int | None = None, cause: GapCause = GapCause.STOPPED) -> None:
        """After `stop`: what is left of the window is missing for `cause`, and the last segment is sealed.

        `durable_ns`: where the log failed, the last grid time whose rows are safe; the rows after it are missing too.
        """
        plan, over_ns, detail = self.plan, self._over_ns, self._stop_detail
        if durable_ns is not None and durable_ns + plan.interval_ns < over_ns:
            self.ledger.missing(plan.symbols, durable_ns + plan.interval_ns, over_ns, cause, detail)
        self.ledger.finish(plan.symbols, over_ns, plan.end_ns, cause, detail)
        self._seal(NEVER_NS)

    def flush(self) -> None:
        """Hand over the rows that are waiting; if there is no room for them they are lost, and the ledger says so."""
        columns, self._columns = self._columns, None
        if columns is None or self._log_start_ns is None:
            return
        self._forget_rows()
        first_ns, last_ns = columns.ticks()
        self.tallies.note_latencies(*columns.latencies())
        if not self._output.rows(columns, self._log_start_ns):
            to_ns = last_ns + self.plan.interval_ns
            self.tallies.forget(columns.rows // len(self.plan.symbols), *columns.counts())
            self.ledger.missing(self.plan.symbols, first_ns, to_ns, GapCause.OVERFLOW, "the log could not keep up")

    # ---- the window

    def _open_window(self) -> None:
        """What came before the recorder is RECORDER_DOWN.

        From there on every book is unsynced until its feed says otherwise.
        """
        plan, first_ns = self.plan, self.sampler.first_ns
        from_ns = plan.start_ns
        if plan.start_ns < plan.opened_ns:
            until_ns = first_ns if plan.end_ns is None else min(first_ns, plan.end_ns)
            from_ns = until_ns
            if grid_at_or_after(plan.start_ns, plan.interval_ns) < until_ns:
                detail = "the session began after its window"
                self.ledger.missing(plan.symbols, plan.start_ns, until_ns, GapCause.RECORDER_DOWN, detail)
        self._floor_ns = from_ns
        if not self.done:
            for symbol in plan.symbols:
                self.ledger.open_gap(symbol, GapCause.STARTUP, from_ns, plan.opened_ns)

    def _effective(self, received_ns: int) -> int:
        """From which moment on an event of `received_ns` shows in rows.

        After it, and after every sample already taken.
        """
        return max(received_ns + 1, self.sampler.last_ns + 1, self._floor_ns)

    def _open_gap(self, gap: Gap, detail: str | None) -> None:
        if self.done:
            return
        from_ns = self._effective(gap.received_ns)
        self.ledger.open_gap(
            gap.symbol, gap.cause, from_ns, gap.received_ns, gap.last_sequence, gap.next_sequence, detail
        )

    def _close_gap(self, synced: Synced) -> None:
        self.tallies.resyncs[self._index[synced.symbol]] += 1
        if not self.done:
            self.ledger.close_gap(
                synced.symbol, self._effective(synced.received_ns), synced.sequence, synced.received_ns
            )

    # ---- samples

    def _skip(self, from_ns: int, to_ns: int, cause: GapCause) -> None:
        if self._raw is not None:
            self._raw.control(self._now_ns, "skip", {"to": to_ns, "cause": cause.value})
        end_ns = self.plan.end_ns
        self.ledger.missing(self.plan.symbols, from_ns, to_ns if end_ns is None else min(to_ns, end_ns), cause)

    def _take(self, tick_ns: int) -> None:
        if tick_ns >= self._segment_end_ns:
            self.flush()
            self._seal(self._segment_end_ns)
            self._segment_end_ns = self._boundary_after(tick_ns)
        columns = self._columns
        if columns is None:
            plan = self.plan
            columns = SnapshotColumns(plan.venue, plan.symbols, plan.depth, plan.batch_ticks * len(plan.symbols))
            self._columns = columns
        if self._log_start_ns is None:
            self._log_start_ns = tick_ns
        for index, book in enumerate(self._books):
            self._sample(tick_ns, index, book, columns)
        self.tallies.captured_ticks += 1
        if columns.rows == columns.capacity:
            self.flush()

    def _sample(self, tick_ns: int, index: int, book: BookSequencer | None, columns: SnapshotColumns) -> None:
        tallies = self.tallies
        if book is None:
            columns.append_unsynced(tick_ns, index, 0, 0, 0)
            return
        updates, refused = tallies.count(index, book)
        symbol = book.symbol
        if not book.synced:
            if not self.ledger.is_open(symbol):
                self.ledger.open_gap(
                    symbol, GapCause.UNEXPLAINED, tick_ns, tick_ns, detail="out of sync without an event"
                )
            columns.append_unsynced(tick_ns, index, book.epoch, updates, refused)
            return
        if self.ledger.is_open(symbol):
            self.ledger.close_gap(symbol, tick_ns)
        state = (book.epoch, book.applied_count, book.sequence)
        last = self._last_row[index]
        same_as = last[0] if last is not None and last[1] == state else None
        received_ns = book.received_ns
        stale = received_ns is None or tick_ns - received_ns > self.plan.staleness_ns
        self._last_row[index] = (columns.rows, state)
        columns.append_synced(tick_ns, index, book, stale, updates, refused, same_as)
        tallies.synced[index] += 1
        tallies.stale[index] += stale

    def _forget_rows(self) -> None:
        self._last_row = [None] * len(self._last_row)

    # ---- segments

    def _boundary_after(self, tick_ns: int) -> int:
        segment_ns = self.plan.segment_ns
        return min((tick_ns // segment_ns + 1) * segment_ns, (tick_ns // HOUR_NS + 1) * HOUR_NS)

    def _seal(self, before_ns: int) -> None:
        log_start_ns, self._log_start_ns = self._log_start_ns, None
        revision = self.ledger.revision
        gaps = tuple(self.ledger.take_pending(before_ns))
        if log_start_ns is not None or gaps:
            self._output.seal(Seal(self.plan.venue, log_start_ns, gaps, revision))
