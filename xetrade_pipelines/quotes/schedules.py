"""When best quotes are made: every hour, after the compaction of the venues' snapshots.

The run is of no partition: it makes all hours that are due, the one that has just ended and those whose snapshots came
late. Stopped until `pipelines.autostart` is set or somebody turns it on in the UI.
https://docs.dagster.io/guides/automate/schedules
"""

from __future__ import annotations

import dagster as dg

from xetrade_pipelines.quotes.jobs import make_best_quotes


def best_quotes_hourly(status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """The schedule, with the given default status."""
    return dg.ScheduleDefinition(
        name="best_quotes_hourly",
        job=make_best_quotes,
        cron_schedule="20 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Make the best quotes of the hour that was compacted a quarter of an hour ago, and of those that "
        "were compacted late.",
    )
