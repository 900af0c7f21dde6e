"""Replay: recorded frames through the same recorder as a live session, into the same segments, then compaction.

The same files give the same bytes each time, and a raw recording of ours gives the rows that its live session took:
control lines repeat what the recorder did, and between them the frames' own times drive the grid. In other recordings
nothing is late, so every grid time within their span is sampled, however long nothing came. Where the header of another
session follows, that session is replayed next, as it was asked for; a file of a session's later hour is replayed from
the start of that hour.

After a gap a replay can do nothing but wait: the rows are out of sync until the file's next snapshot.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from msgspec import structs

from xetrade_core.books import fast
from xetrade_core.books.book_set import BookSet
from xetrade_core.capture.config import HOUR_NS, CaptureConfig
from xetrade_core.capture.instrument_json import instruments_of
from xetrade_core.capture.ledger import GapRecord
from xetrade_core.capture.recorder import BookRecorder, RecorderPlan
from xetrade_core.capture.replay_output import SegmentStore
from xetrade_core.capture.report import symbol_rows
from xetrade_core.capture.sampler import late_bound_ns
from xetrade_core.capture.status import SymbolStatus
from xetrade_core.clock import NS_PER_S, Clock, ManualClock, SystemClock
from xetrade_core.errors import ConfigError, CorruptFile
from xetrade_core.feeds.recording import CONTROL, REST_BODY, Control, Line, Recording, is_control, read_control
from xetrade_core.lake.compaction import CompactionReport, compact_hour
from xetrade_core.lake.instrument_facts import instrument_metadata
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.book_events import Applied, GapCause
from xetrade_core.model.instruments import Instrument
from xetrade_core.venues.instruments import named_instrument
from xetrade_core.venues.registry import venue as known_venue

_BATCH_ROWS = 1024
_SEGMENT_ROWS = 50_000
_INTERVAL_S, _DEPTH, _STALENESS_S = 1.0, 100, 30.0
_ACCELERATE_FROM_BYTES = 32 << 20
_SPECIAL = (CONTROL, REST_BODY)


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did.

    `gaps` has each gap's last state, split at the hours; `seconds` is the time it took without compaction.
    """

    venue: str
    files: int
    lines: int
    unreadable_lines: int
    frames: int
    """Frames that were given to the books.

    Book messages, snapshots, and other channels that could not be left out at once.
    """
    updates: int
    """Book messages applied."""
    accelerated: int
    """Of these, how many by compiled code."""
    seconds: float
    rows: int
    synced: int
    rejected: int
    from_ns: int
    to_ns: int
    symbols: tuple[SymbolStatus, ...]
    """One for each session and symbol."""
    gaps: tuple[GapRecord, ...]
    segments: tuple[str, ...]
    compactions: tuple[CompactionReport, ...]

    @property
    def updates_per_s(self) -> float:
        return self.updates / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to sample; None: what the recording says (if it is ours), else 1 s, 100 levels, 30 s."""

    interval_s: float | None = None
    depth: int | None = None
    staleness_s: float | None = None


def replay(
    files: Sequence[Path],
    venue: str,
    symbols: Sequence[str],
    store: ObjectStore,
    *,
    interval_s: float | None = None,
    depth: int | None = None,
    staleness_s: float | None = None,
    compact: bool = True,
    accelerate: bool | None = None,
    clock: Clock | None = None,
) -> ReplayReport:
    """Replay files of one venue, in the order given, as one stream, into the lake at `store`.

    `symbols` may be empty for recordings of ours, which name theirs. `accelerate`: by compiled code where there is any
    for the venue (None: if `worth_accelerating`); the outcome is the same. `clock` only measures how long it took.
    Raises ConfigError, UnknownVenue, UnknownSymbol, CorruptFile, and what the store raises.
    """
    if accelerate is None:
        accelerate = worth_accelerating(files)
    if accelerate:
        fast.load()
    timer = clock or SystemClock()
    began_ns = timer.monotonic_ns()
    run = _Replay(venue, tuple(symbols), ReplayOptions(interval_s, depth, staleness_s), store, accelerate)
    run.read(Recording(files))
    seconds = (timer.monotonic_ns() - began_ns) / NS_PER_S
    return run.report(len(files), seconds, run.compact() if compact else ())


def worth_accelerating(files: Sequence[Path]) -> bool:
    """Whether compiled code can be had, and saves more time on these files than it takes to load."""
    return fast.available() and sum(path.stat().st_size for path in files if path.is_file()) >= _ACCELERATE_FROM_BYTES


@dataclass(frozen=True, slots=True)
class _Session:
    """One that has been replayed to its end; `applied` counts its book messages, `accelerated` the compiled code's."""

    plan: RecorderPlan
    output: SegmentStore
    recorder: BookRecorder
    applied: int
    accelerated: int


