"""What the UI shows of orders: the core's rows as Dagster metadata."""

from __future__ import annotations

import dagster as dg

from xetrade_core.assembly.order_runs import Killed, OrderTold
from xetrade_core.assembly.reconciling import Reconciled
from xetrade_core.plots import NothingToDraw, latency_picture
from xetrade_core.trading.stress.report import StressReport, VenueResult
from xetrade_pipelines.metadata import Metadata, markdown_table, picture


def order_metadata(told: OrderTold) -> Metadata:
    """An order: what it is called and where it stands, all of it as a table, its history as another."""
    named = {
        name: dg.MetadataValue.text(str(told.order[name] or "-"))
        for name in ("client_id", "order_id", "state", "filled", "average_price")
    }
    rows = [{"what": name.replace("_", " "), "value": value} for name, value in told.order.items()]
    return {**named, "order": markdown_table(rows), "history": markdown_table(told.events)}


def kill_metadata(killed: Killed) -> Metadata:
    """What came of cancelling everything, by account."""
    problems = [{"account": name, "left out": problem} for name, problem in killed.problems.items()]
    return {
        "clean": dg.MetadataValue.bool(killed.clean),
        "halted": dg.MetadataValue.text(killed.halted or "nothing"),
        "accounts": markdown_table(killed.accounts),
        "left out": markdown_table(problems),
    }


def reconcile_metadata(found: Reconciled) -> Metadata:
    """What came of a reconciliation: numbers, the accounts, every difference, and what could not be looked at."""
    rows = found.rows()
    unexplained = sum(not one.explained for report in found.accounts for one in report.differences)
    problems = [{"account": name, "left out": problem} for name, problem in found.problems.items()]
    return {
        "clean": dg.MetadataValue.bool(found.clean),
        "differences": dg.MetadataValue.int(len(rows)),
        "unexplained": dg.MetadataValue.int(unexplained),
        "accounts": markdown_table(found.account_rows()),
        "table": markdown_table(rows),
        "left out": markdown_table(problems),
    }


def stress_metadata(report: StressReport) -> Metadata:
    """A stress test: the numbers, a table by venue, what the venues say of it, and the times as a picture."""
    total = report.total
    numbers = {"orders": total.orders, "canceled": total.canceled, "failed": total.failed, "unknown": total.unknown}
    times = {"place": total.place, "cancel": total.cancel}
    rows = [_venue_row(one) for one in (*report.venues, *([total] if len(report.venues) > 1 else []))]
    proofs = [
        {"account": f"{one.venue}/{one.account}", "clean": one.clean}
        | {name: len(getattr(one, name)) for name in ("open", "lost", "doubled", "found", "unsettled")}
        | {"problems": "; ".join(one.problems) or "-"}
        for one in report.proofs
    ]
    numbered: Metadata = {
        "accounted": dg.MetadataValue.bool(report.accounted),
        "seconds": dg.MetadataValue.float(report.seconds),
        **{name: dg.MetadataValue.int(value) for name, value in numbers.items()},
        **{f"{name}_p50_ms": dg.MetadataValue.float(one.p50_ms) for name, one in times.items() if one is not None},
        **{f"{name}_p99_ms": dg.MetadataValue.float(one.p99_ms) for name, one in times.items() if one is not None},
        "venues": markdown_table(rows),
        "causes": markdown_table([{"cause": cause, "orders": many} for cause, many in total.causes.items()]),
        "proof": markdown_table(proofs),
    }
    try:
        drawn = latency_picture(report.times_ms(), f"{total.orders} orders by {report.clients} clients")
    except NothingToDraw:
        return numbered
    return {"picture": picture("times of the orders", drawn), **numbered}  # first: a page of a run cuts the rest short


def _venue_row(one: VenueResult) -> dict[str, object]:
    row: dict[str, object] = {
        "venue": one.venue,
        "orders": one.orders,
        "canceled": one.canceled,
        "filled": one.filled,
        "failed": one.failed,
        "unknown": one.unknown,
    }
    for name, times in (("place", one.place), ("ack", one.ack), ("cancel", one.cancel)):
        for share in ("p50_ms", "p90_ms", "p99_ms", "max_ms"):
            row[f"{name} {share.replace('_', ' ')}"] = "-" if times is None else getattr(times, share)
    return row
