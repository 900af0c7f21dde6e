"""Positions as time goes on: an update each interval, and one at once when a fill comes in, or when a mark moves.

Nothing is asked for without a reason. A fill comes from a venue's private stream (`Watch.hear`), or out of the store,
which is looked into when something was committed to it; marks are asked for at the interval, of each venue beside
everything else (`questions`), or come from books that are followed (`Watch.remark`). An update reads what is there: a
venue that does not answer keeps its last marks, which grow old.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.market_data.asking import Failure
from xetrade_core.market_data.marks import Instrumented, Mark, MarkSource
from xetrade_core.model.orders import Fill
from xetrade_core.monitor.accounts import AccountName, AccountSource
from xetrade_core.monitor.comparing import Comparison
from xetrade_core.monitor.ledger import FillLedger, UnknownSize
from xetrade_core.monitor.pace import Pace
from xetrade_core.monitor.questions import Questions
from xetrade_core.monitor.view import PositionView, Total, Views, totals
from xetrade_core.positions.book import Holder
from xetrade_core.positions.position import Position

_FIRST_MARK_S = 1.0  # a fill of what had no mark yet waits so long for one
_DEEP_NS = NS_PER_S


@dataclass(frozen=True, slots=True)
class Update:
    """Where everything stands at `at_ns`. `fills` came in since the last one, of which `ahead` are not in the order
    store yet, or of those before; `failures` are venues that do not answer, and `awaited` those whose marks may still
    come. `mismatches` are contracts of which a venue says, twice in a row, that an account holds another amount than
    our fills make. `totals` are of `positions`, `results` with those that are closed, shown or not: what all of it has
    come to."""

    number: int
    at_ns: int
    fills: int
    positions: tuple[PositionView, ...]
    totals: tuple[Total, ...]
    failures: tuple[Failure, ...]
    ahead: int = 0
    mismatches: tuple[str, ...] = ()
    results: tuple[Total, ...] = ()
    awaited: frozenset[str] = frozenset()


class Watch:
    """A ledger at the marks of its venues, beside what the venues say of the accounts that can be asked."""

    def __init__(
        self, ledger: FillLedger, marks: MarkSource, pace: Pace, clock: Clock, accounts: AccountSource | None = None
    ) -> None:
        self._ledger = ledger
        self._source = marks
        self._pace = pace
        self._clock = clock
        self._accounts = accounts or AccountSource({}, clock)
        self._comparison = Comparison(ledger, self._accounts)
        self._marks: dict[Instrumented, Mark] = {}
        self._views = Views(pace.stale_after_s)
        self._number = 0
        self._woken = asyncio.Event()
        self._questions = Questions(
            marks, self._accounts, pace.mark_deadline_s, clock, self._take_mark, self._woken.set
        )
        self._heard: list[Fill] = []
        self._rung = self._late = True  # the store is to be looked into, and once more for what was committed late
        self._looked_ns = self._deep_ns = -_DEEP_NS
        self._moved = False  # a mark is another than was shown
        self._shown_ns = self._ask_ns = 0
        self._ends_ns: int | None = None  # when the interval is over; None: it has yet to begin

    def hear(self, fill: Fill) -> None:
        """A venue tells of a fill. One that is known already, or of what is not watched, changes nothing."""
        self._heard.append(fill)
        self._woken.set()

    def remark(self, mark: Mark) -> None:
        """A mark has moved, as a book tells that is followed."""
        self._take_mark(mark)
        if self._moved:
            self._woken.set()

    @property
    def wanted(self) -> set[Instrumented]:
        """What is open."""
        held = self._ledger.positions.items()
        return {(holder.venue, holder.symbol) for holder, position in held if position.quantity}

    async def updates(self, stop: asyncio.Event) -> AsyncIterator[Update]:
        """One now, then one each interval and one whenever fills come in. Raises StoreUnavailable, ConfigError."""
        most = self._pace.max_updates
        async with self._listening(stop) as listening:
            fills = await self._follow()
            await self._first_answers(stop)
            while not stop.is_set() and (most is None or self._number < most):
                yield self._update(fills)
                if most is not None and self._number >= most:
                    return
                fills = await self._next(stop, listening)

    @contextlib.asynccontextmanager
    async def _listening(self, stop: asyncio.Event) -> AsyncIterator[asyncio.Task[None]]:
        """While the store is listened to; whatever ends wakes who waits."""
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(_until(stop))]
        for task in tasks:
            task.add_done_callback(lambda _: self._woken.set())
        try:
            yield tasks[0]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, self._questions.close(), return_exceptions=True)
            self._ledger.rest()

    async def _listen(self) -> None:
        while True:
            await self._clock.sleep(self._ledger.listen_every_s)
            if await self._ledger.rang():
                self._rung = self._late = True
                self._woken.set()

    async def _first_answers(self, stop: asyncio.Event) -> None:
        """Ask for everything, and wait for it within bounds."""
        self._ask(self._pace.first_patience_s)
        while not stop.is_set():
            self._woken.clear()
            self._questions.check()
            until_ns = self._questions.awaited_until()
            if until_ns is None:
                break
            await self._sleep_until(until_ns)
        self._questions.back = False

    async def _next(self, stop: asyncio.Event, listening: asyncio.Task[None]) -> int:
        """Wait until there is something to show; how many fills have come."""
        pace = self._pace
        if self._ends_ns is None:
            self._ends_ns = self._clock.monotonic_ns() + round(pace.interval_s * NS_PER_S)
            self._ask_ns = min(self._ask_ns, self._ends_ns) if pace.on_change else self._ends_ns
        while not stop.is_set():
            self._woken.clear()
            self._questions.check()
            if listening.done():
                listening.result()
            if self._clock.monotonic_ns() >= self._ask_ns:  # however many fills there are
                self._ask(pace.patience_s)
            fills = await self._follow()
            if fills:
                await self._first_marks()
            now_ns = self._clock.monotonic_ns()
            if not fills and now_ns >= self._ask_ns:
                continue  # the interval has ended meanwhile, and nothing was asked yet
            show_ns = now_ns if fills else self._show_ns(now_ns)
            if show_ns <= now_ns:
                if self._ends_ns <= now_ns < self._ask_ns:
                    self._ends_ns = None
                self._questions.back = False
                return fills
            await self._sleep_until(min(show_ns, self._ask_ns, self._look_ns()))
        return 0

    def _ask(self, patience_s: float) -> None:
        """Ask for marks and positions. What is open is looked up here, while nothing changes it."""
        self._ask_ns = self._clock.monotonic_ns() + round(self._pace.ask_every_s * NS_PER_S)
        unsized = {venue for venue, _ in self._ledger.left_out}
        self._questions.begin(self.wanted, self._contract_accounts(), unsized, patience_s)

    def _show_ns(self, now_ns: int) -> int:
        """When there is an update next, as far as is known now."""
        if self._questions.back:
            return now_ns
        assert self._ends_ns is not None
        awaited_ns = self._questions.awaited_until() if now_ns >= self._ends_ns else None
        ends_ns = self._ends_ns if awaited_ns is None else awaited_ns
        if self._pace.on_change and self._moved:
            return min(ends_ns, self._shown_ns + round(self._pace.least_s * NS_PER_S))
        return ends_ns

    def _look_ns(self) -> int:
        """When the store is to be looked into next, as far as is known now."""
        due = []
        if self._rung:
            due.append(self._looked_ns + round(self._pace.fills_every_s * NS_PER_S))
        if self._late:
            due.append(self._deep_ns + _DEEP_NS)
        return min(due, default=sys.maxsize)

    async def _sleep_until(self, until_ns: int) -> None:
        """Wait to be woken, until then at most."""
        within_s = max(until_ns - self._clock.monotonic_ns(), 0) / NS_PER_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._woken.wait()

    async def _follow(self) -> int:
        """What venues have told and the store has got, if either may have something.

        Contract sizes that no order tells are looked up in the venue's own list; while that does not come, the fills
        that need it are left out. Raises UnknownSize where the list has it not.
        """
        now_ns = self._clock.monotonic_ns()
        deep = self._late and now_ns - self._deep_ns >= _DEEP_NS
        look = self._rung and now_ns - self._looked_ns >= round(self._pace.fills_every_s * NS_PER_S)
        if not (self._take_sizes() or deep or look or self._heard):
            return 0
        heard, self._heard = self._heard, []
        self._rung, self._looked_ns = False, now_ns
        if deep:
            self._late, self._deep_ns = False, now_ns
        asked: set[str] = set()
        while True:
            try:
                return await asyncio.to_thread(self._ledger.refresh, heard, deep=deep)
            except UnknownSize as error:
                if error.venue in asked:
                    raise
                within_s = _FIRST_MARK_S if self._number else self._pace.first_patience_s
                if await self._questions.first_sizes(error.venue, within_s):
                    asked.add(error.venue)
                    self._take_sizes()
                else:
                    self._ledger.leave_out(error)

    def _take_sizes(self) -> bool:
        """Give the ledger what it was waiting for; whether there is more to count by that."""
        sizes, self._questions.sizes = self._questions.sizes, {}
        return bool(sizes) and self._ledger.know(sizes)

    # -- marks ---------------------------------------------------------------------------------------------------------

    async def _first_marks(self) -> None:
        """Have a mark of everything, if that is quickly done."""
        wanted = self.wanted
        if new := wanted - self._marks.keys():
            await self._questions.first_marks(new, wanted, _FIRST_MARK_S)

    def _take_mark(self, mark: Mark) -> None:
        """The newest word on an instrument's worth."""
        before = self._marks.get((mark.venue, mark.symbol))
        self._moved |= before is None or before.price != mark.price
        self._marks[mark.venue, mark.symbol] = mark

    def _contract_accounts(self) -> set[AccountName]:
        """The accounts that hold contracts."""
        held = self._ledger.positions.items()
        return {(one.venue, one.account) for one, position in held if position.quantity and ":" in one.symbol}

    def _update(self, fills: int) -> Update:
        self._number += 1
        self._comparison.look()
        self._moved, self._shown_ns = False, self._clock.monotonic_ns()
        now_ns, everything = self._clock.wall_ns(), sorted(self._ledger.positions.items())
        rows = tuple(
            self._row(holder, position, now_ns) for holder, position in everything if self._shown(position.quantity)
        )
        closed = [
            self._row(holder, position, now_ns) for holder, position in everything if not self._shown(position.quantity)
        ]
        venues = {venue for venue, _ in self.wanted}
        return Update(
            self._number,
            now_ns,
            fills,
            rows,
            tuple(totals(rows)),
            self._questions.missing(venues, self._contract_accounts()) + self._left_out(),
            self._ledger.ahead,
            self._comparison.mismatches,
            tuple(totals([*rows, *closed])),
            self._questions.open(venues),
        )

    def _left_out(self) -> tuple[Failure, ...]:
        said = "{0[1]} on {0[0]} is left out until the venue has told its contract size"
        return tuple(Failure(one[0], VenueUnavailable(said.format(one))) for one in sorted(self._ledger.left_out))

    def _shown(self, quantity: Decimal) -> bool:
        return bool(quantity) or self._pace.flat

    def _row(self, holder: Holder, position: Position[Decimal], now_ns: int) -> PositionView:
        """One that is closed needs no mark, unless it is shown."""
        mark = self._marks.get((holder.venue, holder.symbol)) if self._shown(position.quantity) else None
        stated = self._accounts.of(holder.venue, holder.account, holder.symbol) if position.quantity else None
        return self._views.of(holder, position, mark, now_ns, self._ledger.book.unvalued.get(holder), stated)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
