"""Accounts of the settings held against their venues: what the command line and the pipelines both do."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from xetrade_core.assembly.order_runs import run_with_desk
from xetrade_core.assembly.trading import SETTLE_S, TradingDesk
from xetrade_core.clock import Clock
from xetrade_core.errors import XETradeError
from xetrade_core.settings import Settings
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.reconciliation.differences import AccountReport
from xetrade_core.trading.reconciliation.plan import ReconcilePlan
from xetrade_core.trading.reconciliation.reconciler import reconcile


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What came of each account; `problems` tells why others were not looked at."""

    accounts: tuple[AccountReport, ...]
    problems: dict[str, str]

    @property
    def clean(self) -> bool:
        """Whether every account was compared and nothing is left for a person."""
        return not self.problems and all(report.clean for report in self.accounts)

    def account_rows(self) -> list[dict[str, object]]:
        """Counts by account."""
        return [report.row() for report in self.accounts]

    def rows(self) -> list[dict[str, str]]:
        """Every difference."""
        return [one.row() for report in self.accounts for one in report.differences]


def reconcile_accounts(
    settings: Settings,
    clock: Clock,
    plan: ReconcilePlan,
    *,
    venue: str | None = None,
    account: str | None = None,
    pair: str | None = None,
) -> Reconciled:
    """Compare the accounts that match, all at once. Raises ConfigError, UnknownVenue, VenueRetired, NotSupported,
    StoreUnavailable: why none of them can be."""

    async def work(desk: TradingDesk) -> Reconciled:
        problems = {"/".join(name): str(error) for name, error in desk.plans.problems.items()}

        async def one(found: TradingAccount) -> AccountReport:
            symbol = None if pair is None else (await desk.markets.instrument(found.venue.id, pair)).symbol
            return await reconcile(desk.orders, desk.store, found, clock, plan, symbol=symbol)

        results = await asyncio.gather(*map(one, desk.accounts.values()), return_exceptions=True)
        reports: list[AccountReport] = []
        for name, result in zip(desk.accounts, results, strict=True):
            if isinstance(result, XETradeError):
                problems["/".join(name)] = str(result)
            elif isinstance(result, BaseException):
                raise result
            else:
                reports.append(result)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await desk.orders.settled()
        return Reconciled(tuple(reports), problems)

    return run_with_desk(settings, clock, work, venue=venue, account=account)
