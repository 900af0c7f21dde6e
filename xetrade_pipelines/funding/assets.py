"""Assets: what a venue's perpetuals paid (day x venue), and how funding stands, sampled (day x venue).

A day that is over can be fetched as often as one likes: what the venue has not changed stays as it is, to the byte;
what it has changed is told. Samples are of the running day alone. What makes both is in `xetrade_core.history`.
https://docs.dagster.io/guides/build/assets/defining-assets
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from xetrade_core.lake.funding_schemas import FUNDING_QUOTES, FUNDING_RATES
from xetrade_pipelines.funding import checks
from xetrade_pipelines.funding.reports import Result, day_result, sample_result
from xetrade_pipelines.partitions import VenueDay, day_x_venue
from xetrade_pipelines.refusals import RunConfig
from xetrade_pipelines.resources import FundingResource, LakeResource
from xetrade_pipelines.specs import dataset_spec

GROUP = "funding"
RATES_SPEC = dataset_spec(FUNDING_RATES, day_x_venue, GROUP, kinds=("rest",))
QUOTES_SPEC = dataset_spec(FUNDING_QUOTES, day_x_venue, GROUP, kinds=("rest",))
ONE_EACH = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


class FundingDayConfig(RunConfig):
    """Which perpetuals."""

    symbols: list[str] = Field(
        default=[], description="BTC-USDT or BTC/USDT:USDT. Empty: the perpetuals of the venue's settings."
    )


@dg.multi_asset(name="funding_rates", specs=[RATES_SPEC], check_specs=checks.RATES_SPECS, backfill_policy=ONE_EACH)
def funding_rates(
    context: dg.AssetExecutionContext, config: FundingDayConfig, funding: FundingResource, lake: LakeResource
) -> Iterator[Result]:
    """Read the day from the venue's history, settle intervals and APR, and keep what is new or changed."""
    made = funding.fetch_day(VenueDay.from_key(context.partition_key), config.symbols, lake.store())
    yield day_result(made, funding.picture(made, lake.store()))


@dg.multi_asset(name="funding_quotes", specs=[QUOTES_SPEC], check_specs=checks.QUOTES_SPECS, backfill_policy=ONE_EACH)
def funding_quotes(
    context: dg.AssetExecutionContext, config: FundingDayConfig, funding: FundingResource, lake: LakeResource
) -> Iterator[Result]:
    """Ask how funding stands now and add it to the running day; a day that is over cannot be sampled."""
    day = VenueDay.from_key(context.partition_key)
    yield sample_result(funding.sample_day(day, config.symbols, lake.store()))


ASSETS = (funding_rates, funding_quotes)
