"""Days that are over are made again when the order store has more of them, and are left alone when it has not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal as D
from pathlib import Path

import pytest

from tests.monitor.conftest import Trade, trading
from tests.symbols.test_mapping import instrument
from tests.trading.samples import event, fill, intent, report
from xetrade_core.accounting.behind import MOST_DAYS
from xetrade_core.accounting.export import export_fills
from xetrade_core.assembly.accounting import book_days
from xetrade_core.lake.day_tables import read_day
from xetrade_core.lake.store import ObjectInfo, ObjectStore
from xetrade_core.lake.trade_schemas import PNL_DAILY
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.order_events import EventKind, Source
from xetrade_core.model.orders import Side
from xetrade_core.positions.daily import NS_PER_DAY
from xetrade_core.reference.days import store_listing
from xetrade_core.settings import Settings
from xetrade_core.trading.evidence import record_report
from xetrade_core.trading.fundings import add_fundings
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction

VENUE, SWAP = "binanceusdm", "BTC/USDT:USDT"
DAYS = [(20_500 + number) * NS_PER_DAY for number in range(6)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(trading={"store": str(tmp_path / "orders.db")})  # type: ignore[arg-type]


def booked(settings: Settings, lake: ObjectStore, today: int = 5) -> list[int]:
    """Which days were made, as numbers of `DAYS`."""
    made = book_days(settings, lake, [VENUE], (DAYS[today - 1], DAYS[today]))
    assert made.problems == {}
    return [DAYS.index(day.profit.day_ns) for day in made.done]


def held(lake: ObjectStore) -> list[D | None]:
    """What is held at the end of each day by the lake."""
    tables = [read_day(lake, PNL_DAILY, VENUE, day_ns) for day_ns in DAYS]
    return [None if table is None else sum(table["quantity"].to_pylist(), D(0)) for table in tables]


def test_the_days_before_the_first_run_are_made_with_it(
    store: OrderStore, lake: ObjectStore, settings: Settings, trade: Trade
) -> None:
    trade(("2", "100"), at_ns=DAYS[0], venue=VENUE, symbol=SWAP)
    trade(("1", "100"), at_ns=DAYS[2] + 7, venue=VENUE, symbol=SWAP, side=Side.SELL)
    assert booked(settings, lake) == [0, 1, 2, 3, 4, 5]
    assert held(lake) == [2, 2, 1, 1, 1, 1]
    assert booked(settings, lake) == [4, 5]


def test_the_lake_is_listed_and_the_venues_instruments_are_read_as_often_for_many_days_as_for_few(
    store: OrderStore, lake: ObjectStore, settings: Settings, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def listed(prefix: str) -> Iterator[ObjectInfo]:
        if not prefix.startswith("positions/"):  # the marks of each day are that day's
            asked.append(prefix)
        return found(prefix)

    def read(key: str) -> bytes:
        if key.startswith("instruments/"):
            asked.append(key)
        return content(key)

    found, content = lake.list, lake.read
    monkeypatch.setattr(lake, "list", listed)
    monkeypatch.setattr(lake, "read", read)
    store_listing(lake, VENUE, DAYS[0], [instrument(VENUE, "BTCUSDT", SWAP)], DAYS[0])
    many = []
    for first, last in ((3, 5), (0, 5)):
        trade(("2", "100"), at_ns=DAYS[first], venue=VENUE, symbol=SWAP)
        asked.clear()
        assert booked(settings, lake) == list(range(first, last + 1))
        many.append(sorted(asked))
    assert many[0] == many[1] != []


def test_a_fill_and_a_payment_that_come_late_have_the_days_since_made_again(
    store: OrderStore, lake: ObjectStore, settings: Settings, trade: Trade
) -> None:
    trade(("2", "100"), at_ns=DAYS[0], venue=VENUE, symbol=SWAP)
    for today in range(1, 6):
        assert booked(settings, lake, today) == [today - 1, today]
    trade(("1", "100"), at_ns=DAYS[2] + 7, venue=VENUE, symbol=SWAP, side=Side.SELL)
    assert booked(settings, lake) == [2, 3, 4, 5]
    assert held(lake) == [2, 2, 1, 1, 1, 1]
    add_fundings(store, [FundingPayment(VENUE, "main", SWAP, "f", D("-0.5"), "USDT", DAYS[3] - 1)])
    assert booked(settings, lake) == [2, 3, 4, 5]
    table = read_day(lake, PNL_DAILY, VENUE, DAYS[2])
    assert table is not None
    assert table["funding"].to_pylist() == [D("-0.5")]
    assert booked(settings, lake) == [4, 5]


def test_an_order_that_is_found_late_has_its_trades_moved_to_its_strategy(
    store: OrderStore, lake: ObjectStore, settings: Settings, trade: Trade
) -> None:
    """It was in doubt for days: its trade was of nobody's until the venue's id of it was known."""
    trade(("2", "100"), at_ns=DAYS[0], venue=VENUE, symbol=SWAP)
    at = {"exchange_ns": DAYS[1], "received_ns": DAYS[1]}
    told = fill("late", "1", "100", venue=VENUE, symbol=SWAP, venue_order_id="v9", **at)
    store.do(lambda transaction: transaction.add_fill(told, DAYS[1], Source.STREAM))
    assert booked(settings, lake) == [0, 1, 2, 3, 4, 5]
    one = intent(77, venue=VENUE, symbol=SWAP, amount=D(1), strategy="maker")

    def found(transaction: Transaction) -> None:
        transaction.append(one.client_id, event(EventKind.INTENDED, intent=one, at_ns=1, source=Source.SERVICE))
        transaction.append(one.client_id, event(EventKind.SUBMITTED, source=Source.SERVICE))
        record_report(transaction, one.client_id, report(venue_order_id="v9", symbol=SWAP), Source.QUERY, 3)

    store.do(found)
    assert booked(settings, lake) == [1, 2, 3, 4, 5]
    table = read_day(lake, PNL_DAILY, VENUE, DAYS[3])
    assert table is not None
    assert [(row["strategy"], row["quantity"]) for row in table.to_pylist()] == [("maker", 3)]
    assert booked(settings, lake) == [4, 5]


def test_a_day_that_was_brought_in_and_not_accounted_for_is_made_again(
    store: OrderStore, lake: ObjectStore, settings: Settings, trade: Trade
) -> None:
    trade(("2", "100"), at_ns=DAYS[0], venue=VENUE, symbol=SWAP)
    booked(settings, lake)
    trade(("1", "100"), at_ns=DAYS[1], venue=VENUE, symbol=SWAP)
    export_fills(store, lake, VENUE, DAYS[1])  # and the run ends
    assert booked(settings, lake) == [1, 2, 3, 4, 5]
    assert held(lake) == [2, 3, 3, 3, 3, 3]


def test_a_trade_of_a_wrong_year_is_brought_in_and_only_the_last_days_are_made_again(
    store: OrderStore, lake: ObjectStore, settings: Settings, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xetrade_core.accounting.behind.MOST_DAYS", 2)
    assert MOST_DAYS > 300
    trade(("2", "100"), at_ns=5, venue=VENUE, symbol=SWAP)
    assert booked(settings, lake) == [2, 3, 4, 5]
    assert held(lake) == [None, None, 2, 2, 2, 2]
    assert booked(settings, lake) == [4, 5]


def test_a_trade_of_no_order_of_ours_has_the_size_that_the_venue_lists(
    store: OrderStore, lake: ObjectStore, settings: Settings
) -> None:
    symbol = "BTC/USD:BTC"
    traded = fill("x", "3", "50000", venue=VENUE, symbol=symbol, exchange_ns=DAYS[4], received_ns=DAYS[4])
    store.do(lambda transaction: transaction.add_fill(traded, 4, Source.STREAM))
    assert export_fills(store, lake, VENUE, DAYS[4]).unsized == (symbol,)
    listed = instrument(VENUE, "BTCUSD_PERP", symbol, contract_size=D(100))
    store_listing(lake, VENUE, DAYS[5], [listed], DAYS[5])
    assert export_fills(store, lake, VENUE, DAYS[4]).unsized == ()
    booked(settings, lake)
    table = read_day(lake, PNL_DAILY, VENUE, DAYS[4])
    assert table is not None
    assert table["contract_size"].to_pylist() == [100]


def test_a_new_order_store_takes_nothing_from_the_lake(
    store: OrderStore, lake: ObjectStore, settings: Settings, trade: Trade, tmp_path: Path
) -> None:
    trade(("2", "100"), ("1", "100"), at_ns=DAYS[1], venue=VENUE, symbol=SWAP)
    booked(settings, lake)
    new = Settings(trading={"store": str(tmp_path / "new.db")})  # type: ignore[arg-type]
    with closing(OrderStore(tmp_path / "new.db")) as opened:
        trading(opened)(("1", "100"), at_ns=DAYS[1], venue=VENUE, symbol=SWAP)
    assert booked(new, lake) == [4, 5]
    for info in list(lake.list("_openings/")):
        lake.delete(info.key)  # so that every day is made again
    assert booked(new, lake) == [1, 2, 3, 4, 5]
    assert held(lake) == [None, 3, 3, 3, 3, 3]
