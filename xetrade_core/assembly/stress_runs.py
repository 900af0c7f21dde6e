"""The stress test over the desk of the settings: which accounts take part, and with which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from xetrade_core.assembly.order_runs import run_with_desk
from xetrade_core.assembly.trading import TradingDesk
from xetrade_core.clock import Clock
from xetrade_core.errors import ConfigError, VenueUnavailable
from xetrade_core.execution.clients import CCXT_CLIENTS
from xetrade_core.settings import Settings
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.stress.plan import StressPlan, Target, harmless
from xetrade_core.trading.stress.report import StressReport
from xetrade_core.trading.stress.run import Progress, stress
from xetrade_core.venues.registry import venue as known_venue

BELOW = Decimal("0.05")
_SPENT = 0.8  # of a venue's limit, orders may have this share


def stress_test(
    settings: Settings,
    clock: Clock,
    plan: StressPlan,
    *,
    venues: Sequence[str],
    pair: str,
    account: str | None = None,
    below: Decimal = BELOW,
    key: str,
    told: Progress = lambda progress: None,
) -> StressReport:
    """Place and cancel orders of `pair` on one account of each venue, `below` (a share) under the market.

    The same `key` finds the orders of an earlier run of it. Raises what `open_desk` does, UnknownSymbol, NotTrading,
    WithdrawalAllowed, TradingNotAllowed, and VenueUnavailable where a venue cannot be asked: nothing was sent then.
    """
    if not venues:
        raise ConfigError("a stress test needs a venue: name one or more in venues")

    async def work(desk: TradingDesk) -> StressReport:
        targets = [await _target(desk, venue, pair, account, below) for venue in dict.fromkeys(venues)]
        return await stress(desk.orders, desk.store, desk.accounts, targets, plan, key=key, clock=clock, told=told)

    plan = replace(plan, patience_s=plan.patience_s + _pace_s(venues, plan))
    only = venues[0] if len(set(venues)) == 1 else None
    return run_with_desk(settings, clock, work, venue=only, account=account, policy=Policy(patience_s=plan.patience_s))


def _pace_s(venues: Sequence[str], plan: StressPlan) -> float:
    """How long the slowest venue's rate budget takes for what is under way at once: an order and a cancel a client."""
    at_once = min(plan.clients, plan.orders or plan.clients)
    paces = [0.0]
    for venue in dict.fromkeys(venues):
        kind, rule = CCXT_CLIENTS.get(venue), known_venue(venue).rest.budget
        cost = sum(kind.weights.get(what, 1) if kind is not None else 1 for what in ("place", "cancel"))
        paces.append(at_once / len(set(venues)) * cost * rule.window_s / (rule.limit * _SPENT))
    return max(paces)


async def _target(desk: TradingDesk, venue: str, pair: str, account: str | None, below: Decimal) -> Target:
    plan = desk.plan(venue, account)
    instrument = await desk.markets.instrument(venue, pair)
    await desk.prepare([(venue, instrument.symbol)], accounts=[plan.name])
    await desk.take_up(plan.name)
    market = desk.store.marks.price(venue, instrument.symbol, desk.clock.wall_ns())
    if market is None:
        raise VenueUnavailable(f"{venue} gives no price of {instrument.symbol}: try again when it does")
    return harmless(venue, plan.account, instrument, market, below)
