"""Price levels and their history: the book a simulated venue believes in, and the log that can rebuild it at any id.

Prices are integer ticks, sizes integer lots. A level is addressed by its *signed* price: bids positive, asks negative
(`+6183763` is the bid at tick 6183763), so that one integer says side and price and sorting signed prices downwards
lists bids best first, then asks best first.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator

from xetrade_core.errors import XETradeError

_SEGMENT_CHANGES = 4096  # rebuilding a book replays at most so many


class TruthForgotten(XETradeError):
    """The asked sequence id lies outside what the truth log still holds."""


class Levels:
    """The aggregated levels of both sides of one book."""

    __slots__ = ("ask_prices", "bid_prices", "sizes")

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}  # signed price -> lots, never 0
        self.bid_prices: list[int] = []  # ascending: the best bid is last
        self.ask_prices: list[int] = []  # ascending: the best ask is first

    def set(self, signed_price: int, size: int) -> None:
        """Put `size` lots at a level; 0 removes it (removing an absent level does nothing)."""
        sizes = self.sizes
        known = signed_price in sizes
        if size:
            sizes[signed_price] = size
            if not known:
                if signed_price > 0:
                    insort(self.bid_prices, signed_price)
                else:
                    insort(self.ask_prices, -signed_price)
        elif known:
            del sizes[signed_price]
            prices, price = (self.bid_prices, signed_price) if signed_price > 0 else (self.ask_prices, -signed_price)
            del prices[bisect_left(prices, price)]

    @property
    def best_bid(self) -> int | None:
        """Ticks, or None while there is no bid."""
        return self.bid_prices[-1] if self.bid_prices else None

    @property
    def best_ask(self) -> int | None:
        """Ticks, or None while there is no ask."""
        return self.ask_prices[0] if self.ask_prices else None

    def bids(self, depth: int) -> list[tuple[int, int]]:
        """(ticks, lots) of the best `depth` bids, best first."""
        sizes = self.sizes
        return [(price, sizes[price]) for price in reversed(self.bid_prices[-depth:])] if depth else []

    def asks(self, depth: int) -> list[tuple[int, int]]:
        """(ticks, lots) of the best `depth` asks, best first."""
        sizes = self.sizes
        return [(price, sizes[-price]) for price in self.ask_prices[:depth]]

    def clear(self) -> None:
        self.sizes.clear()
        self.bid_prices.clear()
        self.ask_prices.clear()

    @classmethod
    def of(cls, sizes: dict[int, int]) -> Levels:
        """A book of these signed prices and sizes (all sizes above 0)."""
        levels = cls()
        levels.sizes = sizes
        levels.bid_prices = sorted(price for price in sizes if price > 0)
        levels.ask_prices = sorted(-price for price in sizes if price < 0)
        return levels


class _Segment:
    """A stretch of changes on top of a full copy of the book."""

    __slots__ = ("base_prices", "base_sizes", "ids", "prices", "sizes", "start_id")

    def __init__(self, start_id: int, levels: Levels) -> None:
        self.start_id = start_id
        self.base_prices = array("q", levels.sizes.keys())
        self.base_sizes = array("q", levels.sizes.values())
        self.ids = array("q")
        self.prices = array("q")
        self.sizes = array("q")

    @property
    def last_id(self) -> int:
        return self.ids[-1] if self.ids else self.start_id


class TruthLog:
    """Every level change of one symbol, so that the true book at a sequence id can be rebuilt.

    Memory is bounded: at least the newest `capacity` changes are kept (24 bytes each, plus a copy of the book every
    few thousand); older ids answer `TruthForgotten`. Ids only grow, except at `restart`, as after maintenance.
    """

    def __init__(self, capacity: int, start_id: int, levels: Levels) -> None:
        self._segment_size = min(_SEGMENT_CHANGES, max(16, capacity // 4))
        kept = -(-capacity // self._segment_size) + 1
        self._segments: deque[_Segment] = deque([_Segment(start_id, levels)], maxlen=kept)
        self._levels = levels
        self._bind()

    def _bind(self) -> None:
        segment = self._segments[-1]
        self._ids = segment.ids
        self._add_id, self._add_price, self._add_size = segment.ids.append, segment.prices.append, segment.sizes.append

    def append(self, change_id: int, signed_price: int, size: int) -> None:
        """Note that change `change_id` is about to set a level; call it before the change reaches the levels."""
        if len(self._ids) >= self._segment_size and self._ids[-1] != change_id:
            self.restart(self._ids[-1])
        self._add_id(change_id)
        self._add_price(signed_price)
        self._add_size(size)

    def restart(self, start_id: int) -> None:
        """Begin a new stretch: from here on `start_id` stands for the book as it is now."""
        self._segments.append(_Segment(start_id, self._levels))
        self._bind()

    @property
    def oldest_id(self) -> int:
        return self._segments[0].start_id

    def book_at(self, sequence: int) -> tuple[int, Levels]:
        """The true book after all changes with an id up to `sequence`, and the id of the last of them."""
        for segment in reversed(self._segments):
            if segment.start_id <= sequence <= segment.last_id:
                return self._rebuild(segment, sequence)
        held = ", ".join(f"{segment.start_id}..{segment.last_id}" for segment in self._segments)
        raise TruthForgotten(
            f"sequence {sequence} is not in the truth log: it holds {held}; raise truth_changes to keep more"
        )

    @staticmethod
    def _rebuild(segment: _Segment, sequence: int) -> tuple[int, Levels]:
        sizes = dict(zip(segment.base_prices, segment.base_sizes, strict=True))
        reached = segment.start_id
        for change_id, price, size in zip(segment.ids, segment.prices, segment.sizes, strict=True):
            if change_id > sequence:
                break
            reached = change_id
            if size:
                sizes[price] = size
            else:
                sizes.pop(price, None)
        return reached, Levels.of(sizes)

    def changes(self) -> Iterator[tuple[int, int, int]]:
        """(id, signed price, lots) of every change still held, oldest first."""
        for segment in self._segments:
            yield from zip(segment.ids, segment.prices, segment.sizes, strict=True)
