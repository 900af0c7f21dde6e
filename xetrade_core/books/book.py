"""The L2 book of one symbol: absolute sizes by price, fast to update, and cheap to read near the touch.

A venue sends thousands of level changes a second, most of them far from the touch, and a sampler reads the best hundred
levels once a second. So a message costs one `dict.update` a side and a look at the prices that were not there before;
only prices near the touch are ever put in order, and only when somebody reads. Whether the book is crossed must be
known after every message, though: for that a bound on the best price suffices, which is made exact only when the two
sides' bounds meet.

What a book can know is bounded by its snapshot: past the last level of a truncated snapshot there may be levels nobody
has told us of. That bound is the side's *reach*. Levels past it are known only once touched: `top` returns them too,
and `known` says how many of the leading levels lie within the reach, where nothing can be missing. `deepen` moves the
reach out with a later snapshot.

Prices and sizes are float64, prices in quote currency, sizes in the venue's own unit (base currency, or contracts).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import neg
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

Level = tuple[float, float]
Floats = npt.NDArray[np.float64]

NEAR_TARGET = 256  # ordered levels a side after a refill: twice the usual depth of 100, with room to move
NEAR_MOST = 1024  # ordered levels a side before it is tidied up
ENTRIES_MOST = 50_000  # prices a side remembered; the farthest half is forgotten beyond that: memory stays flat
FRESH_FEW = 32  # fresh prices among which the best is looked for rather than putting them in order
SPARE = 32  # prices looked at beyond the wanted depth, since some may be gone
NOWHERE = -math.inf


class Side(Protocol):
    """What a book asks of a side; `BookSide` says what each does."""

    @property
    def bound(self) -> float: ...
    def replace(self, levels: Iterable[Level], reach: float | None) -> None: ...
    def apply(self, levels: Iterable[Level]) -> None: ...
    def best(self) -> float | None: ...
    def touch(self) -> Level | None: ...
    def top(self, depth: int) -> tuple[list[float], list[float]]: ...
    def copy_top(self, prices: Floats, sizes: Floats) -> tuple[int, int]: ...
    def known(self, prices: Sequence[float]) -> int: ...
    def known_depth(self, depth: int) -> int: ...
    def reach(self) -> float | None: ...
    def deepen(self, levels: Iterable[Level], reach: float | None) -> None: ...
    def __len__(self) -> int: ...


class BookSide:
    """One side of a book. A level's *rank* is its price for bids and minus its price for asks: higher is better.

    `_sizes` holds every level, and removed ones with size 0 until they are buried. `_ranks` holds the ranks of all its
    prices that are no worse than `_cut`, in ascending order, but for the `_fresh` ones, which wait to be put in order.
    """

    __slots__ = ("_cut", "_forgotten", "_fresh", "_gone", "_ranks", "_reach", "_sign", "_sizes", "bound")

    def __init__(self, sign: int) -> None:
        """`sign`: 1 for bids, -1 for asks."""
        self._sign = sign
        self.replace((), reach=None)

    def replace(self, levels: Iterable[Level], reach: float | None) -> None:
        """Start over from a snapshot; past the price `reach` it says nothing (None: it tells everything)."""
        self._sizes: dict[float, float] = dict(levels)
        if 0.0 in self._sizes.values():
            self._sizes = {price: size for price, size in self._sizes.items() if size}
        self._ranks: list[float] = sorted(self._sizes if self._sign > 0 else map(neg, self._sizes))
        self._fresh: list[float] = []
        self._gone: set[float] = set()  # prices past the reach whose removal must be remembered: see deepen
        self._forgotten = NOWHERE
        self._reach = NOWHERE if reach is None else reach * self._sign
        self._cut = NOWHERE
        self.bound = self._ranks[-1] if self._ranks else NOWHERE
        """No level ranks above this; the best one may rank below."""
        if len(self._sizes) > ENTRIES_MOST:
            self._tidy(NEAR_TARGET)
        elif len(self._ranks) > 4 * NEAR_TARGET:  # what tidying up would do, but that nothing is dead here
            del self._ranks[: -2 * NEAR_TARGET]
            self._cut = self._ranks[0]

    def apply(self, levels: Iterable[Level]) -> None:
        """Set each level to its size, 0 removes it. Levels are positive and finite: the decoders see to it."""
        sizes = self._sizes
        before = len(sizes)
        sizes.update(levels)
        if len(sizes) > before:
            self._note_new(len(sizes) - before)

    def best(self) -> float | None:
        """Price of the best level, or None if the side is empty."""
        if len(self._fresh) > FRESH_FEW:
            self._merge_fresh()
        ranks, fresh, sizes, sign = self._ranks, self._fresh, self._sizes, self._sign
        if ranks and not fresh and sizes[price := ranks[-1] * sign]:  # mostly: nothing new, and the best still stands
            self.bound = ranks[-1]
            return price
        while ranks and not sizes[ranks[-1] * sign]:
            self._bury(ranks.pop())
        newest = max(fresh) if fresh else NOWHERE
        while fresh and not sizes[newest * sign]:
            fresh.remove(newest)
            self._bury(newest)
            newest = max(fresh) if fresh else NOWHERE
        if not ranks and not fresh:
            self._tidy(1)
            ranks = self._ranks
        self.bound = max(newest, ranks[-1] if ranks else NOWHERE)
        return None if self.bound == NOWHERE else self.bound * sign

    def touch(self) -> Level | None:
        """Price and size of the best level, or None if the side is empty."""
        price = self.best()
        return None if price is None else (price, self._sizes[price])

    def top(self, depth: int) -> tuple[list[float], list[float]]:
        """Prices and sizes of the best levels, best first, at most `depth`; see `known` for which are beyond doubt."""
        if len(self._ranks) + len(self._fresh) > NEAR_MOST or len(self._sizes) > ENTRIES_MOST:
            self._tidy(depth)
        while True:
            self._merge_fresh()
            start = max(len(self._ranks) - depth - SPARE, 0)
            prices = self._prices(self._ranks[start:])
            sizes = list(map(self._sizes.__getitem__, prices))
            if 0.0 in sizes:
                prices = self._bury_dead(start, prices, sizes)
                sizes = [size for size in sizes if size]
            if len(prices) < depth and start:
                continue  # the dead are out of the way now
            if len(prices) < depth and self._cut > NOWHERE:
                self._tidy(depth)
                continue
            return prices[:depth], sizes[:depth]

    def copy_top(self, prices: Floats, sizes: Floats) -> tuple[int, int]:
        """Write the best levels into these arrays, as many as they hold; how many there are, and how many are known."""
        best_prices, best_sizes = self.top(len(prices))
        count = len(best_prices)
        prices[:count] = best_prices
        sizes[:count] = best_sizes
        return count, self.known(best_prices)

    def known(self, prices: Sequence[float]) -> int:
        """How many of these best prices lie within the reach: between them and the touch no level can be missing."""
        if not prices or prices[-1] * self._sign >= self._reach:
            return len(prices)
        return sum(price * self._sign >= self._reach for price in prices)

    def known_depth(self, depth: int) -> int:
        """How many of the best `depth` levels are known in that sense."""
        return self.known(self.top(depth)[0])

    def reach(self) -> float | None:
        """The price past which levels may exist that we do not know; None if every level is known."""
        return None if self._reach == NOWHERE else self._reach * self._sign

    def __len__(self) -> int:
        """Number of levels, those past the reach included."""
        return sum(1 for size in self._sizes.values() if size)

    def deepen(self, levels: Iterable[Level], reach: float | None) -> None:
        """Move the reach out with a later snapshot of the same epoch, keeping everything that messages have told since.

        A level past our reach that no message has touched has not changed, so the snapshot's word holds; one that a
        message has touched (removals included, which is why those are remembered) is known better by the book.
        """
        new_reach = max(NOWHERE if reach is None else reach * self._sign, self._forgotten)
        if new_reach >= self._reach:
            return
        sign, sizes, gone = self._sign, self._sizes, self._gone
        self.apply(
            [
                (price, size)
                for price, size in levels
                if new_reach <= price * sign < self._reach and price not in sizes and price not in gone
            ]
        )
        self._reach = new_reach
        self._gone = {price for price in gone if price * sign < new_reach}

    def _prices(self, ranks: list[float]) -> list[float]:
        """Prices of ascending ranks, best first; applied to prices, best first, it gives ascending ranks again."""
        return ranks[::-1] if self._sign > 0 else list(map(neg, reversed(ranks)))

    def _note_new(self, count: int) -> None:
        """The last `count` entries of the dict are new to it: a dict keeps its order of insertion."""
        sign, cut, bound, fresh = self._sign, self._cut, self.bound, self._fresh
        for price in islice(reversed(self._sizes), count):
            rank = price * sign
            if rank >= cut:
                fresh.append(rank)
                if rank > bound:
                    bound = rank
        self.bound = bound
        if len(fresh) > NEAR_MOST:
            self._tidy(NEAR_TARGET)

    def _merge_fresh(self) -> None:
        if self._fresh:
            self._ranks += self._fresh
            self._ranks.sort()  # two ordered runs mostly, which sorting makes the most of
            self._fresh.clear()

    def _bury(self, rank: float) -> None:
        """Drop an entry of size 0 that has left `_ranks`: should the level come back, it must count as new."""
        price = rank * self._sign
        del self._sizes[price]
        if rank < self._reach:
            self._gone.add(price)

    def _bury_dead(self, start: int, prices: list[float], sizes: list[float]) -> list[float]:
        """Bury the entries of size 0 among the ranks from `start` on; the prices of the others."""
        store, gone, sign, reach = self._sizes, self._gone, self._sign, self._reach
        live = []
        for price, size in zip(prices, sizes, strict=True):
            if size:
                live.append(price)
            else:
                del store[price]
                if price * sign < reach:
                    gone.add(price)
        self._ranks[start:] = self._prices(live)
        return live

    def _tidy(self, depth: int) -> None:
        """Keep about twice `depth` levels in order, and let go of what need not be remembered."""
        self._merge_fresh()
        wanted = max(2 * depth, NEAR_TARGET)
        prices = self._prices(self._ranks)
        self._bury_dead(0, prices, list(map(self._sizes.__getitem__, prices)))
        ranks = self._ranks
        if len(ranks) > 2 * wanted:
            del ranks[:-wanted]
            self._cut = ranks[0]
        elif len(ranks) < depth and self._cut > NOWHERE:
            self._refill(wanted - len(ranks))
        if len(self._sizes) > ENTRIES_MOST:
            self._forget_farthest()
        self.bound = self._ranks[-1] if self._ranks else NOWHERE

    def _refill(self, count: int) -> None:
        """Put the best `count` levels past the cut in order too, and bury the dead among them."""
        sign = self._sign
        ranks = np.fromiter(self._sizes, np.float64, len(self._sizes)) * sign
        live = np.fromiter(self._sizes.values(), np.float64, len(self._sizes)) > 0
        past = ranks < self._cut
        candidates = ranks[past & live]
        chosen = np.sort(candidates if len(candidates) <= count else np.partition(candidates, -count)[-count:])
        cut = float(chosen[0]) if len(chosen) < len(candidates) else NOWHERE
        for rank in ranks[past & ~live & (ranks >= cut)].tolist():
            self._bury(rank)
        self._ranks = cast("list[float]", chosen.tolist()) + self._ranks
        self._cut = cut

    def _forget_farthest(self) -> None:
        """Bury the dead within the reach; if that is not enough, forget the farther half and shorten the reach."""
        sign, cut = self._sign, self._cut
        dead = [price for price, size in self._sizes.items() if not size and price * sign >= self._reach]
        for price in dead:
            if price * sign < cut:
                del self._sizes[price]
        if len(self._sizes) > ENTRIES_MOST:
            keep = sorted((price * sign for price in self._sizes), reverse=True)[: ENTRIES_MOST // 2]
            self._forgotten = keep[-1]
            self._reach = max(self._reach, self._forgotten)
            self._sizes = {rank * sign: self._sizes[rank * sign] for rank in keep}
            self._ranks = [rank for rank in self._ranks if rank >= self._forgotten]
        self._gone = {price for price in self._gone if price * sign >= self._forgotten}


class L2Book:
    """Both sides of one symbol's book."""

    __slots__ = ("asks", "bids")

    def __init__(self, sides: tuple[Side, Side] | None = None) -> None:
        """`sides`: bids and asks of another kind than `BookSide`."""
        self.bids, self.asks = sides or (BookSide(1), BookSide(-1))

    def replace(
        self,
        bids: Sequence[Level],
        asks: Sequence[Level],
        bid_reach: float | None = None,
        ask_reach: float | None = None,
    ) -> None:
        """Start over from a snapshot; see `BookSide.replace`."""
        self.bids.replace(bids, bid_reach)
        self.asks.replace(asks, ask_reach)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set levels to absolute sizes; size 0 removes a level."""
        self.bids.apply(bids)
        self.asks.apply(asks)

    @property
    def best_bid(self) -> float | None:
        """Highest known bid price, or None."""
        return self.bids.best()

    @property
    def best_ask(self) -> float | None:
        """Lowest known ask price, or None."""
        return self.asks.best()

    @property
    def crossed(self) -> bool:
        """True if the best bid is at or above the best ask, which no true book of a running market is."""
        if self.bids.bound + self.asks.bound < 0:  # ranks: bid price and minus ask price
            return False
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid >= ask

    def top(self, depth: int) -> tuple[list[float], list[float], list[float], list[float]]:
        """Bid prices, bid sizes, ask prices, ask sizes; best first, at most `depth` levels."""
        bid_prices, bid_sizes = self.bids.top(depth)
        ask_prices, ask_sizes = self.asks.top(depth)
        return bid_prices, bid_sizes, ask_prices, ask_sizes
