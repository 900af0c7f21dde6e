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
    """A resting order; `lots` is what is left of it. One that is `owned` belongs to an account, not to the crowd."""

    order_id: int
    side: Side
    ticks: int
    lots: int
    owned: bool = False


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
        self.on_trade: Callable[[Trade], None] | None = None
        """Called after each trade, when the book and the maker's order already know of it."""

    def order(self, order_id: int) -> Order | None:
        """The resting order of that id, None once it is filled, cancelled or was never there."""
        return self._orders.get(order_id)

    def queue(self, signed_price: int) -> list[Order]:
        """The resting orders of a level, next to trade first."""
        return list(self._queues.get(signed_price, {}).values())

    def limit(self, side: Side, ticks: int, lots: int, *, owned: bool = False) -> tuple[int, list[Trade]]:
        """Match what crosses, rest the remainder. Gives the order's id and its trades."""
        if ticks <= 0 or lots <= 0:
            raise EngineRefusal(f"limit order {lots} lots at {ticks} ticks: both must be above 0")
        order_id, left, trades = self._match(side, lots, ticks)
        if left:
            order = Order(order_id, side, ticks, left, owned)
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

    def hit(self, order_id: int, lots: int) -> Trade:
        """Trade a resting order with nobody in particular, whatever rests before it; at most what is left of it."""
        maker = self._orders.get(order_id)
        if maker is None:
            raise EngineRefusal(f"cannot hit order {order_id}: it does not rest in the book")
        self._last_order_id += 1
        signed = maker.side.sign * maker.ticks
        taker = Side.SELL if maker.side is Side.BUY else Side.BUY
        return self._trade(maker, signed, taker, self._last_order_id, min(lots, maker.lots), self._levels.sizes[signed])

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
            trades.append(self._trade(maker, signed, side, taker_id, lots, total))
            left -= lots
            total -= lots
            if not left:
                break
        return left

    def _trade(self, maker: Order, signed: int, taker_side: Side, taker_id: int, lots: int, total: int) -> Trade:
        """Trade `lots` of a resting order, whose level holds `total`."""
        self._last_trade_id += 1
        trade = Trade(self._last_trade_id, maker.order_id, taker_id, maker.ticks, lots, taker_side)
        maker.lots -= lots
        if maker.lots == 0:
            del self._orders[maker.order_id]
            self._remove(signed, maker.order_id)
        self._on_level(signed, total - lots)
        if self.on_trade is not None:
            self.on_trade(trade)
        return trade

    def _remove(self, signed: int, order_id: int) -> None:
        queue = self._queues[signed]
        del queue[order_id]
        if not queue:
            del self._queues[signed]
