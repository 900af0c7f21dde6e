"""The gap ledger: for every grid time of the window, either the row is in sync or a gap here says why not.

A gap covers the grid times t with from_ns <= t < to_ns. A message received at r changes the rows of the grid times
after r, so an event at r opens or closes a gap at r + 1 ns. A gap that crosses an hour becomes one record an hour,
all with the same id.

Every change is one JSON line in `gaps.wal` with a growing revision; a `sealed` line says which revisions are safe in
gap segments. So what a crash leaves behind is read back by keeping the last line of each gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import pyarrow as pa

from xetrade_core.capture.config import HOUR_NS
from xetrade_core.clock import NS_PER_MS
from xetrade_core.lake.schemas import L2_GAPS
from xetrade_core.model.book_events import GapCause

ABSENCES = frozenset({GapCause.RECORDER_DOWN, GapCause.STOPPED})
"""Causes that say that this session did not record, as far as it knows: another session may have."""


class GapRecord(msgspec.Struct, omit_defaults=True):
    """One gap of one symbol; the same gap of several hours keeps one id. `void`: it turned out to cover nothing."""

    gap_id: str
    exchange: str
    symbol: str
    from_ns: int
    to_ns: int | None
    cause: GapCause
    session: str
    from_sequence: int | None = None
    to_sequence: int | None = None
    resync_ms: float | None = None
    detail: str | None = None
    void: bool = False


class LedgerLine(msgspec.Struct, omit_defaults=True):
    """One line of `gaps.wal`: a change of a gap, or (with `sealed`) what is safe in segments."""

    venue: str
    revision: int
    gap: GapRecord | None = None
    sealed: bool = False
    rows_through_ns: int | None = None
    """With `sealed`: the last grid time whose rows are in a durable segment; None if there were no rows."""
    over_ns: int | None = None
    """The session stopped on purpose: it has no rows from this grid time on."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(LedgerLine)


@dataclass(slots=True)
class GapLog:
    """One venue's part of a `gaps.wal`, as it stood when the log ends."""

    gaps: dict[str, GapRecord] = field(default_factory=dict)
    unsealed: set[str] = field(default_factory=set)
    """Ids of gaps with a change that no durable gap segment has."""
    rows_through_ns: int | None = None
    over_ns: int | None = None
    _revision_of: dict[str, int] = field(default_factory=dict)

    def read(self, line: LedgerLine) -> None:
        """Take in the next line."""
        if line.gap is not None:
            self.gaps[line.gap.gap_id] = line.gap
            self.unsealed.add(line.gap.gap_id)
            self._revision_of[line.gap.gap_id] = line.revision
        if line.over_ns is not None:
            self.over_ns = line.over_ns
        if line.sealed:
            self.unsealed = {gap_id for gap_id in self.unsealed if self._revision_of[gap_id] > line.revision}
            if line.rows_through_ns is not None:
                self.rows_through_ns = max(line.rows_through_ns, self.rows_through_ns or 0)


@dataclass(slots=True)
class _Open:
    record: GapRecord
    learnt_ns: int
    """When the recorder learnt of it, for the duration of the resync."""


