"""Derive: the `orderbook.{instrument}.{group}.{depth}` channel.

Rules as documented by the venue (https://docs.derive.xyz/api-reference/channels/orderbook, checked November 2026):
every message is the whole of what the channel shows, and `publish_id` goes up by one with each. So a message that did
not come is seen by the id after it, which heals the book as well: the gap is told and closed at once. Should the ids of
a channel turn out not to be counted so, which many skips in a row would show, they prove nothing and are let pass.
"""

from __future__ import annotations

import re

import msgspec

from xetrade_core.books.book_set import Millis, Price, SequenceId, Size
from xetrade_core.books.channel import ChannelSequencer, RpcBooks
from xetrade_core.books.sequencer import Events
from xetrade_core.books.whole import WholeBook
from xetrade_core.model.book_events import GapCause

SKIPS_MOST = 5  # messages in a row that each skip an id: no line loses every other message


class BookData(msgspec.Struct, gc=False):
    """One message; timestamp in ms since the epoch."""

    timestamp: Millis
    instrument_name: str
    publish_id: SequenceId
    bids: list[tuple[Price, Size]]
    asks: list[tuple[Price, Size]]


class Params(msgspec.Struct, gc=False):
    """What a notification carries."""

    data: BookData


class Notification(msgspec.Struct, gc=False):
    """A frame of a book channel."""

    params: Params


class DeriveSequencer(ChannelSequencer):
    """One instrument."""

    __slots__ = ("_skips",)

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self.book = WholeBook()
        self._skips = 0

    def message(self, data: BookData, received_ns: int) -> Events:
        """Replace the book, ignore an old message, or tell of those that are missing before this one."""
        if not self.synced or self.sequence is None or data.publish_id <= self.sequence:
            return self.enter(data.bids, data.asks, data.publish_id, data.timestamp, received_ns)
        self._skips = 0 if data.publish_id == self.sequence + 1 else self._skips + 1
        if 0 < self._skips <= SKIPS_MOST:
            lost = self.lose(GapCause.SEQUENCE, received_ns, data.publish_id)
            return (*lost, *self.enter(data.bids, data.asks, data.publish_id, data.timestamp, received_ns))
        return self.succeed(data.bids, data.asks, data.publish_id, data.timestamp, received_ns)


class DeriveBooks(RpcBooks):
    """Books of the `orderbook` channel. A lost one comes back with the next message."""

    _symbol_pattern = re.compile(rb'"channel":\s*"orderbook\.([^".]+)\.')
    _mark = b'"orderbook.'
    _decoder = msgspec.json.Decoder(Notification, strict=False)

    def _sequencer(self, symbol: str) -> DeriveSequencer:
        return DeriveSequencer(symbol)
