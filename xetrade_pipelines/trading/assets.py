"""Asset: what came of comparing accounts with their venues (day x venue), with what must hold as checks.

The job `reconcile` adds to it whenever it compares; materializing a venue's running day compares its accounts now.
https://docs.dagster.io/guides/build/assets/defining-assets
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator

import dagster as dg

from xetrade_core.lake.trade_schemas import RECONCILIATIONS
from xetrade_pipelines.partitions import VenueDay, day_x_venue
from xetrade_pipelines.refusals import one_line
from xetrade_pipelines.resources import LakeResource
from xetrade_pipelines.specs import dataset_spec
from xetrade_pipelines.trading.config import ReconcileConfig
from xetrade_pipelines.trading.reports import RECONCILIATION_CHECKS, Result, reconciliation_result
from xetrade_pipelines.trading.resources import TradingResource

SPEC = dataset_spec(RECONCILIATIONS, day_x_venue, "trading", kinds=("rest",))


@dg.multi_asset(
    name="reconciliations",
    specs=[SPEC],
    check_specs=RECONCILIATION_CHECKS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
)
def reconciliations(
    context: dg.AssetExecutionContext, trading: TradingResource, lake: LakeResource
) -> Iterator[Result]:
    """Compare a venue's accounts with it now; a day that is over cannot be compared."""
    day = VenueDay.from_key(context.partition_key)
    with one_line():
        trading.require_running(day)
        found = trading.reconcile(ReconcileConfig(venue=day.venue))
    rejected = trading.keep(found, lake.store())
    yield reconciliation_result(found, day.venue, rejected.get(day.venue, 0))


ASSETS = (reconciliations,)
