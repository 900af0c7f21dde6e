"""A book that comes on one channel: first a snapshot, then changes, each of which names what it follows.

What OKX, Deribit, MAX and Derive have in common. The rule by which a message follows on is the venue's; what comes of
a snapshot, of a change that fits and of one that does not, is told here once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from xetrade_core.books.book import Level
from xetrade_core.books.book_set import NS_PER_MS, BookSet
from xetrade_core.books.sequencer import BookSequencer, Events
from xetrade_core.model.book_events import GapCause, RefusalReason


class ChannelSequencer(BookSequencer):
    """One instrument. Times are the venue's, in ms since the epoch; `sequence` is None where it numbers nothing."""

    __slots__ = ()

    def enter(
        self, bids: Sequence[Level], asks: Sequence[Level], sequence: int | None, time_ms: int, received_ns: int
    ) -> Events:
        """A snapshot: the book starts over from it, unless it is behind the book.

        One behind is a second connection's; one with a lower number and a later time shows a restarted numbering.
        """
        if _crossed(bids, asks):
            return self.refuse(RefusalReason.CROSSED, received_ns, "the snapshot is crossed")
        lost: Events = ()
        if self.synced and self.sequence is not None and sequence is not None and sequence <= self.sequence:
            if sequence == self.sequence or not self._later(time_ms):
                self.ignored_count += 1
                return self._ignored
            lost = self.lose(GapCause.SEQUENCE_RESET, received_ns, sequence)
        self.book.replace(bids, asks)
        self.synced = True
        self.epoch += 1
        if not self._proven():
            return (*lost, *self.lose(GapCause.CHECKSUM, received_ns, sequence))
        self._stamp(sequence, time_ms, received_ns)
        return (*lost, self._joined(received_ns))

    def follow(
        self, bids: Sequence[Any], asks: Sequence[Any], sequence: int | None, time_ms: int, received_ns: int
    ) -> Events:
        """A change that fits the book, with absolute sizes, in levels such as the book's sides take."""
        book = self.book
        bid_side, ask_side = book.bids, book.asks
        if bids:
            bid_side.apply(bids)
        if asks:
            ask_side.apply(asks)
        if bid_side.bound + ask_side.bound >= 0 and book.crossed:
            return self.crossed(received_ns)
        if not self._proven():
            return self.lose(GapCause.CHECKSUM, received_ns, sequence)
        return self.followed(sequence, time_ms, received_ns)

    def followed(self, sequence: int | None, time_ms: int, received_ns: int) -> Events:
        """The book has taken a change that fits it, and is sound."""
        self.sequence = sequence  # as `_stamp`, without a call for each message
        self.exchange_ns = time_ms * NS_PER_MS
        self.received_ns = received_ns
        self._old_run = 0
        self.applied_count += 1
        return self._applied

    def crossed(self, received_ns: int) -> Events:
        """The change that the book has taken crossed it."""
        detail = f"best bid {self.book.best_bid} >= ask {self.book.best_ask}"
        return self.refuse(RefusalReason.CROSSED, received_ns, detail)

    def succeed(
        self, bids: Sequence[Level], asks: Sequence[Level], sequence: int, time_ms: int, received_ns: int
    ) -> Events:
        """The whole book anew, following on the one before: where a venue sends no changes."""
        if _crossed(bids, asks):
            return self.refuse(RefusalReason.CROSSED, received_ns, "the book is crossed")
        self.book.replace(bids, asks)
        self._stamp(sequence, time_ms, received_ns)
        self.applied_count += 1
        return self._applied

    def unfit(self, first: int, last: int, time_ms: int, received_ns: int) -> Events:
        """A change with the ids `first` to `last` that does not fit: an old one, or the sign of a gap."""
        if self.sequence is not None and last <= self.sequence:
            return self._ignore_old(self._later(time_ms), received_ns, first)
        return self.lose(GapCause.SEQUENCE, received_ns, first)

    def early(self) -> Events:
        """A change while the book is out of sync: the snapshot of the coming subscription includes it."""
        self.ignored_count += 1
        return self._ignored

    def _proven(self) -> bool:
        """Whether the venue's own proof of the book fits it (a checksum); True where there is none."""
        return True

    def _later(self, time_ms: int) -> bool:
        return time_ms * NS_PER_MS > (self.exchange_ns or 0)

    def _stamp(self, sequence: int | None, time_ms: int, received_ns: int) -> None:
        self.sequence = sequence
        self.exchange_ns = time_ms * NS_PER_MS
        self.received_ns = received_ns
        self._old_run = 0


def _crossed(bids: Sequence[Level], asks: Sequence[Level]) -> bool:
    return bool(bids and asks) and max(bids)[0] >= min(asks)[0]


class RpcBooks(BookSet):
    """Books out of JSON-RPC notifications of one channel: what Deribit and Derive have in common.

    `_mark` is how the channel's name begins in a frame; `_decoder` reads a notification.
    """

    _mark: ClassVar[bytes]
    _decoder: ClassVar[msgspec.json.Decoder[Any]]

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        if self._mark not in frame or b'"subscription"' not in frame:  # acks name channels too
            return self._no_book(frame, received_ns)
        data = self._decoder.decode(frame).params.data
        sequencer: Any = self._by_venue_id.get(data.instrument_name)
        if sequencer is None:
            return self._unasked(data.instrument_name, received_ns)
        events: Events = sequencer.message(data, received_ns)
        return events
