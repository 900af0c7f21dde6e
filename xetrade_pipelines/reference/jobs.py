"""Jobs: the day's reference data of all venues in one run, from the launchpad, the command line or the schedule.

One run, because the map needs all lists, and because asking a venue takes a second. A venue that does not answer fails
the run at its end, when the others' lists, the map and the changes are made and told.
https://docs.dagster.io/guides/build/jobs/op-jobs
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from xetrade_pipelines.events import Event
from xetrade_pipelines.reference.reports import problems, refreshed_events
from xetrade_pipelines.refusals import RunConfig
from xetrade_pipelines.resources import LakeResource, ReferenceResource


class RefreshRunConfig(RunConfig):
    """Which venues to ask."""

    venues: list[str] = Field(
        default=[], description="Venue ids. Empty: the venues of the settings, but for those that shut down."
    )


@dg.op(name="refresh_reference", out=dg.Out(dg.Nothing), tags={"kind": "rest"})
def refresh_op(
    context: dg.OpExecutionContext, config: RefreshRunConfig, reference: ReferenceResource, lake: LakeResource
) -> Iterator[Event]:
    """Ask venues what they list; keep it as today's; make today's map and changes."""
    venues = tuple(config.venues) or reference.venues()
    made = reference.refresh(venues, lake.store())
    yield from refreshed_events(made, venues)
    if made.problems:
        raise dg.Failure(f"not asked: {problems(made)}", allow_retries=False)


@dg.graph
def reference_of_the_day() -> None:
    """Lists of all venues, the map and the changes of the running day."""
    refresh_op()


refresh_reference = reference_of_the_day.to_job(
    name="refresh_reference",
    description="Ask the venues of the settings what they list now, keep it as today's `instruments`, and make today's "
    "`symbol_map` and `symbol_map_changes`. Can be repeated at any time: the same lists change nothing.",
    executor_def=dg.in_process_executor,
)
JOBS = (refresh_reference,)
