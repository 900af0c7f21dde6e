"""Schedules: when the order store is held against the venues. What runs is in jobs.py; which accounts, in the settings.

Off until somebody turns it on, whatever `pipelines.autostart` says: it asks the venues with the accounts' keys, and may
halt instruments. https://docs.dagster.io/guides/automate/schedules
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_pipelines.trading.jobs import reconcile


def schedules() -> list[dg.ScheduleDefinition]:
    """All schedules of this area."""
    return [
        dg.ScheduleDefinition(
            name="reconcile_every_ten_minutes",
            job=reconcile,
            cron_schedule="*/10 * * * *",
            execution_timezone="UTC",
            default_status=dg.DefaultScheduleStatus.STOPPED,
            description="Hold every account of the settings against its venue.",
        )
    ]
