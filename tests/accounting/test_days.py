"""From the order store to the profit of a day: exported once, streamed, adding up, and the same when made again."""

from __future__ import annotations

from decimal import Decimal as D
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.monitor.conftest import Trade, trading
from xetrade_core.accounting.days import account_day, results
from xetrade_core.accounting.equity import equity_of
from xetrade_core.accounting.export import export_fills
from xetrade_core.accounting.snapshots import keep_snapshot
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import SchemaViolation
from xetrade_core.lake import parquet
from xetrade_core.lake.day_tables import read_day
from xetrade_core.lake.duck import connect
from xetrade_core.lake.layout import day_key
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import FILLS, PNL_DAILY, POSITIONS, adds_up
from xetrade_core.lake.trades import StoredFill, fill_table, read_fills
from xetrade_core.lake.venue_hours import read_venue_span
from xetrade_core.market_data.marks import Mark, MarkKind
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Fill, Side, Terms
from xetrade_core.monitor.view import view
from xetrade_core.positions.book import Holder
from xetrade_core.positions.daily import NS_PER_DAY
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import streamed
from xetrade_core.trading.store import OrderStore

DAY0 = 20_500 * NS_PER_DAY
DAY1 = DAY0 + NS_PER_DAY
HOUR = 3600 * NS_PER_S
COINM = {"venue": "binancecoinm", "symbol": "BTC/USD:BTC", "terms": Terms(D(100), inverse=True)}


def rows(lake: ObjectStore, dataset: Any, venue: str, day_ns: int) -> list[dict[str, Any]]:
    table = read_day(lake, dataset, venue, day_ns)
    return [] if table is None else table.to_pylist()


def marked(
    lake: ObjectStore,
    day_ns: int,
    price: str,
    venue: str = "binance",
    symbol: str = "BTC/USDT",
    after_ns: int = 5,
    age_s: int = 0,
) -> None:
    """A snapshot of the day, of a position in that instrument, with a mark of that age."""
    at_ns = day_ns + after_ns
    position = streamed(Payout.of_symbol(symbol))
    position.trade(D(1), D(1))
    mark = Mark(venue, symbol, D(price), MarkKind.MID, at_ns - age_s * NS_PER_S)
    shown = view(Holder(venue, "main", symbol, "maker"), position, mark, at_ns, 60)
    assert keep_snapshot(lake, venue, at_ns, [shown]) == 0


