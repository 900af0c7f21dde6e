"""The event store, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import RowMapping, create_engine, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tests.support.postgres import new_database
from tests.trading.samples import D, event, fill, intent, report
from xetrade_core.errors import ConfigError, StoreUnavailable, UnknownOrder
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.order_events import ControlEvent, ControlKind, EventKind, OrderEvent, Source, TradingState
from xetrade_core.model.orders import Order, OrderState, ReportStatus, Side
from xetrade_core.telemetry import add_alarm_sink
from xetrade_core.trading.database import MIGRATIONS
from xetrade_core.trading.evidence import record_report
from xetrade_core.trading.fundings import add_fundings, fundings_by_day
from xetrade_core.trading.limits import Limits, RiskLimits, Scope, ScopeKind
from xetrade_core.trading.rebuild import rebuild
from xetrade_core.trading.schema import EVENTS, METADATA, ORDERS, REVISION
from xetrade_core.trading.store import OrderStore
from xetrade_core.trading.transaction import Transaction


def place(transaction: Transaction, index: int = 0) -> Order:
    one = intent(index)
    transaction.append(one.client_id, event(EventKind.INTENDED, intent=one, at_ns=1, source=Source.SERVICE))
    return transaction.append(one.client_id, event(EventKind.SUBMITTED, source=Source.SERVICE)).order


def acknowledge(transaction: Transaction, index: int = 0) -> Order:
    said = report(venue_order_id=f"v{index}")
    return record_report(transaction, intent(index).client_id, said, Source.REPLY, 3)


def test_an_order_is_what_its_events_sum_up_to(store: OrderStore) -> None:
    placed = store.do(place)
    opened = store.do(acknowledge, durable=False)
    store.do(lambda transaction: transaction.add_fill(fill("t1", "0.004", venue_order_id="v0"), 4, Source.STREAM))
    order = store.order(placed.client_id)
    assert (placed.state, opened.state) == (OrderState.SUBMITTING, OrderState.OPEN)
    assert (order.state, order.filled, order.version) == (OrderState.PARTIALLY_FILLED, D("0.004"), 4)
    assert [one.kind for one in store.events(order.client_id)] == ["intended", "submitted", "accepted", "fill"]
    assert store.by_venue_id("binance", "main", "BTC/USDT", "v0") == order
    assert store.working() == [order]
    assert store.fills(client_id=order.client_id)[0].price == D(50_000)


def test_it_is_all_there_after_reopening(store_url: str) -> None:
    first = OrderStore(store_url)
    first.do(place)
    first.do(acknowledge)
    first.control(halt())
    first.close()
    again = OrderStore(store_url)
    order = again.do(lambda transaction: transaction.working())[0]
    assert order == again.order(intent().client_id)
    halted = again.do(lambda transaction: transaction.risk.trading_state("binance", "BTC/USDT"))
    assert halted is not None
    assert halted.reason == "drill"
    again.close()


def halt() -> ControlEvent:
    return ControlEvent(kind=ControlKind.TRADING_STATE, at_ns=5, by="op", reason="drill", state=TradingState.HALTED)


def test_a_trade_is_counted_once_whoever_reports_it(store: OrderStore) -> None:
    store.do(place)
    store.do(acknowledge)
    by_id, by_client = fill("t1", venue_order_id="v0"), fill("t1", client_id=intent().client_id, fee=D("0.1"))
    steps = [
        store.do(lambda transaction, one=one: transaction.add_fill(one, 4, Source.STREAM))
        for one in (by_id, by_client, by_id)
    ]
    assert [step is None for step in steps] == [False, True, True]
    assert (store.order(intent().client_id).filled, len(store.fills())) == (D("0.01"), 1)


def test_of_a_trade_between_two_orders_of_the_account_each_has_its_fill_however_often_it_is_told(
    store: OrderStore,
) -> None:
    seller = intent(1, side=Side.SELL)

    def both(transaction: Transaction) -> None:
        place(transaction)
        transaction.append(seller.client_id, OrderEvent(kind=EventKind.INTENDED, at_ns=1, intent=seller))
        transaction.append(seller.client_id, OrderEvent(kind=EventKind.SUBMITTED, at_ns=1))

    store.do(both)
    told = [
        fill("t1", venue_order_id="v1", client_id=seller.client_id, side=Side.SELL),
        fill("t1", venue_order_id="v0", client_id=intent().client_id),
    ]
    for fills in (told, told[::-1]):
        store.do(lambda transaction, fills=fills: [transaction.add_fill(one, 4, Source.STREAM) for one in fills])
    assert [store.order(one.client_id).fills_amount for one in (seller, intent())] == [D("0.01"), D("0.01")]
    assert {(one.trade_id, one.side) for one in store.fills()} == {("t1", Side.SELL), ("t1-v0", Side.BUY)}
    assert rebuild(store).clean


def test_the_same_trade_id_in_another_symbol_or_account_is_another_trade(store: OrderStore) -> None:
    for other in ({}, {"symbol": "ETH/USDT"}, {"account": "second"}, {"venue": "okx"}):
        store.do(lambda transaction, other=other: transaction.add_fill(fill("t1", **other), 4, Source.STREAM))
    assert len(store.fills()) == 4


def test_a_trade_that_comes_before_its_order_is_known_finds_it(store: OrderStore) -> None:
    """The stream may be faster than the reply that tells the venue's order id."""
    store.do(place)
    early = fill("t1", venue_order_id="v0")
    assert store.do(lambda transaction: transaction.add_fill(early, 3, Source.STREAM)) is None
    order = store.do(acknowledge)
    assert (order.state, order.filled) == (OrderState.OPEN, D(0)) or order.state is OrderState.FILLED
    assert store.order(order.client_id).state is OrderState.FILLED
    assert store.fills(client_id=order.client_id) == [fill("t1", venue_order_id="v0", client_id=order.client_id)]


