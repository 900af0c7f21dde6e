"""Assets: the book datasets of the lake, on hour x venue partitions, and how one hour of them is made from its
segments.

`l2_segments` has no function here: it is recorded by the job `capture_l2`, and the past cannot be recorded again. The
others are made from it and may be materialized at will; compaction is idempotent. What makes them is in
`xetrade_core.lake`; which numbers are shown is in reports.py.
https://docs.dagster.io/guides/build/assets/defining-assets
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator
from typing import Any

import dagster as dg

from xetrade_core.lake.schemas import BOOK_METRICS, L2_GAPS, L2_QUALITY, L2_SEGMENTS, L2_SNAPSHOTS
from xetrade_pipelines.market_data import checks
from xetrade_pipelines.market_data.config import HourConfig
from xetrade_pipelines.market_data.reports import Result, compaction_results, metrics_result
from xetrade_pipelines.partitions import VenueHour, hour_x_venue
from xetrade_pipelines.resources import CaptureResource, LakeResource
from xetrade_pipelines.specs import dataset_spec

GROUP = "market_data"

L2_SEGMENTS_ASSET = dataset_spec(L2_SEGMENTS, hour_x_venue, GROUP, kinds=("websocket",))
HOUR_SPECS = (
    dataset_spec(L2_SNAPSHOTS, hour_x_venue, GROUP, deps=(L2_SEGMENTS.name,)),
    dataset_spec(L2_GAPS, hour_x_venue, GROUP, deps=(L2_SEGMENTS.name,)),
    dataset_spec(L2_QUALITY, hour_x_venue, GROUP, deps=(L2_SNAPSHOTS.name, L2_GAPS.name)),
)
METRICS_SPEC = dataset_spec(BOOK_METRICS, hour_x_venue, GROUP, deps=(L2_SNAPSHOTS.name,))


def measure(hour: VenueHour, lake: LakeResource) -> Result:
    """Compute the metrics of one hour's snapshots; the result of their asset."""
    return metrics_result(hour, lake.measure(hour))


def settle(hour: VenueHour, config: HourConfig, lake: LakeResource, capture: CaptureResource) -> list[Result]:
    """Compact, audit and draw one hour; the results of its three assets, with their checks."""
    expected = capture.symbols(hour.venue) if config.whole_hour else None
    evidence = lake.settle(hour, config.interval_s, capture.interval_s(), expected)
    return compaction_results(hour, evidence, lake.book_picture(hour, evidence))


@dg.multi_asset(
    name="l2_hour",
    specs=HOUR_SPECS,
    check_specs=checks.SPECS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    can_subset=False,
)
def l2_hour(
    context: dg.AssetExecutionContext, config: HourConfig, lake: LakeResource, capture: CaptureResource
) -> Iterator[Any]:
    """Merge the hour's segments into one verified file a symbol, with its gap ledger and its completeness record."""
    yield from settle(VenueHour.from_key(context.partition_key), config, lake, capture)


@dg.multi_asset(
    name="book_metrics",
    specs=[METRICS_SPEC],
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
)
def book_metrics(context: dg.AssetExecutionContext, lake: LakeResource) -> Result:
    """Spread, mid, microprice, imbalance, depth and price impact of each minute."""
    return measure(VenueHour.from_key(context.partition_key), lake)


ASSETS = (L2_SEGMENTS_ASSET, l2_hour, book_metrics)
