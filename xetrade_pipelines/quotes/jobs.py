"""The job that makes best quotes: of one hour, of the hours that its config names, or of all that are due.

Due is what was compacted late or again: the files say from which snapshots they were made. So each run mends what the
one before could not know, and no sensor has to. https://docs.dagster.io/guides/build/jobs/op-jobs
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from xetrade_pipelines.events import Event, as_events, failed_checks
from xetrade_pipelines.market_data.ops import MEMORY
from xetrade_pipelines.partitions import HOUR_NS, hour_key, hour_of_key, hours
from xetrade_pipelines.quotes.assets import BestQuotesConfig, make
from xetrade_pipelines.quotes.checks import BLOCKING
from xetrade_pipelines.resources import CaptureResource, ClockResource, LakeResource


class BestQuotesRunConfig(BestQuotesConfig):
    """Which hours to make, when the run is not of one partition, and which quotes count."""

    partitions: list[str] = Field(
        default=[], description="Hours, e.g. ['2026-01-31T05']. Empty: those of `lookback_hours` that are due."
    )
    lookback_hours: int = Field(
        default=48, ge=1, le=24 * 366, description="How far back to look for hours that are due."
    )


@dg.op(name="make_best_quotes", out=dg.DynamicOut(tuple, io_manager_key=MEMORY))
def select_hours(
    context: dg.OpExecutionContext, config: BestQuotesRunConfig, lake: LakeResource, clock: ClockResource
) -> Iterator[dg.DynamicOutput[tuple[int, BestQuotesConfig]]]:
    """Name the hours to make: the run's partition, else those of the config, else all that are due."""
    named = [context.partition_key] if context.has_partition_key else config.partitions
    now_ns = clock.wall_ns()
    due = [hour_of_key(key) for key in named] or lake.outdated_best_quotes(
        now_ns - config.lookback_hours * HOUR_NS, now_ns
    )
    context.log.info(f"making the best quotes of {len(due)} hours")
    for hour_ns in due:
        key = hour_key(hour_ns).replace("-", "_")
        yield dg.DynamicOutput((hour_ns, BestQuotesConfig(staleness_s=config.staleness_s)), mapping_key=key)


@dg.op(out=dg.Out(dg.Nothing))
def best_quotes_hour(
    context: dg.OpExecutionContext, task: tuple[int, BestQuotesConfig], lake: LakeResource, capture: CaptureResource
) -> Iterator[Event]:
    """Make the best quotes of an hour and tell of its partition; a failed blocking check fails the run."""
    hour_ns, config = task
    result = make(hour_ns, config, lake, capture)
    yield from as_events(hour_key(hour_ns), [result])
    failed = failed_checks([result], BLOCKING)
    if failed:
        raise dg.Failure(f"{hour_key(hour_ns)}: {'; '.join(failed)}", allow_retries=False)


@dg.graph
def compared_hours() -> None:
    """From the snapshots of all venues to the best quotes across them."""
    select_hours().map(best_quotes_hour)


make_best_quotes = compared_hours.to_job(
    name="make_best_quotes",
    description="Find the best bid and ask across venues for each second. With a partition: that hour. Without: the "
    "config's partitions, or every hour of late whose snapshots are new or others than before.",
    partitions_def=hours,
    executor_def=dg.in_process_executor,
)
