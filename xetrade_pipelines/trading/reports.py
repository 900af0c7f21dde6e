"""What the UI shows of orders: the core's rows as Dagster metadata."""

from __future__ import annotations

import dagster as dg

from xetrade_core.assembly.order_runs import Killed, OrderTold
from xetrade_pipelines.metadata import Metadata, markdown_table


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
