"""A book of which its venue keeps only so many levels a side: a better one that comes pushes the worst one out.

The venue does not say which was pushed out, nor what becomes of it from then on, so it has to go with the very message
that pushes it out. Such a side is small: nothing is kept in order but its worst end, and reading it sorts it.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable
from operator import neg

from xetrade_core.books.book import NOWHERE, BookSide, L2Book, Level

END = 32  # levels at the worst end that are put in order at a time


class WindowSide(BookSide):
    """`_sizes` holds the levels that exist, no others.

    A level's *badness* is minus its rank. `_end` holds, in ascending order, the badness of all levels from `_from` on,
    and perhaps of some that are gone.
    """

    __slots__ = ("_end", "_from", "_most")

    def __init__(self, sign: int, most_levels: int) -> None:
        """`sign`: 1 for bids, -1 for asks."""
        self._most = most_levels
        super().__init__(sign)

    def replace(self, levels: Iterable[Level], reach: float | None) -> None:
        """Start over from a snapshot, which shows all that the venue keeps: a reach has no meaning here."""
        sizes = dict(levels)
        if 0.0 in sizes.values():
            sizes = {price: size for price, size in sizes.items() if size}
        self._sizes = sizes
        self._reach = NOWHERE
        self._end: list[float] = []
        self._from = math.inf
        self.bound = NOWHERE if not sizes else max(sizes) if self._sign > 0 else -min(sizes)
        self._push_out()

    def apply(self, levels: Iterable[Level]) -> None:
        """See `BookSide.apply`."""
        sizes = self._sizes
        fresh = None
        for price, size in levels:
            if size:
                if price not in sizes:
                    if fresh is None:
                        fresh = [price]
                    else:
                        fresh.append(price)
                sizes[price] = size
            elif price in sizes:
                del sizes[price]
        if fresh is not None:
            self._note(fresh)

    def best(self) -> float | None:
        """See `BookSide.best`."""
        sizes, sign = self._sizes, self._sign
        if not sizes:
            self.bound = NOWHERE
            return None
        price = self.bound * sign
        if price not in sizes:
            price = max(sizes) if sign > 0 else min(sizes)
            self.bound = price * sign
        return price

    def top(self, depth: int) -> tuple[list[float], list[float]]:
        """See `BookSide.top`."""
        prices = sorted(self._sizes, reverse=self._sign > 0)[:depth]
        return prices, list(map(self._sizes.__getitem__, prices))

    def deepen(self, levels: Iterable[Level], reach: float | None) -> None:
        """Nothing is past the reach here."""

    def __len__(self) -> int:
        return len(self._sizes)

    def _note(self, fresh: list[float]) -> None:
        """These prices were not there before the message; push out as many of the worst as there are too many now."""
        worsts = list(map(neg, fresh)) if self._sign > 0 else fresh
        best = -min(worsts)
        if best > self.bound:
            self.bound = best
        if max(worsts) >= self._from:
            for badness in worsts:
                if badness >= self._from:
                    insort(self._end, badness)
        self._push_out()

    def _push_out(self) -> None:
        excess = len(self._sizes) - self._most
        while excess > 0:
            if not self._end:
                everything = sorted(map(neg, self._sizes) if self._sign > 0 else self._sizes)
                self._end = everything[-max(excess, END) :]
                self._from = self._end[0]
            if self._sizes.pop(-self._sign * self._end.pop(), None) is not None:
                excess -= 1


class WindowBook(L2Book):
    """Both sides, each of so many levels at most."""

    __slots__ = ()

    def __init__(self, most_levels: int) -> None:
        super().__init__(sides=(WindowSide(1, most_levels), WindowSide(-1, most_levels)))
