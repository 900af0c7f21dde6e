"""Binance depth frames straight into array books, where nothing about a frame is out of the ordinary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

import numpy as np

from xetrade_core.books.book import L2Book
from xetrade_core.books.book_set import Run
from xetrade_core.books.fast import kernels
from xetrade_core.books.fast.array_side import ArraySide
from xetrade_core.books.sequencer import Events

if TYPE_CHECKING:
    from xetrade_core.books.joining import JoiningSequencer

Sequencers = Mapping[str, "JoiningSequencer"]
"""By the venue's id."""

_LEVELS_MOST = 4096
"""In one message; longer ones are decoded the usual way."""
_SYMBOL = b'"s":"'
_SYMBOL_WITHIN = 400
"""Bytes of a line in which its symbol is looked for."""


class DepthFrames:
    """Applies a frame at once if it is to the letter what the venue sends, of a book in sync, and continues it.

    Everything else is left to the typed decoder and the sequencer, which alone decide what is valid and what a gap is.
    `taken` counts the messages applied here.
    """

    __slots__ = ("_futures", "_scratch", "taken")

    def __init__(self, sequencers: Iterable[JoiningSequencer], futures: bool) -> None:
        """Give each sequencer an empty array book; `futures`: messages carry `pu`."""
        self._futures = futures
        self._scratch = np.empty(2 * _LEVELS_MOST)
        self.taken = 0
        for sequencer in sequencers:
            sequencer.book = L2Book(sides=(ArraySide(1), ArraySide(-1)))

    def apply(self, frame: bytes, received_ns: int, sequencers: Sequencers) -> Events | None:
        """The events of a frame that was taken; None, with nothing changed, of one that was not."""
        symbol = _symbol_at(frame, 0, len(frame))
        sequencer = sequencers.get(symbol.decode(errors="replace"))
        if sequencer is None or sequencer.sequence is None:
            return None
        bids, asks = _sides(sequencer)
        code, event_ms, last_id = kernels.apply_frame(
            frame, self._futures, symbol, sequencer.sequence,
            self._scratch, bids.table, bids.near, asks.table, asks.near,
        )  # fmt: skip
        if code == kernels.APPLIED:
            self.taken += 1
            return sequencer.applied(event_ms, last_id, received_ns)
        if code == kernels.CROSSED:
            return sequencer.crossed(received_ns)
        if code == kernels.ROOM:
            bids.grow()
            asks.grow()
            return self.apply(frame, received_ns, sequencers)
        return None

    def apply_lines(
        self, text: bytes, at: int, until_ns: int, skip_other_channels: bool, sequencers: Sequencers
    ) -> Run:
        """See `BookSet.apply_lines`."""
        symbol = _symbol_at(text, at, at + _SYMBOL_WITHIN)
        sequencer = sequencers.get(symbol.decode(errors="replace"))
        if sequencer is None or sequencer.sequence is None or sequencer.deepening:
            return Run(at)
        bids, asks = _sides(sequencer)
        code, after, lines, applied, newest_ns, received_ns, event_ms, last_id, ended_ns = kernels.apply_lines(
            text, at, until_ns, skip_other_channels, self._futures, symbol, sequencer.sequence,
            self._scratch, bids.table, bids.near, asks.table, asks.near,
        )  # fmt: skip
        if applied:
            self.taken += applied
            sequencer.applied(event_ms, last_id, received_ns, applied)
        if code == kernels.ROOM:
            bids.grow()
            asks.grow()
        crossed = code == kernels.CROSSED
        return Run(
            after,
            lines,
            applied + crossed,
            newest_ns,
            due_ns=ended_ns if code == kernels.DUE else None,
            events=sequencer.crossed(ended_ns) if crossed else (),
        )


def _sides(sequencer: JoiningSequencer) -> tuple[ArraySide, ArraySide]:
    return cast("tuple[ArraySide, ArraySide]", (sequencer.book.bids, sequencer.book.asks))


def _symbol_at(text: bytes, start: int, end: int) -> bytes:
    """The first symbol that the text names there."""
    at = text.find(_SYMBOL, start, end) + len(_SYMBOL)
    return text[at : text.find(b'"', at, end)]
