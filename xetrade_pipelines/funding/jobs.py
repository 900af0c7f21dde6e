"""Jobs: today's and yesterday's funding of all venues, samples of how it stands, and backfills of years in one run.

A venue that does not answer fails the run at its end, when the others are done.
https://docs.dagster.io/guides/build/jobs/op-jobs
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from xetrade_core.assembly.funding import Outcomes
from xetrade_pipelines.events import Event
from xetrade_pipelines.funding.reports import backfilled_events, recent_events, sampled_events
from xetrade_pipelines.refusals import RunConfig
from xetrade_pipelines.resources import FundingResource, LakeResource

VENUES = "Venue -> its perpetuals, such as okx: [BTC-USDT]. Empty: those of the settings."


class FundingRunConfig(RunConfig):
    """Which venues and perpetuals."""

    venues: dict[str, list[str]] = Field(default={}, description=VENUES)


class BackfillRunConfig(RunConfig):
    """Which venues and perpetuals, and which days."""

    venues: dict[str, list[str]] = Field(default={}, description=VENUES)
    since: str = Field(description="The first day (UTC), such as 2022-01-01.")
    until: str = Field(default="", description="The first day that is not wanted any more. Empty: up to now.")


def _require_all(made: Outcomes[Any]) -> None:
    """Fail the run where a venue could not be done; what the others gave is told already."""
    if made.problems:
        said = "; ".join(f"{venue}: {problem}" for venue, problem in made.problems.items())
        raise dg.Failure(f"not done: {said}", allow_retries=False)


@dg.op(name="fetch_funding", out=dg.Out(dg.Nothing), tags={"kind": "rest"})
def fetch_op(config: FundingRunConfig, funding: FundingResource, lake: LakeResource) -> Iterator[Event]:
    """Bring the running day and the one before of every venue into the lake."""
    made = funding.fetch_recent(config.venues, lake.store())
    yield from recent_events(made.done)
    _require_all(made)


@dg.op(name="sample_funding", out=dg.Out(dg.Nothing), tags={"kind": "rest"})
def sample_op(config: FundingRunConfig, funding: FundingResource, lake: LakeResource) -> Iterator[Event]:
    """Ask every venue how funding stands and keep it."""
    made = funding.sample(config.venues, lake.store())
    yield from sampled_events(made.done)
    _require_all(made)


@dg.op(name="backfill_funding", out=dg.Out(dg.Nothing), tags={"kind": "rest"})
def backfill_op(config: BackfillRunConfig, funding: FundingResource, lake: LakeResource) -> Iterator[Event]:
    """Page every venue's history from `since` on; a run that died is gone on with."""
    made = funding.backfill(config.venues, config.since, config.until, lake.store())
    yield from backfilled_events(made.done)
    _require_all(made)


@dg.graph
def funding_of_today() -> None:
    """The running day and the one before of every venue."""
    fetch_op()


@dg.graph
def funding_as_it_stands() -> None:
    """One sample of every venue."""
    sample_op()


@dg.graph
def funding_of_years() -> None:
    """The history of every venue."""
    backfill_op()


fetch_funding = funding_of_today.to_job(
    name="fetch_funding",
    description="Bring the funding of today and yesterday into the lake, of the venues of the settings or those named. "
    "Can be repeated at any time: only what the venue has changed changes.",
    executor_def=dg.in_process_executor,
)
sample_funding = funding_as_it_stands.to_job(
    name="sample_funding",
    description="Keep how funding stands now (live and predicted) as a sample of `funding_quotes`.",
    executor_def=dg.in_process_executor,
)
backfill_funding = funding_of_years.to_job(
    name="backfill_funding",
    description="Bring years of funding history into the lake, each venue paged by its own rule; goes on where an "
    "earlier run stopped.",
    executor_def=dg.in_process_executor,
)
JOBS = (fetch_funding, sample_funding, backfill_funding)
