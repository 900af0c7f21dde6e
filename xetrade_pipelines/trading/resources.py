"""The trading desk of the machine's settings as Dagster hands it to ops: each call opens it, works and closes it.

Keys and limits stay in the settings; nothing here can be configured, so that no run can trade with another key or
beyond another limit. https://docs.dagster.io/guides/build/external-resources
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these classes as objects.
from decimal import Decimal, InvalidOperation

import dagster as dg

from xetrade_core.accounting.comparisons import keep_comparison
from xetrade_core.assembly.accounts import plan_accounts
from xetrade_core.assembly.crossing import CrossOverview, cross_overview, leg_request, start_cross
from xetrade_core.assembly.order_runs import (
    Killed,
    News,
    OrderTold,
    cancel_order,
    kill,
    order_status,
    place_order,
    trading_news,
)
from xetrade_core.assembly.reconciling import Reconciled, reconcile_accounts
from xetrade_core.assembly.stress_runs import stress_test
from xetrade_core.clock import SystemClock
from xetrade_core.errors import ConfigError
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.orders import OrderType, Side, TimeInForce
from xetrade_core.trading.cross.overview import SagaTold
from xetrade_core.trading.cross.request import CrossRequest
from xetrade_core.trading.reconciliation.plan import DAY_S, ReconcilePlan
from xetrade_core.trading.requests import OrderRequest, Rounding
from xetrade_core.trading.stress.plan import StressPlan
from xetrade_core.trading.stress.report import StressReport
from xetrade_core.trading.stress.run import Progress
from xetrade_pipelines.partitions import VenueDay
from xetrade_pipelines.resources import SettingsResource
from xetrade_pipelines.trading.config import (
    CancelAllConfig,
    CrossOrderConfig,
    OrderConfig,
    PlaceOrderConfig,
    ReconcileConfig,
    StressConfig,
)

#: of the newest cross-venue orders, beside the one of a run
CROSS_SHOWN = 20


class TradingResource(dg.ConfigurableResource[None]):
    """Orders of the settings' accounts."""

    settings: dg.ResourceDependency[SettingsResource]

    def place(self, wanted: PlaceOrderConfig, *, key: str, step: str, index: int = 0) -> OrderTold:
        """Place an order once for each (key, step, index); see `assembly.order_runs`."""
        with self.settings.telling() as settings:
            return place_order(
                settings, SystemClock(), _request(wanted), wait_s=wanted.wait_s, key=key, step=step, index=index
            )

    def cancel(self, wanted: OrderConfig) -> OrderTold:
        """Cancel an order and follow it to its end."""
        with self.settings.telling() as settings:
            venue, account = wanted.venue or None, wanted.account or None
            return cancel_order(settings, SystemClock(), wanted.order_id, venue=venue, account=account)

    def status(self, wanted: OrderConfig, *, refresh: bool) -> OrderTold:
        """Where an order stands."""
        with self.settings.telling() as settings:
            venue, account = wanted.venue or None, wanted.account or None
            return order_status(settings, SystemClock(), wanted.order_id, venue=venue, account=account, refresh=refresh)

    def kill(self, wanted: CancelAllConfig, by: str) -> Killed:
        """Halt, cancel everything, verify."""
        with self.settings.telling() as settings:
            return kill(
                settings,
                SystemClock(),
                venue=wanted.venue or None,
                account=wanted.account or None,
                pair=wanted.pair or None,
                halt=wanted.halt,
                by=by,
                reason=wanted.reason,
            )

    def cross(self, wanted: CrossOrderConfig, *, key: str) -> tuple[SagaTold, CrossOverview]:
        """Trade both legs of a cross-venue order, once for each key; and what stands beside it in the store."""
        with self.settings.telling() as settings:
            told = start_cross(settings, SystemClock(), _cross_request(wanted), key=key, wait_s=wanted.wait_s)
            return told, cross_overview(settings, CROSS_SHOWN)

    def accounts(self) -> list[str]:
        """The accounts of the settings that can be traded; none where there are none."""
        try:
            return ["/".join(plan.name) for plan in plan_accounts(self.settings.load()).ready]
        except ConfigError:
            return []

    def require_running(self, day: VenueDay) -> None:
        """Raise ConfigError for a day that is not the running one: venues tell how accounts stand now."""
        running = VenueDay.containing(day.venue, SystemClock.wall_ns())
        if day != running:
            raise ConfigError.of("partition", str(day.key), f"the running day, {running.key}: comparisons are of now")

    def reconcile(self, wanted: ReconcileConfig) -> Reconciled:
        """Compare accounts with their venues, repair what the venues explain, halt what nothing does."""
        plan = ReconcilePlan(
            grace_s=wanted.grace_s,
            window_s=wanted.window_s,
            history_s=max(wanted.window_s, 7 * DAY_S),
            dry_run=wanted.dry_run,
        )
        with self.settings.telling() as settings:
            return reconcile_accounts(
                settings,
                SystemClock(),
                plan,
                venue=wanted.venue or None,
                account=wanted.account or None,
                pair=wanted.pair or None,
            )

    def keep(self, found: Reconciled, store: ObjectStore) -> dict[str, int]:
        """Add what was found to the lake; by venue, how many rows its schema refused."""
        venues = dict.fromkeys(report.venue for report in found.accounts)
        return {venue: keep_comparison(store, venue, found.accounts) for venue in venues}

    def stress(self, wanted: StressConfig, *, key: str, told: Progress) -> StressReport:
        """Many clients that place and cancel, and what the venues say afterwards."""
        plan = StressPlan(clients=wanted.clients, count=wanted.count, over_s=wanted.over_s, soak_s=wanted.soak_s)
        with self.settings.telling() as settings:
            return stress_test(
                settings,
                SystemClock(),
                plan,
                venues=wanted.venues,
                pair=wanted.pair,
                account=wanted.account or None,
                below=_number("below", wanted.below),
                key=key,
                told=told,
            )

    def news(self, cursor: str | None) -> tuple[list[News], str]:
        """What needs a person and was not told yet, and the next cursor."""
        return trading_news(self.settings.load(), SystemClock(), cursor)


