"""The asset of the best quotes across venues, on partitions of the hour alone: it is of no one venue.

It is made from `l2_snapshots` of every venue, whichever have the hour, and may be made anew at will. What makes it is
in `xetrade_core.lake.best_hours`; which numbers are shown is in reports.py.
https://docs.dagster.io/guides/build/assets/defining-assets
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from xetrade_core.lake.quote_schemas import BEST_QUOTES
from xetrade_core.lake.schemas import L2_SNAPSHOTS
from xetrade_pipelines.market_data.assets import GROUP
from xetrade_pipelines.partitions import hour_of_key, hours
from xetrade_pipelines.quotes import checks
from xetrade_pipelines.quotes.reports import Result, best_quotes_result
from xetrade_pipelines.refusals import RunConfig
from xetrade_pipelines.resources import CaptureResource, LakeResource
from xetrade_pipelines.specs import dataset_spec

SPEC = dataset_spec(BEST_QUOTES, hours, GROUP, deps=(L2_SNAPSHOTS.name,))


class BestQuotesConfig(RunConfig):
    """Which quotes count."""

    staleness_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds since a venue's last message after which its quote does not count. "
        "Default: capture.staleness_s.",
    )


def make(hour_ns: int, config: BestQuotesConfig, lake: LakeResource, capture: CaptureResource) -> Result:
    """Make, audit and draw one hour; the result of its asset, with its checks."""
    report = lake.make_best_quotes(hour_ns, config.staleness_s or capture.staleness_s())
    return best_quotes_result(report, lake.spread_picture(report))


@dg.multi_asset(
    name="best_quotes",
    specs=[SPEC],
    check_specs=checks.SPECS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
)
def best_quotes(
    context: dg.AssetExecutionContext, config: BestQuotesConfig, lake: LakeResource, capture: CaptureResource
) -> Iterator[Any]:
    """Best bid and ask across venues of each second: who holds them, their ages, and whether the market is crossed."""
    yield make(hour_of_key(context.partition_key), config, lake, capture)