class _Replay:
    """One run over one stream of lines."""

    def __init__(
        self, venue: str, symbols: tuple[str, ...], options: ReplayOptions, store: ObjectStore, accelerate: bool
    ) -> None:
        self.venue = venue
        self.frames = 0
        self._accelerate = accelerate
        self._books: BookSet | None = None
        self._rules = known_venue(venue)
        self._symbols = symbols
        self._options = options
        self._store = store
        self._over: list[_Session] = []

    def read(self, recording: Recording) -> None:
        """The whole stream, to the end of its window."""
        self.recording = recording
        batches = recording.batches(self._take_lines if self._accelerate else None)
        first = next((batch for batch in batches if batch), None)
        if first is None or recording.first_ns is None:
            names = ", ".join(str(path) for path in recording.files) or "(no files)"
            raise CorruptFile(f"nothing to replay in {names}: give files of lines like '<receive ns> <frame>'")
        frame = first[0][1]
        header = read_control(frame) if is_control(frame) else None
        self._begin(header if header is not None and header.kind == "session" else None, recording.first_ns)
        for batch in chain((first,), batches):
            self._play(batch)
        self._end(recording.last_ns)

    def compact(self) -> tuple[CompactionReport, ...]:
        """Compact the hours this replay has touched; the records are stamped with the recording's own time."""
        reports = []
        for hour in sorted({hour for session in self._over for hour in session.output.hours}):
            plans = [session.plan for session in self._over if hour in session.output.hours]
            intervals_ns = {plan.interval_ns for plan in plans}
            reports.append(
                compact_hour(
                    self._store,
                    self.venue,
                    hour * HOUR_NS,
                    interval_ns=intervals_ns.pop() if len(intervals_ns) == 1 else None,
                    expected={symbol for plan in plans for symbol in plan.symbols},
                    clock=ManualClock(self.recording.last_ns),
                )
            )
        return tuple(reports)

    def report(self, files: int, seconds: float, compactions: tuple[CompactionReport, ...]) -> ReplayReport:
        """What it came to."""
        rows = tuple(row for session in self._over for row in symbol_rows(session.recorder, over=True))
        outputs = [session.output for session in self._over]
        return ReplayReport(
            venue=self.venue,
            files=files,
            lines=self.recording.lines,
            unreadable_lines=self.recording.unreadable_lines,
            frames=self.frames,
            updates=sum(session.applied for session in self._over),
            accelerated=sum(session.accelerated for session in self._over),
            seconds=seconds,
            rows=sum(row.captured for row in rows),
            synced=sum(row.synced for row in rows),
            rejected=sum(output.rejected for output in outputs),
            from_ns=min(session.plan.start_ns for session in self._over),
            to_ns=self.recording.last_ns,
            symbols=rows,
            gaps=tuple(gap for output in outputs for gap in output.gaps.values()),
            segments=tuple(key for output in outputs for key in output.keys),
            compactions=compactions,
        )

    def _begin(self, header: Control | None, first_ns: int) -> None:
        """Set up as the header of a session says, or without one for a span that begins here."""
        self._books = None
        self._rest_symbol = self._group = ""
        self._connected = self._stopped = False
        self._ours = header is not None
        if header is None:
            header = Control("session", opened_ns=first_ns, start_ns=first_ns)
        elif header.venue != self.venue:
            raise ConfigError.of("venue", self.venue, f"the recording is of {header.venue}")
        symbols = self._symbols or header.symbols
        interval_s, depth = self._options.interval_s, self._options.depth
        config = CaptureConfig(  # checks the values
            venues={self.venue: symbols},
            spool_dir=Path(),
            interval_s=interval_s if interval_s is not None else header.interval_ns / NS_PER_S or _INTERVAL_S,
            depth=depth if depth is not None else header.depth or _DEPTH,
            staleness_s=self._options.staleness_s or header.staleness_ns / NS_PER_S or _STALENESS_S,
            segment_s=3600,
        )
        asked = f"{self.venue} {symbols} {config.interval_ns} {config.depth} {config.staleness_s}"
        session_id = header.session_id or f"replay-{first_ns}-{zlib.crc32(asked.encode()):08x}"
        ticks = max(1, _SEGMENT_ROWS // len(symbols))
        hour_ns = first_ns // HOUR_NS * HOUR_NS
        if hour_ns - max(header.opened_ns, header.start_ns) > late_bound_ns(config.interval_ns):
            header = structs.replace(header, opened_ns=hour_ns, start_ns=hour_ns)  # its first file is another one
        self.plan = RecorderPlan(
            venue=self.venue,
            symbols=symbols,
            session_id=session_id,
            interval_ns=config.interval_ns,
            depth=config.depth,
            staleness_ns=config.staleness_ns(self.venue),
            segment_ns=min(ticks * config.interval_ns, HOUR_NS),
            opened_ns=header.opened_ns,
            start_ns=header.start_ns,
            end_ns=header.end_ns,
            batch_ticks=max(1, _BATCH_ROWS // len(symbols)),
        )
        writer = f"{session_id}.replay" if self._ours else session_id
        self.output = SegmentStore(self._store, self.plan, writer)
        self.recorder = BookRecorder(self.plan, self.output, None)
        if header.instruments:
            self._attach(instruments_of(header.instruments))

    def _end(self, last_ns: int) -> None:
        """What was begun is over with its last line, at `last_ns`."""
        recorder = self.recorder
        if not self._stopped:
            recorder.stop(last_ns, "the recording ends here")
        recorder.finish(cause=GapCause.STOPPED if self._stopped or not self._ours else GapCause.RECORDER_DOWN)
        books = self._need_books()
        applied = sum(sequencer.applied_count for sequencer in books.sequencers.values())
        self._over.append(_Session(self.plan, self.output, recorder, applied, books.accelerated_count))

    def _play(self, batch: list[Line]) -> None:
        """The hot path: take due samples, apply the frame, tell the ledger what is not just another update."""
        recorder, sampler = self.recorder, self.recorder.sampler
        feed = self._books.feed if self._books is not None else None
        played, body_due = 0, bool(self._rest_symbol)
        for received_ns, frame in batch:
            if body_due or frame.startswith(_SPECIAL):
                self._special(received_ns, frame)
                body_due = bool(self._rest_symbol)
                recorder, sampler = self.recorder, self.recorder.sampler
                feed = self._books.feed if self._books is not None else None
                continue
            if feed is None:
                feed = self._need_books().feed
            if received_ns >= sampler.next_ns:
                sampler.advance(received_ns)
            events = feed(frame, received_ns)
            played += 1
            if len(events) != 1 or type(events[0]) is not Applied:
                recorder.events(events)
        self.frames += played

    def _take_lines(self, text: bytes, at: int, skip: bool) -> int:
        """Apply the lines that are mere messages in sequence at one stroke, where books can, and take the samples."""
        if self._books is None:
            return at
        recorder, sampler = self.recorder, self.recorder.sampler
        while at < len(text):
            run = self._books.apply_lines(text, at, sampler.next_ns, skip)
            at = run.at
            self.frames += run.frames
            self.recording.took(run.lines, run.newest_ns)
            recorder.events(run.events)
            if run.due_ns is not None:
                sampler.advance(run.due_ns)
            elif not run.lines:  # otherwise the next line may be of another symbol
                break
        return at

    def _special(self, received_ns: int, frame: bytes) -> None:
        recorder = self.recorder
        if not is_control(frame):
            self._snapshot(received_ns, frame)
            return
        line = read_control(frame)
        if line.kind == "rest":
            self._rest_symbol = line.symbol or self._need_books().symbol_of(line.venue_id) or line.venue_id
        elif line.kind == "group":
            self._group = line.group
            self._need_books().of_group(line.group)
        elif line.kind == "tick":
            recorder.tick(received_ns)
        elif line.kind == "skip":
            recorder.skip_to(line.to, line.cause)
        elif line.kind == "lost":
            self._lose(received_ns, line.symbols, line.cause, line.detail)
        elif line.kind == "dropped":
            self._lose(received_ns, self.plan.symbols, GapCause.OVERFLOW, "frames are missing from the recording")
        elif line.kind == "instruments":
            if self._books is None and line.instruments:
                self._attach(instruments_of(line.instruments))
        elif line.kind == "stop":
            self._stopped = True
            recorder.stop(received_ns, line.detail)
        elif line.kind == "connect":
            if self._connected:
                self._lose(received_ns, self.plan.symbols, GapCause.DISCONNECT, None)
            self._connected = True
        elif line.kind == "session" and line.session_id != self.plan.session_id:
            self._end(recorder.sampler.last_ns)
            self._begin(line, received_ns)

    def _snapshot(self, received_ns: int, body: bytes) -> None:
        symbol, self._rest_symbol = self._rest_symbol, ""
        if not symbol:
            if len(self.plan.symbols) != 1:
                raise ConfigError("the recording does not say whose REST snapshots it holds: replay one symbol only")
            symbol = self.plan.symbols[0]
        if symbol not in self.plan.symbols:
            return
        self.frames += 1
        books = self._need_books()
        self.recorder.frame(received_ns, body, f"rest:{symbol}")
        self.recorder.events(books.snapshot(symbol, body, received_ns))

    def _lose(self, received_ns: int, symbols: Sequence[str], cause: GapCause, detail: str | None) -> None:
        ours = tuple(symbol for symbol in symbols if symbol in self.plan.symbols)
        self.recorder.lost(received_ns, ours, cause)
        self.recorder.events(self._need_books().lose(ours, cause, received_ns), detail)

    def _need_books(self) -> BookSet:
        """The books; where the recording does not say what its instruments are, by the venue's rule for ids."""
        if self._books is None:
            return self._attach([named_instrument(self._rules, symbol) for symbol in self.plan.symbols], known=False)
        return self._books

    def _attach(self, instruments: Sequence[Instrument], known: bool = True) -> BookSet:
        chosen = [one for one in instruments if one.symbol in self.plan.symbols]
        self._books = self._rules.books(chosen)
        self._books.of_group(self._group)
        if self._accelerate:
            self._books.accelerate()
        self.recorder.attach(self._books.sequencers)
        if known:
            self.output.metadata = instrument_metadata(chosen)
        return self._books