def test_a_trade_finds_an_order_that_ended_in_the_same_commit(store: OrderStore) -> None:
    def ended_and_traded(transaction: Transaction) -> None:
        said = report(ReportStatus.CANCELED, venue_order_id="v0", filled=D(0))
        record_report(transaction, intent().client_id, said, Source.REPLY, 3)
        transaction.add_fill(fill("t1", "0.004", venue_order_id="v0"), 4, Source.STREAM)

    store.do(place)
    store.do(ended_and_traded)
    order = store.order(intent().client_id)
    assert (order.state, order.filled) == (OrderState.CANCELED, D("0.004"))
    assert [one.client_id for one in store.fills()] == [order.client_id]
    assert rebuild(store).clean


def test_a_trade_of_another_symbol_or_venue_is_none_of_an_order_whose_id_it_names(store: OrderStore) -> None:
    """Binance numbers the orders of each symbol for themselves, and other venues know nothing of each other."""
    strange = [fill("t1", venue_order_id="v0", **other) for other in ({"symbol": "ETH/USDT"}, {"venue": "okx"})]

    def both_at_once(transaction: Transaction) -> None:
        for one in strange:
            transaction.add_fill(one, 3, Source.STREAM)
        acknowledge(transaction)

    store.do(place)
    store.do(both_at_once)
    store.do(
        lambda transaction: transaction.add_fill(fill("t2", venue_order_id="v0", symbol="ETH/USDT"), 4, Source.STREAM)
    )
    assert store.order(intent().client_id).filled == 0
    assert {one.client_id for one in store.fills()} == {None}
    assert rebuild(store).clean


@pytest.mark.parametrize("other", [{"venue": "okx"}, {"account": "second"}, {"symbol": "ETH/USDT"}])
def test_a_trade_that_names_an_order_of_another_place_is_none_of_it(store: OrderStore, other: dict[str, str]) -> None:
    """Ids come of keys: another order store may have used the same key, in an account that both hear of."""
    ours = store.do(place)
    store.do(acknowledge)
    theirs = fill("t1", client_id=ours.client_id, venue_order_id="theirs", **other)
    assert store.do(lambda transaction: transaction.add_fill(theirs, 4, Source.STREAM)) is None
    assert store.order(ours.client_id).filled == 0
    [kept] = store.fills()
    assert kept.client_id is None
    assert rebuild(store).clean


def test_work_that_fails_leaves_nothing_and_the_rest_of_its_batch_is_kept(store: OrderStore) -> None:
    def broken(transaction: Transaction) -> None:
        place(transaction, 1)
        transaction.add_fill(fill("t9"), 3, Source.STREAM)
        transaction.control(halt())
        raise UnknownOrder("nothing")

    results = store.transact([place, broken, lambda transaction: place(transaction, 2)])
    assert [type(one).__name__ for one in results] == ["Order", "UnknownOrder", "Order"]
    assert {order.client_id for order in store.working()} == {intent(0).client_id, intent(2).client_id}
    assert store.fills() == []
    portfolio = Scope(ScopeKind.PORTFOLIO, "")
    assert store.do(lambda transaction: transaction.risk.usage(portfolio).orders) == 2
    assert store.do(lambda transaction: transaction.risk.trading_states()) == ()


