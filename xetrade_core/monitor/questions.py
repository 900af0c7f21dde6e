"""What venues are asked beside everything else: their marks, what they hold for accounts, and contract sizes.

Each of them is asked by a task of its own, one question at a time and each with a deadline, so that a venue that does
not answer holds up nobody but itself. An update waits for the answers that it has asked for, for a moment, and then
shows what is there. Who was late the last time is not waited for until it is in time again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.market_data.asking import Failure, ask_all
from xetrade_core.market_data.marks import Instrumented, Mark, MarkSource
from xetrade_core.monitor.accounts import AccountName, AccountSource

Ask = Callable[[], Coroutine[Any, Any, Failure | None]]
"""Puts a question: gives why there is no answer, or None if there is one, and ends in time whatever the venue does."""


class Question:
    """One thing that a venue is asked again and again: at most one question is under way.

    `prompt` is whether the last answer came while it was waited for; `failure` why the last question had none.
    """

    def __init__(self, venue: str, what: str, clock: Clock, ended: Callable[[bool], None]) -> None:
        """`ended` is called when a question is over: with True if it is the first answer after failures."""
        self.venue = venue
        self.prompt = True
        self.failure: Failure | None = None
        self._what = what
        self._clock = clock
        self._ended = ended
        self._task: asyncio.Task[None] | None = None
        self._begun_ns = self._patience_ns = 0
        self._awaited = False

    @property
    def under_way(self) -> bool:
        """Whether it is being asked."""
        return self._task is not None and not self._task.done()

    @property
    def open(self) -> bool:
        """Whether it is being asked, and nothing speaks against an answer yet."""
        return self.under_way and self.failure is None

    @property
    def awaited_until(self) -> int | None:
        """Until when an update waits for it (monotonic ns); None if there is nothing to wait for."""
        if not self.under_way or not self._awaited or self._waits_ns() >= self._patience_ns:
            return None
        return self._begun_ns + self._patience_ns

    def begin(self, ask: Ask, patience_s: float) -> None:
        """Ask, and have updates wait for the answer so long if the last one was prompt."""
        self.check()
        self._begun_ns, self._patience_ns = self._clock.monotonic_ns(), round(patience_s * NS_PER_S)
        self._awaited = self.prompt
        self._task = asyncio.create_task(self._put(ask))

    async def _put(self, ask: Ask) -> None:
        back = False
        try:
            failure = await ask()
            back = self.failure is not None and failure is None
            self.failure = failure
            self.prompt = failure is None and self._waits_ns() <= self._patience_ns
        finally:
            self._ended(back)

    async def wait(self, within_s: float) -> bool:
        """Whether it is over within so many seconds; if not, nobody waits for this answer any more."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=within_s)
        if self.under_way:
            self._awaited = self.prompt = False
        return not self.under_way

    def missing(self) -> Failure | None:
        """Why there is no answer: the last question had none, or this one has been waiting for longer than is usual."""
        if self.failure is not None or not self.under_way or self._waits_ns() < self._patience_ns:
            return self.failure
        waits_s = self._waits_ns() / NS_PER_S
        said = f"{self.venue} has been asked for {self._what} for {waits_s:.0f} s, and has not answered yet"
        return Failure(self.venue, VenueUnavailable(said))

    def check(self) -> None:
        """Raise what went wrong that was no failure of the venue."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _waits_ns(self) -> int:
        return self._clock.monotonic_ns() - self._begun_ns


class Questions:
    """The questions to all venues that positions are on."""

    def __init__(
        self,
        source: MarkSource,
        accounts: AccountSource,
        deadline_s: float,
        clock: Clock,
        take: Callable[[Mark], None],
        ended: Callable[[], None],
    ) -> None:
        """Each question has `deadline_s` to be answered in. `take` gets each mark, `ended` is called when a question is
        over."""
        self._source, self._accounts = source, accounts
        self._deadline_s, self._clock = deadline_s, clock
        self._take, self._over = take, ended
        self._marks: dict[str, Question] = {}
        self._positions: dict[AccountName, Question] = {}
        self._lists: dict[str, Question] = {}
        self._told: dict[str, frozenset[str]] = {}  # what each venue has answered a question for, if not with a mark
        self.back = False  # a venue has told marks that had not before; for who shows it to take back
        self.sizes: dict[Instrumented, Decimal] = {}  # contract sizes that were told; for who reads them to take away

    def begin(
        self,
        wanted: Collection[Instrumented],
        accounts: Collection[AccountName],
        unsized: Collection[str],
        patience_s: float,
    ) -> None:
        """Ask for the marks of these instruments, for the positions of these accounts that are due, and these venues
        for contract sizes; but not where the last question is still under way."""
        for venue, symbols in _by_venue(wanted).items():
            self._begin_marks(venue, symbols, patience_s)
        for name in accounts:
            question = self._of_account(name)
            if not question.under_way and self._accounts.due(name):
                question.begin(partial(self._ask_account, name), patience_s)
        for venue in unsized:
            if venue not in self._lists or self._lists[venue].failure is not None:
                self._begin_list(venue, patience_s)

    async def first_sizes(self, venue: str, within_s: float) -> bool:
        """Have a venue tell its contract sizes, if that is quickly done; whether it has."""
        known = self._lists.get(venue)
        if known is not None and not known.prompt:
            return False
        question = self._begin_list(venue, within_s)
        return await question.wait(within_s) and question.failure is None

    async def first_marks(
        self, new: Collection[Instrumented], wanted: Collection[Instrumented], within_s: float
    ) -> None:
        """Have the marks of what is new among the instruments that are wanted, if that is quickly done."""
        every, waiting = _by_venue(wanted), _by_venue(new)
        for again in (True, False):  # what is being asked for already may have begun before
            asked = [
                self._begin_marks(venue, every[venue], within_s)
                for venue, symbols in waiting.items()
                if self._is_worth_asking(venue, symbols)
            ]
            over = await asyncio.gather(*(one.wait(within_s) for one in asked))
            if not (again and all(over)):
                return

    def _is_worth_asking(self, venue: str, symbols: set[str]) -> bool:
        """Whether asking may bring marks at once: the venue is prompt, and has not said that it has none of them."""
        return self._of_venue(venue).prompt and not symbols <= self._told.get(venue, frozenset())

    def _begin_marks(self, venue: str, symbols: Collection[str], patience_s: float) -> Question:
        question = self._of_venue(venue)
        if not question.under_way:
            question.begin(partial(self._ask_marks, venue, symbols), patience_s)
        return question

    async def _ask_marks(self, venue: str, symbols: Collection[str]) -> Failure | None:
        answers = await self._source.fetch([(venue, symbol) for symbol in symbols], self._deadline_s)
        for mark in answers.marks.values():
            self._take(mark)
        if not answers.failures:
            self._told[venue] = frozenset(symbols)
        return next(iter(answers.failures), None)

    def _begin_list(self, venue: str, patience_s: float) -> Question:
        if venue not in self._lists:
            self._source.open(venue)
            self._lists[venue] = Question(venue, "contract sizes", self._clock, lambda _: self._over())
        question = self._lists[venue]
        if not question.under_way:
            question.begin(partial(self._ask_sizes, venue), patience_s)
        return question

    async def _ask_sizes(self, venue: str) -> Failure | None:
        asked = {venue: partial(self._source.sizes, venue)}
        answers = await ask_all(asked, "contract sizes", self._deadline_s)
        for sizes in answers.by_venue.values():
            self.sizes |= sizes
        return next(iter(answers.failures), None)

    async def _ask_account(self, name: AccountName) -> Failure | None:
        await self._accounts.refresh([name], self._deadline_s)
        return self._accounts.failure(name)

    def awaited_until(self) -> int | None:
        """Until when an update waits for answers (monotonic ns); None if there is nothing to wait for."""
        return max((until for one in self._all() if (until := one.awaited_until) is not None), default=None)

    def open(self, venues: Collection[str]) -> frozenset[str]:
        """Those of the venues that are being asked for marks, and whose answers may still come."""
        return frozenset(venue for venue in venues if venue in self._marks and self._marks[venue].open)

    def missing(self, venues: Collection[str], accounts: Collection[AccountName]) -> tuple[Failure, ...]:
        """What these venues do not answer."""
        asked = [self._marks.get(venue) for venue in sorted(venues)]
        asked += [self._positions.get(name) for name in sorted(accounts)]
        return tuple(said for one in asked if one is not None and (said := one.missing()) is not None)

    def check(self) -> None:
        """Raise what went wrong that was no failure of a venue."""
        for one in self._all():
            one.check()

    async def close(self) -> None:
        """Ask no more."""
        await asyncio.gather(*(one.close() for one in self._all()))

    def _all(self) -> Iterator[Question]:
        yield from self._marks.values()
        yield from self._positions.values()
        yield from self._lists.values()

    def _of_venue(self, venue: str) -> Question:
        if venue not in self._marks:
            self._source.open(venue)
            self._marks[venue] = Question(venue, "marks", self._clock, self._marked)
        return self._marks[venue]

    def _of_account(self, name: AccountName) -> Question:
        if name not in self._positions:
            what = f"the positions of {name[1]}"
            self._positions[name] = Question(name[0], what, self._clock, lambda _: self._over())
        return self._positions[name]

    def _marked(self, back: bool) -> None:
        self.back |= back
        self._over()


def _by_venue(instruments: Collection[Instrumented]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for venue, symbol in instruments:
        found.setdefault(venue, set()).add(symbol)
    return found
