"""A book that is joined from two sources: changes on a channel, and a snapshot over REST (Binance, KuCoin).

Changes are kept until a snapshot comes that falls among them; from there on each must follow on the one before, by the
venue's own rule. A snapshot that comes later deepens a book that is in sync: see `books/book.py` on what is known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from xetrade_core.books.book import Level
from xetrade_core.books.book_set import NS_PER_MS
from xetrade_core.books.sequencer import BookSequencer, Events
from xetrade_core.model.book_events import Gap, GapCause, RefusalReason

BUFFER_MOST = 20_000  # messages kept for a snapshot that does not come (over half an hour at 10/s); the oldest go first


class DepthUpdate(Protocol):
    """A message of changes: its first and last id, bids and asks; E in ms since the epoch, 0 where none is given."""

    E: int
    U: int
    u: int
    b: list[Level]
    a: list[Level]


class BookSnapshot(Protocol):
    """A whole or truncated book at the id of the last change that it contains; E in ms, None where none is given."""

    lastUpdateId: int
    bids: list[Level]
    asks: list[Level]
    E: int | None


class JoiningSequencer(BookSequencer):
    """One symbol: joins REST snapshots with the update stream."""

    __slots__ = ("_deeper", "_event_ms", "_joined_at", "_joining", "_waiting")

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self._waiting: deque[tuple[DepthUpdate, int]] = deque(maxlen=BUFFER_MOST)
        self._joining = False  # in sync at a snapshot, no message applied since
        self._joined_at = 0  # lastUpdateId of the snapshot of this epoch
        self._event_ms = 0  # event time of the last applied message
        self._deeper: BookSnapshot | None = None  # a deeper snapshot, ahead of the stream

    def _continues(self, update: DepthUpdate) -> bool:
        """Whether `update` is the one that must follow `self.sequence`."""
        raise NotImplementedError

    def _precedes(self, update: DepthUpdate, last_update_id: int) -> bool:
        """Whether a snapshot at `last_update_id` contains all of `update`."""
        raise NotImplementedError

    def _follows(self, update: DepthUpdate, before: DepthUpdate) -> bool:
        """Whether `update` comes directly after `before`."""
        raise NotImplementedError

    def _reach(self, levels: Sequence[Level]) -> float | None:
        """The price past which a side of a snapshot says nothing; None where it is whole."""
        raise NotImplementedError

    def update(self, update: DepthUpdate, received_ns: int) -> Events:
        """Apply, buffer, ignore or find a gap."""
        if not self.synced:
            return self._wait(update, received_ns)
        if self._continues(update):
            book = self.book
            if update.b:
                book.bids.apply(update.b)
            if update.a:
                book.asks.apply(update.a)
            if book.crossed:
                return self.crossed(received_ns)
            return self.applied(update.E, update.u, received_ns)
        assert self.sequence is not None
        if update.u < update.U:
            return self.refuse(RefusalReason.MALFORMED, received_ns, f"first id {update.U} is after last id {update.u}")
        if update.u <= self.sequence:
            newer = 0 < self._event_ms < update.E
            events = self._ignore_old(newer, received_ns, update.U)
        else:
            events = self.lose(GapCause.SEQUENCE, received_ns, update.U)
        if not self.synced:
            self._wait(update, received_ns)
        return events

    @property
    def deepening(self) -> bool:
        """Whether a deeper snapshot waits for the stream: it is looked at after each message."""
        return self._deeper is not None

    def applied(self, event_ms: int, last_id: int, received_ns: int, count: int = 1) -> Events:
        """The book has taken `count` messages, the last with this E and u, and was never crossed."""
        self.sequence = last_id
        self.exchange_ns = event_ms * NS_PER_MS or None
        self.received_ns = received_ns
        self.applied_count += count
        self._event_ms = event_ms
        self._joining = False
        self._old_run = 0
        if self._deeper is not None:
            self._deepen(self._deeper)
        return self._applied

    def crossed(self, received_ns: int) -> Events:
        """The message that the book has taken crossed it."""
        detail = f"best bid {self.book.best_bid} >= ask {self.book.best_ask}"
        return self.refuse(RefusalReason.CROSSED, received_ns, detail)

    def lose(self, cause: GapCause, received_ns: int, next_sequence: int | None = None) -> Events:
        if self.synced or cause in (GapCause.DISCONNECT, GapCause.STALLED):
            self._waiting.clear()
        self._deeper = None
        return super().lose(cause, received_ns, next_sequence)

    def refuse(self, reason: RefusalReason, received_ns: int, detail: str) -> Events:
        self._waiting.clear()  # what waits is no longer contiguous with what comes
        return super().refuse(reason, received_ns, detail)

    def _wait(self, update: DepthUpdate, received_ns: int) -> Events:
        if self._waiting:
            last = self._waiting[-1][0]
            if update.u <= last.u and update.E <= last.E:
                self.ignored_count += 1
                return self._ignored
            if not self._follows(update, last):
                self._waiting.clear()  # a snapshot must now be newer than this hole
        self._waiting.append((update, received_ns))
        return self._buffered

    def snapshot(self, snapshot: BookSnapshot, received_ns: int) -> Events:
        """Join a snapshot:

        In sync, or still `Buffered` if it is older than what has come; deepen a book that is in sync.
        """
        if self.synced:
            return self._deepen(snapshot)
        last_id = snapshot.lastUpdateId
        waiting = [(update, ns) for update, ns in self._waiting if not self._precedes(update, last_id)]
        if _levels_cross(snapshot):
            return self.refuse_snapshot(RefusalReason.CROSSED, received_ns, "the snapshot is crossed")
        self.sequence = last_id
        self._joining = True
        if waiting and not self._continues(waiting[0][0]):
            self.sequence = None
            return self._buffered
        self._waiting.clear()
        self.book.replace(snapshot.bids, snapshot.asks, self._reach(snapshot.bids), self._reach(snapshot.asks))
        self.synced = True
        self.epoch += 1
        self.exchange_ns = None if snapshot.E is None else snapshot.E * NS_PER_MS
        self.received_ns = received_ns
        self._joined_at, self._event_ms, self._old_run = last_id, 0, 0
        events: Events = ()
        for update, ns in waiting:
            events += tuple(e for e in self.update(update, ns) if e is not self._applied[0] and not isinstance(e, Gap))
        return (*events, self._joined(received_ns)) if self.synced else events

    def _deepen(self, snapshot: BookSnapshot) -> Events:
        assert self.sequence is not None
        self._deeper = None
        if snapshot.lastUpdateId > self.sequence:
            self._deeper = snapshot  # its far levels are true once the stream has caught up
            return self._buffered
        if snapshot.lastUpdateId < self._joined_at:
            self.ignored_count += 1
            return self._ignored
        self.book.bids.deepen(snapshot.bids, self._reach(snapshot.bids))
        self.book.asks.deepen(snapshot.asks, self._reach(snapshot.asks))
        return self._applied


class ContiguousSequencer(JoiningSequencer):
    """Ids without a hole: `U` is the previous `u + 1`, or less where the venue tells a change again.

    Sizes are absolute, so what is old in a message does no harm.
    """

    __slots__ = ()

    def _continues(self, update: DepthUpdate) -> bool:
        return update.U <= self.sequence + 1 <= update.u  # type: ignore[operator]  # only asked when in sync

    def _precedes(self, update: DepthUpdate, last_update_id: int) -> bool:
        return update.u <= last_update_id

    def _follows(self, update: DepthUpdate, before: DepthUpdate) -> bool:
        return update.U <= before.u + 1 <= update.u


def _levels_cross(snapshot: BookSnapshot) -> bool:
    bids, asks = snapshot.bids, snapshot.asks
    return bool(bids and asks) and max(bids)[0] >= min(asks)[0]
