"""Seeded market activity. Two kinds with one interface: `OrderFlow` drives the matching engine with single orders;
`LevelFlow` mutates levels directly, about ten times cheaper, for load benchmarks. Neither ever leaves a crossed book.

Both keep the book near its configured depth, let a fair price drift, concentrate activity near the touch, and now and
then sweep several levels.
"""

from __future__ import annotations

import random
from typing import Protocol

from xetrade_core.simvenue.engine import Side, Trade
from xetrade_core.simvenue.market import Market

_SIZE_SIGMA = 1.0  # of the lognormal size distribution
_TOUCH_SCALE = 12.0  # mean distance, in levels, of activity from the touch
_SWEEP_SHARE = 0.004
_MARKET_SHARE = 0.06
_CANCEL_SHARE = 0.44
_DRIFT_TICKS = 0.8  # standard deviation of the fair price's step, per event


class MarketFlow(Protocol):
    """Activity of one symbol."""

    def seed(self) -> None:
        """Fill an empty book to its depth."""
        ...

    def step(self, events: int) -> None:
        """Let `events` things happen."""
        ...


def _sizes(rng: random.Random, typical: int) -> list[int]:
    return [max(1, round(typical * rng.lognormvariate(0.0, _SIZE_SIGMA))) for _ in range(512)]


class OrderFlow:
    """Limit orders, cancels, market orders and sweeps through the matching engine."""

    def __init__(self, market: Market, rng: random.Random, depth: int) -> None:
        self._market, self._rng, self._depth = market, rng, depth
        self._engine = market.engine
        self._fair = float(market.listing.start_ticks)
        # Low prices in ticks (options) leave no room for so many bids: those sides stay thinner.
        self._lowest = min(depth * 4.0, self._fair / 2)
        self._sizes = _sizes(rng, market.listing.typical_lots)

    def seed(self) -> None:
        for side in Side:
            ticks = round(self._fair) - side.sign
            while self._count(side) < self._depth and ticks > 0:
                self._rest(side, ticks)
                ticks -= side.sign * self._gap()

    def step(self, events: int) -> None:
        rng = self._rng
        for _ in range(events):
            self._fair = max(self._lowest, self._fair + rng.gauss(0.0, _DRIFT_TICKS))
            side = Side.BUY if rng.random() < 0.5 else Side.SELL
            draw = rng.random()
            if draw < _SWEEP_SHARE:
                self._take(side, levels=rng.randint(3, 12))
            elif draw < _SWEEP_SHARE + _MARKET_SHARE:
                self._take(side, levels=1)
            elif draw < _SWEEP_SHARE + _MARKET_SHARE + _CANCEL_SHARE:
                self._cancel(side)
            else:
                distance = round(rng.expovariate(1.0 / _TOUCH_SCALE))
                self._rest(side, max(1, round(self._fair) - side.sign * (1 + distance)))
            self._keep_depth(side)

    def _rest(self, side: Side, ticks: int) -> None:
        self._note(self._engine.limit(side, ticks, self._rng.choice(self._sizes))[1])

    def _take(self, side: Side, levels: int) -> None:
        book = self._market.levels
        opposite = book.asks(levels) if side is Side.BUY else book.bids(levels)
        lots = sum(lots for _, lots in opposite)
        if lots:
            share = 1.0 if levels > 1 else self._rng.random()
            self._note(self._engine.market(side, max(1, round(lots * share)))[1])

    def _cancel(self, side: Side) -> None:
        prices = self._prices(side)
        if prices:
            self._cancel_at(side, min(len(prices) - 1, int(self._rng.expovariate(1.0 / _TOUCH_SCALE))))

    def _cancel_at(self, side: Side, index: int) -> None:
        """Cancel a random order of the crowd on the level `index` levels away from the touch."""
        prices = self._prices(side)
        ticks = prices[-1 - index] if side is Side.BUY else prices[index]
        crowd = [order for order in self._engine.queue(side.sign * ticks) if not order.owned]
        if crowd:
            self._engine.cancel(self._rng.choice(crowd).order_id)

    def _keep_depth(self, side: Side) -> None:
        """Add a level at the far end of a side that has run thin, drop the farthest of one that has grown."""
        prices = self._prices(side)
        if len(prices) < self._depth:
            far = (prices[0] if side is Side.BUY else prices[-1]) if prices else round(self._fair)
            ticks = far - side.sign * self._gap()
            if ticks > 0:
                self._rest(side, ticks)
        elif len(prices) > self._depth * 1.05 + 2:
            self._cancel_at(side, len(prices) - 1)

    def _prices(self, side: Side) -> list[int]:
        return self._market.levels.bid_prices if side is Side.BUY else self._market.levels.ask_prices

    def _count(self, side: Side) -> int:
        return len(self._prices(side))

    def _gap(self) -> int:
        return 1 + int(self._rng.expovariate(0.5))

    def _note(self, trades: list[Trade]) -> None:
        self._market.trades.extend(trades)


class LevelFlow:
    """Direct level changes: resize, remove, insert, and moves of the touch."""

    def __init__(self, market: Market, rng: random.Random, depth: int) -> None:
        self._market, self._rng, self._depth = market, rng, depth
        self._sizes = _sizes(rng, market.listing.typical_lots)

    def seed(self) -> None:
        market, rng = self._market, self._rng
        for sign in (1, -1):
            ticks = market.listing.start_ticks - sign
            for _ in range(self._depth):
                if ticks <= 0:
                    break
                market.change(sign * ticks, rng.choice(self._sizes))
                ticks -= sign * (1 + int(rng.expovariate(0.5)))

    def step(self, events: int) -> None:
        rng, levels, change = self._rng.random, self._market.levels, self._market.change
        sizes, size_count = self._sizes, len(self._sizes)
        for _ in range(events):
            draw = rng()
            sign = 1 if draw < 0.5 else -1
            prices = levels.bid_prices if sign > 0 else levels.ask_prices
            count = len(prices)
            # The third power of a uniform draw crowds the activity towards the touch.
            index = int(rng() ** 3 * count)
            ticks = prices[count - 1 - index] if sign > 0 else prices[index]
            action = rng()
            size = sizes[int(action * 7919.0) % size_count]
            if action < 0.7 or (action < 0.85 and count <= max(1, self._depth // 2)):
                change(sign * ticks, size)
            elif action < 0.85:
                if index == 0:
                    self._market.hit(Side.SELL if sign > 0 else Side.BUY, ticks, levels.sizes[sign * ticks])
                change(sign * ticks, 0)
            else:
                self._insert(sign, ticks, size, count)

    def _insert(self, sign: int, ticks: int, size: int, count: int) -> None:
        """A level one tick better than `ticks`, unless that would cross. The far end keeps the side near its depth."""
        levels = self._market.levels
        better = ticks + sign
        opposite = levels.best_ask if sign > 0 else levels.best_bid
        if opposite is not None and (opposite - better) * sign <= 0:
            better = ticks
        far = levels.bid_prices[0] if sign > 0 else levels.ask_prices[-1]
        grows = sign * better not in levels.sizes
        self._market.change(sign * better, size)
        if grows and count >= self._depth:
            self._market.change(sign * far, 0)
        elif count < self._depth * 0.9 and far - sign > 0:
            self._market.change(sign * (far - sign), size)
