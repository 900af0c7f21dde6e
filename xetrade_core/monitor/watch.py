"""Positions as time goes on: an update each interval, and one at once when a fill comes in.

The store is looked into many times a second for fills that came in, and once a second for what was committed late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.market_data.asking import Failure
from xetrade_core.market_data.marks import Instrumented, Mark, MarkSource
from xetrade_core.monitor.accounts import AccountName, AccountSource
from xetrade_core.monitor.ledger import FillLedger, UnknownSize
from xetrade_core.monitor.view import PositionView, Total, totals, view


@dataclass(frozen=True, slots=True)
class Pace:
    """How positions are watched. `max_updates` None: until stopped. `fills_every_s` is how soon a fill is seen; marks
    older than `stale_after_s` are flagged, and one that does not come within `mark_deadline_s` is left as it is.
    Accounts are asked for their positions with the marks, at most every `accounts_every_s`."""

    interval_s: float = 30.0
    max_updates: int | None = None
    fills_every_s: float = 0.05
    stale_after_s: float = 60.0
    mark_deadline_s: float = 10.0
    accounts_every_s: float = 5.0
    flat: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """Where everything stands at `at_ns`. `fills` came in since the last one; `failures` are venues without marks."""

    number: int
    at_ns: int
    fills: int
    positions: tuple[PositionView, ...]
    totals: tuple[Total, ...]
    failures: tuple[Failure, ...]


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
        self._marks: dict[Instrumented, Mark] = {}
        self._failures: tuple[Failure, ...] = ()
        self._number = 0
        self._looked_ns = -NS_PER_S

    async def updates(self, stop: asyncio.Event) -> AsyncIterator[Update]:
        """One now, then one each interval and one whenever fills come in. Raises StoreUnavailable, ConfigError."""
        most = self._pace.max_updates
        fills = await self._follow()
        while not stop.is_set() and (most is None or self._number < most):
            if not fills or not self._wanted() <= self._marks.keys():  # a fill is shown at once, at the marks there are
                await self._mark()
            yield self._update(fills)
            if most is not None and self._number >= most:
                return
            fills = await self._next(stop)

    async def _next(self, stop: asyncio.Event) -> int:
        """Wait for the next interval, or for a fill; how many have come."""
        ends_ns = self._clock.monotonic_ns() + round(self._pace.interval_s * NS_PER_S)
        while not stop.is_set():
            if fills := await self._follow():
                return fills
            if (left_ns := ends_ns - self._clock.monotonic_ns()) <= 0:
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(left_ns / NS_PER_S, self._pace.fills_every_s))
        return 0

    async def _follow(self) -> int:
        """What the store has got. Contract sizes that no order tells are looked up in the venue's own list."""
        asked: set[str] = set()
        now_ns = self._clock.monotonic_ns()
        deep = now_ns - self._looked_ns >= NS_PER_S
        if deep:
            self._looked_ns = now_ns
        while True:
            try:
                return await asyncio.to_thread(self._ledger.refresh, deep=deep)
            except UnknownSize as error:
                if error.venue in asked:
                    raise
                asked.add(error.venue)
                self._ledger.sizes.update(await self._source.sizes(error.venue))

    def _wanted(self) -> set[Instrumented]:
        """What is open."""
        held = self._ledger.positions.items()
        return {(holder.venue, holder.symbol) for holder, position in held if position.quantity}

    async def _mark(self) -> None:
        """The marks of what is open; those that do not come stay as they were, and grow old."""
        wanted = self._wanted()
        if not wanted:
            self._failures = ()
            return
        deadline_s = self._pace.mark_deadline_s
        answers, _ = await asyncio.gather(
            self._source.fetch(wanted, deadline_s), self._accounts.refresh(self._contract_accounts(), deadline_s)
        )
        self._marks.update(answers.marks)
        self._failures = (*answers.failures, *self._accounts.failures)

    def _contract_accounts(self) -> set[AccountName]:
        """The accounts that hold contracts."""
        held = self._ledger.positions.items()
        return {(one.venue, one.account) for one, position in held if position.quantity and ":" in one.symbol}

    def _update(self, fills: int) -> Update:
        self._number += 1
        now_ns, book = self._clock.wall_ns(), self._ledger.book
        rows = tuple(
            view(
                holder,
                position,
                self._marks.get((holder.venue, holder.symbol)),
                now_ns,
                self._pace.stale_after_s,
                book.unvalued.get(holder),
                self._accounts.of(holder.venue, holder.account, holder.symbol) if position.quantity else None,
            )
            for holder, position in sorted(self._ledger.positions.items())
            if position.quantity or self._pace.flat
        )
        return Update(self._number, now_ns, fills, rows, tuple(totals(rows)), self._failures)
