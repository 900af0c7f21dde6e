"""Jobs that trade, launched by a person: place, cancel, look up, trade on two venues at once, and cancel everything. No
schedule or sensor places.

An order's name is made of the run's *root* id, the step and the index, so that a re-execution of a run, whole or from
its failure, finds the order that was placed before. Run and order fail together: what was refused, or nobody knows,
fails the run with the order's history, and the failure sensor tells the webhook.
https://docs.dagster.io/guides/build/jobs/op-jobs
"""

# No `from __future__ import annotations` here: Dagster reads the annotations of these functions as objects.
from collections.abc import Iterator

import dagster as dg

from xetrade_core.trading.stress.run import StressProgress
from xetrade_pipelines.events import Event
from xetrade_pipelines.refusals import one_line
from xetrade_pipelines.resources import LakeResource
from xetrade_pipelines.trading.config import (
    CancelAllConfig,
    CrossOrderConfig,
    OrderConfig,
    OrderStatusConfig,
    PlaceOrderConfig,
    ReconcileConfig,
    StressConfig,
)
from xetrade_pipelines.trading.reports import (
    cross_line,
    cross_metadata,
    kill_metadata,
    left_out,
    order_line,
    order_metadata,
    reconcile_metadata,
    reconciliation_events,
    stress_lines,
    stress_metadata,
)
from xetrade_pipelines.trading.resources import TradingResource

FINAL = {"kind": "order"}
PROGRESS_S = 5.0


@dg.op(name="place_order", out=dg.Out(dg.Nothing), tags=FINAL)
def place_op(context: dg.OpExecutionContext, config: PlaceOrderConfig, trading: TradingResource) -> None:
    """Place one order and tell what the venue said."""
    key = config.key or context.run.root_run_id or context.run_id
    with one_line():
        told = trading.place(config, key=key, step=str(context.op_handle))
    if told.of_before:
        context.log.info(f"the key {key} was used before: this is the order of then, and none was placed now")
    if told.problem is not None:
        raise dg.Failure(told.problem, metadata=order_metadata(told), allow_retries=False)
    context.log.info(order_line(told))
    context.add_output_metadata(order_metadata(told))


@dg.op(name="cancel_order", out=dg.Out(dg.Nothing), tags=FINAL)
def cancel_op(context: dg.OpExecutionContext, config: OrderConfig, trading: TradingResource) -> None:
    """Cancel one order and follow it to its end; a fill may have been faster."""
    with one_line():
        told = trading.cancel(config)
    if told.problem is not None:
        raise dg.Failure(told.problem, metadata=order_metadata(told), allow_retries=False)
    context.log.info(order_line(told))
    context.add_output_metadata(order_metadata(told))


@dg.op(name="order_status", out=dg.Out(dg.Nothing), tags=FINAL)
def status_op(context: dg.OpExecutionContext, config: OrderStatusConfig, trading: TradingResource) -> None:
    """Tell where an order stands and what happened to it."""
    with one_line():
        told = trading.status(config, refresh=config.refresh)
    context.log.info(order_line(told))
    context.add_output_metadata(order_metadata(told))


@dg.op(name="cancel_all", out=dg.Out(dg.Nothing), tags=FINAL)
def cancel_all_op(context: dg.OpExecutionContext, config: CancelAllConfig, trading: TradingResource) -> None:
    """The kill switch: halt, cancel everything, ask the venues what is left."""
    with one_line():
        killed = trading.kill(config, by=f"run {context.run_id}")
    if not killed.clean:
        raise dg.Failure(
            "not everything is known to be closed: look at the venues" + left_out(killed.problems),
            metadata=kill_metadata(killed),
            allow_retries=False,
        )
    asked = ", ".join("/".join((str(row["venue"]), str(row["account"]))) for row in killed.accounts)
    context.log.info(f"nothing is open on {asked}")
    context.add_output_metadata(kill_metadata(killed))


@dg.op(name="cross_order", out=dg.Out(dg.Nothing), tags=FINAL)
def cross_op(context: dg.OpExecutionContext, config: CrossOrderConfig, trading: TradingResource) -> None:
    """Buy on one venue and sell on another; fails unless all that filled is hedged."""
    with one_line():
        told, beside = trading.cross(config, key=config.key or context.run.root_run_id or context.run_id)
    if told.problem is not None:
        raise dg.Failure(told.problem, metadata=cross_metadata(told, beside), allow_retries=False)
    context.log.info(cross_line(told))
    context.add_output_metadata(cross_metadata(told, beside))


