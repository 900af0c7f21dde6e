"""Deribit: the `book.{instrument}.{interval}` channel.

Rules as documented by the venue (https://docs.deribit.com/subscriptions/orderbook/bookinstrument_nameinterval, checked
November 2026): the first notification is a snapshot of the whole book, then changes; a change whose `prev_change_id` is
the last `change_id` follows on. A level is `[action, price, amount]` with `new`, `change` or `delete`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, cast

import msgspec

from xetrade_core.books.book import BookSide, L2Book, Side
from xetrade_core.books.book_set import Millis, Price, SequenceId, Size
from xetrade_core.books.channel import ChannelSequencer, RpcBooks
from xetrade_core.books.sequencer import Events

Level = tuple[Literal["new", "change", "delete"], Price, Size]
"""Action, price, amount; a deleted one is gone whatever amount it names."""


class BookData(msgspec.Struct, gc=False):
    """One notification; timestamp in ms since the epoch."""

    type: Literal["snapshot", "change"]
    timestamp: Millis
    instrument_name: str
    change_id: SequenceId
    bids: list[Level]
    asks: list[Level]
    prev_change_id: SequenceId | None = None


class Params(msgspec.Struct, gc=False):
    """What a notification carries."""

    data: BookData


class Notification(msgspec.Struct, gc=False):
    """A frame of a book channel."""

    params: Params


class ActionSide(BookSide):
    """A side whose changes say what is done to a level."""

    __slots__ = ()

    def apply(self, levels: Iterable[Level]) -> None:  # type: ignore[override]  # nobody but its sequencer applies
        """Set each level to its amount, or remove it."""
        sizes = self._sizes
        before = len(sizes)
        for action, price, amount in levels:
            sizes[price] = 0.0 if action == "delete" else amount
        if len(sizes) > before:
            self._note_new(len(sizes) - before)

    def deepen(self, levels: Iterable[tuple[float, float]], reach: float | None) -> None:
        """A snapshot tells everything, so that nothing is past the reach."""


class DeribitSequencer(ChannelSequencer):
    """One instrument."""

    __slots__ = ()

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol, L2Book(sides=cast("tuple[Side, Side]", (ActionSide(1), ActionSide(-1)))))

    def message(self, data: BookData, received_ns: int) -> Events:
        """Apply, ignore or find a gap."""
        if data.type == "snapshot":
            return self.enter(_pairs(data.bids), _pairs(data.asks), data.change_id, data.timestamp, received_ns)
        if not self.synced:
            return self.early()
        if data.prev_change_id != self.sequence:
            return self.unfit(data.change_id, data.change_id, data.timestamp, received_ns)
        return self.follow(data.bids, data.asks, data.change_id, data.timestamp, received_ns)


class DeribitBooks(RpcBooks):
    """Books of the `book` channel, of any interval. A lost one comes back when its channel is subscribed anew."""

    _symbol_pattern = re.compile(rb'"channel":\s*"book\.([^".]+)\.')
    _mark = b'"book.'
    _decoder = msgspec.json.Decoder(Notification, strict=False)

    def _sequencer(self, symbol: str) -> DeribitSequencer:
        return DeribitSequencer(symbol)


def _pairs(levels: list[Level]) -> list[tuple[float, float]]:
    return [(price, 0.0 if action == "delete" else amount) for action, price, amount in levels] if levels else []
