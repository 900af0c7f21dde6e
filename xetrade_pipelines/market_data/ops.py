"""Ops: what the jobs do beside the assets' own functions: record, compact what the config names, recover, forget.

Recording is an op and not an asset function because it cannot be asked for again: an hour that nobody recorded is gone.
The ops tell Dagster about every partition they filled, one event each at the end; never one a row, since the event log
takes some thirty events a second. https://docs.dagster.io/guides/build/ops
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from xetrade_core.capture.run import report_of
from xetrade_pipelines.events import Event, as_events, failed_checks
from xetrade_pipelines.market_data.assets import measure, settle
from xetrade_pipelines.market_data.checks import BLOCKING
from xetrade_pipelines.market_data.config import CaptureRunConfig, CompactRunConfig, HourConfig, PruneRunConfig
from xetrade_pipelines.market_data.reports import capture_events, problems, progress, recovery_events
from xetrade_pipelines.market_data.runs import prune
from xetrade_pipelines.partitions import VenueHour
from xetrade_pipelines.resources import CaptureResource, ClockResource, LakeResource

PROGRESS_EVERY_S = 10.0
#: I/O manager of what one op names for the next within its process; tables go through the lake
MEMORY = "memory"


def _hour(context: dg.OpExecutionContext) -> VenueHour | None:
    return VenueHour.from_key(context.partition_key) if context.has_partition_key else None


@dg.op(name="capture_l2", out=dg.Out(dg.Nothing), tags={"kind": "websocket"})
def capture_op(
    context: dg.OpExecutionContext, config: CaptureRunConfig, capture: CaptureResource, lake: LakeResource
) -> Iterator[Event]:
    """Record order books into segments until the window ends. A stopped run seals, uploads and reports what it has."""
    plan = capture.plan(config, _hour(context))
    try:
        report = capture.record(plan, lake.store(), progress(context.log.info, PROGRESS_EVERY_S))
    except BaseException as interruption:  # DagsterExecutionInterruptedError is not an Exception
        yield from capture_events(report_of(interruption))
        raise
    yield from capture_events(report)


@dg.op(name="compact_l2", out=dg.DynamicOut(tuple, io_manager_key=MEMORY))
def select_hours(
    context: dg.OpExecutionContext, config: CompactRunConfig, lake: LakeResource
) -> Iterator[dg.DynamicOutput[tuple[VenueHour, HourConfig]]]:
    """Name the hours to compact: the run's partition, else those of the config, else all that have segments."""
    own = _hour(context)
    hours = [own] if own else [VenueHour.from_key(key) for key in config.partitions] or lake.pending()
    how = HourConfig(interval_s=config.interval_s, whole_hour=config.whole_hour)
    context.log.info(f"compacting {len(hours)} hours")
    for hour in hours:
        yield dg.DynamicOutput((hour, how), mapping_key=hour.window.replace("/", "_").replace("-", "_"))


@dg.op(out=dg.Out(VenueHour, io_manager_key=MEMORY))
def compact_hour(
    context: dg.OpExecutionContext, task: tuple[VenueHour, HourConfig], lake: LakeResource, capture: CaptureResource
) -> Iterator[Event | dg.Output[VenueHour]]:
    """Merge an hour's segments into verified files, ledger and records; a failed blocking check stops the hour."""
    hour, how = task
    results = settle(hour, how, lake, capture)
    yield from as_events(hour.key, results)
    failed = failed_checks(results, BLOCKING)
    if failed:
        raise dg.Failure(f"{hour.key}: {'; '.join(failed)}", allow_retries=False)
    yield dg.Output(hour)


@dg.op(out=dg.Out(dg.Nothing))
def measure_hour(context: dg.OpExecutionContext, hour: VenueHour, lake: LakeResource) -> Iterator[Event]:
    """Compute the book metrics of an hour whose snapshots have passed their checks."""
    yield from as_events(hour.key, [measure(hour, lake)])


@dg.op(out=dg.Out(dg.Nothing))
def recover_spool(context: dg.OpExecutionContext, capture: CaptureResource, lake: LakeResource) -> Iterator[Event]:
    """Bring the rows of dead sessions from the spool into the lake; safe beside living ones."""
    report = capture.recover(lake.store())
    yield from recovery_events(report)
    if report.left:
        raise dg.Failure(f"{report.left} files are still in the spool: {problems(report)}", allow_retries=False)


@dg.op(out=dg.Out(dg.Nothing))
def forget_runs(context: dg.OpExecutionContext, config: PruneRunConfig, clock: ClockResource) -> None:
    """Delete old finished runs with their events and logs; Dagster itself never does."""
    now = datetime.fromtimestamp(clock.wall_ns() / 1e9, UTC)
    failed_before = now - timedelta(days=config.keep_failed_days)
    count = prune(context.instance, now - timedelta(days=config.keep_days), failed_before, config.limit)
    context.log.info(f"forgot {count} runs")
