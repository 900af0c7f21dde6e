"""One reconciliation of one account: what its parts share. They ask through it, and tell it what they find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.model.order_events import ControlEvent, ControlKind, TradingState
from xetrade_core.telemetry import alarm
from xetrade_core.trading.execution import Execution, ExecutionError, TradingAccount
from xetrade_core.trading.reconciliation.differences import Difference, Kind, Outcome, Subject
from xetrade_core.trading.reconciliation.plan import ReconcilePlan
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore

T = TypeVar("T")
BY = "reconciliation"


class Round:
    """Accounts for everything that was found, and does what is to be done about it."""

    def __init__(
        self, service: OrderService, store: OrderStore, account: TradingAccount, clock: Clock, plan: ReconcilePlan
    ) -> None:
        self.service, self.store, self.account, self.clock, self.plan = service, store, account, clock, plan
        self.started_ns = clock.wall_ns()
        self.differences: list[Difference] = []
        self.problems: list[str] = []
        self.in_flight: set[str] = set()
        self.moving: set[str] = set()  # amounts without an opening that two looks found at different heights
        self._told: set[str] = set()

    @property
    def venue(self) -> str:
        """Its id."""
        return self.account.venue.id

    @property
    def execution(self) -> Execution:
        """The account's client."""
        return self.account.execution

    def is_young(self, at_ns: int | None) -> bool:
        """Whether what happened then may still be under way; what has no time is not."""
        return at_ns is not None and self.clock.wall_ns() - at_ns < self.plan.grace_s * NS_PER_S

    async def ask(self, what: str, ask: Callable[[], Awaitable[T]]) -> T | ExecutionError:
        """A read, repeated a few times; what it came to, or the error of the last time, which is noted as a problem."""
        error: ExecutionError | None = None
        for attempt in range(self.plan.looks):
            if attempt:
                await self.clock.sleep(self.plan.spacing_s)
            try:
                return await ask()
            except ExecutionError as failed:
                error = failed
        assert error is not None
        self.problems.append(f"{what}: {error}")
        return error

    def found(
        self,
        subject: Subject,
        kind: Kind,
        outcome: Outcome,
        *,
        symbol: str | None,
        name: str,
        here: str,
        there: str,
        note: str = "",
    ) -> None:
        """Note a difference; a dry run has done nothing about it."""
        if self.plan.dry_run and outcome is not Outcome.EXTERNAL:
            outcome = Outcome.FOUND
        told = Difference(
            subject, kind, outcome, self.venue, self.account.account, symbol, name, here or "-", there or "-", note
        )
        self.differences.append(told)

    async def halt(self, symbol: str, why: str) -> None:
        """Nothing explains it: stop the instrument for every process, and tell a person. Not in a dry run."""
        if self.plan.dry_run:
            return
        standing = self.store.do(lambda work: work.risk.trading_state(self.venue, symbol))
        if standing is None or standing.state is not TradingState.HALTED:
            await self.service.control(
                ControlEvent(
                    kind=ControlKind.TRADING_STATE,
                    at_ns=self.clock.wall_ns(),
                    by=BY,
                    reason=why,
                    venue=self.venue,
                    symbol=symbol,
                    state=TradingState.HALTED,
                )
            )
        self.tell(f"{symbol} is halted: {why}; compare with the venue's own page, then xetrade resume-trading", symbol)

    def tell(self, message: str, symbol: str | None = None) -> None:
        """Alarm a person. Not in a dry run."""
        if not self.plan.dry_run and message not in self._told:
            self._told.add(message)
            account = self.account.account
            alarm(
                "reconciliation_difference",
                f"{self.venue}/{account}: {message}",
                venue=self.venue,
                account=account,
                symbol=symbol,
            )
