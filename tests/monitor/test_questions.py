"""Venues are asked beside everything else: who is waited for, for how long, and how often anybody is asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from decimal import Decimal as D

from tests.monitor.conftest import Trade
from tests.trading.samples import fill
from xetrade_core.clock import SystemClock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.market_data.asking import Failure
from xetrade_core.market_data.marks import Instrumented, Mark, MarkAnswers, MarkKind, MarkSource
from xetrade_core.monitor.accounts import AccountSource
from xetrade_core.monitor.ledger import FillLedger
from xetrade_core.monitor.pace import Pace
from xetrade_core.monitor.questions import Question, Questions
from xetrade_core.monitor.watch import Watch
from xetrade_core.trading.store import OrderStore

BTC, ETH = ("binance", "BTC/USDT"), ("binance", "ETH/USDT")


class Told(MarkSource):
    """Marks that come while `answering` is set, but for what it lists no more; `asked` is what was asked for."""

    def __init__(self, gone: Collection[Instrumented] = ()) -> None:
        self.asked: list[set[Instrumented]] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self._gone = gone

    def open(self, venue: str) -> None:
        """There is no client."""

    async def fetch(self, wanted: Collection[Instrumented], deadline_s: float) -> MarkAnswers:
        self.asked.append(set(wanted))
        await self.answering.wait()
        now_ns = time.time_ns()
        return MarkAnswers({one: Mark(*one, D(100), MarkKind.MID, now_ns) for one in wanted if one not in self._gone})


def questions_to(source: Told) -> tuple[Questions, list[Mark]]:
    taken: list[Mark] = []
    clock = SystemClock()
    return Questions(source, AccountSource({}, clock), 10, clock, taken.append, lambda: None), taken


async def over() -> None:
    """Let what is under way come to its end."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_venue_is_asked_one_question_at_a_time() -> None:
    source = Told()
    questions, taken = questions_to(source)
    source.answering.clear()
    for _ in range(3):
        questions.begin([BTC], [], [], 1)
        await over()
    assert (source.asked, taken) == ([{BTC}], [])
    source.answering.set()
    await over()
    questions.begin([BTC], [], [], 1)
    await over()
    assert len(source.asked) == len(taken) == 2
    await questions.close()


async def test_who_was_late_is_asked_and_not_waited_for_until_in_time_again() -> None:
    ended: list[bool] = []
    question, answer = Question("okx", "marks", SystemClock(), ended.append), asyncio.Event()

    async def ask() -> Failure | None:
        await answer.wait()
        return None

    async def fail() -> Failure | None:
        return Failure("okx", VenueUnavailable("okx is away"))

    question.begin(ask, 60)
    assert question.awaited_until is not None
    assert not await question.wait(0.01)  # given up
    assert question.awaited_until is None
    answer.set()
    await over()
    assert question.prompt  # it was in time all the same
    question.begin(fail, 60)
    await over()
    answer.clear()
    question.begin(ask, 60)
    said = question.missing()
    assert (question.awaited_until, question.open, said and said.reason) == (None, False, "okx is away")
    answer.set()
    await over()
    assert (question.missing(), question.prompt, ended) == (None, True, [False, False, True])


async def test_a_mark_that_the_venue_does_not_have_is_not_asked_for_at_each_fill() -> None:
    source = Told(gone=[ETH])
    questions, taken = questions_to(source)
    for _ in range(3):
        await questions.first_marks([ETH], [BTC, ETH], 1)
    assert source.asked == [{BTC, ETH}]
    source.answering.clear()
    questions.begin([BTC, ETH], [], [], 1)
    async with asyncio.timeout(30):
        await questions.first_marks([ETH], [BTC, ETH], 60)  # nor waited for while the venue is being asked
    assert {mark.symbol for mark in taken} == {"BTC/USDT"}
    await questions.close()


async def test_marks_are_asked_for_at_the_interval_however_many_fills_come(store: OrderStore, trade: Trade) -> None:
    order = trade(("1", "100"))
    source, stop = Told(), asyncio.Event()
    watch = Watch(FillLedger(store), source, Pace(interval_s=0.1), SystemClock())
    async with asyncio.timeout(30):
        async for update in watch.updates(stop):
            one = fill(f"s{update.number}", "1", "100", received_ns=time.time_ns(), client_id=order.client_id)
            watch.hear(one)
            if len(source.asked) > 3:
                stop.set()
    assert all(wanted == {BTC} for wanted in source.asked)