def test_a_day_is_exported_by_the_venues_time_and_made_again_to_the_byte(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    trade(("0.5", "50000"), ("0.25", "50100"), at_ns=DAY0 + 1, fee={"fee": D("0.0001"), "fee_currency": "BTC"})
    trade(("1", "51000"), at_ns=DAY1)
    first = export_fills(store, lake, "binance", DAY0 + 7)
    assert (first.rows, first.rejected, first.changed, first.unclaimed, first.unsized) == (2, 0, True, 0, ())
    assert not export_fills(store, lake, "binance", DAY0).changed
    kept = rows(lake, FILLS, "binance", DAY0)
    assert [(row["price"], row["amount"], row["strategy"], row["fee"]) for row in kept] == [
        (D(50_000), D("0.5"), "maker", D("0.0001")),
        (D(50_100), D("0.25"), "maker", D("0.0001")),
    ]
    assert [row.fill.price for row in read_fills(lake, "binance")] == [50_000, 50_100]


def test_what_another_store_brought_in_stays_and_is_told(
    store: OrderStore, lake: ObjectStore, trade: Trade, tmp_path: Path
) -> None:
    trade(("2", "100"), ("1", "101"), at_ns=DAY0 + 10)
    export_fills(store, lake, "binance", DAY0)
    with OrderStore(f"sqlite:///{tmp_path}/new.db") as new:
        later = trading(new)
        later(("3", "130"), at_ns=DAY0 + 5, side=Side.SELL, account="other")
        made = export_fills(new, lake, "binance", DAY0)
        assert (made.rows, made.kept) == (3, 2)
        assert not export_fills(new, lake, "binance", DAY0).changed
    assert [(row.fill.account, row.fill.amount) for row in read_fills(lake, "binance")] == [
        ("other", 3), ("main", 2), ("main", 1),
    ]  # fmt: skip
    assert export_fills(store, lake, "binance", DAY0).kept == 1


def test_a_store_that_does_not_know_the_order_takes_no_fill_from_its_strategy(
    store: OrderStore, lake: ObjectStore, trade: Trade, tmp_path: Path
) -> None:
    trade(("2", "100"), at_ns=DAY0 + 10)
    export_fills(store, lake, "binance", DAY0)
    [before] = read_fills(lake, "binance")
    with OrderStore(f"sqlite:///{tmp_path}/new.db") as new:
        told = msgspec.structs.replace(before.fill, client_id=None)
        new.do(lambda transaction: transaction.add_fill(told, DAY0, Source.RECONCILIATION))
        assert export_fills(new, lake, "binance", DAY0).kept == 1
    assert list(read_fills(lake, "binance")) == [before]


def test_what_is_read_is_what_was_written(store: OrderStore, lake: ObjectStore, trade: Trade) -> None:
    trade(("3", "50000.1"), at_ns=DAY0, fee={"fee": D("-0.000000000000000001"), "fee_currency": "BTC"}, **COINM)
    export_fills(store, lake, "binancecoinm", DAY0)
    [(fill, strategy, size)] = read_fills(lake, "binancecoinm")
    [(original, _)] = store.traded()
    assert fill == original
    assert (strategy, size) == ("maker", 100)


def test_a_day_adds_up_and_begins_where_the_day_before_ended(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    trade(("2", "100"), at_ns=DAY0, fee={"fee": D("0.5"), "fee_currency": "USDT"})
    trade(("1", "130"), at_ns=DAY1, side=Side.SELL)
    for day_ns, mark in ((DAY0, "110"), (DAY1, "120")):
        export_fills(store, lake, "binance", day_ns)
        marked(lake, day_ns, mark)
    before, day = account_day(lake, "binance", DAY0), account_day(lake, "binance", DAY1)
    assert [(row.net, row.unrealized) for row in before.rows] == [(D("19.5"), 20)]
    assert [(row.realized, row.unrealized_before, row.unrealized, row.net) for row in day.rows] == [(30, 20, 20, 30)]
    [kept] = rows(lake, PNL_DAILY, "binance", DAY1)
    assert (kept["net"], kept["quantity"], kept["avg_entry"], kept["mark"]) == (30, 1, 100, 120)
    assert not account_day(lake, "binance", DAY1).changed


def test_without_a_mark_an_open_day_has_no_net_and_says_of_what(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    trade(("2", "100"), at_ns=DAY0)
    export_fills(store, lake, "binance", DAY0)
    made = account_day(lake, "binance", DAY0)
    assert made.unmarked == ("BTC/USDT",)
    assert rows(lake, PNL_DAILY, "binance", DAY0)[0]["net"] is None


def test_a_mark_of_long_before_the_days_end_is_told_with_its_age(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    trade(("2", "100"), at_ns=DAY0)
    export_fills(store, lake, "binance", DAY0)
    marked(lake, DAY0, "110", after_ns=21 * HOUR, age_s=60)
    made = account_day(lake, "binance", DAY0)
    assert made.mark_ages_s == {"BTC/USDT": 3 * 3600 + 60}
    assert made.marked_early(3 * 3600) == ("BTC/USDT: 3 h 1 min",)
    assert made.marked_early(3 * 3600 + 60) == ()
    [kept] = rows(lake, PNL_DAILY, "binance", DAY0)
    assert kept["mark_timestamp"].value == DAY0 + 21 * HOUR - 60 * NS_PER_S


def test_the_mark_of_a_day_that_runs_is_as_old_as_it_is_now(store: OrderStore, lake: ObjectStore, trade: Trade) -> None:
    trade(("2", "100"), at_ns=DAY0)
    export_fills(store, lake, "binance", DAY0)
    marked(lake, DAY0, "110", after_ns=9 * HOUR)
    now_ns = DAY0 + 9 * HOUR + 30 * NS_PER_S
    assert account_day(lake, "binance", DAY0, now_ns).mark_ages_s == {"BTC/USDT": 30}
    over = account_day(lake, "binance", DAY0, DAY1 + HOUR)
    assert (over.mark_ages_s, over.changed) == ({"BTC/USDT": 15 * 3600}, False)


def test_a_later_look_with_an_older_mark_does_not_count(store: OrderStore, lake: ObjectStore, trade: Trade) -> None:
    trade(("2", "100"), at_ns=DAY0)
    export_fills(store, lake, "binance", DAY0)
    marked(lake, DAY0, "110", after_ns=20 * HOUR)
    marked(lake, DAY0, "90", after_ns=21 * HOUR, age_s=2 * 3600)
    [row] = account_day(lake, "binance", DAY0).rows
    assert row.mark == 110


def test_days_of_before_the_time_of_a_mark_was_kept_are_read_with_the_others(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    trade(("2", "100"), at_ns=DAY0)
    for day_ns in (DAY0, DAY1):
        export_fills(store, lake, "binance", day_ns)
        marked(lake, day_ns, "110")
        account_day(lake, "binance", day_ns)
    key = day_key(PNL_DAILY.name, "binance", DAY0)
    lake.replace(key, parquet.to_bytes(parquet.from_bytes(lake.read(key), key).drop_columns(["mark_timestamp"])))
    asked = "SELECT mark, mark_timestamp IS NULL AS old FROM pnl_daily WHERE venue = 'binance' ORDER BY timestamp"
    with connect(lake) as connection:
        assert connection.execute(asked).fetchall() == [(110, True), (110, False)]
    assert [row["mark_timestamp"] for row in rows(lake, PNL_DAILY, "binance", DAY0)] == [None]
    [found] = equity_of(lake, "binance", DAY0, DAY1 + 1)
    assert found.running == (20, 20)
    lake.delete(day_key(PNL_DAILY.name, "binance", DAY1))
    with connect(lake) as connection:
        assert connection.execute(asked).fetchall() == [(110, True)]


def test_a_day_that_nobody_marked_changes_nothing_of_the_equity_after_it(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    trade(("2", "100"), at_ns=DAY0, fee={"fee": D(1), "fee_currency": "USDT"})
    trade(("3", "10"), at_ns=DAY0 + 5, symbol="ETH/USDT", strategy="other")
    days = [DAY0 + number * NS_PER_DAY for number in range(4)]
    for day_ns, mark in zip(days, ("110", "115", None, "90"), strict=True):
        export_fills(store, lake, "binance", day_ns)
        if mark is not None:
            marked(lake, day_ns, mark)
            marked(lake, day_ns, "11", symbol="ETH/USDT")
        account_day(lake, "binance", day_ns)
    [found] = equity_of(lake, "binance", DAY0, days[-1] + 1)
    assert found.days_ns == tuple(days)
    assert found.running == (22, 32, 32, -18)
    assert found.by_symbol == {"BTC/USDT": D(-21), "ETH/USDT": D(3)}
    assert found.unknown == 4
    [later] = equity_of(lake, "binance", days[1], days[-1] + 1)
    assert later.running == (10, 10, -40)  # since the beginning of its first day


def test_a_held_position_has_a_row_on_a_day_without_fills(store: OrderStore, lake: ObjectStore, trade: Trade) -> None:
    trade(("2", "100"), at_ns=DAY0)
    export_fills(store, lake, "binance", DAY0)
    marked(lake, DAY0, "110")
    marked(lake, DAY1, "90")
    [row] = account_day(lake, "binance", DAY1).rows
    assert (row.fills, row.quantity, row.net) == (0, 2, -40)


def test_inverse_contracts_use_the_size_that_the_fill_carries(
    store: OrderStore, lake: ObjectStore, trade: Trade
) -> None:
    trade(("10", "50000"), at_ns=DAY0, **COINM)
    trade(("10", "40000"), at_ns=DAY0 + 1, side=Side.SELL, **COINM)
    export_fills(store, lake, "binancecoinm", DAY0)
    [row] = account_day(lake, "binancecoinm", DAY0).rows
    assert (row.settle, row.realized, row.net) == ("BTC", D("-0.005"), D("-0.005"))


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 999), st.integers(1, 9999)), max_size=12))
def test_stored_rows_add_up_to_the_last_digit(tmp_path_factory: pytest.TempPathFactory, trades: Any) -> None:
    from xetrade_core.lake.store import open_store
    from xetrade_core.lake.trades import write_fills

    lake = open_store(tmp_path_factory.mktemp("lake"))
    made = [
        StoredFill(
            Fill(
                venue="v", account="a", symbol="BTC/USD:BTC", trade_id=str(index), side=Side.BUY if buys else Side.SELL,
                price=D(price), amount=D(amount), received_ns=DAY0 + day * NS_PER_DAY, fee=D("0.00000001"),
                fee_currency="BTC",
            ),
            "", D(100),
        )
        for index, (day, buys, amount, price) in enumerate(sorted(trades))
    ]  # fmt: skip
    for day in {row.fill.received_ns for row in made}:
        write_fills(lake, "v", day, [row for row in made if row.fill.received_ns == day])
    found = list(results(lake, "v", lambda venue, symbol, day_ns: D(777)))
    for row in found:
        assert adds_up(row.realized, row.fees, row.funding, row.unrealized, row.unrealized_before, row.net)
    for before, after in pairwise(found):
        assert after.unrealized_before == before.unrealized


def test_a_row_that_does_not_add_up_is_refused(store: OrderStore, lake: ObjectStore, trade: Trade) -> None:
    import pyarrow as pa

    trade(("2", "100"), at_ns=DAY0)
    export_fills(store, lake, "binance", DAY0)
    marked(lake, DAY0, "110")
    account_day(lake, "binance", DAY0)
    table = read_day(lake, PNL_DAILY, "binance", DAY0)
    assert table is not None
    position = table.schema.names.index("net")
    wrong = table.set_column(
        position, table.schema.field(position), pa.array([D(1)], table.schema.field(position).type)
    )
    checked = PNL_DAILY.validate(wrong)
    assert (len(checked.good), len(checked.rejected)) == (0, 1)
    assert "net is not realized" in checked.rejected.column("rejected_reason")[0].as_py()


def test_a_number_with_more_digits_than_are_kept_is_an_error_and_no_rounding(trade: Trade, store: OrderStore) -> None:
    trade(("1", "100"), at_ns=DAY0)
    [(fill, strategy)] = store.traded()
    longer = msgspec.structs.replace(fill, price=D("1e-19"))
    with pytest.raises(SchemaViolation, match="fills cannot be kept"):
        fill_table([StoredFill(longer, strategy, D(1))])


def test_snapshots_of_a_day_are_added_up(lake: ObjectStore) -> None:
    marked(lake, DAY0, "110")
    marked(lake, DAY0, "111", symbol="ETH/USDT")
    kept = read_venue_span(lake, POSITIONS, "binance", DAY0, DAY1).to_pylist()
    assert [(row["symbol"], row["mark"], row["mark_kind"], row["side"]) for row in kept] == [
        ("BTC/USDT", 110, "mid", "long"),
        ("ETH/USDT", 111, "mid", "long"),
    ]
