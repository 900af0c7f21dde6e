"""MAX: the `book` channel.

Rules as documented by the venue (https://github.com/maicoin/max-websocket-docs, checked November 2026): a snapshot
replaces the book, and one may come at any time; an update carries the ids `fi` to `li` of its changes and follows on if
`fi <= last li + 1 <= li`; one whose `v` differs belongs to another run of the venue's books, so a new subscription is
due; a snapshot without levels says that the book is cleared and another snapshot will follow. The channel keeps 50
levels a side, so the removal of a level that is not known is normal.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from xetrade_core.books.book_set import BookSet, Millis, Price, SequenceId, Size
from xetrade_core.books.channel import ChannelSequencer
from xetrade_core.books.sequencer import Events
from xetrade_core.books.window import WindowBook
from xetrade_core.model.book_events import GapCause, RefusalReason

CHANNEL_LEVELS = 50


class BookMessage(msgspec.Struct, gc=False):
    """A frame of the channel: market `M`, asks, bids, time `T` in ms, first and last id, and version."""

    e: Literal["snapshot", "update"]
    M: str
    a: list[tuple[Price, Size]]
    b: list[tuple[Price, Size]]
    T: Millis
    fi: SequenceId
    li: SequenceId
    v: SequenceId


class MaxSequencer(ChannelSequencer):
    """One market."""

    __slots__ = ("_version",)

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol, WindowBook(CHANNEL_LEVELS))
        self._version = 0

    def message(self, message: BookMessage, received_ns: int) -> Events:
        """Apply, ignore or find a gap."""
        if message.e == "snapshot":
            return self._snapshot(message, received_ns)
        if not self.synced:
            return self.early()
        if message.v != self._version:
            return self._other_run(message, received_ns)
        if message.li < message.fi:
            detail = f"first id {message.fi} is after last id {message.li}"
            return self.refuse(RefusalReason.MALFORMED, received_ns, detail)
        if not message.fi <= (self.sequence or 0) + 1 <= message.li:
            return self.unfit(message.fi, message.li, message.T, received_ns)
        return self.follow(message.b, message.a, message.li, message.T, received_ns)

    def _snapshot(self, message: BookMessage, received_ns: int) -> Events:
        lost: Events = ()
        if self.synced and message.v != self._version:
            lost = self._other_run(message, received_ns)
            if self.synced:
                return lost  # of an earlier run: a second connection's, behind the first
        if not message.a and not message.b:
            return (*lost, *(self.lose(GapCause.SEQUENCE_RESET, received_ns, message.li) or self.early()))
        self._version = message.v
        return (*lost, *self.enter(message.b, message.a, message.li, message.T, received_ns))

    def _other_run(self, message: BookMessage, received_ns: int) -> Events:
        """A message of another version: of a new run, which ends the book, or an old one that is late."""
        if message.v < self._version and not self._later(message.T):
            self.ignored_count += 1
            return self._ignored
        return self.lose(GapCause.SEQUENCE_RESET, received_ns, message.fi)


class MaxBooks(BookSet):
    """Books of the `book` channel. A lost one comes back when its market is subscribed anew."""

    _symbol_pattern = re.compile(rb'"M":"([^"]*)"')
    _decoder = msgspec.json.Decoder(BookMessage, strict=False)

    def _sequencer(self, symbol: str) -> MaxSequencer:
        return MaxSequencer(symbol)

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        if b'"c":"book"' not in frame:
            return self._no_book(frame, received_ns)
        message = self._decoder.decode(frame)
        sequencer = self._by_venue_id.get(message.M)
        if sequencer is None:
            return self._unasked(message.M, received_ns)
        events: Events = sequencer.message(message, received_ns)
        return events
