"""Runs of this instance: which of them may be forgotten.

What belongs here: reading and deleting Dagster's own records. What does not: anything in the lake, which outlives them.
https://docs.dagster.io/deployment/execution/run-coordinators
"""

from __future__ import annotations

from datetime import datetime

import dagster as dg

UNFAILED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED]
FAILED = [dg.DagsterRunStatus.FAILURE]


def prune(instance: dg.DagsterInstance, before: datetime, failed_before: datetime, limit: int) -> int:
    """Delete finished runs created before the given times, the oldest first, at most `limit`; how many that were."""
    records = [
        record
        for statuses, until in ((UNFAILED, before), (FAILED, failed_before))
        for record in instance.get_run_records(
            dg.RunsFilter(statuses=statuses, created_before=until),
            limit=limit,
            order_by="create_timestamp",
            ascending=True,
        )
    ]
    oldest = sorted(records, key=lambda record: record.create_timestamp)[:limit]
    for record in oldest:
        instance.delete_run(record.dagster_run.run_id)
    return len(oldest)