def _request(wanted: PlaceOrderConfig) -> OrderRequest:
    """The order that a run's config asks for. Raises ConfigError."""
    return OrderRequest(
        venue=wanted.venue,
        account=wanted.account,
        symbol=wanted.pair,
        side=Side(wanted.side),
        amount=_number("quantity", wanted.quantity),
        type=OrderType(wanted.order_type.lower()),
        price=_number("price", wanted.price) if wanted.price else None,
        time_in_force=TimeInForce(wanted.time_in_force.lower()),
        post_only=wanted.post_only,
        reduce_only=wanted.reduce_only,
        strategy=wanted.strategy,
        rounding=Rounding(wanted.rounding),
    )


def _cross_request(wanted: CrossOrderConfig) -> CrossRequest:
    """The cross-venue order that a run's config asks for. Raises ConfigError."""
    buy, sell = (
        leg_request(
            where,
            pair or wanted.pair,
            price=_number(f"{side}_price", price) if price else None,
            slippage_bps=_number("slippage_bps", wanted.slippage_bps),
        )
        for side, where, pair, price in (
            ("buy", wanted.buy, wanted.buy_pair, wanted.buy_price),
            ("sell", wanted.sell, wanted.sell_pair, wanted.sell_price),
        )
    )
    return CrossRequest(
        buy=buy,
        sell=sell,
        quantity=_number("quantity", wanted.quantity),
        max_loss=_number("max_loss", wanted.max_loss),
        within_s=wanted.within_s,
        strategy=wanted.strategy,
    )


def _number(name: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ConfigError.of(name, text, 'a number in quotes, such as "0.001"') from None
