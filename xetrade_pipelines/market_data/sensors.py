"""Sensors: what watches the recording and reacts within half a minute. What they launch is in jobs.py.

A sensor's run keys say *what happened* (this window's second death, these orphans), so that a sensor that is evaluated
twice on the same facts launches once. https://docs.dagster.io/guides/automate/sensors
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG, RUN_KEY_TAG

from xetrade_core.clock import NS_PER_S
from xetrade_pipelines.failures import beginning, read_cursor, read_on, tell_failures, write_cursor
from xetrade_pipelines.market_data.jobs import capture_l2, compact_l2, recover_orphans_l2
from xetrade_pipelines.market_data.schedules import NO_VENUES, compact_request
from xetrade_pipelines.market_data.windows import WINDOW_TAG, dead_windows, settled, watchdog_requests
from xetrade_pipelines.partitions import VenueHour
from xetrade_pipelines.resources import AlertResource, CaptureResource, ClockResource, LakeResource
from xetrade_pipelines.telling import Telling

#: how long the same orphans wait for another attempt, if the first did not get them into the lake
RECOVERY_RETRY_S = 600
#: how long the same late segments wait for another attempt, if they are still there after the first
LATE_RETRY_S = 6 * 3600
#: late hours that one tick asks for; the next ones follow at the next tick
LATE_HOURS_A_TICK = 8
#: runs that have yet to end
UNFINISHED = [status for status in dg.DagsterRunStatus if status not in FINISHED_STATUSES]


def _runs_of(instance: dg.DagsterInstance, window: str) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(job_name=capture_l2.name, tags={WINDOW_TAG: window})))


def _compaction_asked(instance: dg.DagsterInstance, hour: VenueHour, run_key: str) -> bool:
    """Whether these very segments had their run, or a run of the hour has yet to end."""
    own = dg.RunsFilter(job_name=compact_l2.name, tags={RUN_KEY_TAG: run_key})
    other = dg.RunsFilter(job_name=compact_l2.name, tags={PARTITION_NAME_TAG: str(hour.key)}, statuses=UNFINISHED)
    return any(instance.get_runs(wanted, limit=1) for wanted in (own, other))


def sensors(status: dg.DefaultSensorStatus) -> list[dg.SensorDefinition]:
    """All sensors of this area, with the given default status."""

    @dg.sensor(
        job=capture_l2,
        minimum_interval_seconds=30,
        default_status=status,
        description="Launch the rest of the current hour for every venue that nobody records.",
    )
    def capture_watchdog(
        context: dg.SensorEvaluationContext, capture: CaptureResource, clock: ClockResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """Living sessions of this machine's spool count as recording where they have all the venue's symbols, and so
        does a run anywhere.
        """
        now_ns = clock.wall_ns()
        venues = capture.venues()
        runs = {venue: _runs_of(context.instance, VenueHour.containing(venue, now_ns).window) for venue in venues}
        working = {venue for venue, found in runs.items() if any(not run.is_finished for run in found)}
        dead = dead_windows(venues, now_ns, working | capture.live_venues(now_ns))
        attempts = {VenueHour.containing(venue, now_ns).window: len(found) for venue, found in runs.items()}
        reason = "every venue is being recorded, or the hour is nearly over" if venues else NO_VENUES
        return watchdog_requests(dead, attempts) or dg.SkipReason(reason)

    @dg.sensor(
        job=recover_orphans_l2,
        minimum_interval_seconds=60,
        default_status=status,
        description="Launch a recovery when the spool holds sessions whose process is gone.",
    )
    def recover_orphans(capture: CaptureResource, clock: ClockResource) -> dg.RunRequest | dg.SkipReason:
        """The same orphans are tried again after ten minutes, if the lake did not take them."""
        orphans = capture.orphans()
        attempt = clock.wall_ns() // (RECOVERY_RETRY_S * 1_000_000_000)
        if not orphans:
            return dg.SkipReason("no orphaned session in the spool")
        return dg.RunRequest(run_key=f"recover/{','.join(orphans)}/{attempt}")

    @dg.sensor(
        job=compact_l2,
        minimum_interval_seconds=300,
        default_status=status,
        description="Compact the past hours whose segments came after the hourly compaction: from a recovered session, "
        "or when the lake answers again.",
    )
    def compact_late_l2(
        context: dg.SensorEvaluationContext, lake: LakeResource, capture: CaptureResource, clock: ClockResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        """The oldest first. New segments of an hour ask again at once; the same ones (damaged, say) every six hours."""
        now_ns, recorded, contents = clock.wall_ns(), set(capture.venues()), lake.pending_contents()
        attempt = now_ns // (LATE_RETRY_S * NS_PER_S)
        requests: list[dg.RunRequest] = []
        for hour in settled(contents, now_ns):
            run_key = f"late/{hour.window}/{contents[hour]}/{attempt}"
            if not _compaction_asked(context.instance, hour, run_key):
                requests.append(compact_request(hour, run_key, whole=hour.venue in recorded))
            if len(requests) == LATE_HOURS_A_TICK:
                break
        return requests or dg.SkipReason("no past hour has segments that were not asked for")

    @dg.sensor(
        minimum_interval_seconds=15,
        default_status=status,
        description="Tell the webhook of the settings which run failed and why.",
    )
    def alert_run_failure(
        context: dg.SensorEvaluationContext, alerts: AlertResource, clock: ClockResource
    ) -> dg.SensorResult:
        """An alert that cannot be delivered never fails the sensor: it is told again, each tick some."""
        known = read_cursor(context.cursor)
        if known is None:
            start = write_cursor(beginning(context.instance))
            return dg.SensorResult(cursor=start, skip_reason="what fails from now on is told")
        now_s = clock.wall_ns() / NS_PER_S
        left, said = tell_failures(context.instance, read_on(context, known, now_s), Telling(alerts), now_s)
        return dg.SensorResult(cursor=write_cursor(left), skip_reason=said)

    return [capture_watchdog, recover_orphans, compact_late_l2, alert_run_failure]
