"""The order store of the settings, and what it says that orders may do. No venue is asked."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass

from xetrade_core.assembly.accounts import accounts_of
from xetrade_core.assembly.limits import risk_limits
from xetrade_core.clock import Clock
from xetrade_core.errors import ConfigError
from xetrade_core.settings import Settings
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.overview import LimitUse, Row, arm_rows, limit_uses, state_row
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction


def open_store(settings: Settings, clock: Clock) -> OrderStore:
    """The order store with the limits of the settings. Raises ConfigError, StoreUnavailable."""
    marks = Marks(max_age_s=settings.trading.mark_age_s)
    return OrderStore(settings.trading.store, limits=risk_limits(settings), marks=marks, clock=clock)


def open_reader(settings: Settings) -> OrderReader:
    """The order store for reading. Raises ConfigError, StoreUnavailable."""
    return OrderReader(settings.trading.store)


def require_account(
    settings: Settings, reader: OrderReader, account: str | None, *, others: Collection[str] = ()
) -> None:
    """Raises ConfigError for an account that neither the settings nor the order store know, nor `others`: of a
    misspelled one there would be nothing to show, which reads as if nothing were open."""
    if not account or account in accounts_of(settings):
        return
    known = sorted({name for _, name in reader.accounts()} | set(accounts_of(settings)) | set(others))
    if account not in known:
        near = difflib.get_close_matches(account, known, n=1)
        hint = f", did you mean {near[0]}?" if near else ""
        allowed = f"one that has traded or is in the settings: {', '.join(known) or 'none yet'}"
        raise ConfigError.of("account", account, allowed + hint)


@dataclass(frozen=True, slots=True)
class RiskOverview:
    """What orders may do now: limits and what is used of them, trading states, armings."""

    mode: str
    limits: list[LimitUse]
    states: list[Row]
    arms: list[Row]


def risk_overview(settings: Settings, clock: Clock) -> RiskOverview:
    """What the order store says. Raises ConfigError, StoreUnavailable."""
    store, now_ns = open_store(settings, clock), clock.wall_ns()

    def work(transaction: Transaction) -> RiskOverview:
        risk = transaction.risk
        states = [state_row(event) for event in risk.trading_states()]
        return RiskOverview(settings.trading.mode.value, limit_uses(risk, now_ns), states, arm_rows(risk, now_ns))

    try:
        return store.do(work)
    finally:
        store.close()
