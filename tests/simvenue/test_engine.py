"""The matching engine against a naive model: a flat list of orders, searched for the best one at each match."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.simvenue.engine import EngineRefusal, MatchingEngine, Side
from xetrade_core.simvenue.levels import Levels

SIDES = st.sampled_from(list(Side))
LIMITS = st.tuples(st.just("limit"), SIDES, st.integers(90, 110), st.integers(1, 9))
MARKETS = st.tuples(st.just("market"), SIDES, st.just(0), st.integers(1, 30))
CANCELS = st.tuples(st.just("cancel"), st.just(Side.BUY), st.just(0), st.integers(0, 200))
ACTIONS = st.lists(st.one_of(LIMITS, LIMITS, MARKETS, CANCELS), max_size=80)


@dataclass
class NaiveOrder:
    number: int
    side: Side
    ticks: int
    lots: int


@dataclass
class NaiveVenue:
    """Price-time priority, spelled out."""

    orders: list[NaiveOrder] = field(default_factory=list)
    last: int = 0

    def take(self, side: Side, lots: int, limit: int | None) -> tuple[int, list[tuple[int, int, int]]]:
        self.last += 1
        trades = []
        while lots:
            crossing = [
                order
                for order in self.orders
                if order.side is not side and (limit is None or (limit - order.ticks) * side.sign >= 0)
            ]
            if not crossing:
                break
            best = min(crossing, key=lambda order: (order.ticks * side.sign, order.number))
            traded = min(lots, best.lots)
            trades.append((best.number, best.ticks, traded))
            best.lots -= traded
            lots -= traded
            self.orders = [order for order in self.orders if order.lots]
        if lots and limit is not None:
            self.orders.append(NaiveOrder(self.last, side, limit, lots))
        return self.last, trades

    def levels(self) -> dict[int, int]:
        totals: dict[int, int] = {}
        for order in self.orders:
            signed = order.side.sign * order.ticks
            totals[signed] = totals.get(signed, 0) + order.lots
        return totals


class EngineAndLevels:
    """The engine over its own aggregate levels; `changes` are the level changes it told."""

    def __init__(self) -> None:
        self.levels = Levels()
        self.changes: list[tuple[int, int]] = []
        self.engine = MatchingEngine(self.levels, self._change)

    def _change(self, signed_price: int, lots: int) -> None:
        self.changes.append((signed_price, lots))
        self.levels.set(signed_price, lots)


@given(ACTIONS)
@settings(max_examples=200, deadline=None)
def test_engine_trades_and_rests_as_the_naive_model(actions: list[tuple[str, Side, int, int]]) -> None:
    real, naive = EngineAndLevels(), NaiveVenue()
    placed = removed = 0
    for kind, side, ticks, lots in actions:
        if kind == "cancel":
            resting = naive.orders
            if resting:
                victim = resting[lots % len(resting)]
                assert real.engine.cancel(victim.number) == victim.lots
                removed += victim.lots
                resting.remove(victim)
            continue
        if kind == "limit":
            number, trades = real.engine.limit(side, ticks, lots)
            expected = naive.take(side, lots, ticks)
            placed += lots
        else:
            number, trades = real.engine.market(side, lots)
            expected = naive.take(side, lots, None)
            placed += sum(trade.lots for trade in trades)
        assert (number, [(trade.maker_id, trade.ticks, trade.lots) for trade in trades]) == expected
        removed += 2 * sum(trade.lots for trade in trades)
        assert real.levels.sizes == naive.levels()
        # Quantity is conserved: what came in rests, was cancelled, or was traded (once on each side).
        assert placed == removed + sum(real.levels.sizes.values())
        best_bid, best_ask = real.levels.best_bid, real.levels.best_ask
        assert best_bid is None or best_ask is None or best_bid < best_ask


@given(ACTIONS)
@settings(max_examples=50, deadline=None)
def test_the_told_level_changes_alone_rebuild_the_book(actions: list[tuple[str, Side, int, int]]) -> None:
    real = EngineAndLevels()
    for kind, side, ticks, lots in actions:
        if kind == "limit":
            real.engine.limit(side, ticks, lots)
        elif kind == "market":
            real.engine.market(side, lots)
        elif real.engine.order(lots) is not None:
            real.engine.cancel(lots)
    rebuilt = dict(real.changes)
    assert {signed: lots for signed, lots in rebuilt.items() if lots} == real.levels.sizes


def test_an_older_order_of_the_same_price_trades_first() -> None:
    real = EngineAndLevels()
    first, _ = real.engine.limit(Side.SELL, 100, 5)
    second, _ = real.engine.limit(Side.SELL, 100, 5)
    _, trades = real.engine.market(Side.BUY, 7)
    assert [(trade.maker_id, trade.lots) for trade in trades] == [(first, 5), (second, 2)]
    left = real.engine.order(second)
    assert left is not None
    assert left.lots == 3


@pytest.mark.parametrize(("ticks", "lots"), [(0, 1), (1, 0), (-1, 1)])
def test_orders_without_price_or_size_are_refused(ticks: int, lots: int) -> None:
    with pytest.raises(EngineRefusal, match="must be above 0"):
        EngineAndLevels().engine.limit(Side.BUY, ticks, lots)


def test_cancelling_what_does_not_rest_is_refused() -> None:
    with pytest.raises(EngineRefusal, match="order 7"):
        EngineAndLevels().engine.cancel(7)
