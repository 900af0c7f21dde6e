"""Days made from what positions were when the day before began: the same as from the first fill on, and quicker."""

from __future__ import annotations

from decimal import Decimal as D
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xetrade_core.accounting import days as accounting
from xetrade_core.accounting.days import DayProfit, account_day
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.lake.trades import StoredFill, read_fills_of, write_fills, write_payments
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import Fill, Side
from xetrade_core.positions.daily import NS_PER_DAY

VENUE = "binancecoinm"
DAY0 = 20_500 * NS_PER_DAY
DAYS = range(4)
Row = tuple[int, str, bool, int, int, str]
"""Day, strategy, whether it buys, amount, price, the currency of its fee."""
trades = st.tuples(
    st.sampled_from(DAYS), st.sampled_from(["maker", "taker"]), st.booleans(), st.integers(1, 9), st.integers(100, 999),
    st.sampled_from(["BTC", "BNB", ""]),
)  # fmt: skip


def fills_of(rows: list[Row], day: int) -> list[StoredFill]:
    """The fills of a day; of an inverse contract, so that averages do not end after a few digits."""
    found = []
    for number, (on_day, strategy, buys, amount, price, fee) in enumerate(rows):
        if on_day == day:
            at_ns = DAY0 + day * NS_PER_DAY + number
            one = Fill(
                venue=VENUE, account="main", symbol="BTC/USD:BTC", trade_id=f"{number}", amount=D(amount),
                side=Side.BUY if buys else Side.SELL, price=D(price), received_ns=at_ns, exchange_ns=at_ns,
                fee=D("0.0007") if fee else None, fee_currency=fee or None,
            )  # fmt: skip
            found.append(StoredFill(one, strategy, D(100)))
    return found


def fill_lake(lake: ObjectStore, rows: list[Row], funded: list[int], days: range = DAYS) -> None:
    for day in days:
        at_ns = DAY0 + day * NS_PER_DAY
        write_fills(lake, VENUE, at_ns, fills_of(rows, day))
        if day in funded and any(row[0] <= day for row in rows):
            paid = FundingPayment(VENUE, "main", "BTC/USD:BTC", f"f{day}", D(1) / 64, "BTC", at_ns + 900)
            write_payments(lake, VENUE, at_ns, [paid])


def accounted(lake: ObjectStore, day: int) -> DayProfit:
    return account_day(lake, VENUE, DAY0 + day * NS_PER_DAY)


def anew(lake: ObjectStore, day: int) -> DayProfit:
    """A day from the first fill on."""
    for info in list(lake.list("_openings/")):
        lake.delete(info.key)
    return accounted(lake, day)


@settings(max_examples=12, deadline=None)
@given(st.lists(trades, max_size=12), st.lists(st.sampled_from(DAYS), unique=True, max_size=3))
def test_days_made_one_after_the_other_are_those_made_from_the_first_fill_on(
    rows: list[Row], funded: list[int]
) -> None:
    with TemporaryDirectory() as root:
        lake = open_store(Path(root) / "lake")
        fill_lake(lake, rows, funded)
        chained = [accounted(lake, day).rows for day in DAYS]
        assert [anew(lake, day).rows for day in DAYS] == chained


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The days whose fills are read."""
    found: list[int] = []

    def noting(store: ObjectStore, venue: str, day_ns: int) -> Any:
        found.append((day_ns - DAY0) // NS_PER_DAY)
        return read_fills_of(store, venue, day_ns)

    monkeypatch.setattr(accounting, "read_fills_of", noting)
    return found


ROWS: list[Row] = [(day, "maker", day % 2 == 0, 3, 100 + day, "BTC") for day in DAYS]


def test_only_the_day_and_the_one_before_are_read(lake: ObjectStore, read: list[int]) -> None:
    fill_lake(lake, ROWS, [1, 3])
    for day in DAYS:
        accounted(lake, day)
    read.clear()
    accounted(lake, 3)
    assert read == [2, 3]


def test_a_fill_that_came_late_is_counted(lake: ObjectStore, read: list[int]) -> None:
    fill_lake(lake, ROWS, [])
    for day in DAYS:
        accounted(lake, day)
    fill_lake(lake, [*ROWS, (1, "maker", True, 5, 777, "")], [], range(1, 2))
    read.clear()
    found = accounted(lake, 3)
    assert read == [0, 1, 2, 3]
    assert [row.quantity for row in found.rows] == [5]
    assert found.rows == anew(lake, 3).rows


def test_an_opening_that_cannot_be_read_is_passed_over(lake: ObjectStore, read: list[int]) -> None:
    fill_lake(lake, ROWS, [])
    expected = [accounted(lake, day).rows for day in DAYS]
    for info in list(lake.list("_openings/")):
        lake.replace(info.key, b"{}")
    read.clear()
    assert accounted(lake, 3).rows == expected[3]
    assert read == [0, 1, 2, 3]


def test_what_is_held_has_a_day_without_any_event(lake: ObjectStore) -> None:
    fill_lake(lake, ROWS[:1], [])
    made = [accounted(lake, day).rows for day in DAYS]
    assert [[row.quantity for row in rows] for rows in made] == [[3]] * 4
    assert made[3] == anew(lake, 3).rows
