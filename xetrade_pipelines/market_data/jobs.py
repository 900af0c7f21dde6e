"""Jobs: what can be launched, from the UI's launchpad, the command line, a schedule or a sensor.

All work within one process, since each is one sequential piece of work and a second process would cost four seconds and
227 MB. Values between ops stay in memory: tables go through the lake, never through a pickle.
https://docs.dagster.io/guides/build/jobs/op-jobs
"""

from __future__ import annotations

import dagster as dg

from xetrade_pipelines.market_data.ops import (
    capture_op,
    compact_hour,
    forget_runs,
    measure_hour,
    recover_spool,
    select_hours,
)
from xetrade_pipelines.market_data.windows import window_tags
from xetrade_pipelines.partitions import VenueHour, hour_x_venue


# A job's graph may not share its name with an op: the graphs are named for what they are, the jobs for what they do.
@dg.graph
def capture_session() -> None:
    """Record order books of one window."""
    capture_op()


@dg.graph
def settled_hours() -> None:
    """From segments to verified hours and their metrics."""
    select_hours().map(lambda hour: measure_hour(compact_hour(hour)))


@dg.graph
def recovered_spool() -> None:
    """Bring what dead sessions left into the lake."""
    recover_spool()


@dg.graph
def forgotten_runs() -> None:
    """Forget old runs."""
    forget_runs()


capture_l2 = capture_session.to_job(
    name="capture_l2",
    description="Record L2 order books into the lake. With a partition: that venue's symbols of the settings over that "
    "hour (it may start early and waits). Without: what the config says, from now on. Stopping it seals and uploads.",
    config=dg.PartitionedConfig(
        hour_x_venue,
        run_config_for_partition_key_fn=lambda _key: {},
        tags_for_partition_key_fn=lambda key: window_tags(VenueHour.from_key(key)),
    ),
    executor_def=dg.in_process_executor,
)
compact_l2 = settled_hours.to_job(
    name="compact_l2",
    description="Turn segments into sorted, verified hours with gap ledger, completeness record, checks and metrics. "
    "With a partition: that hour. Without: the config's partitions, or every hour that has segments.",
    partitions_def=hour_x_venue,
    executor_def=dg.in_process_executor,
)
recover_orphans_l2 = recovered_spool.to_job(
    name="recover_orphans_l2",
    description="Bring the rows of sessions whose process is gone from the spool into the lake.",
    executor_def=dg.in_process_executor,
)
prune_runs = forgotten_runs.to_job(
    name="prune_runs",
    description="Forget runs older than the config keeps, with their events and logs. The lake is not touched.",
    executor_def=dg.in_process_executor,
)
JOBS = (capture_l2, compact_l2, recover_orphans_l2, prune_runs)
