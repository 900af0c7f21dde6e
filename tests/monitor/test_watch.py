"""Positions as time goes on, at the marks of simulated venues reached through unmodified ccxt."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from decimal import Decimal as D
from decimal import localcontext
from itertools import pairwise, product

import pytest

from tests.monitor.conftest import Trade
from tests.trading.samples import fill
from xetrade_core.clock import SystemClock
from xetrade_core.market_data.live_mids import LiveMids
from xetrade_core.market_data.marks import Instrumented, Mark, MarkAnswers, MarkKind, MarkSource
from xetrade_core.model.orders import Fill, Side, Terms
from xetrade_core.monitor.accounts import Stated
from xetrade_core.monitor.ledger import FillLedger, Selection
from xetrade_core.monitor.pace import Pace
from xetrade_core.monitor.view import Views, totals, view
from xetrade_core.monitor.watch import Update, Watch
from xetrade_core.positions.book import Holder
from xetrade_core.positions.numbers import stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import streamed
from xetrade_core.trading.store import OrderStore

HOLDER = Holder("binance", "main", "BTC/USDT", "maker")


async def watched(store: OrderStore, reach, pace: Pace, selection: Selection | None = None) -> list[Update]:
    ledger = FillLedger(store, selection or Selection())
    async with MarkSource(reach()) as marks:
        return [one async for one in Watch(ledger, marks, pace, SystemClock()).updates(asyncio.Event())]


LINEAR = {
    "okx": "BTC/USDT:USDT",
    "bybit": "BTC/USDT:USDT",
    "kucoinfutures": "BTC/USDT:USDT",
    "deribit": "BTC/USDC:USDC",
    "derive": "BTC/USDC:USDC",
}


async def test_each_venue_marks_by_its_own_definition(store: OrderStore, trade: Trade, reach) -> None:
    trade(("0.5", "50000"))
    for venue, symbol in LINEAR.items():
        trade(("0.5", "50000"), venue=venue, symbol=symbol)
    trade(("0.5", "50000"), venue="binanceusdm", symbol="BTC/USDT:USDT")
    trade(
        ("10", "50000"), venue="binancecoinm", symbol="BTC/USD:BTC", side=Side.SELL, terms=Terms(D(100), inverse=True)
    )
    [update] = await watched(store, reach, Pace(max_updates=1))
    kinds = {row.venue: (row.side, row.mark_kind, row.settle) for row in update.positions}
    assert kinds == {
        "binance": ("long", MarkKind.MID, "USDT"),
        "binanceusdm": ("long", MarkKind.MARK, "USDT"),
        "binancecoinm": ("short", MarkKind.MARK, "BTC"),
        **{venue: ("long", MarkKind.MARK, symbol[-4:]) for venue, symbol in LINEAR.items()},
    }
    for row in update.positions:
        assert row.mark is not None
        assert row.mark_age_s is not None
        assert -1 < row.mark_age_s < 30
        assert not row.mark_stale
    linear = next(row for row in update.positions if row.venue == "binanceusdm")
    with localcontext(stream_context()):
        assert linear.net == (linear.mark - 50_000) / 2
    assert {total.settle: total.positions for total in update.totals} == {"USDT": 5, "USDC": 2, "BTC": 1}
    assert update.failures == ()


async def test_updates_come_at_the_interval_until_there_are_enough(store: OrderStore, trade: Trade, reach) -> None:
    trade(("1", "50000"))
    updates = await watched(store, reach, Pace(interval_s=0.1, max_updates=3))
    assert [one.number for one in updates] == [1, 2, 3]
    assert updates[2].at_ns - updates[0].at_ns > 0.2e9


async def test_a_fill_is_seen_within_a_tenth_of_a_second(store: OrderStore, trade: Trade, reach) -> None:
    trade(("1", "50000"))
    seen: list[float] = []
    async with MarkSource(reach()) as marks:
        watch = Watch(FillLedger(store), marks, Pace(interval_s=30, max_updates=4), SystemClock())
        filled = 0.0
        async for update in watch.updates(asyncio.Event()):
            if update.number > 1:
                seen.append(time.monotonic() - filled)
                assert update.fills == 1
                assert update.positions[0].quantity == update.number
            filled = time.monotonic()
            await asyncio.to_thread(trade, ("1", "50000"), at_ns=update.number * 10_000)
    assert min(seen) < 0.1, seen  # the best of three: the machine may be busy


async def test_a_venue_that_is_down_leaves_the_position_and_is_named(store: OrderStore, trade: Trade, reach) -> None:
    trade(("1", "50000"))
    ledger = FillLedger(store)
    async with MarkSource(reach(rest={"binance": "http://127.0.0.1:9"})) as marks:
        pace = Pace(max_updates=1, mark_deadline_s=1)
        [update] = [one async for one in Watch(ledger, marks, pace, SystemClock()).updates(asyncio.Event())]
    [row] = update.positions
    assert (row.quantity, row.mark, row.unrealized, row.net, row.mark_stale) == (1, None, None, None, False)
    assert [failure.venue for failure in update.failures] == ["binance"]


async def test_what_a_venue_lists_no_more_costs_its_other_positions_no_mark(
    store: OrderStore, trade: Trade, reach
) -> None:
    for symbol in ("BTC/USDT:USDT", "BTC/USDT:USDT-240628", "GONE/USDT:USDT"):
        trade(("1", "50000"), venue="binanceusdm", symbol=symbol)
    [update] = await watched(store, reach, Pace(max_updates=1))
    assert {row.symbol: row.mark_kind for row in update.positions} == {
        "BTC/USDT:USDT": MarkKind.MARK, "BTC/USDT:USDT-240628": None, "GONE/USDT:USDT": None,
    }  # fmt: skip


async def test_a_stop_ends_it_at_once(store: OrderStore, trade: Trade, reach) -> None:
    trade(("1", "50000"))
    stop = asyncio.Event()
    began = time.monotonic()
    async with MarkSource(reach()) as marks:
        async for _ in Watch(FillLedger(store), marks, Pace(interval_s=60), SystemClock()).updates(stop):
            stop.set()
    assert time.monotonic() - began < 10


async def test_flat_positions_are_shown_on_demand(store: OrderStore, trade: Trade, reach) -> None:
    trade(("1", "100"))
    trade(("1", "150"), side=Side.SELL, at_ns=2_000)
    assert (await watched(store, reach, Pace(max_updates=1)))[0].positions == ()
    [row] = (await watched(store, reach, Pace(max_updates=1, flat=True)))[0].positions
    assert (row.side, row.entry, row.net) == ("flat", None, 50)


async def test_what_was_closed_stays_in_the_results(store: OrderStore, trade: Trade, reach) -> None:
    trade(("1", "100"))
    trade(("1", "150"), side=Side.SELL, at_ns=2_000)
    trade(("1", "50000"), symbol="ETH/USDT")
    [update] = await watched(store, reach, Pace(max_updates=1))
    [shown], [result] = update.totals, update.results
    assert (shown.positions, result.positions) == (1, 2)
    assert shown.net is not None
    assert result.net == shown.net + 50


@pytest.mark.parametrize(("age_s", "stale"), [(59, False), (61, True)])
def test_a_mark_that_is_too_old_is_flagged(age_s: int, stale: bool) -> None:
    position = streamed(Payout.of_symbol("BTC/USDT"))
    position.trade(D(2), D(100))
    mark = Mark("binance", "BTC/USDT", D(110), MarkKind.MID, 0)
    row = view(HOLDER, position, mark, age_s * 10**9, 60)
    assert (row.mark_stale, row.mark_age_s, row.net, row.notional, row.break_even) == (stale, age_s, 20, 220, 100)


def test_a_total_is_not_known_while_a_part_is_not() -> None:
    position = streamed(Payout.of_symbol("BTC/USDT"))
    position.trade(D(2), D(100))
    known = view(HOLDER, position, Mark("binance", "BTC/USDT", D(110), MarkKind.MID, 0), 0, 60)
    unknown = view(HOLDER, position, None, 0, 60)
    assert [(one.net, one.positions) for one in totals([known])] == [(20, 1)]
    assert [one.net for one in totals([known, unknown])] == [None]


class Looked(FillLedger):
    """Counts how often the store is looked into."""

    looks = 0

    def refresh(self, heard: Collection[Fill] = (), *, deep: bool = True) -> int:
        self.looks += 1
        return super().refresh(heard, deep=deep)


async def test_the_store_is_looked_into_when_something_was_committed_and_not_otherwise(
    store: OrderStore, trade: Trade, reach
) -> None:
    trade(("1", "50000"))
    async with MarkSource(reach()) as marks:
        ledger = Looked(store)
        watch = Watch(ledger, marks, Pace(interval_s=0.4, max_updates=4), SystemClock())
        looks = [ledger.looks async for _ in watch.updates(asyncio.Event())]
    assert looks[-1] - looks[0] <= 2  # the first, and one more for what was committed late


async def test_a_fill_that_a_venue_tells_of_is_shown_before_the_store_has_it(
    store: OrderStore, trade: Trade, reach
) -> None:
    order = trade(("1", "50000"))
    took: list[float] = []
    told = 0.0
    async with MarkSource(reach()) as marks:
        watch = Watch(FillLedger(store), marks, Pace(interval_s=30, max_updates=4), SystemClock())
        async for update in watch.updates(asyncio.Event()):
            assert update.ahead == update.number - 1
            assert update.positions[0].quantity == update.number
            if update.number > 1:
                took.append(time.monotonic() - told)
            told = time.monotonic()
            watch.hear(fill(f"s{update.number}", "1", "50000", received_ns=time.time_ns(), client_id=order.client_id))
    assert min(took) < 0.1, took


class Slow(MarkSource):
    """A venue that takes its time, but for the first."""

    asked = 0

    async def fetch(self, wanted: Collection[Instrumented], deadline_s: float) -> MarkAnswers:
        self.asked += 1
        if self.asked > 1:
            await asyncio.sleep(2)
        return await super().fetch(wanted, deadline_s)


async def test_a_fill_does_not_wait_for_marks_that_are_under_way(store: OrderStore, trade: Trade, reach) -> None:
    trade(("1", "50000"))
    async with Slow(reach()) as marks:
        watch = Watch(FillLedger(store), marks, Pace(interval_s=0.1, max_updates=2), SystemClock())
        async for update in watch.updates(asyncio.Event()):
            if update.number == 1:
                asyncio.get_running_loop().call_later(0.4, lambda: trade(("1", "50000"), at_ns=9_000))
                began = time.monotonic()
    assert marks.asked == 2
    assert update.fills == 1
    assert time.monotonic() - began < 1.5


async def test_every_move_of_a_mark_is_shown_where_that_is_asked_for(store: OrderStore, trade: Trade, reach) -> None:
    trade(("1", "50000"))
    access = reach()
    seen: list[Update] = []
    pace = Pace(interval_s=30, max_updates=5, on_change=True, least_s=0.05)
    async with MarkSource(access) as marks:
        watch = Watch(FillLedger(store), marks, pace, SystemClock())
        async with LiveMids(access, watch.remark) as mids:
            async for update in watch.updates(asyncio.Event()):
                seen.append(update)
                await mids.follow(watch.wanted)
    prices = [update.positions[0].mark for update in seen]
    assert all(one != after for one, after in pairwise(prices))
    assert all(after.at_ns - one.at_ns >= 0.045e9 for one, after in pairwise(seen))
    assert seen[-1].at_ns - seen[0].at_ns < 25e9


def test_rows_that_are_kept_are_what_they_would_be_if_made_anew() -> None:
    position, views = streamed(Payout.of_symbol("BTC/USDT")), Views(60)
    marks = [None, *(Mark("binance", "BTC/USDT", D(price), MarkKind.MID, 0) for price in (110, 110, 120))]
    stated = [None, Stated(D(2), D(80)), Stated(D(2), D(90))]
    unvalued = [None, {"BNB": D(1)}, {"BNB": D(2)}]
    changes = [lambda: position.trade(D(2), D(100)), lambda: position.receive_funding(D(-1)), lambda: None]
    for change, mark, says, fees, now_s in product(changes, marks, stated, unvalued, (1, 70)):
        change()
        now_ns = now_s * 10**9
        expected = view(HOLDER, position, mark, now_ns, 60, fees, says)
        assert views.of(HOLDER, position, mark, now_ns, fees, says) == expected
