"""Schedules: when the order store is compared with the venues. What runs is in jobs.py; which accounts, in settings.

Stopped until `pipelines.autostart` is set or somebody turns it on in the UI.
https://docs.dagster.io/guides/automate/schedules
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_pipelines.trading.jobs import reconcile
from xetrade_pipelines.trading.resources import TradingResource


def schedules(status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """All schedules of this area, with the given default status."""

    @dg.schedule(
        job=reconcile,
        cron_schedule="*/10 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Compare every account of the settings with its venue.",
    )
    def reconcile_often(
        context: dg.ScheduleEvaluationContext, trading: TradingResource
    ) -> dg.RunRequest | dg.SkipReason:
        """One run every ten minutes, of all accounts."""
        if not trading.accounts():
            return dg.SkipReason("no account of the settings can be traded: name one, as accounts.NAME")
        return dg.RunRequest(run_key=f"reconcile/{context.scheduled_execution_time:%Y-%m-%dT%H:%M}")

    return [reconcile_often]
