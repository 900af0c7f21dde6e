"""Is this machine fit to trade? The order store, and each account: whether it answers, what its key may do."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from xetrade_core.assembly.accounts import AccountPlan, plan_accounts
from xetrade_core.assembly.order_store import open_reader, risk_overview
from xetrade_core.checkup import SKEW_FAIL_S, SKEW_WARN_S, VENUE_TIMEOUT_S, Check, State
from xetrade_core.clock import Clock
from xetrade_core.errors import XETradeError
from xetrade_core.execution.clients import open_execution
from xetrade_core.execution.permissions import KeyPermissions
from xetrade_core.model.orders import OrderState
from xetrade_core.settings import Settings
from xetrade_core.settings_trading import TradingMode
from xetrade_core.venues.clients import open_client
from xetrade_core.venues.clock_offset import ClockOffset, measure_offset


async def check_trading(settings: Settings, clock: Clock, rng: random.Random) -> list[Check]:
    """One check for the order store, one for the mode, one for each account. Raises nothing that a check can say."""
    found = [await asyncio.to_thread(check_store, settings, clock), check_mode(settings)]
    try:
        plans = plan_accounts(settings)
    except XETradeError as error:
        if settings.accounts:
            found.append(Check("accounts", State.FAIL, str(error), "see docs/operations.md"))
        return found
    found += [
        Check(f"account {'/'.join(name)}", State.FAIL, str(problem), "orders of this account are refused")
        for name, problem in plans.problems.items()
    ]
    return found + list(await asyncio.gather(*(check_account(plan, settings, clock, rng) for plan in plans.ready)))


def check_store(settings: Settings, clock: Clock) -> Check:
    """The order store answers, and nothing in it waits for a person."""
    name, store = "order store", settings.trading.store
    if "://" not in store and not Path(store).expanduser().exists():
        return Check(name, State.OK, f"{store}: made with the first order")
    try:
        with open_reader(settings) as reader:
            unsettled = reader.unsettled()
        stopped = [row for row in risk_overview(settings, clock).states if row["state"] != "active"]
    except XETradeError as error:
        return Check(name, State.FAIL, str(error), "set XETRADE_TRADING__STORE to a database that can be written")
    doubtful = sum(order.state is OrderState.NEEDS_OPERATOR for order in unsettled)
    if doubtful:
        return Check(
            name, State.WARN, f"{doubtful} orders need an operator", "look at the venue, then `xetrade orders dismiss`"
        )
    if stopped:
        scopes = ", ".join(f"{row['scope']} {row['state']}" for row in stopped)
        return Check(name, State.WARN, f"stopped: {scopes}", "`xetrade resume-trading` lets orders pass again")
    return Check(name, State.OK, f"answers; {len(unsettled)} orders are open or under way")


def check_mode(settings: Settings) -> Check:
    """How far orders may go, and whether anything limits them."""
    mode, limits = settings.trading.mode, len(settings.limits)
    found = f"mode {mode.value}, {f'limits of {limits} scopes' if limits else 'no limits'}"
    if mode is TradingMode.LIVE and not limits:
        return Check("trading", State.WARN, found, "set limits, such as limits.portfolio.max_open_notional")
    return Check("trading", State.OK, found)


async def check_account(plan: AccountPlan, settings: Settings, clock: Clock, rng: random.Random) -> Check:
    """The account's venue answers to its key; what that may do; how far the venue's clock is from ours."""
    name = f"account {'/'.join(plan.name)}"
    bad = State.FAIL if settings.accounts else State.WARN  # accounts that nobody named stand for simulated venues
    began = time.monotonic()
    try:
        async with asyncio.timeout(VENUE_TIMEOUT_S):
            permissions, offset = await _ask(plan, clock, rng)
    except TimeoutError:
        return Check(name, bad, f"no answer within {VENUE_TIMEOUT_S:g} s", "check the network and the venue's URL")
    except XETradeError as error:
        return Check(name, bad, str(error), f"check XETRADE_ACCOUNTS__{plan.account.upper()}__API_KEY and the network")
    took_ms = (time.monotonic() - began) * 1000
    found = f"{plan.where} answers ({took_ms:.0f} ms); {_in_words(permissions)}; clock {_skew(offset)}"
    try:
        plan.require_safe(permissions)
    except XETradeError as error:
        return Check(name, State.FAIL, found, str(error))
    if abs(offset.offset_s) >= SKEW_WARN_S:
        state = State.FAIL if abs(offset.offset_s) >= SKEW_FAIL_S else State.WARN
        return Check(name, state, found, "let NTP keep the clock; until then orders are signed with the venue's time")
    return Check(name, State.OK, found)


async def _ask(plan: AccountPlan, clock: Clock, rng: random.Random) -> tuple[KeyPermissions, ClockOffset]:
    private = open_execution(plan.venue.id, plan.account, plan.credentials, plan.options, clock, rng)
    try:
        public = open_client(plan.venue.id, plan.options, clock, rng)
        try:
            return await private.permissions(), await measure_offset(public.server_time_ns, clock, samples=3)
        finally:
            await public.close()
    finally:
        await private.close()


def _in_words(permissions: KeyPermissions) -> str:
    may = {"trade": permissions.trade, "withdraw": permissions.withdraw}
    told = [f"{'can' if allowed else 'cannot'} {what}" for what, allowed in may.items() if allowed is not None]
    untold = " or ".join(what for what, allowed in may.items() if allowed is None)
    said = [f"its key {', '.join(told)}"] if told else []
    return "; ".join(said + ([f"the venue does not tell whether its key can {untold}"] if untold else []))


def _skew(offset: ClockOffset) -> str:
    return f"{abs(offset.offset_s) * 1000:.0f} ms {'ahead of' if offset.offset_s > 0 else 'behind'} ours"
