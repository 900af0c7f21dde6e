"""Assets: a venue's orders, fills and funding payments of a day and what they made (day x venue), and where positions
stand (hour x venue).

A day can be made as often as one likes: fills come out of the order store by the venue's own time, and the same fills
make the same rows, to the byte. What makes them is in `xetrade_core.accounting` and `xetrade_core.monitor`.
https://docs.dagster.io/guides/build/assets/defining-assets
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator

import dagster as dg

from xetrade_core.lake.trade_schemas import FILLS, FUNDING_PAYMENTS, ORDERS, PNL_DAILY, POSITIONS
from xetrade_pipelines.accounting import checks
from xetrade_pipelines.accounting.reports import (
    Result,
    fills_result,
    orders_result,
    payments_result,
    positions_result,
    profit_result,
)
from xetrade_pipelines.accounting.resources import AccountingResource
from xetrade_pipelines.partitions import VenueDay, VenueHour, day_x_venue, look_x_venue
from xetrade_pipelines.refusals import one_line
from xetrade_pipelines.resources import LakeResource
from xetrade_pipelines.specs import dataset_spec

GROUP = "accounting"
ORDERS_SPEC = dataset_spec(ORDERS, day_x_venue, GROUP)
FILLS_SPEC = dataset_spec(FILLS, day_x_venue, GROUP)
PAYMENTS_SPEC = dataset_spec(FUNDING_PAYMENTS, day_x_venue, GROUP)
PNL_SPEC = dataset_spec(PNL_DAILY, day_x_venue, GROUP, deps=("fills", "funding_payments"))
POSITIONS_SPEC = dataset_spec(POSITIONS, look_x_venue, GROUP, kinds=("rest",))
ONE_EACH = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


@dg.multi_asset(name="orders", specs=[ORDERS_SPEC], check_specs=checks.ORDERS_SPECS, backfill_policy=ONE_EACH)
def orders(context: dg.AssetExecutionContext, accounting: AccountingResource, lake: LakeResource) -> Iterator[Result]:
    """Bring the orders that were intended on the day out of the order store, as they stand now."""
    with one_line():
        made = accounting.export_orders(VenueDay.from_key(context.partition_key), lake.store())
    yield orders_result(made)


@dg.multi_asset(name="fills", specs=[FILLS_SPEC], check_specs=checks.FILLS_SPECS, backfill_policy=ONE_EACH)
def fills(context: dg.AssetExecutionContext, accounting: AccountingResource, lake: LakeResource) -> Iterator[Result]:
    """Bring the trades of the day out of the order store."""
    with one_line():
        made = accounting.export(VenueDay.from_key(context.partition_key), lake.store())
    yield fills_result(made)


@dg.multi_asset(
    name="funding_payments", specs=[PAYMENTS_SPEC], check_specs=checks.PAYMENTS_SPECS, backfill_policy=ONE_EACH
)
def funding_payments(
    context: dg.AssetExecutionContext, accounting: AccountingResource, lake: LakeResource
) -> Iterator[Result]:
    """Bring the funding payments of the day out of the order store."""
    with one_line():
        made = accounting.export_payments(VenueDay.from_key(context.partition_key), lake.store())
    yield payments_result(made)


@dg.multi_asset(name="pnl_daily", specs=[PNL_SPEC], check_specs=checks.PNL_SPECS, backfill_policy=ONE_EACH)
def pnl_daily(
    context: dg.AssetExecutionContext, accounting: AccountingResource, lake: LakeResource
) -> Iterator[Result]:
    """Account for the day."""
    with one_line():
        made = accounting.profit(VenueDay.from_key(context.partition_key), lake.store())
    yield profit_result(made, accounting.profit_pictures(made, lake.store()), accounting.mark_within_s())


@dg.multi_asset(name="positions", specs=[POSITIONS_SPEC], check_specs=checks.POSITIONS_SPECS, backfill_policy=ONE_EACH)
def positions(
    context: dg.AssetExecutionContext, accounting: AccountingResource, lake: LakeResource
) -> Iterator[Result]:
    """Look at the venue's positions now, at its marks; an hour that is over cannot be looked at."""
    hour = VenueHour.from_key(context.partition_key)
    with one_line():
        made = accounting.look(hour, lake.store())
    yield positions_result(made, hour.venue, accounting.exposure_pictures(made).get(hour.venue, {}))


ASSETS = (orders, fills, funding_payments, pnl_daily, positions)
