"""Schedules: when funding is fetched and sampled. What runs is in jobs.py; which venues, in the settings.

Fundings are paid on the full hour and shown some minutes later; so they are fetched at a quarter past. Stopped until
`pipelines.autostart` is set or somebody turns them on in the UI. https://docs.dagster.io/guides/automate/schedules
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_pipelines.funding.jobs import fetch_funding, sample_funding
from xetrade_pipelines.resources import FundingResource

NO_PERPETUALS = "no perpetual is in the settings: name some, as venues.<venue>.symbols"


def schedules(status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """All schedules of this area, with the given default status."""

    def request(context: dg.ScheduleEvaluationContext, funding: FundingResource) -> dg.RunRequest | dg.SkipReason:
        if not funding.symbols():
            return dg.SkipReason(NO_PERPETUALS)
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}")

    @dg.schedule(
        job=fetch_funding,
        cron_schedule="15 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Bring the funding of today and yesterday into the lake.",
    )
    def fetch_funding_hourly(
        context: dg.ScheduleEvaluationContext, funding: FundingResource
    ) -> dg.RunRequest | dg.SkipReason:
        """One run an hour."""
        return request(context, funding)

    @dg.schedule(
        job=sample_funding,
        cron_schedule="*/5 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Keep how funding stands now.",
    )
    def sample_funding_often(
        context: dg.ScheduleEvaluationContext, funding: FundingResource
    ) -> dg.RunRequest | dg.SkipReason:
        """One sample every five minutes."""
        return request(context, funding)

    return [fetch_funding_hourly, sample_funding_often]
