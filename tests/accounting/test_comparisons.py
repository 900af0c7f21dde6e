"""Comparisons of accounts are kept by the day on which each was made."""

from __future__ import annotations

from pathlib import Path

from xetrade_core.accounting.comparisons import keep_comparison
from xetrade_core.lake.day_tables import read_day
from xetrade_core.lake.layout import NS_PER_DAY
from xetrade_core.lake.store import open_store
from xetrade_core.lake.trade_schemas import RECONCILIATIONS
from xetrade_core.trading.reconciliation.differences import AccountReport

MIDNIGHT = 20_000 * NS_PER_DAY


def report(account: str, at_ns: int, venue: str = "binance") -> AccountReport:
    return AccountReport(venue, account, at_ns, 1, 2, 0, 3, 0, (), ())


def test_accounts_that_were_compared_on_both_sides_of_midnight_go_into_both_days(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    reports = (report("main", MIDNIGHT - 1), report("other", MIDNIGHT), report("main", MIDNIGHT, venue="okx"))
    assert keep_comparison(store, "binance", reports) == 0
    assert keep_comparison(store, "binance", (report("main", MIDNIGHT + 1),)) == 0
    held = []
    for day_ns in (MIDNIGHT - NS_PER_DAY, MIDNIGHT):
        table = read_day(store, RECONCILIATIONS, "binance", day_ns)
        assert table is not None
        held.append(table.column("account").to_pylist())
    assert held == [["main"], ["other", "main"]]
