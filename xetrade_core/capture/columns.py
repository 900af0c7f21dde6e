"""Rows of `l2_segments` in preallocated columns, turned into one Arrow batch without a Python object per cell.

A book's top levels go straight from their lists into a row of a (rows, depth) float64 array; the list columns of the
Arrow batch are those arrays flattened. A row whose book is not in sync has null lists, a null sequence and null
times.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xetrade_core.books.sequencer import BookSequencer
from xetrade_core.lake.schemas import L2_SEGMENTS

_NULL_LIST = -1

Latencies = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]
"""Symbol index and latency in milliseconds of each row that brought news."""


class SnapshotColumns:
    """Up to `capacity` rows of one venue's symbols, in the order they were sampled."""

    __slots__ = (
        "_ask_count",
        "_ask_known",
        "_ask_price",
        "_ask_size",
        "_bid_count",
        "_bid_known",
        "_bid_price",
        "_bid_size",
        "_epoch",
        "_exchange_ns",
        "_received_ns",
        "_refused",
        "_sequence",
        "_stale",
        "_symbol",
        "_synced",
        "_tick",
        "_updates",
        "capacity",
        "depth",
        "rows",
        "symbols",
        "venue",
    )

    def __init__(self, venue: str, symbols: Sequence[str], depth: int, capacity: int) -> None:
        self.venue = venue
        self.symbols = tuple(symbols)
        self.depth = depth
        self.capacity = capacity
        self.rows = 0
        self._tick = np.empty(capacity, np.int64)
        self._symbol = np.empty(capacity, np.int32)
        self._exchange_ns = np.empty(capacity, np.int64)  # below zero: unknown
        self._received_ns = np.empty(capacity, np.int64)
        self._sequence = np.empty(capacity, np.int64)
        self._epoch = np.empty(capacity, np.int32)
        self._synced = np.empty(capacity, np.bool_)
        self._stale = np.empty(capacity, np.bool_)
        self._updates = np.empty(capacity, np.int32)
        self._refused = np.empty(capacity, np.int32)
        self._bid_count = np.empty(capacity, np.int32)
        self._ask_count = np.empty(capacity, np.int32)
        self._bid_known = np.empty(capacity, np.int32)  # below zero: not in sync
        self._ask_known = np.empty(capacity, np.int32)
        self._bid_price, self._bid_size, self._ask_price, self._ask_size = (
            np.empty((capacity, depth)) for _ in range(4)
        )

    def append_synced(
        self,
        tick_ns: int,
        symbol: int,
        book: BookSequencer,
        stale: bool,
        updates: int,
        refused: int,
        same_as: int | None,
    ) -> None:
        """Add the row of a book in sync.

        `same_as`: an earlier row of this symbol since which the book has not changed.
        """
        row = self._append(tick_ns, symbol, book.epoch, updates, refused)
        self._exchange_ns[row] = -1 if book.exchange_ns is None else book.exchange_ns
        self._received_ns[row] = -1 if book.received_ns is None else book.received_ns
        self._sequence[row] = -1 if book.sequence is None else book.sequence
        self._synced[row] = True
        self._stale[row] = stale
        if same_as is None:
            self._copy_levels(row, book)
            return
        self._bid_count[row] = bids = self._bid_count[same_as]
        self._ask_count[row] = asks = self._ask_count[same_as]
        self._bid_known[row] = self._bid_known[same_as]
        self._ask_known[row] = self._ask_known[same_as]
        self._bid_price[row, :bids] = self._bid_price[same_as, :bids]
        self._bid_size[row, :bids] = self._bid_size[same_as, :bids]
        self._ask_price[row, :asks] = self._ask_price[same_as, :asks]
        self._ask_size[row, :asks] = self._ask_size[same_as, :asks]

    def append_unsynced(self, tick_ns: int, symbol: int, epoch: int, updates: int, refused: int) -> None:
        """Add the row of a book that is not in sync."""
        row = self._append(tick_ns, symbol, epoch, updates, refused)
        self._exchange_ns[row] = self._received_ns[row] = self._sequence[row] = -1
        self._synced[row] = self._stale[row] = False
        self._bid_count[row] = self._ask_count[row] = _NULL_LIST
        self._bid_known[row] = self._ask_known[row] = -1

    def ticks(self) -> tuple[int, int]:
        """First and last grid time; only if there are rows."""
        return int(self._tick[0]), int(self._tick[self.rows - 1])

    def counts(self) -> tuple[list[int], list[int]]:
        """Rows in sync, and stale ones, of each symbol."""
        symbol = self._symbol[: self.rows]
        synced, stale = (symbol[marked[: self.rows]] for marked in (self._synced, self._stale))
        size = len(self.symbols)
        return np.bincount(synced, minlength=size).tolist(), np.bincount(stale, minlength=size).tolist()

    def latencies(self) -> Latencies:
        """Receive time less the venue's event time, of the rows that brought an update since the row before."""
        exchange, received = self._exchange_ns[: self.rows], self._received_ns[: self.rows]
        news = (self._updates[: self.rows] > 0) & (exchange >= 0) & (received >= 0)
        return self._symbol[: self.rows][news], (received[news] - exchange[news]) / 1e6

    def batch(self) -> pa.RecordBatch:
        """All rows as one batch of the schema of `l2_segments`; it shares memory with these columns."""
        rows = self.rows
        schema = L2_SEGMENTS.schema
        names = _dictionaries(self.venue, self.symbols)
        bid_offsets, bid_mask = _offsets(self._bid_count[:rows])
        ask_offsets, ask_mask = _offsets(self._ask_count[:rows])
        arrays = {
            "timestamp": pa.array(self._tick[:rows]),
            "exchange": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), names[0]),
            "symbol": pa.DictionaryArray.from_arrays(pa.array(self._symbol[:rows]), names[1]),
            "exchange_timestamp": _nullable(self._exchange_ns[:rows]),
            "received_timestamp": _nullable(self._received_ns[:rows]),
            "sequence": _nullable(self._sequence[:rows]),
            "book_epoch": pa.array(self._epoch[:rows]),
            "synced": pa.array(self._synced[:rows]),
            "stale": pa.array(self._stale[:rows]),
            "update_count": pa.array(self._updates[:rows]),
            "refused_count": pa.array(self._refused[:rows]),
            "bid_known": _nullable(self._bid_known[:rows]),
            "ask_known": _nullable(self._ask_known[:rows]),
            "bid_price": _lists(self._bid_price[:rows], self._bid_count[:rows], bid_offsets, bid_mask),
            "bid_size": _lists(self._bid_size[:rows], self._bid_count[:rows], bid_offsets, bid_mask),
            "ask_price": _lists(self._ask_price[:rows], self._ask_count[:rows], ask_offsets, ask_mask),
            "ask_size": _lists(self._ask_size[:rows], self._ask_count[:rows], ask_offsets, ask_mask),
        }
        return pa.record_batch([arrays[field.name].cast(field.type) for field in schema], schema=schema)

    def _append(self, tick_ns: int, symbol: int, epoch: int, updates: int, refused: int) -> int:
        row = self.rows
        self.rows = row + 1
        self._tick[row] = tick_ns
        self._symbol[row] = symbol
        self._epoch[row] = epoch
        self._updates[row] = updates
        self._refused[row] = refused
        return row

    def _copy_levels(self, row: int, sequencer: BookSequencer) -> None:
        bids, asks = sequencer.book.bids, sequencer.book.asks
        self._bid_count[row], self._bid_known[row] = bids.copy_top(self._bid_price[row], self._bid_size[row])
        self._ask_count[row], self._ask_known[row] = asks.copy_top(self._ask_price[row], self._ask_size[row])


@cache
def _dictionaries(venue: str, symbols: tuple[str, ...]) -> tuple[pa.Array, pa.Array]:
    return pa.array([venue]), pa.array(symbols)


def _nullable(values: npt.NDArray[np.int64] | npt.NDArray[np.int32]) -> pa.Array:
    return pa.array(values, mask=values < 0)


def _offsets(counts: npt.NDArray[np.int32]) -> tuple[pa.Array, pa.Array | None]:
    """Offsets of the flattened levels, and the mask of the null lists (None if there are none)."""
    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(np.maximum(counts, 0), out=offsets[1:])
    missing = counts < 0
    return pa.array(offsets), pa.array(missing) if missing.any() else None


def _lists(
    levels: npt.NDArray[np.float64], counts: npt.NDArray[np.int32], offsets: pa.Array, mask: pa.Array | None
) -> pa.Array:
    depth = levels.shape[1]
    full = bool((counts == depth).all())
    flat = levels.reshape(-1) if full else levels[np.arange(depth) < counts[:, None]]
    return pa.ListArray.from_arrays(offsets, pa.array(flat), mask=mask)
