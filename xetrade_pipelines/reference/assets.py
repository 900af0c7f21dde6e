"""Assets: what each venue lists (day x venue), the symbol map and its changes (day).

The running day can be materialized as often as one likes: the same list is the same file. A day that is over cannot be
fetched, since venues tell only what they list now; its map and its changes can be made again from what was kept. What
makes them is in `xetrade_core.reference`; which numbers are shown is in reports.py.
https://docs.dagster.io/guides/build/assets/defining-assets
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator

import dagster as dg

from xetrade_core.lake.reference_schemas import INSTRUMENTS, SYMBOL_MAP, SYMBOL_MAP_CHANGES
from xetrade_pipelines.partitions import VenueDay, day_of_key, day_x_venue, days
from xetrade_pipelines.reference import checks
from xetrade_pipelines.reference.reports import Result, changes_result, listing_result, map_result
from xetrade_pipelines.resources import LakeResource, ReferenceResource
from xetrade_pipelines.specs import dataset_spec

GROUP = "reference"
INSTRUMENTS_SPEC = dataset_spec(INSTRUMENTS, day_x_venue, GROUP, kinds=("rest",))
MAP_SPEC = dataset_spec(SYMBOL_MAP, days, GROUP, deps=(INSTRUMENTS.name,))
CHANGES_SPEC = dataset_spec(SYMBOL_MAP_CHANGES, days, GROUP, deps=(INSTRUMENTS.name,))
ONE_EACH = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


@dg.multi_asset(
    name="instruments", specs=[INSTRUMENTS_SPEC], check_specs=checks.LISTING_SPECS, backfill_policy=ONE_EACH
)
def instruments(
    context: dg.AssetExecutionContext, reference: ReferenceResource, lake: LakeResource
) -> Iterator[Result]:
    """Ask the venue what it lists, and keep it as the running day's list."""
    day = VenueDay.from_key(context.partition_key)
    yield listing_result(reference.fetch(day.venue, day.start_ns, lake.store()))


@dg.multi_asset(name="symbol_map", specs=[MAP_SPEC], check_specs=checks.MAP_SPECS, backfill_policy=ONE_EACH)
def symbol_map(context: dg.AssetExecutionContext, reference: ReferenceResource, lake: LakeResource) -> Iterator[Result]:
    """Map every instrument that was listed on the day to its universal symbol, with reasons and confidence."""
    day_ns = day_of_key(context.partition_key)
    yield map_result(reference.map(day_ns, lake.store()), reference.venues())


@dg.multi_asset(
    name="symbol_map_changes", specs=[CHANGES_SPEC], check_specs=checks.CHANGES_SPECS, backfill_policy=ONE_EACH
)
def symbol_map_changes(
    context: dg.AssetExecutionContext, reference: ReferenceResource, lake: LakeResource
) -> Iterator[Result]:
    """Compare the day's lists with the newest ones before."""
    yield changes_result(reference.changes(day_of_key(context.partition_key), lake.store()))


ASSETS = (instruments, symbol_map, symbol_map_changes)