def test_a_fill_of_work_that_fails_leaves_no_holding_behind(store: OrderStore) -> None:
    def broken(transaction: Transaction) -> None:
        transaction.add_fill(fill("t1", "0.004", venue_order_id="v0"), 4, Source.STREAM)
        raise UnknownOrder("nothing")

    store.do(place)
    store.do(acknowledge)
    store.transact([broken, lambda transaction: place(transaction, 1)])
    assert rebuild(store).clean


def test_a_writer_that_is_far_behind_reads_anew(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite takes at most some thirty thousand names in a statement, PostgreSQL twice as many."""
    monkeypatch.setattr("xetrade_core.trading.store._BEHIND", 5)
    with OrderStore(store_url) as store, OrderStore(store_url) as other:
        store.do(place)
        for index in range(1, 5):
            other.do(lambda transaction, index=index: place(transaction, index))
        other.control(halt())
        assert store.do(lambda transaction: transaction.risk.usage(Scope(ScopeKind.PORTFOLIO, "")).orders) == 5
        assert store.do(lambda transaction: transaction.risk.trading_state("binance", "BTC/USDT")) is not None
        store.do(lambda transaction: acknowledge(transaction, 3))
        assert rebuild(store).clean


def test_what_is_reserved_is_read_anew_after_a_mistake_of_ours(store: OrderStore) -> None:
    """Nobody knows then how far the change in memory had come, so that nothing can take it back."""

    def mistaken(transaction: Transaction) -> None:
        transaction.risk.replace(transaction.order(intent().client_id), None)
        raise ZeroDivisionError

    store.do(place)
    [error] = store.transact([mistaken])
    assert isinstance(error, ZeroDivisionError)
    assert store.do(lambda transaction: transaction.risk.usage(Scope(ScopeKind.PORTFOLIO, "")).orders) == 1


def test_an_illegal_event_is_kept_and_a_person_told(store: OrderStore) -> None:
    store.do(place)
    store.do(acknowledge)
    alarms: list[dict[str, object]] = []
    remove = add_alarm_sink(alarms.append)
    store.do(lambda transaction: transaction.append(intent().client_id, event(EventKind.DENIED)))
    remove()
    order = store.order(intent().client_id)
    assert (order.state, order.illegal) == (OrderState.OPEN, ("open+denied",))
    assert [(one.kind, one.legal) for one in store.events(order.client_id)][-1] == (EventKind.DENIED, False)
    assert [one["alarm"] for one in alarms] == ["order_contradiction"]


@pytest.mark.parametrize("change", ["UPDATE events SET kind = 'filled'", "DELETE FROM events"])
def test_the_database_itself_refuses_to_change_an_event(store: OrderStore, change: str) -> None:
    store.do(place)
    with pytest.raises(DBAPIError, match="only ever appended"), store.engine.begin() as connection:
        connection.execute(text(change))
    assert len(store.events(intent().client_id)) == 2


def test_the_migrations_make_the_tables_that_the_code_uses(store: OrderStore) -> None:
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == REVISION
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert scripts.get_current_head() == REVISION


def test_a_store_of_before_orders_went_by_a_number_keeps_all_of_it(store_url: str, tmp_path: Path) -> None:
    """Revision 0004 writes every event once more, with the number of its order beside it."""
    with OrderStore(tmp_path / "now.db") as now:
        for index in range(3):
            now.do(lambda transaction, index=index: place(transaction, index))
        now.do(lambda transaction: acknowledge(transaction, 1))
        now.control(halt())
        histories = {order.client_id: now.events(order.client_id) for order in now.unsettled()}
        with now.reading() as connection:
            rows = {table.name: connection.execute(select(table)).mappings().all() for table in (EVENTS, ORDERS)}
    make_revision(store_url, "0003", {"events": (rows["events"], "order_seq"), "orders": (rows["orders"], "seq")})
    with OrderStore(store_url) as store:
        assert {order.client_id: store.events(order.client_id) for order in store.unsettled()} == histories
        assert rebuild(store).clean
        store.do(lambda transaction: acknowledge(transaction, 2))
        assert store.events(intent(2).client_id)[:-1] == histories[intent(2).client_id]
        assert rebuild(store).clean
        with pytest.raises(DBAPIError, match="only ever appended"), store.engine.begin() as connection:
            connection.execute(text("DELETE FROM events"))


def test_a_store_of_a_newer_version_is_left_alone_with_one_clear_line(store_url: str) -> None:
    with OrderStore(store_url) as store, store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(
        StoreUnavailable, match=r"newer version of XETrade \(its schema is 9999, and this version knows"
    ):
        OrderStore(store_url)


def test_a_process_of_before_that_still_runs_can_write_no_event(store: OrderStore) -> None:
    """It would name no number, so that nobody would find what it wrote."""
    store.do(place)
    values = f"(3, '{intent().client_id}', 3, 'x', 1, '')"
    old = f"INSERT INTO events (seq, client_id, version, kind, at_ns, body) VALUES {values}"
    with pytest.raises(IntegrityError, match="events_have_their_order"), store.engine.begin() as connection:
        connection.execute(text(old))


def make_revision(url: str, revision: str, content: dict[str, tuple[Sequence[RowMapping], str]]) -> None:
    """A database as an earlier version made it: rows of today by table, without the column that they had not yet."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for table, (rows, missing) in content.items():
            names = [name for name in rows[0] if name != missing]
            values = ", ".join(f":{name}" for name in names)
            connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"), list(rows))
    engine.dispose()


def test_every_decimal_keeps_its_last_digit(store: OrderStore) -> None:
    exact = fill("t1", "0.000000000000000001", "123456789012.000000000000000001", fee=D("-0.1"))
    store.do(lambda transaction: transaction.add_fill(exact, 3, Source.STREAM))
    assert store.fills() == [exact]


def test_a_rebuild_finds_what_differs_and_repairs_it(store: OrderStore) -> None:
    for index in range(5):
        store.do(lambda transaction, index=index: place(transaction, index))
        store.do(lambda transaction, index=index: acknowledge(transaction, index))
    store.do(lambda transaction: transaction.add_fill(fill("t1", "0.004", venue_order_id="v0"), 4, Source.STREAM))
    store.do(lambda transaction: transaction.append(intent(1).client_id, event(EventKind.DENIED)))
    clean = rebuild(store)
    assert (clean.clean, clean.orders, clean.events, clean.illegal) == (True, 5, 17, 1)
    before = [store.order(intent(index).client_id) for index in range(5)]
    with store.engine.begin() as connection:
        connection.execute(text(f"DELETE FROM orders WHERE client_id = '{intent(2).client_id}'"))
        connection.execute(text(f"UPDATE orders SET state = 'filled' WHERE client_id = '{intent(3).client_id}'"))
        connection.execute(text("DELETE FROM holdings"))
    found = rebuild(store)
    assert set(found.differing) == {intent(2).client_id, intent(3).client_id}
    assert (found.different, found.holdings, found.repaired) == (2, 1, False)
    rebuild(store, repair=True)
    assert rebuild(store).clean
    assert [store.order(intent(index).client_id) for index in range(5)] == before
    assert len(store.do(lambda transaction: transaction.working())) == 5


def test_a_row_without_events_is_found_and_removed(store: OrderStore) -> None:
    store.do(place)
    with store.engine.begin() as connection:
        copied = "version, state, unsettled, venue, account, symbol, strategy, created_ns, updated_ns, body"
        connection.execute(
            text(f"INSERT INTO orders (seq, client_id, {copied}) SELECT 99, 'zzz', {copied} FROM orders")
        )
    assert rebuild(store).differing == ("zzz",)
    rebuild(store, repair=True)
    assert rebuild(store).clean


def test_a_row_under_another_number_is_repaired_whatever_is_repaired_with_it(
    store: OrderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xetrade_core.trading.rebuild._CHUNK", 1)
    before = store.do(place)
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE orders SET seq = 99"))
    rebuild(store, repair=True)
    assert rebuild(store).clean
    assert store.order(before.client_id) == before


def test_a_transaction_leaves_nothing_for_the_garbage_collector(store: OrderStore) -> None:
    """A circle of objects for each order would be freed by stops of the event loop alone."""
    seen: list[weakref.ref[Transaction]] = []

    def work(transaction: Transaction) -> None:
        seen.append(weakref.ref(transaction))
        place(transaction)
        acknowledge(transaction)
        transaction.add_fill(fill("t1", "0.004", venue_order_id="v0"), 4, Source.STREAM)
        transaction.control(halt())

    gc.disable()
    try:
        store.do(work)
        assert [one() for one in seen] == [None]
    finally:
        gc.enable()


def test_an_unknown_order_says_so(store: OrderStore) -> None:
    for ask in (store.order, store.events):
        with pytest.raises(UnknownOrder, match="unknown order 'x1'"):
            ask("x1")


def test_rates_survive_a_restart(store_url: str) -> None:
    """Orders of the last window count, also those that have ended."""
    from xetrade_core.clock import ManualClock
    from xetrade_core.venues.venue import RateRule

    limits = RiskLimits({Scope(ScopeKind.PORTFOLIO, ""): Limits(order_rate=RateRule(1, 60))})
    now_ns = 10**18
    first = OrderStore(store_url, limits=limits, clock=ManualClock(now_ns))
    one = intent()
    first.do(lambda transaction: transaction.append(one.client_id, event(EventKind.INTENDED, now_ns, intent=one)))
    first.do(lambda transaction: transaction.append(one.client_id, event(EventKind.SUBMITTED, now_ns)))
    rejected = report(ReportStatus.REJECTED)
    first.do(lambda transaction: record_report(transaction, one.client_id, rejected, Source.REPLY, now_ns))
    first.close()
    again = OrderStore(store_url, limits=limits, clock=ManualClock(now_ns + 10**9))
    denial = again.do(lambda transaction: transaction.risk.check(intent(1), now_ns + 10**9, venue_reduces=True))
    assert denial is not None
    assert denial.limit == "order_rate of portfolio"
    again.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/db", "sqlite and postgresql are supported"),
        ("sqlite://", "orders must survive: give a file"),
        ("://", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_clear_line(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        OrderStore(url)


def test_a_database_that_is_not_there_is_one_clear_line_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as raised:
        OrderStore(f"postgresql://user:canary@/orders?host={tmp_path}&connect_timeout=2")
    assert "canary" not in str(raised.value)
    assert "\n" not in str(raised.value)
    (tmp_path / "file").write_text("not a database, and long enough to be taken for one that is broken" * 20)
    with pytest.raises(StoreUnavailable, match="not a database"):
        OrderStore(tmp_path / "file")


@pytest.mark.xdist_group("postgresql")
def test_a_lost_connection_is_one_clear_error_and_the_next_try_connects_anew() -> None:
    url = new_database()
    store, other = OrderStore(url), OrderStore(url)
    store.do(place)
    with other.engine.begin() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        connection.execute(text(f"{others} AND pid <> pg_backend_pid()"))
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.do(acknowledge)
    assert store.do(acknowledge).state is OrderState.OPEN
    assert store.order(intent().client_id).state is OrderState.OPEN
    store.close()
    other.close()


@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize("orders", [1, 2])
def test_a_process_that_stands_still_in_the_middle_of_a_write_holds_nobody_up_for_ever(
    orders: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xetrade_core.trading.database.BUSY_TIMEOUT_S", 0.2)
    monkeypatch.setattr("xetrade_core.trading.database.STOPPED_TIMEOUT_S", 1.0)
    url = new_database()
    stopped, store = OrderStore(url), OrderStore(url)
    transaction = Transaction(stopped._load(standing := stopped.engine.connect()), standing)
    for index in range(orders):
        place(transaction, index)
    transaction.write()  # and its process goes no further
    with pytest.raises(StoreUnavailable, match="lock timeout"):
        store.do(place)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            store.do(place)
            break
        except StoreUnavailable:  # until the server has given it up
            continue
    assert store.order(intent().client_id).state is OrderState.SUBMITTING
    standing.invalidate()
    store.close()
    stopped.close()


def test_fills_and_payments_are_counted_by_the_day_of_the_venues_time(store: OrderStore) -> None:
    day = 86_400 * 10**9
    for number, at_ns in enumerate((day - 1, day, 2 * day - 1, 2 * day)):
        traded = fill(f"t{number}", "1", "100", exchange_ns=at_ns, received_ns=5 * day)
        store.do(lambda transaction, one=traded: transaction.add_fill(one, 4, Source.STREAM))
    assert store.fills_by_day("binance", 2 * day) == {(0, "BTC/USDT"): (1, 0), (day, "BTC/USDT"): (2, 0)}
    assert store.fills_by_day("okx", 2 * day) == {}
    paid = [FundingPayment("okx", "main", "BTC/USDT:USDT", f"p{n}", D(1), "USDT", n * day // 2) for n in range(5)]
    add_fundings(store, paid)
    assert fundings_by_day(store, "okx", 2 * day) == {0: 2, day: 2}
