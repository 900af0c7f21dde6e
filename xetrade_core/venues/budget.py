"""A rate budget: at most so much weight in any window of time, spent in order of priority.

Venues count calls by weight per IP and account and ban an address that goes on after being told to stop. So every call
asks here first. The budget keeps a *sliding* window (a venue that counts by fixed minutes allows no less), stays below
the venue's limit by a headroom, follows the venue's own count when that is higher (another machine behind the same IP),
and falls silent until the stated time after a 429 or 418. Half of the headroom is there for cancels alone: an order can
be taken back when everything else has to wait.

What was spent is remembered by a `Spending`: of this process, or of all processes of the machine (`open_budget`).
"""

from __future__ import annotations

import asyncio
import heapq
import time
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from pathlib import Path

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, RateLimited
from xetrade_core.venues.shared_spending import SharedSpending, remove_forgotten, spending_path
from xetrade_core.venues.spending import OwnSpending, Spending
from xetrade_core.venues.venue import RateRule


class Priority(IntEnum):
    """Who goes first when the budget is short. Within a process; between processes only cancels go before others."""

    CANCEL = 0  # takes back a risk: may spend what is kept from all others
    ORDER = 1
    RESYNC = 2  # a book is out of sync: rows are being lost
    START = 3  # first snapshots, instrument lists, what a person asks for
    REFRESH = 4  # deepening a book that is in sync
    BACKFILL = 5  # years of history: any time will do


class WeightBudget:
    """Weight that may be spent in any `rule.window_s` seconds by many waiting callers."""

    def __init__(
        self, rule: RateRule, clock: Clock, *, headroom: float = 0.2, spending: Spending | None = None
    ) -> None:
        """`headroom` is the share of the venue's limit that is left: for retries, clocks and other programs, and half
        of it for cancels. Without a `spending` the budget is this object's own.
        """
        if not 0 <= headroom < 1:
            raise ConfigError.of("headroom", headroom, "a share of the venue's limit, at least 0 and below 1")
        self.rule = rule
        self.limit = max(1, int(rule.limit * (1 - headroom)))
        self.cancel_limit = max(self.limit, int(rule.limit * (1 - headroom / 2)))
        self._clock = clock
        self._spending: Spending = spending or OwnSpending(rule.window_s, clock)
        self._order = count()
        self._waiting: list[tuple[int, int, asyncio.Event]] = []

    async def acquire(self, weight: int, priority: Priority = Priority.START, *, within_s: float | None = None) -> None:
        """Return once `weight` may be spent, and count it as spent. Callers of one priority are served in order.

        Raises RateLimited at once if it is known that this takes longer than `within_s`.
        """
        ceiling = self.cancel_limit if priority is Priority.CANCEL else self.limit
        if weight > ceiling:
            raise ConfigError.of("weight", weight, f"at most {ceiling}, the whole budget of a window")
        if not self._waiting and not self._spending.take(weight, ceiling):
            return
        if within_s is not None and (paused_s := self.paused_s()) > within_s:
            raise _too_late(paused_s)
        deadline_ns = None if within_s is None else self._clock.monotonic_ns() + round(within_s * NS_PER_S)
        ticket = (int(priority), next(self._order), asyncio.Event())
        heapq.heappush(self._waiting, ticket)
        try:
            while True:
                if self._waiting[0] is not ticket:
                    ticket[2].clear()
                    await ticket[2].wait()
                elif delay_ns := self._spending.take(weight, ceiling):
                    if deadline_ns is not None and self._clock.monotonic_ns() + delay_ns > deadline_ns:
                        raise _too_late(delay_ns / NS_PER_S)
                    await self._clock.sleep(delay_ns / NS_PER_S)
                else:
                    return
        finally:
            self._waiting.remove(ticket)
            heapq.heapify(self._waiting)
            if self._waiting:
                self._waiting[0][2].set()

    def pause(self, seconds: float) -> None:
        """Spend nothing for that long: the venue said so. A shorter pause never cuts a longer one."""
        self._spending.pause(round(seconds * NS_PER_S))

    def observe(self, used: int) -> None:
        """The venue counts `used` in its current window; what we did not know of is counted as spent now."""
        self._spending.follow(used)

    def used(self) -> int:
        """Weight spent in the window that ends now."""
        return self._spending.used()

    def paused_s(self) -> float:
        """Seconds until the venue may be called again; 0 when it may be now."""
        return self._spending.paused_ns() / NS_PER_S

    @property
    def waiting(self) -> int:
        """Callers of this object that wait for their turn."""
        return len(self._waiting)


def _too_late(seconds: float) -> RateLimited:
    return RateLimited(f"the venue's rate budget allows no call for {seconds:.1f} s, which is too late", seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """Where the processes of a machine share what they know of venues: budgets, bans, circuit breakers.

    Without a `directory` each process keeps to itself. `address` names the outgoing IP address, where a machine has
    several. `headroom` as in `WeightBudget`.
    """

    directory: Path | None = None
    address: str = "default"
    headroom: float = 0.2

    def budget(self, rule: RateRule, clock: Clock, scope: tuple[str, ...], account: str = "public") -> WeightBudget:
        """The budget of `scope` (venue, host, what is counted) and of an account (never a key itself)."""
        return open_budget(
            rule,
            clock,
            directory=None if self.directory is None else self.directory / "budgets",
            scope=(*scope, self.address, account),
            headroom=self.headroom,
        )


NOT_SHARED = Sharing()


def open_budget(
    rule: RateRule,
    clock: Clock,
    *,
    directory: Path | None,
    scope: tuple[str, ...],
    headroom: float = 0.2,
) -> WeightBudget:
    """The budget that all processes of this machine share which give the same directory and scope.

    `scope` says what the venue counts by: venue, host, outgoing address, account. Without a directory the budget is
    this object's own.
    """
    if directory is None:
        return WeightBudget(rule, clock, headroom=headroom)
    remove_forgotten(directory, time.time())
    path = spending_path(directory, scope, rule.window_s)
    spending = SharedSpending(path, rule.window_s, rule.limit, clock)
    return WeightBudget(rule, clock, headroom=headroom, spending=spending)