class GapLedger:
    """The gaps of one venue in one session. `write` gets each change as a line for `gaps.wal`."""

    def __init__(self, venue: str, session: str, write: Callable[[bytes], None]) -> None:
        self.venue = venue
        self.session = session
        self.revision = 0
        self.causes: dict[str, dict[GapCause, int]] = {}
        """How many gaps of each cause, by symbol."""
        self._write = write
        self._count = 0
        self._open: dict[str, _Open] = {}
        self._last_missing: dict[str, GapRecord] = {}
        self._pending: dict[str, GapRecord] = {}
        """Gaps with a change that no gap segment has yet."""
        self._offered: dict[str, tuple[int, bool]] = {}
        """Of open gaps: where the next record begins, and whether a gap segment has it already, as open."""

    @classmethod
    def resume(cls, venue: str, session: str, log: GapLog, write: Callable[[bytes], None]) -> GapLedger:
        """The ledger as a session left it behind, to be finished in its place."""
        ledger = cls(venue, session, write)
        ledger.revision = max(log._revision_of.values(), default=0)
        ledger._count = max((int(gap_id.rsplit("-", 1)[1]) for gap_id in log.gaps), default=0)
        ledger._open = {gap.symbol: _Open(gap, gap.from_ns) for gap in log.gaps.values() if gap.to_ns is None}
        ledger._pending = {gap_id: log.gaps[gap_id] for gap_id in log.gaps if gap_id in log.unsealed}
        return ledger

    def is_open(self, symbol: str) -> bool:
        """Whether the symbol is inside an out-of-sync gap."""
        return symbol in self._open

    def open_gap(
        self,
        symbol: str,
        cause: GapCause,
        from_ns: int,
        learnt_ns: int,
        from_sequence: int | None = None,
        to_sequence: int | None = None,
        detail: str | None = None,
    ) -> None:
        """The symbol is out of sync for grid times from `from_ns` on.

        Nothing if a gap is open: the first cause stands.
        """
        if symbol in self._open:
            return
        record = self._new(symbol, cause, from_ns, None, detail)
        record.from_sequence = from_sequence
        record.to_sequence = to_sequence
        self._open[symbol] = _Open(record, learnt_ns)
        self._changed(record)

    def close_gap(self, symbol: str, to_ns: int, sequence: int | None = None, synced_ns: int | None = None) -> None:
        """The symbol is in sync for grid times from `to_ns` on; `synced_ns` None: the gap ended without a resync."""
        opened = self._open.pop(symbol, None)
        if opened is None:
            return
        record = opened.record
        record.to_ns = max(to_ns, record.from_ns)
        if synced_ns is not None:
            record.resync_ms = max(synced_ns - opened.learnt_ns, 0) / NS_PER_MS
            if record.to_sequence is None:
                record.to_sequence = sequence
        if record.cause is GapCause.STARTUP and record.to_ns == record.from_ns:
            record.void = True  # in sync before the window began
            self.causes[symbol][record.cause] -= 1
        self._changed(record)

    def missing(
        self, symbols: Iterable[str], from_ns: int, to_ns: int, cause: GapCause, detail: str | None = None
    ) -> None:
        """There are no rows for [from_ns, to_ns).

        A range that continues the symbol's last one of that cause extends it.
        """
        for symbol in symbols:
            record = self._last_missing.get(symbol)
            if record is not None and record.cause is cause and record.to_ns == from_ns:
                record.to_ns = to_ns
            else:
                record = self._last_missing[symbol] = self._new(symbol, cause, from_ns, to_ns, detail)
            self._changed(record)

    def finish(
        self, symbols: Iterable[str], from_ns: int, to_ns: int | None, cause: GapCause, detail: str | None = None
    ) -> None:
        """The session is over.

        Open gaps close at `from_ns`, and what is left of the window, up to `to_ns`, is missing.
        """
        self._write(encode_line(LedgerLine(self.venue, self.revision, over_ns=from_ns)))
        for symbol in tuple(self._open):
            self.close_gap(symbol, from_ns)
        if to_ns is not None and from_ns < to_ns:
            self.missing(symbols, from_ns, to_ns, cause, detail)

    def take_pending(self, before_ns: int) -> list[GapRecord]:
        """The records that need a gap segment now, at a segment boundary, split at the hours.

        A gap that is still open has to_ns None in its last hour; once closed, or in a new hour, it is offered again.
        Records are told apart by gap_id and from_ns, and one with a to_ns supersedes the one without.
        """
        open_records = {opened.record.gap_id: opened.record for opened in self._open.values()}
        rows: list[GapRecord] = []
        for gap_id, record in {**self._pending, **open_records}.items():
            self._pending.pop(gap_id, None)
            from_ns, offered_open = self._offered.pop(gap_id, (record.from_ns, False))
            parts = [] if record.void else split_at_hours(record, from_ns, before_ns)
            if gap_id in open_records:
                still_open = parts[-1].to_ns is None
                self._offered[gap_id] = (parts[-1].from_ns if still_open else parts[-1].to_ns or 0, still_open)
            rows += parts[:-1] if offered_open and parts and parts[0].to_ns is None else parts
        self._last_missing.clear()
        return rows

    def _new(self, symbol: str, cause: GapCause, from_ns: int, to_ns: int | None, detail: str | None) -> GapRecord:
        self._count += 1
        causes = self.causes.setdefault(symbol, {})
        causes[cause] = causes.get(cause, 0) + 1
        gap_id = f"{self.session}-{self.venue}-{self._count}"
        return GapRecord(gap_id, self.venue, symbol, from_ns, to_ns, cause, self.session, detail=detail)

    def _changed(self, record: GapRecord) -> None:
        self.revision += 1
        self._pending[record.gap_id] = record
        self._write(encode_line(LedgerLine(self.venue, self.revision, record)))


def split_at_hours(record: GapRecord, from_ns: int, before_ns: int) -> list[GapRecord]:
    """The part of `record` from `from_ns` on as one record an hour.

    An open one reaches into the hour of `before_ns` - 1.
    """
    parts: list[GapRecord] = []
    while True:
        hour_end_ns = (from_ns // HOUR_NS + 1) * HOUR_NS
        if record.to_ns is not None and record.to_ns <= hour_end_ns:
            return [*parts, msgspec.structs.replace(record, from_ns=from_ns)]
        if record.to_ns is None and before_ns < hour_end_ns:
            return [*parts, msgspec.structs.replace(record, from_ns=from_ns)]
        parts.append(msgspec.structs.replace(record, from_ns=from_ns, to_ns=hour_end_ns))
        from_ns = hour_end_ns
        if record.to_ns is None and from_ns >= before_ns:
            return parts


def gap_table(records: Sequence[GapRecord]) -> pa.Table:
    """Records as rows of `l2_gaps`, ordered by symbol, time and id."""
    rows = sorted(records, key=lambda gap: (gap.symbol, gap.from_ns, gap.gap_id))
    columns = {
        "gap_id": [gap.gap_id for gap in rows],
        "exchange": [gap.exchange for gap in rows],
        "symbol": [gap.symbol for gap in rows],
        "from_timestamp": [gap.from_ns for gap in rows],
        "to_timestamp": [gap.to_ns for gap in rows],
        "from_sequence": [gap.from_sequence for gap in rows],
        "to_sequence": [gap.to_sequence for gap in rows],
        "cause": [gap.cause.value for gap in rows],
        "resync_ms": [gap.resync_ms for gap in rows],
        "detail": [gap.detail for gap in rows],
        "session": [gap.session for gap in rows],
    }
    schema = L2_GAPS.schema
    return pa.table([pa.array(columns[field.name], type=field.type) for field in schema], schema=schema)


def encode_line(line: LedgerLine) -> bytes:
    """One line of `gaps.wal`, with its newline."""
    return _ENCODER.encode(line) + b"\n"


def read_gap_log(content: bytes) -> tuple[dict[str, GapLog], int]:
    """What a `gaps.wal` says, by venue, and how many of its lines could not be read (a torn last one, usually)."""
    logs: dict[str, GapLog] = {}
    torn = 0
    for text in content.split(b"\n"):
        if not text:
            continue
        try:
            line = _DECODER.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            torn += 1
            continue
        logs.setdefault(line.venue, GapLog()).read(line)
    return logs, torn
