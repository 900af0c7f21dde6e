"""From the core's books to asset results: which numbers are shown, under which name, with what checks and pictures.

Formatting only; what a number means is said where the core computes it (`accounting`, `monitor`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dagster as dg

from xetrade_core.accounting.days import DayProfit
from xetrade_core.accounting.export import ExportedFills, ExportedPayments
from xetrade_core.accounting.order_export import ExportedOrders
from xetrade_core.assembly.accounting import BookedDay
from xetrade_core.assembly.watching import Watched
from xetrade_core.monitor.view import totals
from xetrade_core.positions.numbers import short_text
from xetrade_pipelines.accounting.checks import (
    fills_checks,
    orders_checks,
    payments_checks,
    position_checks,
    profit_checks,
)
from xetrade_pipelines.events import Event, as_events
from xetrade_pipelines.metadata import Metadata, markdown_table, picture, plotted
from xetrade_pipelines.partitions import VenueDay, VenueHour

Result = dg.MaterializeResult[None]
#: rows of a table that the UI shows; all of them are in the lake
SHOWN = 50


def orders_result(made: ExportedOrders) -> Result:
    """The result of `orders` of one venue and day."""
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(made.rows),
        "changed_the_lake": dg.MetadataValue.bool(made.changed),
        "can_still_change": dg.MetadataValue.int(made.unsettled),
        "states": markdown_table([{"state": state, "orders": many} for state, many in sorted(made.states.items())]),
        **plotted(made.venue, {"orders": made.rows}),
    }
    return Result("orders", metadata=metadata, check_results=orders_checks(made))


def fills_result(made: ExportedFills) -> Result:
    """The result of `fills` of one venue and day."""
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(made.rows),
        "changed_the_lake": dg.MetadataValue.bool(made.changed),
        "of_no_order_of_ours": dg.MetadataValue.int(made.unclaimed),
        **plotted(made.venue, {"fills": made.rows}),
    }
    return Result("fills", metadata=metadata, check_results=fills_checks(made))


def payments_result(made: ExportedPayments) -> Result:
    """The result of `funding_payments` of one venue and day."""
    paid = {f"received_{currency}": float(total) for currency, total in made.totals.items()}
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(made.rows),
        "changed_the_lake": dg.MetadataValue.bool(made.changed),
        **plotted(made.venue, {"payments": made.rows, **paid}),
    }
    return Result("funding_payments", metadata=metadata, check_results=payments_checks(made))


def profit_result(made: DayProfit, pictures: dict[str, bytes], mark_within_s: float) -> Result:
    """The result of `pnl_daily` of one venue and day; a picture by settlement currency. `mark_within_s`: see checks."""
    ages_s = made.mark_ages_s
    rows = [
        {
            "account": row.holder.account,
            "symbol": row.holder.symbol,
            "strategy": row.holder.strategy or None,
            "held": short_text(row.quantity),
            "realized": short_text(row.realized),
            "fees": short_text(row.fees),
            "funding": short_text(row.funding),
            "unrealized": short_text(row.unrealized),
            "net": short_text(row.net),
            "in": row.settle,
            "fees apart": ", ".join(f"{short_text(fee)} {name}" for name, fee in sorted(row.unvalued.items())) or None,
            "mark's age s": None if row.mark is None else round(ages_s[row.holder.symbol], 1),
        }
        for row in made.rows[:SHOWN]
    ]
    nets = {f"net_{settle}": float(total) for settle, total in made.nets.items()}
    oldest = {"oldest_mark_s": max(ages_s.values())} if ages_s else {}
    metadata: Metadata = {
        "dagster/row_count": dg.MetadataValue.int(len(made.rows)),
        "changed_the_lake": dg.MetadataValue.bool(made.changed),
        "positions": markdown_table(rows),
        **plotted(made.venue, {"fills": made.fills, **nets, **oldest}),
        **{f"picture_{settle}": picture(f"profit in {settle}", png) for settle, png in pictures.items()},
    }
    return Result("pnl_daily", metadata=metadata, check_results=profit_checks(made, mark_within_s))


def positions_result(made: Watched, venue: str, pictures: dict[str, bytes]) -> Result:
    """The result of `positions` of one venue: the last look of a session."""
    views = made.of_venue(venue)
    rows = [
        {
            "account": one.account,
            "symbol": one.symbol,
            "strategy": one.strategy or None,
            "side": one.side,
            "quantity": short_text(one.quantity),
            "entry": short_text(one.entry),
            "mark": short_text(one.mark),
            "unrealized": short_text(one.unrealized),
            "net": short_text(one.net),
            "in": one.settle,
            "to liq. %": short_text(one.liquidation_distance, 2),
            "marked by": one.mark_kind,
            "age s": None if one.mark_age_s is None else round(one.mark_age_s, 1),
        }
        for one in views[:SHOWN]
    ]
    numbers = {f"net_{one.settle}": float(one.net) for one in totals(views) if one.net is not None}
    distances = [one.liquidation_distance for one in views if one.liquidation_distance is not None]
    if distances:
        numbers["nearest_liquidation_percent"] = float(min(distances))
    metadata: Metadata = {
        "updates": dg.MetadataValue.int(made.updates),
        "positions": markdown_table(rows),
        **plotted(venue, {"open_positions": sum(bool(one.quantity) for one in views), **numbers}),
        **{f"picture_{settle}": picture(f"exposure in {settle}", png) for settle, png in pictures.items()},
    }
    return Result("positions", metadata=metadata, check_results=position_checks(made, venue))


def booked_events(days: Iterable[BookedDay], mark_within_s: float) -> Iterator[Event]:
    """Days of the books as events of their partitions; without pictures, which the asset itself has."""
    for day in days:
        key, brought = VenueDay(day.profit.venue, day.profit.day_ns).key, day.brought
        results = (
            []
            if brought is None
            else [orders_result(brought.orders), fills_result(brought.fills), payments_result(brought.payments)]
        )
        yield from as_events(key, [*results, profit_result(day.profit, {}, mark_within_s)])


def watched_events(made: Watched, pictures: dict[str, dict[str, bytes]]) -> Iterator[Event]:
    """The last look of a session as events of the hour of each venue in which it was."""
    for venue in made.venues:
        key = VenueHour.containing(venue, made.at_ns).key
        yield from as_events(key, [positions_result(made, venue, pictures.get(venue, {}))])
