"""A book's side in arrays that compiled code works on; to its user it is a `BookSide`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from xetrade_core.books import book as rules
from xetrade_core.books.book import NOWHERE, Level
from xetrade_core.books.fast import kernels

Floats = npt.NDArray[np.float64]

_LENGTH = 4096
"""Of each array to begin with, in numbers: room for a thousand levels. Both grow by doubling."""


class ArraySide:
    """The same levels, order, reach and forgetting as `BookSide`, for venues that keep books of any depth.

    `table` and `near` are the kernels' arrays; they are replaced when they grow.
    """

    __slots__ = ("_sign", "near", "table")

    def __init__(self, sign: int) -> None:
        """`sign`: 1 for bids, -1 for asks."""
        self._sign = sign
        self.table: Floats = np.zeros(_LENGTH)
        self.near: Floats = np.zeros(_LENGTH)
        self.replace((), reach=None)

    def replace(self, levels: Iterable[Level], reach: float | None) -> None:
        """See `BookSide.replace`."""
        near = self.near
        self.table[:] = near[: kernels.RANKS_AT] = 0.0
        near[kernels.SIGN] = self._sign
        near[kernels.NEAR_TARGET], near[kernels.NEAR_MOST] = rules.NEAR_TARGET, rules.NEAR_MOST
        near[kernels.ENTRIES_MOST] = rules.ENTRIES_MOST
        near[kernels.REACH] = NOWHERE if reach is None else reach * self._sign
        near[kernels.CUT] = near[kernels.BOUND] = near[kernels.FORGOTTEN] = NOWHERE
        self.apply([level for level in dict(levels).items() if level[1]])
        kernels.tidy(self.table, self.near, rules.NEAR_TARGET)

    def apply(self, levels: Iterable[Level]) -> None:
        """See `BookSide.apply`."""
        pairs = np.array([number for level in levels for number in level], np.float64)
        while kernels.apply(self.table, self.near, pairs) == kernels.ROOM:
            self.grow()

    def best(self) -> float | None:
        """See `BookSide.best`."""
        rank = kernels.best(self.table, self.near)
        return None if rank == NOWHERE else float(rank * self._sign)

    def touch(self) -> Level | None:
        """See `BookSide.touch`."""
        price = self.best()
        if price is None:
            return None
        size = np.array([price])
        kernels.sizes_of(self.table, size)
        return price, float(size[0])

    @property
    def bound(self) -> float:
        """See `BookSide.bound`."""
        return float(self.near[kernels.BOUND])

    def copy_top(self, prices: Floats, sizes: Floats) -> tuple[int, int]:
        """See `BookSide.copy_top`."""
        while (counts := kernels.top(self.table, self.near, prices, sizes))[0] == kernels.ROOM:
            self.grow()
        count, known = counts
        return count, known

    def top(self, depth: int) -> tuple[list[float], list[float]]:
        """See `BookSide.top`."""
        prices, sizes = np.empty(depth), np.empty(depth)
        count, _ = self.copy_top(prices, sizes)
        return prices[:count].tolist(), sizes[:count].tolist()

    def known(self, prices: Sequence[float]) -> int:
        """See `BookSide.known`."""
        return sum(price * self._sign >= self.near[kernels.REACH] for price in prices)

    def known_depth(self, depth: int) -> int:
        """See `BookSide.known_depth`."""
        return self.copy_top(np.empty(depth), np.empty(depth))[1]

    def reach(self) -> float | None:
        """See `BookSide.reach`."""
        reach = float(self.near[kernels.REACH])
        return None if reach == NOWHERE else reach * self._sign

    def __len__(self) -> int:
        """See `BookSide.__len__`."""
        return int(np.count_nonzero((self.table[::2] > 0) & (self.table[1::2] > 0)))

    def deepen(self, levels: Iterable[Level], reach: float | None) -> None:
        """See `BookSide.deepen`."""
        old_reach = self.near[kernels.REACH]
        new_reach = max(NOWHERE if reach is None else reach * self._sign, float(self.near[kernels.FORGOTTEN]))
        if new_reach >= old_reach:
            return
        further = [level for level in levels if new_reach <= level[0] * self._sign < old_reach]
        held = np.array([price for price, _ in further])
        kernels.sizes_of(self.table, held)
        self.apply([level for level, untold in zip(further, np.isnan(held).tolist(), strict=True) if untold])
        self.near[kernels.REACH] = new_reach
        kernels.rebuild(self.table.copy(), self.table, self.near, new_reach)

    def grow(self) -> None:
        """Double both arrays."""
        old, near = self.table, self.near
        self.table, self.near = np.zeros(2 * len(old)), np.zeros(2 * len(near))
        fresh = int(near[kernels.FRESH])
        self.near[: len(near) - fresh] = near[: len(near) - fresh]
        self.near[len(self.near) - fresh :] = near[len(near) - fresh :]
        kernels.rebuild(old, self.table, self.near, np.inf)
