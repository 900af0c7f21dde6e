"""Schedules: when the next hour's recording starts, when the last hour is compacted, when old runs are forgotten.

What runs is in jobs.py; which venues are recorded is in the settings. All times are UTC. Schedules are stopped until
`pipelines.autostart` is set or somebody turns them on in the UI: recording needs a disk, a lake and a decision.
https://docs.dagster.io/guides/automate/schedules
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_core.clock import NS_PER_S
from xetrade_pipelines.market_data.jobs import capture_l2, compact_l2, prune_runs
from xetrade_pipelines.market_data.windows import next_windows, run_request, startable
from xetrade_pipelines.partitions import HOUR_NS, VenueHour
from xetrade_pipelines.resources import CaptureResource, ClockResource

WHOLE_HOUR = {"ops": {"compact_l2": {"config": {"whole_hour": True}}}}
NO_VENUES = "no venue has symbols: set venues.<venue>.symbols"


def _tick_ns(context: dg.ScheduleEvaluationContext) -> int:
    return int(context.scheduled_execution_time.timestamp()) * NS_PER_S


def compact_request(hour: VenueHour, run_key: str, *, whole: bool = True) -> dg.RunRequest:
    """Compact an hour. As a `whole`, what nobody recorded of it is missing, and the record says so."""
    return dg.RunRequest(run_key=run_key, partition_key=hour.key, run_config=WHOLE_HOUR if whole else {})


def schedules(status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """All schedules of this area, with the given default status."""

    @dg.schedule(
        job=capture_l2,
        cron_schedule="59 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Launch the next hour's run of every venue a minute before it. The run connects, syncs, waits and "
        "writes only its own hour; the current hour's run ends at the boundary by itself.",
    )
    def capture_l2_hourly(
        context: dg.ScheduleEvaluationContext, capture: CaptureResource, clock: ClockResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """One run a venue, so that the two runs of a venue hand over without a lost or doubled row. Ticks that the
        daemon missed come later, some at once: for hours that are over they launch nothing.
        """
        windows = next_windows(capture.venues(), _tick_ns(context))
        if not windows:
            return dg.SkipReason(NO_VENUES)
        requests = [run_request(w, f"hourly/{w.window}") for w in startable(windows, clock.wall_ns())]
        return requests or dg.SkipReason(f"{windows[0].hour} is over, or nearly: it cannot be recorded now")

    @dg.schedule(
        job=compact_l2,
        cron_schedule="5 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Compact the hour that ended five minutes ago, when its last segments have been uploaded. "
        "What comes later is left to the sensor compact_late_l2.",
    )
    def compact_l2_hourly(
        context: dg.ScheduleEvaluationContext, capture: CaptureResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """One run a venue: an hour that fails its checks stops no other venue's."""
        hours = [VenueHour.containing(venue, _tick_ns(context) - HOUR_NS) for venue in capture.venues()]
        return [compact_request(hour, f"compact/{hour.window}") for hour in hours] or dg.SkipReason(NO_VENUES)

    prune_runs_daily = dg.ScheduleDefinition(
        name="prune_runs_daily",
        job=prune_runs,
        cron_schedule="30 3 * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Forget runs that are older than `prune_runs` keeps; Dagster itself never does.",
    )
    return [capture_l2_hourly, compact_l2_hourly, prune_runs_daily]
