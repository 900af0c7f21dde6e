"""OKX: the `books` channel, its snapshots, sequence numbers and checksums.

Rules as documented by the venue (https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-order-book-channel,
checked November 2026): the first message after a subscription is a snapshot (`prevSeqId` -1); then `prevSeqId` is the
last `seqId`; a message with both equal is a heartbeat; `seqId` below `prevSeqId` is a restarted numbering after
maintenance, still continuous. The channel maintains 400 levels a side. `checksum` (CRC32 of the best 25 levels as sent)
was real until September 2026 and is 0 since; recordings from before 2023 carry it and no sequence numbers, so there it
is the only proof of continuity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, cast
from zlib import crc32

import msgspec

from xetrade_core.books.book_set import BookSet, Millis, Price, SequenceId, Size
from xetrade_core.books.channel import ChannelSequencer
from xetrade_core.books.sequencer import Events
from xetrade_core.books.window import WindowBook
from xetrade_core.model.instruments import Instrument

if TYPE_CHECKING:
    from xetrade_core.books.fast.window_frames import WindowFrames

CHANNEL_LEVELS = 400
CHECKSUM_LEVELS = 25


class Level(msgspec.Struct, array_like=True, gc=False):
    """Price, size; what follows (orders at the level) is of no use to a book."""

    price: Price
    size: Size


class LevelText(msgspec.Struct, array_like=True, gc=False):
    """Price and size as sent, which is what the checksum is made of."""

    price: str
    size: str


class Arg(msgspec.Struct, gc=False):
    """Which subscription a message belongs to."""

    channel: str
    instId: str


class BookData(msgspec.Struct, gc=False):
    """One book message; ts in ms since the epoch."""

    asks: list[Level]
    bids: list[Level]
    ts: Millis
    checksum: int = 0
    seqId: SequenceId | None = None
    prevSeqId: int | None = None


class BookMessage(msgspec.Struct, gc=False):
    """A frame of the `books` channel."""

    arg: Arg
    action: Literal["snapshot", "update"]
    data: list[BookData]


class BookTexts(msgspec.Struct, gc=False):
    """The levels of a message as text."""

    asks: list[LevelText]
    bids: list[LevelText]


class TextMessage(msgspec.Struct, gc=False):
    """A frame again, for its checksum."""

    data: list[BookTexts]


class OkxSequencer(ChannelSequencer):
    """One instrument: snapshots and updates of the same channel."""

    __slots__ = ("_proof", "_texts", "_texts_epoch")

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol, WindowBook(CHANNEL_LEVELS))
        self._texts: tuple[dict[float, str], dict[float, str]] = ({}, {})  # "price:size" as sent, bids and asks
        self._texts_epoch = 0
        self._proof: tuple[BookTexts, int] | None = None  # the message at hand as text, and its checksum

    def message(self, action: str, data: BookData, texts: BookTexts | None, received_ns: int) -> Events:
        """Apply, ignore or find a gap. `texts` is given where the message carries a checksum to be verified."""
        self._proof = None if texts is None else (texts, data.checksum)
        if action == "snapshot":
            return self.enter(_pairs(data.bids), _pairs(data.asks), data.seqId, data.ts, received_ns)
        if not self.synced:
            return self.early()
        if data.seqId is not None and data.prevSeqId != self.sequence:
            return self.unfit(data.seqId, data.seqId, data.ts, received_ns)
        return self.follow(_pairs(data.bids), _pairs(data.asks), data.seqId, data.ts, received_ns)

    def _proven(self) -> bool:
        """Whether the book's best 25 levels give the checksum of the message; True where it carries none."""
        if self._proof is None:
            return True
        texts, expected = self._proof
        if self._texts_epoch != self.epoch:
            self._texts, self._texts_epoch = ({}, {}), self.epoch
        for known, levels in zip(self._texts, (texts.bids, texts.asks), strict=True):
            for level in levels:
                if float(level.size):
                    known[float(level.price)] = f"{level.price}:{level.size}"
                else:
                    known.pop(float(level.price), None)
        bid_prices, _, ask_prices, _ = self.book.top(CHECKSUM_LEVELS)
        # A level that came while messages carried no checksum has no text: the checksum cannot fit, and should not.
        bids = [self._texts[0].get(price, "") for price in bid_prices]
        asks = [self._texts[1].get(price, "") for price in ask_prices]
        return checksum(bids, asks) == expected


def checksum(bids: list[str], asks: list[str]) -> int:
    """OKX's checksum: signed CRC32 of the best levels' `price:size`, bid and ask in turn, joined by colons."""
    parts: list[str] = []
    for rank in range(CHECKSUM_LEVELS):
        parts += bids[rank : rank + 1] + asks[rank : rank + 1]
    unsigned = crc32(":".join(parts).encode())
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned


class OkxBooks(BookSet):
    """Books of the `books` channel. A lost one comes back when its instrument is subscribed anew."""

    _symbol_pattern = re.compile(rb'"instId":"([^"]*)"')

    def __init__(self, instruments: Iterable[Instrument], *, verify_checksum: bool = True) -> None:
        """`verify_checksum`:

        Verify where a message carries a checksum other than 0, at the price of a second decode.
        """
        super().__init__(instruments)
        self._verify = verify_checksum
        self._decoder = msgspec.json.Decoder(BookMessage, strict=False)
        self._text_decoder = msgspec.json.Decoder(TextMessage)

    def _sequencer(self, symbol: str) -> OkxSequencer:
        return OkxSequencer(symbol)

    _fast: WindowFrames | None = None

    def accelerate(self) -> bool:
        """See `BookSet.accelerate`."""
        from xetrade_core.books import fast

        fast.load()
        from xetrade_core.books.fast.window_frames import WindowFrames, okx

        self._fast = WindowFrames(
            cast("Iterable[OkxSequencer]", self.sequencers.values()), okx(self._verify), b'"instId":"', CHANNEL_LEVELS
        )
        return True

    def _apply(self, frame: bytes, received_ns: int) -> Events:
        if self._fast is not None and (taken := self._fast.apply(frame, received_ns, self._by_venue_id)) is not None:
            return taken
        if b'"action"' not in frame:  # only book channels with updates have one; acks, trades, books5 do not
            return self._no_book(frame, received_ns)
        message = self._decoder.decode(frame)
        if message.arg.channel != "books":
            return ()
        sequencer = self._by_venue_id.get(message.arg.instId)
        if sequencer is None:
            return self._unasked(message.arg.instId, received_ns)
        events: Events = ()
        for index, data in enumerate(message.data):
            texts = self._text_decoder.decode(frame).data[index] if data.checksum and self._verify else None
            events += sequencer.message(message.action, data, texts, received_ns)
        return events


def _pairs(levels: list[Level]) -> list[tuple[float, float]]:
    return [(level.price, level.size) for level in levels] if levels else []
