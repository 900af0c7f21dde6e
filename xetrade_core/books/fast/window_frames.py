"""Frames of OKX and Bybit straight into array books, where nothing about a frame is out of the ordinary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import cast

import numpy as np

from xetrade_core.books.book import L2Book
from xetrade_core.books.channel import ChannelSequencer
from xetrade_core.books.fast import kernels
from xetrade_core.books.fast.array_window import ArrayWindow, Floats
from xetrade_core.books.sequencer import Events

_LEVELS_MOST = 4096
"""In one message; longer ones are decoded the usual way."""

Kernel = Callable[[bytes, bytes, int, Floats, Floats, Floats], tuple[int, int, int]]
"""Frame, id, sequence, scratch, bids, asks -> code, event time in ms, the message's sequence."""


def okx(verify_checksum: bool) -> Kernel:
    """The kernel of OKX's `books` channel."""
    return partial(kernels.apply_okx, verify_checksum)


bybit: Kernel = kernels.apply_bybit
"""The kernel of Bybit's `orderbook` channels."""


def window_book(levels: int) -> L2Book:
    """An empty book of array sides, each of so many levels at most."""
    return L2Book(sides=(ArrayWindow(1, levels), ArrayWindow(-1, levels)))


class WindowFrames:
    """Applies a frame at once if it is to the letter what the venue sends, of a book in sync, and continues it.

    Everything else is left to the typed decoder and the sequencer, which alone decide what is valid and what a gap is.
    `taken` counts the messages applied here.
    """

    __slots__ = ("_kernel", "_mark", "_scratch", "taken")

    def __init__(self, sequencers: Iterable[ChannelSequencer], kernel: Kernel, mark: bytes, levels: int) -> None:
        """Give each sequencer an empty array book; `mark`: what the venue's id stands behind in a frame."""
        self._kernel = kernel
        self._mark = mark
        self._scratch = np.empty(2 * _LEVELS_MOST)
        self.taken = 0
        for sequencer in sequencers:
            sequencer.book = window_book(levels)

    def apply(self, frame: bytes, received_ns: int, sequencers: Mapping[str, ChannelSequencer]) -> Events | None:
        """The events of a frame that was taken; None, with nothing changed, of one that was not."""
        at = frame.find(self._mark) + len(self._mark)
        symbol = frame[at : frame.find(b'"', at)]
        sequencer = sequencers.get(symbol.decode(errors="replace"))
        if sequencer is None or not sequencer.synced:
            return None
        sequence = kernels.NOT_NUMBERED if sequencer.sequence is None else sequencer.sequence
        bids, asks = cast("tuple[ArrayWindow, ArrayWindow]", (sequencer.book.bids, sequencer.book.asks))
        code, time_ms, last = self._kernel(frame, symbol, sequence, self._scratch, bids.array, asks.array)
        if code == kernels.APPLIED:
            self.taken += 1
            return sequencer.followed(None if last == kernels.NOT_NUMBERED else last, time_ms, received_ns)
        if code == kernels.CROSSED:
            return sequencer.crossed(received_ns)
        if code == kernels.ROOM:
            bids.grow()
            asks.grow()
            return self.apply(frame, received_ns, sequencers)
        return None
