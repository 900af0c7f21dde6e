"""What came of comparing accounts with their venues, kept: each comparison is a row of the running day of its venue."""

from __future__ import annotations

import json
from collections.abc import Sequence

from xetrade_core.accounting.days import day_table
from xetrade_core.lake.day_tables import append_day
from xetrade_core.lake.layout import day_start
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import RECONCILIATIONS
from xetrade_core.trading.reconciliation.differences import AccountReport


def keep_comparison(store: ObjectStore, venue: str, reports: Sequence[AccountReport]) -> int:
    """Add the comparisons of one venue's accounts to the lake; how many rows the schema refused. Raises LakeError."""
    days: dict[int, list[AccountReport]] = {}
    for report in reports:
        if report.venue == venue:
            days.setdefault(day_start(report.at_ns), []).append(report)  # midnight may lie between two of them
    rejected = 0
    for day_ns, mine in days.items():
        rows = day_table(RECONCILIATIONS.schema, [_record(report) for report in mine])
        rejected += append_day(store, RECONCILIATIONS, venue, day_ns, rows).rejected
    return rejected


def _record(report: AccountReport) -> dict[str, object]:
    counts = {name: value for name, value in report.row().items() if name not in ("venue", "account", "problems")}
    return {
        "timestamp": report.at_ns,
        "exchange": report.venue,
        "account": report.account,
        **counts,
        "problems": "; ".join(report.problems) or None,
        "differences": "\n".join(json.dumps(one.row()) for one in report.differences) or None,
    }
