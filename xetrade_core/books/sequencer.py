"""What every venue's sequencer has in common: one symbol's book, and whether it can be trusted.

A sequencer checks the continuity of every message, forever. It is the only writer of its book; a feed gives it messages
and snapshots (through a `BookSet`), a sampler reads its attributes. One subclass per venue protocol holds the rule
itself.
"""

from __future__ import annotations

from xetrade_core.books.book import L2Book
from xetrade_core.model.book_events import (
    Applied,
    BookEvent,
    Buffered,
    Gap,
    GapCause,
    Ignored,
    RefusalReason,
    Refused,
    Synced,
)

Events = tuple[BookEvent, ...]

OLD_RUN_LIMIT = 200  # so many old messages in a row, and none that fits: the venue numbers anew below us


class BookSequencer:
    """One symbol's book and its state of trust.

    Times are UTC nanoseconds: `exchange_ns` the venue's event time of the last applied message (None if it gave none),
    `received_ns` the recorder's own. `sequence` is None while not synced. The counts only grow.
    """

    __slots__ = (
        "_applied",
        "_buffered",
        "_ignored",
        "_old_run",
        "applied_count",
        "book",
        "epoch",
        "exchange_ns",
        "gap_count",
        "ignored_count",
        "received_ns",
        "refused_count",
        "sequence",
        "symbol",
        "synced",
    )

    def __init__(self, symbol: str, book: L2Book | None = None) -> None:
        self.symbol = symbol
        self.book = book or L2Book()
        self.synced = False
        self.sequence: int | None = None
        self.epoch = 0
        self.exchange_ns: int | None = None
        self.received_ns: int | None = None
        self.applied_count = self.ignored_count = self.refused_count = self.gap_count = 0
        self._old_run = 0
        # A book message comes thousands of times a second and mostly means one of these: made once, not each time.
        self._applied: Events = (Applied(symbol),)
        self._buffered: Events = (Buffered(symbol),)
        self._ignored: Events = (Ignored(symbol),)

    def lose(self, cause: GapCause, received_ns: int, next_sequence: int | None = None) -> Events:
        """Trust the book no longer. A `Gap` if it was in sync, else nothing: the gap is open already."""
        if not self.synced:
            return ()
        gap = Gap(self.symbol, cause, self.sequence, next_sequence, received_ns)
        self.synced = False
        self.sequence = None
        self.gap_count += 1
        return (gap,)

    def refuse(self, reason: RefusalReason, received_ns: int, detail: str) -> Events:
        """Count a refused message of this symbol. Its change is unknown now, so a book in sync is lost with it."""
        self.refused_count += 1
        cause = GapCause.CROSSED if reason is RefusalReason.CROSSED else GapCause.MALFORMED
        return (Refused(self.symbol, reason, received_ns, detail), *self.lose(cause, received_ns))

    def refuse_snapshot(self, reason: RefusalReason, received_ns: int, detail: str) -> Events:
        """Count a refused snapshot. It carried no change of its own, so the book's state stays what it was."""
        self.refused_count += 1
        return (Refused(self.symbol, reason, received_ns, detail),)

    def _joined(self, received_ns: int) -> Synced:
        return Synced(self.symbol, self.sequence, self.epoch, received_ns)

    def _ignore_old(self, newer_than_book: bool, received_ns: int, next_sequence: int) -> Events:
        """An old message is a duplicate, unless its event time or persistence shows a restarted numbering."""
        self._old_run += 1
        if newer_than_book or self._old_run > OLD_RUN_LIMIT:
            self._old_run = 0
            return self.lose(GapCause.SEQUENCE_RESET, received_ns, next_sequence)
        self.ignored_count += 1
        return self._ignored
