"""Trades that a stream only names are asked for until the venue lists them, and told once."""

from __future__ import annotations

import asyncio
from decimal import Decimal as D
from typing import Any

from xetrade_core.clock import NS_PER_S, ManualClock, SystemClock
from xetrade_core.execution.streams.trades_due import TradesDue
from xetrade_core.execution.streams.words import TradeToAskFor
from xetrade_core.model.orders import Fill, Side
from xetrade_core.trading.execution import NoReply

AT_NS = 1_000 * NS_PER_S


class Lists:
    """A venue whose list of trades lags: each answer is the next of `answers`, the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, int]]()

    async def fills_since(self, symbol: str, since_ns: int) -> tuple[Fill, ...]:
        self.asked.append((symbol, since_ns))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return tuple(answer)


def fill(trade_id: str) -> Fill:
    return Fill(
        venue="kucoin",
        account="main",
        symbol="BTC/USDT",
        trade_id=trade_id,
        side=Side.BUY,
        price=D(1),
        amount=D(1),
        received_ns=1,
    )


async def told_by(venue: Any, *ids: str) -> list[str]:
    told: list[str] = []

    async def tell(one: Fill) -> None:
        told.append(one.trade_id)

    due = TradesDue(venue, SystemClock(), tell)
    running = asyncio.create_task(due.run())
    for trade_id in ids:
        due.add(TradeToAskFor("BTC/USDT", trade_id, AT_NS))
    async with asyncio.timeout(5):
        while len(told) < len(ids):
            await asyncio.sleep(0.01)
    asked = len(venue.asked)
    await asyncio.sleep(0.3)
    assert len(venue.asked) == asked, "nothing is due any more"
    running.cancel()
    return told


async def test_a_trade_is_asked_for_until_it_is_listed_whatever_goes_wrong() -> None:
    venue = Lists((), NoReply("nothing came"), (fill("1"),))
    assert await told_by(venue, "1") == ["1"]
    assert len(venue.asked) == 3


async def test_trades_are_asked_for_together_and_others_are_not_told() -> None:
    venue = Lists((fill("0"), fill("1")), (fill("0"), fill("1"), fill("2")))
    assert await told_by(venue, "1", "2") == ["1", "2"]
    assert {symbol for symbol, _ in venue.asked} == {"BTC/USDT"}
    assert all(since_ns < AT_NS for _, since_ns in venue.asked)


async def test_of_a_trade_of_the_account_with_itself_both_fills_are_told() -> None:
    venue = Lists((fill("1"), fill("1")), (fill("2"),))
    assert await told_by(venue, "1", "1", "2") == ["1", "1", "2"]


async def test_a_trade_that_is_never_listed_is_given_up_after_an_hour() -> None:
    venue, clock = Lists([fill("other")]), ManualClock()

    async def tell(one: Fill) -> None:
        raise AssertionError(one)

    due = TradesDue(venue, clock, tell)  # type: ignore[arg-type]
    due.add(TradeToAskFor("BTC/USDT", "lost", AT_NS))
    running = asyncio.create_task(due.run())
    before = -1
    while before < len(venue.asked):
        before = len(venue.asked)
        for _ in range(10):
            await asyncio.sleep(0)
    running.cancel()
    assert 3600 <= clock.monotonic_ns() / NS_PER_S <= 3620
