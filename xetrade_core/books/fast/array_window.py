"""A side of so many levels at most, in an array that compiled code works on; to its user it is a `WindowSide`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from xetrade_core.books.book import NOWHERE, Level
from xetrade_core.books.fast import kernels

Floats = npt.NDArray[np.float64]

_SPARE = 256
"""Room for levels of one message beyond those that are kept; it grows by doubling."""


class ArrayWindow:
    """The same levels as `WindowSide`. `array` is the kernels'; it is replaced when it grows."""

    __slots__ = ("_sign", "array")

    def __init__(self, sign: int, most_levels: int) -> None:
        """`sign`: 1 for bids, -1 for asks."""
        self._sign = sign
        self.array: Floats = np.zeros(kernels.WINDOW_AT + 2 * (most_levels + _SPARE))
        self.array[kernels.WINDOW_SIGN], self.array[kernels.WINDOW_MOST] = sign, most_levels

    def replace(self, levels: Iterable[Level], reach: float | None) -> None:
        """See `WindowSide.replace`."""
        held = dict(levels)
        ranks = np.fromiter(held, np.float64, len(held)) * self._sign
        sizes = np.fromiter(held.values(), np.float64, len(held))
        order = np.argsort(ranks)
        order = order[sizes[order] > 0][-int(self.array[kernels.WINDOW_MOST]) :]
        start, end = kernels.WINDOW_AT, kernels.WINDOW_AT + len(order)
        self.array[start:end] = ranks[order]
        self.array[start + self._room : end + self._room] = sizes[order]
        self.array[kernels.WINDOW_COUNT] = len(order)

    def apply(self, levels: Iterable[Level]) -> None:
        """See `WindowSide.apply`."""
        pairs = np.array([number for level in levels for number in level], np.float64)
        while kernels.window_apply(self.array, pairs) == kernels.ROOM:
            self.grow()

    def best(self) -> float | None:
        """See `WindowSide.best`."""
        bound = self.bound
        return None if bound == NOWHERE else bound * self._sign

    def touch(self) -> Level | None:
        """See `BookSide.touch`."""
        prices, sizes = self.top(1)
        return (prices[0], sizes[0]) if prices else None

    @property
    def bound(self) -> float:
        """Rank of the best level."""
        count = len(self)
        return float(self.array[kernels.WINDOW_AT + count - 1]) if count else NOWHERE

    def top(self, depth: int) -> tuple[list[float], list[float]]:
        """See `WindowSide.top`."""
        prices, sizes = np.empty(depth), np.empty(depth)
        count, _ = self.copy_top(prices, sizes)
        return prices[:count].tolist(), sizes[:count].tolist()

    def copy_top(self, prices: Floats, sizes: Floats) -> tuple[int, int]:
        """See `BookSide.copy_top`."""
        end = kernels.WINDOW_AT + len(self)
        start = max(end - len(prices), kernels.WINDOW_AT)
        count, room = end - start, self._room
        np.multiply(self.array[start:end][::-1], self._sign, out=prices[:count])
        sizes[:count] = self.array[start + room : end + room][::-1]
        return count, count

    def known(self, prices: Sequence[float]) -> int:
        """All of them: such a book has no reach."""
        return len(prices)

    def known_depth(self, depth: int) -> int:
        """See `BookSide.known_depth`."""
        return min(depth, len(self))

    def reach(self) -> float | None:
        """None: every level is known."""
        return None

    def __len__(self) -> int:
        return int(self.array[kernels.WINDOW_COUNT])

    def deepen(self, levels: Iterable[Level], reach: float | None) -> None:
        """Nothing is past the reach here."""

    @property
    def _room(self) -> int:
        return (len(self.array) - kernels.WINDOW_AT) // 2

    def grow(self) -> None:
        """Double the room."""
        old, room, at = self.array, self._room, kernels.WINDOW_AT
        self.array = np.zeros(at + 4 * room)
        self.array[: at + room] = old[: at + room]
        self.array[at + 2 * room : at + 3 * room] = old[at + room :]
