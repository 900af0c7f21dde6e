"""Bybit v5: the `orderbook` channels, their snapshots and update ids.

Rules as documented by the venue (https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook, checked November
2026): a subscription begins with a snapshot; each delta's `u` is the last `u + 1`; a snapshot may come at any time and
replaces the book, and is sent again when something was wrong at the venue's end; one with `u` 1 tells that the service
was restarted. So one of the very number of the book is no repetition where its levels are others: of a service that was
restarted twice, or of a book that the venue takes back. A channel maintains as many levels a side as its topic says.
Spot and linear contracts share ids (`BTCUSDT`): which one a frame is about, its connection tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from xetrade_core.books.book import L2Book
from xetrade_core.books.book_set import BookSet, Millis, Price, SequenceId, Size
from xetrade_core.books.channel import ChannelSequencer
from xetrade_core.books.sequencer import Events
from xetrade_core.books.window import WindowBook
from xetrade_core.model.book_events import GapCause
from xetrade_core.model.instruments import Instrument, MarketType

if TYPE_CHECKING:
    from xetrade_core.books.fast.window_frames import WindowFrames

CHANNEL_LEVELS = 200
_BOOK = b'"topic":"orderbook.'


class BookData(msgspec.Struct, gc=False):
    """The sides of a message, and its update id."""

    s: str
    b: list[tuple[Price, Size]]
    a: list[tuple[Price, Size]]
    u: SequenceId


class BookMessage(msgspec.Struct, gc=False):
    """A frame of an `orderbook` channel. `ts` is when it was sent, `cts` when the engine made the book; in ms."""

    topic: str
    type: Literal["snapshot", "delta"]
    ts: Millis
    data: BookData
    cts: Millis | None = None


class BybitSequencer(ChannelSequencer):
    """One instrument."""

    __slots__ = ("_levels", "empty")

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol, WindowBook(CHANNEL_LEVELS))
        self._levels = CHANNEL_LEVELS
        self.empty: Callable[[int], L2Book] = WindowBook
        """A new book of so many levels."""

    def message(self, message: BookMessage, received_ns: int) -> Events:
        """Apply, ignore or find a gap."""
        data, time_ms = message.data, message.ts if message.cts is None else message.cts
        if message.type == "delta":
            if not self.synced:
                return self.early()
            if data.u - 1 == self.sequence:
                return self.follow(data.b, data.a, data.u, time_ms, received_ns)
            return self.unfit(data.u, data.u, time_ms, received_ns)
        levels = _levels(message.topic)
        if levels != self._levels:  # a channel of another depth: a recording of one that is gone, or an option's
            self._levels, self.book = levels, self.empty(levels)
            if self.synced:
                return (
                    *self.lose(GapCause.SEQUENCE_RESET, received_ns, data.u),
                    *self._enter(data, time_ms, received_ns),
                )
        return self._enter(data, time_ms, received_ns)

    def _enter(self, data: BookData, time_ms: int, received_ns: int) -> Events:
        lost: Events = ()
        if self.synced and data.u == self.sequence and not self._holds(data):
            lost = self.lose(GapCause.SEQUENCE_RESET, received_ns, data.u)
        return (*lost, *self.enter(data.b, data.a, data.u, time_ms, received_ns))

    def _holds(self, data: BookData) -> bool:
        """Whether the book is what the message says."""
        bid_prices, bid_sizes, ask_prices, ask_sizes = self.book.top(self._levels)
        bids, asks = zip(bid_prices, bid_sizes, strict=True), zip(ask_prices, ask_sizes, strict=True)
        return dict(bids) == dict(data.b) and dict(asks) == dict(data.a)


def category(instrument: Instrument) -> str:
    """Bybit's category of an instrument, which is also the last part of the websocket path that carries it."""
    if instrument.market_type in (MarketType.SPOT, MarketType.OPTION):
        return instrument.market_type.value
    base, _, rest = instrument.symbol.partition("/")
    return "inverse" if rest.partition(":")[2].partition("-")[0] == base else "linear"


class BybitBooks(BookSet):
    """Books of the `orderbook` channels. A lost one comes back when its instrument is subscribed anew."""

    _symbol_pattern = re.compile(rb'"s":"([^"]*)"')
    _decoder = msgspec.json.Decoder(BookMessage, strict=False)
    group_of = staticmethod(category)

    def _sequencer(self, symbol: str) -> BybitSequencer:
        return BybitSequencer(symbol)

    _fast: WindowFrames | None = None

    def accelerate(self) -> bool:
        """See `BookSet.accelerate`."""
        from xetrade_core.books import fast

        fast.load()
        from xetrade_core.books.fast.window_frames import WindowFrames, bybit, window_book

        sequencers = cast("Iterable[BybitSequencer]", self.sequencers.values())
        for sequencer in sequencers:
            sequencer.empty = window_book
        self._fast = WindowFrames(sequencers, bybit, b'"s":"', CHANNEL_LEVELS)
        return True

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        if self._fast is not None and (taken := self._fast.apply(frame, received_ns, self._by_venue_id)) is not None:
            return taken
        if _BOOK not in frame:
            return self._no_book(frame, received_ns)
        message = self._decoder.decode(frame)
        sequencer = self._by_venue_id.get(message.data.s)
        if sequencer is None:
            return self._unasked(message.data.s, received_ns)
        events: Events = sequencer.message(message, received_ns)
        return events


def _levels(topic: str) -> int:
    """`orderbook.200.BTCUSDT` -> 200."""
    levels = topic.split(".", 2)[1]
    return int(levels) if levels.isdigit() else CHANNEL_LEVELS
