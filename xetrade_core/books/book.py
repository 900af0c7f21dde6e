"""The L2 book of one symbol: absolute sizes by price, fast to update, and cheap to read near the touch.

A venue sends thousands of level changes a second, most of them far from the touch, and a sampler reads the best hundred
levels once a second. So each side keeps its *near* levels, a few hundred, apart from the *far* ones, and only near
prices are ever sorted, and only when somebody reads. Whether the book is crossed must be known after every message,
though: for that a bound on the best price suffices, which is made exact only when the two sides' bounds meet.

What a book can know is bounded by its snapshot: past the last level of a truncated snapshot there may be levels nobody
has told us of. That bound is the side's *reach*. Levels past it are known only once touched: `top` returns them too,
and `known_depth` says how many of the leading levels lie within the reach, where nothing can be missing. `deepen` moves
the reach out with a later snapshot.

Prices and sizes are float64, prices in quote currency, sizes in the venue's own unit (base currency, or contracts).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from operator import neg
from typing import ClassVar, cast

import numpy as np

Level = tuple[float, float]

NEAR_TARGET = 256  # near levels a side after a refill: twice the usual depth of 100, with room to move
NEAR_MOST = 1024  # near levels, or fresh ones, before a side is tidied up unasked
FAR_MOST = 50_000  # far levels a side; the farthest half is forgotten beyond that, so that memory stays flat
SPARE = 32  # entries looked at beyond the wanted depth, since some may be gone
NOWHERE = -math.inf


class BookSide:
    """One side of a book: `BidSide` or `AskSide`. A level's *rank* is its price for bids and minus its price for asks.

    `_near` and `_far` hold sizes by price. `_ranks` holds the rank of every near level in ascending order, so that the
    best comes last, perhaps some that are gone, and some twice; `_fresh` those that came since it was last put in
    order. Past the reach a removed level stays in `_far` with size 0 (see `deepen`).
    """

    __slots__ = ("_cut", "_far", "_forgotten", "_fresh", "_most", "_near", "_near_most", "_ranks", "_reach", "bound")

    _sign: ClassVar[int]

    def __init__(self, most_levels: int | None = None) -> None:
        """`most_levels`: the venue keeps only that many levels a side, worse ones fall off."""
        self._most = most_levels
        self._near_most = most_levels or NEAR_MOST
        self.replace((), reach=None)

    def replace(self, levels: Iterable[Level], reach: float | None) -> None:
        """Start over from a snapshot; past the price `reach` it says nothing (None: it tells everything)."""
        self._near: dict[float, float] = {price: size for price, size in levels if size}
        self._far: dict[float, float] = {}
        self._ranks = sorted(price * self._sign for price in self._near)
        self._fresh: list[float] = []
        self._forgotten = NOWHERE
        self._reach = NOWHERE if reach is None else reach * self._sign
        self._cut = NOWHERE * self._sign  # the price past which levels are far
        self.bound = NOWHERE
        """No level ranks above this; the best one may rank below."""
        self._tidy(NEAR_TARGET)

    def apply(self, levels: Iterable[Level]) -> None:
        """Set each level to its size, 0 removes it. Levels are positive and finite: the decoders see to it."""
        raise NotImplementedError

    def best(self) -> float | None:
        """Price of the best level, or None if the side is empty."""
        self._merge_fresh()
        ranks, near, sign = self._ranks, self._near, self._sign
        while ranks and ranks[-1] * sign not in near:
            ranks.pop()
        if not ranks:
            self._tidy(NEAR_TARGET)
        self.bound = self._ranks[-1] if self._ranks else NOWHERE
        return self.bound * sign if self._ranks else None

    def top(self, depth: int) -> tuple[list[float], list[float]]:
        """Prices and sizes of the best levels, best first, at most `depth`;

        See `known_depth` for which are beyond doubt.
        """
        self._merge_fresh()
        if len(self._near) < depth or len(self._ranks) > 2 * NEAR_MOST:
            self._tidy(depth)
        ranks, near = self._ranks, self._near
        stop = len(ranks)
        prices: list[float] = []
        while stop and len(prices) < depth:
            start = max(stop - depth - SPARE + len(prices), 0)
            while start and ranks[start - 1] == ranks[start]:
                start -= 1
            prices += [price for price in dict.fromkeys(self._prices(ranks[start:stop])) if price in near]
            stop = start
        ranks[stop:] = self._prices(prices)  # the same map leads back: reversed, and for asks negated
        del prices[depth:]
        return prices, list(map(near.__getitem__, prices))

    def _prices(self, ranks: list[float]) -> list[float]:
        """Prices of ascending ranks, best first."""
        return ranks[::-1] if self._sign > 0 else list(map(neg, reversed(ranks)))

    def known(self, prices: list[float]) -> int:
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
        return len(self._near) + sum(1 for size in self._far.values() if size)

    def deepen(self, levels: Iterable[Level], reach: float | None) -> None:
        """Move the reach out with a later snapshot of the same epoch, keeping everything that messages have told since.

        A level past our reach that no message has touched has not changed, so the snapshot's word holds; one that a
        message has touched (removals included, which is why those are remembered) is known better by the book.
        """
        new_reach = max(NOWHERE if reach is None else reach * self._sign, self._forgotten)
        if new_reach >= self._reach:
            return
        sign, near, far = self._sign, self._near, self._far
        self.apply(
            [
                (price, size)
                for price, size in levels
                if new_reach <= price * sign < self._reach and price not in near and price not in far
            ]
        )
        self._reach = new_reach

    def _merge_fresh(self) -> None:
        if self._fresh:
            self._ranks += self._fresh
            self._ranks.sort()  # two ordered runs mostly, which sorting makes the most of
            self._fresh.clear()

    def _tidy(self, depth: int) -> None:
        """Put the near levels in order, at least `depth` of them, and let go of what need not be remembered."""
        self._merge_fresh()
        near, sign, wanted = self._near, self._sign, max(2 * depth, NEAR_TARGET)
        ranks = [rank for rank in dict.fromkeys(self._ranks) if rank * sign in near]
        if self._most is not None:
            for rank in ranks[: -self._most]:
                del near[rank * sign]
            ranks = ranks[-self._most :]
        elif len(ranks) > 2 * wanted:
            ranks = self._demote(ranks, wanted)
        elif len(ranks) < depth and self._cut * sign > NOWHERE:
            ranks = self._refill(wanted - len(ranks)) + ranks
        if len(self._far) > FAR_MOST:
            self._forget_farthest()
        self._ranks = ranks
        self.bound = ranks[-1] if ranks else NOWHERE

    def _demote(self, ranks: list[float], keep: int) -> list[float]:
        sign, near = self._sign, self._near
        for rank in ranks[:-keep]:
            self._far[rank * sign] = near.pop(rank * sign)
        self._cut = ranks[-keep] * sign
        return ranks[-keep:]

    def _refill(self, count: int) -> list[float]:
        """Bring the best `count` far levels near; their ranks in ascending order."""
        sign, far, cut = self._sign, self._far, self._cut * self._sign
        prices = np.fromiter(far, np.float64, len(far))
        sizes = np.fromiter(far.values(), np.float64, len(far))
        ranks = prices * sign
        candidates = ranks[(sizes > 0) & (ranks < cut)]
        chosen = np.sort(candidates if len(candidates) <= count else np.partition(candidates, -count)[-count:])
        self._near.update((price, far.pop(price)) for price in (chosen * sign).tolist())
        lowest = float(chosen[0]) if len(chosen) < len(candidates) else NOWHERE
        self._cut = lowest * sign
        removed = prices[(sizes == 0) & (ranks >= self._reach)]  # within the reach a removal needs no memory
        for price in removed.tolist():
            del far[price]
        return cast("list[float]", chosen.tolist())

    def _forget_farthest(self) -> None:
        keep = heapq.nlargest(FAR_MOST // 2, (price * self._sign for price in self._far))
        self._forgotten = keep[-1]
        self._reach = max(self._reach, self._forgotten)
        self._far = {rank * self._sign: self._far[rank * self._sign] for rank in keep}


class BidSide(BookSide):
    """Bids: the highest price is the best."""

    __slots__ = ()
    _sign = 1

    def apply(self, levels: Iterable[Level]) -> None:
        near, far, fresh, cut, reach, bound = self._near, self._far, self._fresh, self._cut, self._reach, self.bound
        for price, size in levels:
            if price < cut:
                far[price] = size
            elif size:
                if price not in near:
                    fresh.append(price)
                    if price > bound:
                        bound = price
                near[price] = size
            else:
                near.pop(price, None)
                if price < reach:
                    far[price] = 0.0
        self.bound = bound
        if len(near) > self._near_most or len(fresh) > NEAR_MOST:
            self._tidy(NEAR_TARGET)


class AskSide(BookSide):
    """Asks: the lowest price is the best. The loop of `BidSide` mirrored: it runs for every level of every message."""

    __slots__ = ()
    _sign = -1

    def apply(self, levels: Iterable[Level]) -> None:
        near, far, fresh, cut, reach, bound = self._near, self._far, self._fresh, self._cut, -self._reach, self.bound
        for price, size in levels:
            if price > cut:
                far[price] = size
            elif size:
                if price not in near:
                    fresh.append(-price)
                    if -price > bound:
                        bound = -price
                near[price] = size
            else:
                near.pop(price, None)
                if price > reach:
                    far[price] = 0.0
        self.bound = bound
        if len(near) > self._near_most or len(fresh) > NEAR_MOST:
            self._tidy(NEAR_TARGET)


class L2Book:
    """Both sides of one symbol's book."""

    __slots__ = ("asks", "bids")

    def __init__(self, most_levels: int | None = None) -> None:
        """`most_levels`: set where the venue's channel maintains a fixed number of levels a side (OKX `books`: 400)."""
        self.bids = BidSide(most_levels)
        self.asks = AskSide(most_levels)

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
