"""A price-time priority matching engine for one symbol, in integer ticks and lots.

An incoming order matches the best opposite level first and, within a level, the oldest order first; trades happen at
the resting order's price. Every change of an aggregated level is reported to `on_level` in the order it happens, which
is all that the wire and the truth log need to know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from xetrade_core.errors import XETradeError
from xetrade_core.simvenue.levels import Levels


class EngineRefusal(XETradeError):
    """The engine refuses an order or a cancel."""


class Side(StrEnum):
    """Side of an order; as an aggressor, the taker's side."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for bids, -1 for asks: the sign of this side's resting levels."""
        return 1 if self is Side.BUY else -1


@dataclass(slots=True)
class Order:
    """A resting order; `lots` is what is left of it."""

    order_id: int
    side: Side
    ticks: int
    lots: int


@dataclass(frozen=True, slots=True)
class Trade:
    """One match. `ticks` is the maker's price, `taker_side` the side of the incoming order."""

    trade_id: int
    maker_id: int
    taker_id: int
    ticks: int
    lots: int
    taker_side: Side


class MatchingEngine:
    """The order book of one symbol. `on_level(signed_price, lots)` is called after each change of a level's total."""

    def __init__(self, levels: Levels, on_level: Callable[[int, int], None]) -> None:
        self._levels = levels
        self._on_level = on_level
        self._queues: dict[int, dict[int, Order]] = {}  # signed price -> orders by id, oldest first
        self._orders: dict[int, Order] = {}
        self._last_order_id = 0
        self._last_trade_id = 0

    @property
    def order_count(self) -> int:
        return len(self._orders)

    def order(self, order_id: int) -> Order | None:
        """The resting order of that id, None once it is filled, cancelled or was never there."""
        return self._orders.get(order_id)

    def queue(self, signed_price: int) -> list[Order]:
        """The resting orders of a level, next to trade first."""
        return list(self._queues.get(signed_price, {}).values())

    def limit(self, side: Side, ticks: int, lots: int) -> tuple[int, list[Trade]]:
        """Match what crosses, rest the remainder. Gives the order's id and its trades."""
        if ticks <= 0 or lots <= 0:
            raise EngineRefusal(f"limit order {lots} lots at {ticks} ticks: both must be above 0")
        order_id, left, trades = self._match(side, lots, ticks)
        if left:
            order = Order(order_id, side, ticks, left)
            signed = side.sign * ticks
            self._orders[order_id] = order
            self._queues.setdefault(signed, {})[order_id] = order
            self._on_level(signed, self._levels.sizes.get(signed, 0) + left)
        return order_id, trades

    def market(self, side: Side, lots: int) -> tuple[int, list[Trade]]:
        """Match against whatever is there; what finds no counterpart is cancelled."""
        if lots <= 0:
            raise EngineRefusal(f"market order of {lots} lots: must be above 0")
        order_id, _, trades = self._match(side, lots, None)
        return order_id, trades

    def cancel(self, order_id: int) -> int:
        """Take a resting order out; gives the lots that were left of it."""
        order = self._orders.pop(order_id, None)
        if order is None:
            raise EngineRefusal(f"cannot cancel order {order_id}: it does not rest in the book")
        signed = order.side.sign * order.ticks
        self._remove(signed, order_id)
        self._on_level(signed, self._levels.sizes[signed] - order.lots)
        return order.lots

    def _match(self, side: Side, lots: int, limit_ticks: int | None) -> tuple[int, int, list[Trade]]:
        self._last_order_id += 1
        taker_id, left = self._last_order_id, lots
        trades: list[Trade] = []
        while left:
            ticks = self._levels.best_ask if side is Side.BUY else self._levels.best_bid
            if ticks is None or (limit_ticks is not None and (ticks - limit_ticks) * side.sign > 0):
                break
            left = self._match_level(side, ticks, taker_id, left, trades)
        return taker_id, left, trades

    def _match_level(self, side: Side, ticks: int, taker_id: int, left: int, trades: list[Trade]) -> int:
        signed = -side.sign * ticks
        total = self._levels.sizes[signed]
        for maker in self.queue(signed):
            lots = min(left, maker.lots)
            self._last_trade_id += 1
            trades.append(Trade(self._last_trade_id, maker.order_id, taker_id, ticks, lots, side))
            left -= lots
            total -= lots
            maker.lots -= lots
            if maker.lots == 0:
                del self._orders[maker.order_id]
                self._remove(signed, maker.order_id)
            self._on_level(signed, total)
            if not left:
                break
        return left

    def _remove(self, signed: int, order_id: int) -> None:
        queue = self._queues[signed]
        del queue[order_id]
        if not queue:
            del self._queues[signed]
