"""What the UI shows of orders: the core's rows as Dagster metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import dagster as dg

from xetrade_core.assembly.crossing import CrossOverview
from xetrade_core.assembly.order_runs import Killed, OrderTold
from xetrade_core.assembly.reconciling import Reconciled
from xetrade_core.plots import NothingToDraw, stress_picture
from xetrade_core.trading.cross.overview import SagaTold
from xetrade_core.trading.stress.report import StressReport, VenueResult
from xetrade_pipelines.events import Event, as_events
from xetrade_pipelines.metadata import Metadata, markdown_table, picture, plotted
from xetrade_pipelines.partitions import VenueDay, day_x_venue

Result = dg.MaterializeResult[None]


def order_line(told: OrderTold) -> str:
    """An order in a line of the log, for who runs a job without the UI."""
    row = told.order
    price = f" at {row['price']}" if row["price"] else ""
    traded = f", filled {row['filled']}" + (f" at {row['average_price']}" if row["average_price"] else "")
    return (
        f"order {row['client_id']} ({row['venue']}: {row['order_id'] or 'no id'}) is {row['state']}: {row['side']} "
        f"{row['quantity']} {row['pair']}{price} in {row['unit']}{traded}"
    )


def cross_line(told: SagaTold) -> str:
    """A cross-venue order in a line of the log."""
    row = told.row
    said = ", ".join(f"{name} {row[name]}" for name in ("filled", "hedged", "unwound", "unhedged"))
    return f"{row['key']} is {row['state']}: {said} {row['base']}, result {row['result']} {row['quote']} without fees"


def stress_lines(report: StressReport) -> Iterator[str]:
    """What came of a stress test in lines of the log: each venue, each cause of failure, each venue's word."""
    for one in report.venues:
        times = "".join(
            f", {name} p50 {at.p50_ms:.1f} ms p99 {at.p99_ms:.1f} ms"
            for name, at in (("place", one.place), ("ack", one.ack), ("cancel", one.cancel), ("budget", one.budget))
            if at is not None
        )
        ended = f"{one.canceled} canceled, {one.filled} filled, {one.failed} failed, {one.unknown} unknown"
        yield f"{one.venue}: {one.orders} orders, {ended}{times}"
    if before := report.found_before():
        yield before
    for cause, many in report.total.causes.items():
        yield f"{many} x {cause}"
    for proof in report.proofs:
        said = "none of these orders open, lost or doubled" if proof.clean else "NOT everything is accounted for"
        yield f"{proof.venue}/{proof.account}: {said}"


def left_out(problems: Mapping[str, str]) -> str:
    """The accounts that could not be looked at and why, to stand behind a line; nothing for none."""
    return "".join(f"; {name}: {problem}" for name, problem in problems.items())


def order_metadata(told: OrderTold) -> Metadata:
    """An order: what it is called and where it stands, all of it as a table, its history as another."""
    named = {
        name: dg.MetadataValue.text(str(told.order[name] or "-"))
        for name in ("client_id", "order_id", "state", "filled", "average_price")
    }
    rows = [{"what": name.replace("_", " "), "value": value} for name, value in told.order.items()]
    return {**named, "order": markdown_table(rows), "history": markdown_table(told.events)}


def cross_metadata(told: SagaTold, beside: CrossOverview) -> Metadata:
    """A cross-venue order: where it stands, its legs, orders and history; the newest of all, and the ledger."""
    row, tables = told.row, told.tables
    named = {
        name: dg.MetadataValue.text(str(row[name] if row[name] is not None else "-"))
        for name in ("key", "state", "filled", "hedged", "unwound", "unhedged", "result", "reason")
    }
    return {
        **named,
        **{name: markdown_table(tables[name]) for name in ("legs", "orders", "fills", "fees")},
        "history": markdown_table(tables["events"]),
        "residuals": markdown_table(beside.residuals),
        "unhedged in all": markdown_table([{"currency": name, "amount": left} for name, left in beside.totals.items()]),
        "newest cross orders": markdown_table(beside.sagas),
    }


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


def _check(name: str, description: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset="reconciliations", description=description, partitions_def=day_x_venue)


COMPARED = _check("compared", "Every account of the venue could be asked, and its row fits the schema.")
EXPLAINED = _check("explained", "No difference is left that neither the venue's words nor a person explains.")
RECONCILIATION_CHECKS = (COMPARED, EXPLAINED)


def reconciliation_result(found: Reconciled, venue: str, rejected: int) -> Result:
    """The result of `reconciliations` of one venue."""
    reports = [report for report in found.accounts if report.venue == venue]
    left_out = [problem for name, problem in found.problems.items() if name.startswith(f"{venue}/")]
    left_out += [problem for report in reports for problem in report.problems]
    left_out += [f"{rejected} rows rejected"] if rejected else []
    open_ones = [one for report in reports for one in report.differences if not one.explained]
    named = [
        f"{one.kind} {one.subject} {one.symbol or one.name}: here {one.here}, there {one.there}" for one in open_ones
    ]
    return Result(
        "reconciliations",
        metadata={
            "accounts": markdown_table([report.row() for report in reports]),
            "differences": markdown_table([one.row() for report in reports for one in report.differences]),
            **plotted(venue, {"unexplained": len(open_ones)}),
        },
        check_results=[_verdict(COMPARED, left_out), _verdict(EXPLAINED, named)],
    )


def reconciliation_events(found: Reconciled, rejected: dict[str, int]) -> Iterator[Event]:
    """A comparison as events of the running day of each venue."""
    for venue in dict.fromkeys(report.venue for report in found.accounts):
        at_ns = max(report.at_ns for report in found.accounts if report.venue == venue)
        key = VenueDay.containing(venue, at_ns).key
        yield from as_events(key, [reconciliation_result(found, venue, rejected.get(venue, 0))])


def _verdict(spec: dg.AssetCheckSpec, wrong: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not wrong,
        asset_key=spec.asset_key,
        check_name=spec.name,
        description="; ".join(wrong[:3]) or "nothing",
        metadata={"count": len(wrong)},
    )


def stress_metadata(report: StressReport) -> Metadata:
    """A stress test: the numbers, a table by venue, what the venues say of it, and times and endings as a picture."""
    total = report.total
    numbers = {
        "orders": total.orders,
        "placed before": total.placed_before,
        "canceled": total.canceled,
        "failed": total.failed,
        "unknown": total.unknown,
    }
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
    title = f"{total.orders} orders by {report.clients} clients"
    try:
        drawn = stress_picture(report.times_ms(), report.endings(), title)
    except NothingToDraw:
        return numbered
    # first: a page of a run cuts the rest short
    return {"picture": picture("times and endings of the orders", drawn), **numbered}


def _venue_row(one: VenueResult) -> dict[str, object]:
    row: dict[str, object] = {
        "venue": one.venue,
        "orders": one.orders,
        "placed before": one.placed_before,
        "canceled": one.canceled,
        "filled": one.filled,
        "failed": one.failed,
        "unknown": one.unknown,
    }
    for name, times in (("place", one.place), ("ack", one.ack), ("cancel", one.cancel), ("budget", one.budget)):
        for share in ("p50_ms", "p90_ms", "p99_ms", "max_ms"):
            row[f"{name} {share.replace('_', ' ')}"] = "-" if times is None else getattr(times, share)
    return row
