"""The L2 book of one symbol: absolute sizes by price, fast to update, and cheap to read near the touch.

A venue sends thousands of level changes a second, most of them far from the touch, and a sampler reads the best hundred
levels once a second. So each side keeps two stores: *near* levels, sorted, a few hundred of them, and *far* levels, in
a plain dict that is never sorted. Levels move between the two only when the near store runs dry or overflows.

What a book can know is bounded by its snapshot: past the last level of a truncated snapshot there may be levels nobody
has told us of. That bound is the side's *reach*. Levels past it are known only once touched: `top` returns them too,
and `known_depth` says how many of the leading levels lie within the reach, where nothing can be missing. `deepen` moves
the reach out with a later snapshot.

Prices and sizes are float64, prices in quote currency, sizes in the venue's own unit (base currency, or contracts).
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

Level = tuple[float, float]

NEAR_TARGET = 256  # near levels a side after a refill: twice the usual depth of 100, with room to move
NEAR_MOST = 1024  # near levels a side before half of them are moved to the far store
FAR_MOST = 50_000  # far levels a side; the farthest half is forgotten beyond that, so that memory stays flat


class BookSide:
    """One side of a book.

    Inside, a level's *rank* is its price for bids and minus its price for asks: higher is better.
    """

    __slots__ = ("_cut", "_far", "_forgotten", "_most", "_near", "_ranks", "_reach", "_sign")

    def __init__(self, sign: int, most_levels: int | None = None) -> None:
        """`sign` is +1 for bids, -1 for asks.

        `most_levels`: the venue keeps only that many levels, worse ones fall off.
        """
        self._sign = sign
        self._most = most_levels
        self.replace((), reach=None)

    def replace(self, levels: Iterable[Level], reach: float | None) -> None:
        """Start over from a snapshot.

        `reach` is the price past which the snapshot says nothing; None: it tells everything.
        """
        sign = self._sign
        self._near: dict[float, float] = {}
        self._ranks: list[float] = []
        self._far: dict[float, float] = {price * sign: size for price, size in levels if size}
        self._reach = -math.inf if reach is None else reach * sign
        self._forgotten = -math.inf
        self._cut = math.inf
        self._refill(len(self._far) if self._most else NEAR_TARGET)

    def apply(self, levels: Iterable[Level]) -> None:
        """Set each level to its size;

        Size 0 removes it. Levels must be positive and finite (the decoders see to it).
        """
        sign, near, far, ranks, cut, reach = self._sign, self._near, self._far, self._ranks, self._cut, self._reach
        for price, size in levels:
            rank = price * sign
            if rank < cut:
                far[rank] = size
            elif size:
                if rank not in near:
                    insort(ranks, rank)
                near[rank] = size
            else:
                if near.pop(rank, None) is not None:
                    del ranks[bisect_left(ranks, rank)]
                if rank < reach:
                    far[rank] = 0.0  # past the reach a removal is knowledge too: see deepen
        if not ranks or len(ranks) > NEAR_MOST:
            self._rebalance()
        elif self._most and len(ranks) > self._most:
            self._drop_worst()

    def best(self) -> float | None:
        """Price of the best level, or None if the side is empty."""
        return self._ranks[-1] * self._sign if self._ranks else None

    def top(self, depth: int) -> tuple[list[float], list[float]]:
        """Prices and sizes of the best levels, best first, at most `depth`;

        See `known_depth` for which are beyond doubt.
        """
        if depth > len(self._ranks) and self._cut > -math.inf:
            self._refill(max(NEAR_TARGET, 2 * depth))
        if len(self._far) > FAR_MOST:
            self._forget_farthest()
        ranks = self._ranks[: -depth - 1 : -1] if depth else []
        sizes = list(map(self._near.__getitem__, ranks))
        return (ranks if self._sign > 0 else [-rank for rank in ranks]), sizes

    def known_depth(self, depth: int) -> int:
        """How many of the best `depth` levels lie within the reach:

        Between them and the touch no level can be missing.
        """
        if depth > len(self._ranks) and self._cut > -math.inf:
            self._refill(max(NEAR_TARGET, 2 * depth))
        return min(depth, len(self._ranks) - bisect_left(self._ranks, self._reach))

    def reach(self) -> float | None:
        """The price past which levels may exist that we do not know; None if every level is known."""
        return None if self._reach == -math.inf else self._reach * self._sign

    def __len__(self) -> int:
        """Number of levels, those past the reach included."""
        return len(self._ranks) + sum(1 for size in self._far.values() if size)

    def deepen(self, levels: Iterable[Level], reach: float | None) -> None:
        """Move the reach out with a later snapshot of the same epoch, keeping everything that messages have told since.

        A level past our reach that no message has touched has not changed, so the snapshot's word holds; one that a
        message has touched (removals included, which is why the far store keeps zero sizes) is known better by the
        book.
        """
        new_reach = max(-math.inf if reach is None else reach * self._sign, self._forgotten)
        if new_reach >= self._reach:
            return
        sign, known = self._sign, (self._near, self._far)
        self.apply(
            [
                (price, size)
                for price, size in levels
                if new_reach <= price * sign < self._reach and not any(price * sign in store for store in known)
            ]
        )
        self._reach = new_reach

    def _rebalance(self) -> None:
        if self._most:
            self._drop_worst()
        elif not self._ranks:
            if self._cut > -math.inf:
                self._refill(NEAR_TARGET)
        else:
            ranks, near = self._ranks, self._near
            keep_from = len(ranks) - NEAR_MOST // 2
            self._far.update((rank, near.pop(rank)) for rank in ranks[:keep_from])
            del ranks[:keep_from]
            self._cut = ranks[0]

    def _drop_worst(self) -> None:
        surplus = self._ranks[: -(self._most or 0)]
        del self._ranks[: len(surplus)]
        for rank in surplus:
            del self._near[rank]

    def _refill(self, target: int) -> None:
        """Bring the best far levels near, up to `target` near levels."""
        far, reach = self._far, self._reach
        candidates = [rank for rank, size in far.items() if size and rank < self._cut]
        chosen = heapq.nlargest(max(target - len(self._ranks), 0), candidates)
        for rank in chosen:
            self._near[rank] = far.pop(rank)
        self._ranks = chosen[::-1] + self._ranks
        self._cut = self._ranks[0] if len(chosen) < len(candidates) else -math.inf
        self._far = {rank: size for rank, size in far.items() if size or rank < reach}

    def _forget_farthest(self) -> None:
        keep = heapq.nlargest(FAR_MOST // 2, self._far)
        self._forgotten = keep[-1]
        self._reach = max(self._reach, self._forgotten)
        self._far = {rank: self._far[rank] for rank in keep}


class L2Book:
    """Both sides of one symbol's book."""

    __slots__ = ("asks", "bids")

    def __init__(self, most_levels: int | None = None) -> None:
        """`most_levels`: set where the venue's channel maintains a fixed number of levels a side (OKX `books`: 400)."""
        self.bids = BookSide(1, most_levels)
        self.asks = BookSide(-1, most_levels)

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
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid >= ask

    def top(self, depth: int) -> tuple[list[float], list[float], list[float], list[float]]:
        """Bid prices, bid sizes, ask prices, ask sizes; best first, at most `depth` levels."""
        bid_prices, bid_sizes = self.bids.top(depth)
        ask_prices, ask_sizes = self.asks.top(depth)
        return bid_prices, bid_sizes, ask_prices, ask_sizes
