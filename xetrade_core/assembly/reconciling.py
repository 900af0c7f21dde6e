"""Accounts of the settings held against their venues: what the command line and the pipelines both do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from xetrade_core.assembly.accounts import AccountName
from xetrade_core.assembly.deliveries import collect_deliveries
from xetrade_core.assembly.order_runs import run_with_desk
from xetrade_core.assembly.trading import SETTLE_S, TradingDesk
from xetrade_core.clock import Clock
from xetrade_core.errors import XETradeError
from xetrade_core.execution.ccxt_execution import CcxtExecution
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Fill
from xetrade_core.settings import Settings
from xetrade_core.trading.execution import ExecutionError, TradingAccount
from xetrade_core.trading.reconciliation.differences import AccountReport
from xetrade_core.trading.reconciliation.plan import ReconcilePlan
from xetrade_core.trading.reconciliation.reconciler import reconcile

_log = structlog.get_logger(__name__)


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

    return run_with_desk(
        settings, clock, lambda desk: reconcile_desk(desk, plan, pair=pair), venue=venue, account=account
    )


async def reconcile_desk(
    desk: TradingDesk, plan: ReconcilePlan, *, names: Collection[AccountName] | None = None, pair: str | None = None
) -> Reconciled:
    """Compare the accounts of a desk, or those of these names, all at once. Raises StoreUnavailable."""
    problems = {"/".join(name): str(error) for name, error in desk.plans.problems.items()}
    chosen = {name: one for name, one in desk.accounts.items() if names is None or name in names}

    async def compare(found: TradingAccount) -> AccountReport:
        symbol = None if pair is None else (await desk.markets.instrument(found.venue.id, pair)).symbol
        if not plan.dry_run:
            await _close_ended(desk, found)
        return await reconcile(desk.orders, desk.store, found, desk.clock, plan, symbol=symbol)

    results = await asyncio.gather(*map(compare, chosen.values()), return_exceptions=True)
    reports: list[AccountReport] = []
    for name, result in zip(chosen, results, strict=True):
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


async def _close_ended(desk: TradingDesk, found: TradingAccount) -> None:
    """Record what the venue has closed of dated futures, which no trade explains. What it does not tell is compared as
    it is."""
    if not isinstance(found.execution, CcxtExecution):
        return
    name = (found.venue.id, found.account)
    traded = await asyncio.to_thread(desk.store.symbols_of, *name)

    async def record(fill: Fill) -> None:
        await desk.orders.observe(*name, fill, Source.RECONCILIATION)

    try:
        refused = await collect_deliveries(desk.store, found.execution, traded, record)
    except ExecutionError as error:
        refused = [str(error)]
    for why in refused:
        _log.warning("no_delivery_told", venue=found.venue.id, account=found.account, error=why)


async def keep_reconciled(
    desk: TradingDesk, plan: ReconcilePlan, every_s: float | None, told: Callable[[Reconciled], object]
) -> None:
    """Go on with what earlier processes left and compare every account of the desk: now, and every so often if asked.

    A store that is away for a while is only logged. Runs until it is cancelled, or once without `every_s`.
    """
    first = True
    while True:
        try:
            for name in desk.accounts:
                await desk.take_up(name, at_once=first)
            told(await reconcile_desk(desk, plan))
        except XETradeError as error:
            _log.warning("not_reconciled", error=str(error))
        if every_s is None:
            return
        first = False
        await desk.clock.sleep(every_s)
