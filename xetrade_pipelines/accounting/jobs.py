"""Jobs: yesterday's and today's books of every venue that traded, and a bounded session of watching positions.

A venue that cannot be done fails the run at its end, when the others are done.
https://docs.dagster.io/guides/build/jobs/op-jobs
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from xetrade_core.monitor.watch import Update
from xetrade_pipelines.accounting.reports import booked_events, watched_events
from xetrade_pipelines.accounting.resources import AccountingResource
from xetrade_pipelines.events import Event
from xetrade_pipelines.refusals import RunConfig, one_line
from xetrade_pipelines.resources import LakeResource


class BooksConfig(RunConfig):
    """Which venues."""

    venues: list[str] = Field(default=[], description="Venue ids. Empty: those that have fills in the order store.")


class MonitorConfig(RunConfig):
    """How long, how often, and whose positions."""

    interval_s: float = Field(default=30.0, gt=0, le=86_400, description="Seconds between two updates.")
    max_updates: int = Field(default=10, ge=1, le=100_000, description="How many updates; then the run ends.")
    stale_after_s: float = Field(default=60.0, gt=0, description="Marks older than this are flagged.")
    max_notional: float | None = Field(
        default=None, gt=0, description="Alarm of a position worth more (settlement currency)."
    )
    max_drawdown: float | None = Field(
        default=None, gt=0, description="Alarm of a net so far below its best, in the run or before."
    )
    min_liquidation_distance: float | None = Field(
        default=None, gt=0, description="Alarm of a mark nearer to the venue's liquidation price (percent of the mark)."
    )
    venue: str = Field(default="", description="Only this venue.")
    account: str = Field(default="", description="Only this account.")
    strategy: str = Field(default="", description="Only this strategy.")


@dg.op(name="account_days", out=dg.Out(dg.Nothing))
def account_op(config: BooksConfig, accounting: AccountingResource, lake: LakeResource) -> Iterator[Event]:
    """Ask the accounts for funding payments, bring yesterday and today into the lake and account for both days; and for
    earlier ones of which the order store has more by now."""
    with one_line():
        asked = accounting.collect()
        made = accounting.book_recent(config.venues, lake.store())
    yield from booked_events(made.done, accounting.mark_within_s())
    if problems := {**asked.problems, **made.problems}:
        said = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
        raise dg.Failure(f"not done: {said}", allow_retries=False)


@dg.op(name="monitor_positions", out=dg.Out(dg.Nothing), tags={"kind": "rest"})
def monitor_op(
    context: dg.OpExecutionContext, config: MonitorConfig, accounting: AccountingResource, lake: LakeResource
) -> Iterator[Event]:
    """Watch positions at the venues' marks, keep each look, and log what it comes to."""

    def progress(update: Update) -> None:
        sums = ", ".join(f"net {total.net} {total.settle}" for total in update.totals) or "nothing open"
        silent = "".join(f"; {failure.named}" for failure in update.failures)
        what = f"update {update.number} of {config.max_updates}: {len(update.positions)} positions, {sums}{silent}"
        context.log.info(what)

    with one_line():
        made = accounting.watch(
            lake.store(),
            interval_s=config.interval_s,
            max_updates=config.max_updates,
            stale_after_s=config.stale_after_s,
            max_notional=config.max_notional,
            max_drawdown=config.max_drawdown,
            min_liquidation_distance=config.min_liquidation_distance,
            venue=config.venue,
            account=config.account,
            strategy=config.strategy,
            on_update=progress,
        )
    yield from watched_events(made, accounting.exposure_pictures(made))


@dg.graph
def books_of_today() -> None:
    """The running day and the one before of every venue that traded."""
    account_op()


@dg.graph
def positions_watched() -> None:
    """One session of watching."""
    monitor_op()


account_days = books_of_today.to_job(
    name="account_days",
    description="Ask the accounts of the settings for funding payments, bring fills and payments of today and "
    "yesterday out of the order store into the lake and make the profit of both days; earlier days of which trades or "
    "payments came late are made again, with those since. Can be repeated at any time.",
    executor_def=dg.in_process_executor,
)
monitor_positions = positions_watched.to_job(
    name="monitor_positions",
    description="Watch the positions of the order store at the venues' marks for some updates; each look is kept in "
    "`positions`.",
    executor_def=dg.in_process_executor,
)
JOBS = (account_days, monitor_positions)
