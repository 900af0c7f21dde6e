"""The resource of the books: the order store of the settings as far as its fills go, and the marks of their venues.

What belongs here: how the assets and jobs of this area reach the core. Settings and their secrets are read on the
machine that uses them, when it uses them (see `xetrade_pipelines.resources`).
https://docs.dagster.io/guides/build/external-resources
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these classes as objects.
from collections.abc import Callable, Sequence

import dagster as dg

from xetrade_core.accounting.days import DayProfit, account_day
from xetrade_core.accounting.equity import equity_of
from xetrade_core.accounting.export import ExportedFills, ExportedPayments
from xetrade_core.accounting.order_export import ExportedOrders
from xetrade_core.assembly.accounting import (
    BookedDay,
    book_days,
    collect_fundings,
    export_day,
    export_orders_day,
    export_payments_day,
    traded_venues,
)
from xetrade_core.assembly.funding import Outcomes
from xetrade_core.assembly.watching import Watched, watch_positions
from xetrade_core.clock import SystemClock
from xetrade_core.errors import ConfigError
from xetrade_core.lake.store import ObjectStore
from xetrade_core.monitor.ledger import Selection
from xetrade_core.monitor.limits import PositionLimits
from xetrade_core.monitor.pace import Pace
from xetrade_core.monitor.view import exposures
from xetrade_core.monitor.watch import Update
from xetrade_core.plots import exposure_picture, profit_picture
from xetrade_pipelines.partitions import DAY_NS, VenueDay, VenueHour
from xetrade_pipelines.resources import PICTURED_DAYS, ClockResource, SettingsResource


class AccountingResource(dg.ConfigurableResource[None]):
    """The order store of the settings, as far as its fills go, and the marks of their venues."""

    settings: dg.ResourceDependency[SettingsResource]
    clock: dg.ResourceDependency[ClockResource]

    def venues(self) -> tuple[str, ...]:
        """The venues that have fills; none where there is no order store."""
        return traded_venues(self.settings.load())

    def export(self, day: VenueDay, store: ObjectStore) -> ExportedFills:
        """Bring the fills of a day into the lake; see `xetrade_core.accounting.export`."""
        return export_day(self.settings.load(), store, day.venue, day.start_ns)

    def export_orders(self, day: VenueDay, store: ObjectStore) -> ExportedOrders:
        """Bring the orders of a day into the lake; see `xetrade_core.accounting.order_export`."""
        return export_orders_day(self.settings.load(), store, day.venue, day.start_ns)

    def export_payments(self, day: VenueDay, store: ObjectStore) -> ExportedPayments:
        """Bring the funding payments of a day into the lake; see `xetrade_core.accounting.export`."""
        return export_payments_day(self.settings.load(), store, day.venue, day.start_ns)

    def collect(self) -> Outcomes[int]:
        """Ask the accounts of the settings what they were paid for funding, and record it in the order store."""
        return collect_fundings(self.settings.load(), SystemClock())

    def profit(self, day: VenueDay, store: ObjectStore) -> DayProfit:
        """Account for a day; see `xetrade_core.accounting.days`."""
        return account_day(store, day.venue, day.start_ns, self.clock.wall_ns())

    def mark_within_s(self) -> float:
        """How long before a day's end its marks may be; see `monitor.day_mark_within_s` of the settings."""
        return self.settings.load().monitor.day_mark_within_s

    def book_recent(self, venues: Sequence[str], store: ObjectStore) -> Outcomes[BookedDay]:
        """Export and account for yesterday and today of these venues, or of all that have fills."""
        now_ns = self.clock.wall_ns()
        today_ns = now_ns // DAY_NS * DAY_NS
        return book_days(self.settings.load(), store, venues or self.venues(), (today_ns - DAY_NS, today_ns), now_ns)

    def watch(
        self,
        store: ObjectStore,
        *,
        interval_s: float,
        max_updates: int,
        stale_after_s: float = 60.0,
        max_notional: float | None = None,
        max_drawdown: float | None = None,
        min_liquidation_distance: float | None = None,
        venue: str = "",
        account: str = "",
        strategy: str = "",
        on_update: Callable[[Update], None] = lambda _: None,
    ) -> Watched:
        """Watch positions for some updates, keep each look, and tell the webhook what is alarming; see
        `xetrade_core.monitor`.
        """
        pace = Pace(interval_s=interval_s, max_updates=max_updates, stale_after_s=stale_after_s)
        chosen = Selection(venue or None, account or None, None, strategy or None)
        limits = PositionLimits.of(max_notional, max_drawdown, min_liquidation_distance)
        with self.settings.telling() as settings:
            return watch_positions(settings, store, pace, SystemClock(), on_update, chosen, limits)

    def look(self, hour: VenueHour, store: ObjectStore) -> Watched:
        """One look at a venue's positions, kept in the running hour. Raises ConfigError for another hour."""
        running = VenueHour.containing(hour.venue, self.clock.wall_ns())
        if hour != running:
            raise ConfigError.of("partition", str(hour.key), f"the running hour, {running.key}: positions are of now")
        return self.watch(store, interval_s=1.0, max_updates=1, venue=hour.venue)

    def profit_pictures(self, made: DayProfit, store: ObjectStore) -> dict[str, bytes]:
        """The equity curve of the month before, and who made it, by settlement currency."""
        end_ns = made.day_ns + DAY_NS
        return {
            one.settle: profit_picture(
                one.days_ns,
                [float(value) for value in one.running],
                {symbol: float(value) for symbol, value in one.by_symbol.items()},
                one.settle,
                f"{one.venue}, {PICTURED_DAYS} days",
            )
            for one in equity_of(store, made.venue, end_ns - PICTURED_DAYS * DAY_NS, end_ns)
        }

    def exposure_pictures(self, made: Watched) -> dict[str, dict[str, bytes]]:
        """What open positions are worth at their marks, by venue and settlement currency."""
        return {
            venue: {
                one.settle: exposure_picture(one.exposure, one.unrealized, one.settle, f"positions on {venue}")
                for one in exposures(made.of_venue(venue))
            }
            for venue in made.venues
        }
