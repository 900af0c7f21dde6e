"""Schedules: when venues are asked what they list. What runs is in jobs.py; which venues, in the settings.

Hourly, so that a new listing is known within the hour; the day's files change only where a list did. Stopped until
`pipelines.autostart` is set or somebody turns it on in the UI. https://docs.dagster.io/guides/automate/schedules
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_pipelines.reference.jobs import refresh_reference
from xetrade_pipelines.resources import ReferenceResource

NO_VENUES = "no venue is in the settings: name one, as venues.<venue>"


def schedules(status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """All schedules of this area, with the given default status."""

    @dg.schedule(
        job=refresh_reference,
        cron_schedule="7 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Ask every venue of the settings what it lists, and make the day's map and changes.",
    )
    def refresh_reference_hourly(
        context: dg.ScheduleEvaluationContext, reference: ReferenceResource
    ) -> dg.RunRequest | dg.SkipReason:
        """One run an hour; the run itself knows which day it is."""
        if not reference.venues():
            return dg.SkipReason(NO_VENUES)
        return dg.RunRequest(run_key=f"reference/{context.scheduled_execution_time:%Y-%m-%dT%H}")

    return [refresh_reference_hourly]