@dg.op(name="stress_test", out=dg.Out(dg.Nothing), tags=FINAL)
def stress_op(context: dg.OpExecutionContext, config: StressConfig, trading: TradingResource) -> None:
    """Place and cancel with many clients, then prove from the venues that nothing is open, lost or doubled."""
    said_s = 0.0

    def tell(progress: StressProgress) -> None:
        nonlocal said_s
        if progress.seconds - said_s >= PROGRESS_S:
            said_s = progress.seconds
            of = "" if progress.orders is None else f" of {progress.orders}"
            context.log.info(f"{progress.ended}{of} orders placed and cancelled, {progress.failed} failed")

    with one_line():
        report = trading.stress(config, key=context.run.root_run_id or context.run_id, told=tell)
    for line in stress_lines(report):
        context.log.info(line)
    if not report.passed:
        causes = "; ".join(f"{many} x {cause}" for cause, many in report.total.causes.items())
        what = f"orders failed: {causes}" if report.accounted else "not every order is accounted for: look at the proof"
        raise dg.Failure(what, metadata=stress_metadata(report), allow_retries=False)
    context.add_output_metadata(stress_metadata(report))


@dg.op(name="reconcile", out=dg.Out(dg.Nothing), tags={"kind": "check"})
def reconcile_op(
    context: dg.OpExecutionContext, config: ReconcileConfig, trading: TradingResource, lake: LakeResource
) -> Iterator[Event | dg.Output[None]]:
    """Compare the order store with the venues, and keep what was found; fails while something needs a person."""
    with one_line():
        found = trading.reconcile(config)
    for row in found.rows():
        context.log.info(", ".join(f"{name} {value}" for name, value in row.items() if value))
    if not config.dry_run:
        yield from reconciliation_events(found, trading.keep(found, lake.store()))
    if not found.clean:
        raise dg.Failure(
            "not everything agrees with the venues: look at the differences, and at what could not be asked"
            + left_out(found.problems),
            metadata=reconcile_metadata(found),
            allow_retries=False,
        )
    yield dg.Output(None, metadata=reconcile_metadata(found))


@dg.graph
def placed_order() -> None:
    """One order."""
    place_op()


@dg.graph
def cancelled_order() -> None:
    """The end of one order."""
    cancel_op()


@dg.graph
def looked_up_order() -> None:
    """The state of one order."""
    status_op()


@dg.graph
def crossed_venues() -> None:
    """One order on two venues."""
    cross_op()


@dg.graph
def stressed_venues() -> None:
    """Many orders at once."""
    stress_op()


@dg.graph
def compared_accounts() -> None:
    """The order store against the venues."""
    reconcile_op()


@dg.graph
def everything_cancelled() -> None:
    """Nothing open, nothing new."""
    cancel_all_op()


place_order = placed_order.to_job(
    name="place_order",
    description="Place one order, as far as trading.mode and the arming let it go. Re-executing the run never "
    "places a second one.",
    executor_def=dg.in_process_executor,
)
cancel_order = cancelled_order.to_job(
    name="cancel_order",
    description="Cancel one order of the order store, by its client id or the venue's.",
    executor_def=dg.in_process_executor,
)
order_status = looked_up_order.to_job(
    name="order_status",
    description="Where an order stands, and its history.",
    executor_def=dg.in_process_executor,
)
cancel_all = everything_cancelled.to_job(
    name="cancel_all",
    description="The kill switch: halt trading, cancel every open order of every account, whoever placed it, and check "
    "with the venues. The run fails unless all of them say that nothing is open.",
    executor_def=dg.in_process_executor,
)
cross_order = crossed_venues.to_job(
    name="cross_order",
    description="Buy on one venue what is sold on another: both legs checked, the less liquid first, hedged for what "
    "really filled, traded back past a loss or a time, the rest stated. The run fails unless all that filled is "
    "hedged; re-executing it goes on with it and trades nothing twice.",
    executor_def=dg.in_process_executor,
)
stress_test = stressed_venues.to_job(
    name="stress_test",
    description="Many clients place orders that rest far from the market and cancel each at once; afterwards the "
    "venues are asked what is left. The run fails unless every order was placed, cancelled and accounted for. Limits, "
    "arming and budgets hold as for any order; re-executing the run finds its orders and places none twice.",
    executor_def=dg.in_process_executor,
)
reconcile = compared_accounts.to_job(
    name="reconcile",
    description="Compare orders, trades, positions and balances of every account with its venue. What the venue's own "
    "words explain is recorded; what nothing explains halts its instrument. The run fails while something is left for "
    "a person.",
    executor_def=dg.in_process_executor,
)
JOBS = (place_order, cancel_order, order_status, cancel_all, cross_order, stress_test, reconcile)
