"""Schedules: the books every hour, a look at positions every five minutes; both only where something was traded.

They are off until `pipelines.autostart` is set or somebody turns them on in the UI.
https://docs.dagster.io/guides/automate/schedules
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
import dagster as dg

from xetrade_pipelines.accounting.jobs import account_days, monitor_positions
from xetrade_pipelines.accounting.resources import AccountingResource

NOTHING_TRADED = "the order store has no fills"


def schedules(status: dg.DefaultScheduleStatus) -> list[dg.ScheduleDefinition]:
    """All schedules of this area, with the given default status."""

    def request(
        context: dg.ScheduleEvaluationContext, accounting: AccountingResource, config: dict[str, object] | None = None
    ) -> dg.RunRequest | dg.SkipReason:
        if not accounting.venues():
            return dg.SkipReason(NOTHING_TRADED)
        return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}", run_config=config or {})

    @dg.schedule(
        job=account_days,
        cron_schedule="20 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Bring the fills of today and yesterday into the lake and make the profit of both days.",
    )
    def account_hourly(
        context: dg.ScheduleEvaluationContext, accounting: AccountingResource
    ) -> dg.RunRequest | dg.SkipReason:
        """One run an hour."""
        return request(context, accounting)

    @dg.schedule(
        job=monitor_positions,
        cron_schedule="*/5 * * * *",
        execution_timezone="UTC",
        default_status=status,
        description="Keep where positions stand.",
    )
    def look_at_positions(
        context: dg.ScheduleEvaluationContext, accounting: AccountingResource
    ) -> dg.RunRequest | dg.SkipReason:
        """One look every five minutes."""
        return request(context, accounting, {"ops": {"monitor_positions": {"config": {"max_updates": 1}}}})

    return [account_hourly, look_at_positions]
