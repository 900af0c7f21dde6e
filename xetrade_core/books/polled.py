"""Books that are polled whole over REST, of any venue.

A poll replaces the whole book, so there is no sequence to keep and no gap between two polls: a book is in sync while
its last poll succeeded. What happened between two polls is not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import msgspec

from xetrade_core.books.book_set import NS_PER_MS, BookSet, Millis, Price, Size
from xetrade_core.books.sequencer import BookSequencer, Events
from xetrade_core.model.book_events import GapCause, RefusalReason
from xetrade_core.model.instruments import Instrument

OLD_POLLS_LIMIT = 10  # in a row: a cache of a venue does not lag for so long, so it numbers its books anew


class PolledBook(msgspec.Struct):
    """A poll as it is recorded: levels best first; `timestamp` in ms, `nonce` the venue's sequence id, where given."""

    symbol: str
    bids: list[tuple[Price, Size]]
    asks: list[tuple[Price, Size]]
    timestamp: Millis | None = None
    nonce: int | None = None


class PolledSequencer(BookSequencer):
    """One polled book. `sequence` is the venue's nonce where it gives one, else the number of the poll."""

    __slots__ = ("polls",)

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self.polls = 0

    def replace(self, poll: PolledBook, received_ns: int) -> Events:
        """Take the poll as the book; a poll older than the book (a cache of the venue's) is ignored.

        Many in a row show a restarted numbering: a gap, closed at once. Their times prove nothing, for many venues
        state when they answered.
        """
        self.polls += 1
        if poll.bids and poll.asks and poll.bids[0][0] >= poll.asks[0][0]:
            return self.refuse(RefusalReason.CROSSED, received_ns, "the polled book is crossed")
        sequence = self.polls if poll.nonce is None else poll.nonce
        lost: Events = ()
        if self.synced and self.sequence is not None and sequence < self.sequence:
            self._old_run += 1
            if self._old_run <= OLD_POLLS_LIMIT:
                self.ignored_count += 1
                return self._ignored
            lost = self.lose(GapCause.SEQUENCE_RESET, received_ns, sequence)
        self._old_run = 0
        self.book.replace(poll.bids, poll.asks, _last(poll.bids), _last(poll.asks))
        self.sequence = sequence
        self.exchange_ns = None if poll.timestamp is None else poll.timestamp * NS_PER_MS
        self.received_ns = received_ns
        if self.synced:
            self.applied_count += 1
            return self._applied
        self.synced = True
        self.epoch += 1
        return (*lost, self._joined(received_ns))


class PolledBooks(BookSet):
    """Books out of polls: the frames are `PolledBook`s as JSON, so that a recording of them replays."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        super().__init__(instruments)
        self._decoder = msgspec.json.Decoder(PolledBook)

    def _sequencer(self, symbol: str) -> BookSequencer:
        return PolledSequencer(symbol)

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        raise msgspec.DecodeError("polled books have no websocket frames")

    def snapshot(self, symbol: str, body: bytes, received_ns: int) -> Events:
        """Take a poll."""
        sequencer = cast("PolledSequencer", self.sequencers[symbol])
        try:
            poll = self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return sequencer.refuse(RefusalReason.MALFORMED, received_ns, str(error))
        return sequencer.replace(poll, received_ns)


def _last(levels: list[tuple[float, float]]) -> float | None:
    return levels[-1][0] if levels else None
