"""Positions out of the order store: each fill once, in the order of its time, whoever commits it when."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal as D
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.monitor.conftest import Trade
from tests.trading.samples import fill
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Fill, Side, Terms
from xetrade_core.monitor.ledger import LOOK_BACK_NS, FillLedger, Selection, UnknownSize
from xetrade_core.positions.book import Holder
from xetrade_core.trading.fundings import add_fundings, read_fundings
from xetrade_core.trading.store import OrderStore

HOLDER = Holder("binance", "main", "BTC/USDT", "maker")


def held(ledger: FillLedger) -> dict[Holder, tuple[D, D | None]]:
    ledger.refresh()
    return {holder: (one.quantity, one.average_entry) for holder, one in ledger.positions.items()}


def test_fills_make_positions_and_each_counts_once(store: OrderStore, trade: Trade) -> None:
    ledger = FillLedger(store)
    assert ledger.refresh() == 0
    trade(("1", "100"), ("1", "200"))
    assert ledger.refresh() == 2
    assert ledger.refresh() == 0
    trade(("1", "180"), side=Side.SELL, at_ns=2_000)
    assert held(ledger) == {HOLDER: (D(1), D(150))}
    assert ledger.book.positions[HOLDER].realized == 30


def test_a_fill_that_comes_late_is_put_where_it_belongs(store: OrderStore, trade: Trade) -> None:
    ledger = FillLedger(store)
    trade(("1", "100"), at_ns=1_000)
    trade(("1", "300"), at_ns=3_000, side=Side.SELL)
    ledger.refresh()
    assert ledger.book.positions[HOLDER].realized == 200
    trade(("1", "200"), at_ns=2_000)  # before the sale: the average entry was 150
    ledger.refresh()
    assert ledger.book.positions[HOLDER].realized == 150
    assert held(ledger) == {HOLDER: (D(1), D(150))}


def test_strategies_accounts_and_instruments_are_apart_and_can_be_selected(store: OrderStore, trade: Trade) -> None:
    one = trade(("1", "100"))
    trade(("2", "100"), strategy="taker")
    trade(("3", "100"), account="second")
    trade(("4", "100"), symbol="ETH/USDT")
    assert len(held(FillLedger(store))) == 4
    assert held(FillLedger(store, Selection(strategy="taker"))) == {HOLDER._replace(strategy="taker"): (D(2), D(100))}
    assert held(FillLedger(store, Selection(account="second"))) == {HOLDER._replace(account="second"): (D(3), D(100))}
    assert held(FillLedger(store, Selection(symbols=("ETH/USDT",)))) == {
        HOLDER._replace(symbol="ETH/USDT"): (D(4), D(100))
    }
    assert held(FillLedger(store, Selection(client_id=one.client_id))) == {HOLDER: (D(1), D(100))}
    assert held(FillLedger(store, Selection(venue="okx"))) == {}


def test_contract_sizes_are_those_that_orders_were_placed_with(store: OrderStore, trade: Trade) -> None:
    trade(("10", "50000"), venue="binancecoinm", symbol="BTC/USD:BTC", terms=Terms(D(100), inverse=True))
    ledger = FillLedger(store)
    ledger.refresh()
    [position] = ledger.book.positions.values()
    assert position.payout.multiplier == 100
    assert position.payout.inverse


def test_a_trade_of_no_order_needs_a_size_from_elsewhere(store: OrderStore) -> None:
    store.do(lambda transaction: transaction.add_fill(fill("x", "1", "100"), 4, Source.STREAM))
    ledger = FillLedger(store)
    with pytest.raises(UnknownSize, match="BTC/USDT on binance has fills"):
        ledger.refresh()
    ledger.know({("binance", "BTC/USDT"): D(1)})
    assert held(ledger) == {HOLDER._replace(strategy=""): (D(1), D(100))}


def test_no_fill_is_lost_while_a_contract_size_is_looked_up(store: OrderStore, trade: Trade) -> None:
    """A fill of long ago was received last: what came before it must be read all the same, once the size is known."""
    trade(("1", "100"), at_ns=5_000)
    for symbol, at_ns, received_ns in (("BTC/USDT", 1_000, 10 * LOOK_BACK_NS), ("ETH/USDT", 9_000, 9_000)):
        late = fill(f"x{at_ns}", "2", "100", symbol=symbol, exchange_ns=at_ns, received_ns=received_ns)
        store.do(lambda transaction, one=late: transaction.add_fill(one, 4, Source.STREAM))
    ledger = FillLedger(store)
    with pytest.raises(UnknownSize):
        ledger.refresh()
    ledger.know({("binance", "ETH/USDT"): D(1)})
    assert {holder.symbol: one[0] for holder, one in held(ledger).items() if not holder.strategy} == {
        "BTC/USDT": D(2), "ETH/USDT": D(2),
    }  # fmt: skip


def test_what_is_left_out_is_counted_once_its_size_is_known_and_nothing_of_it_before(
    store: OrderStore, trade: Trade
) -> None:
    """What was committed and what only a stream has told; the rest goes on meanwhile."""
    trade(("1", "100"))
    foreign = [fill(f"x{n}", "2", "100", symbol="ETH/USDT", exchange_ns=n, received_ns=n) for n in (5_000, 6_000)]
    commit(store, foreign[0])
    ledger = FillLedger(store)
    with pytest.raises(UnknownSize) as unknown:
        ledger.refresh()
    ledger.leave_out(unknown.value)
    assert ledger.refresh([foreign[1]]) == 1
    trade(("1", "100"), at_ns=7_000)
    assert (ledger.refresh(), ledger.refresh()) == (1, 0)
    assert {holder.symbol for holder in held(ledger)} == {"BTC/USDT"}
    assert ledger.amounts("binance", "main") == {"BTC/USDT": 2}
    assert not ledger.know({("okx", "ETH/USDT"): D(1)})
    assert ledger.know({("binance", "ETH/USDT"): D(1)})
    assert ledger.refresh() == 4
    assert {holder.symbol: one[0] for holder, one in held(ledger).items()} == {"BTC/USDT": 2, "ETH/USDT": 4}
    assert ledger.ahead == 1


def test_trades_of_one_moment_count_in_the_order_of_their_numbers(store: OrderStore) -> None:
    """9 buys, 10 sells more than is held: the other way round the entry of what is left would be another."""
    for number, side, amount, price in (("10", Side.SELL, "2", "300"), ("9", Side.BUY, "1", "100")):
        traded = fill(number, amount, price, side=side, received_ns=5, exchange_ns=5)
        store.do(lambda transaction, one=traded: transaction.add_fill(one, 5, Source.STREAM))
    ledger = FillLedger(store)
    ledger.know({("binance", "BTC/USDT"): D(1)})
    assert held(ledger) == {HOLDER._replace(strategy=""): (D(-1), D(300))}
    assert ledger.book.positions[HOLDER._replace(strategy="")].realized == 200


def paid(amount: str, at_ns: int, name: str, **more: str) -> FundingPayment:
    where = {"venue": "binanceusdm", "account": "main", "symbol": SWAP} | more
    return FundingPayment(**where, payment_id=name, amount=D(amount), currency="USDT", at_ns=at_ns)


SWAP = "BTC/USDT:USDT"


def test_a_funding_is_counted_once_and_shared_by_what_strategies_hold(store: OrderStore, trade: Trade) -> None:
    trade(("3", "100"), venue="binanceusdm", symbol=SWAP, strategy="a")
    trade(("1", "100"), venue="binanceusdm", symbol=SWAP, strategy="b", side=Side.SELL)
    ledger = FillLedger(store)
    ledger.refresh()
    payments = [paid("-2", 5_000, "f1"), paid("0.5", 6_000, "f2")]
    assert add_fundings(store, payments) == 2
    assert add_fundings(store, [*payments, paid("1", 7_000, "f3", account="other")]) == 1
    for _ in range(2):
        assert ledger.refresh() == 0
        funding = {holder.strategy: one.funding for holder, one in ledger.positions.items()}
        assert funding == {"a": D("-2.25"), "b": D("0.75"), "": D(1)}
    mine = FillLedger(store, Selection(strategy="a"))
    mine.refresh()
    assert [one.funding for one in mine.positions.values()] == [D("-2.25")]


def test_a_funding_that_comes_late_is_shared_by_what_was_held_then(store: OrderStore, trade: Trade) -> None:
    trade(("1", "100"), venue="binanceusdm", symbol=SWAP, strategy="a", at_ns=1_000)
    trade(("1", "100"), venue="binanceusdm", symbol=SWAP, strategy="b", at_ns=9_000)
    ledger = FillLedger(store)
    ledger.refresh()
    add_fundings(store, [paid("-2", 5_000, "f1")])
    ledger.refresh()
    assert {holder.strategy: one.funding for holder, one in ledger.positions.items()} == {"a": D(-2), "b": D(0)}


def test_payments_of_a_time_are_read(store: OrderStore) -> None:
    payments = [paid("1", 5, "x"), paid("2", 7, "y"), paid("3", 9, "x", symbol="ETH/USDT:USDT")]
    add_fundings(store, reversed(payments))
    assert read_fundings(store) == payments
    assert read_fundings(store, from_ns=5, to_ns=9) == payments[:2]
    assert read_fundings(store, symbols=[SWAP], venue="binanceusdm", account="main") == payments[:2]


# --- fills that a private stream tells of -----------------------------------------------------------------------------


def heard(number: str, amount: str, price: str, *, at_ns: int = 5_000, **more: Any) -> Fill:
    return fill(number, amount, price, received_ns=at_ns, exchange_ns=at_ns, **more)


def commit(store: OrderStore, *fills: Fill) -> None:
    for one in fills:
        store.do(lambda transaction, one=one: transaction.add_fill(one, one.received_ns, Source.STREAM))


def test_a_fill_counts_before_the_store_has_it_and_not_again_when_it_has(store: OrderStore, trade: Trade) -> None:
    order = trade(("1", "100"))
    ledger = FillLedger(store)
    ledger.refresh()
    for at_ns, named in ((5_000, {"client_id": order.client_id}), (6_000, {"venue_order_id": "v1"})):
        one = heard(f"{at_ns}", "1", "200", at_ns=at_ns, **named)
        assert ledger.refresh([one, one]) == 1
        assert ledger.refresh([one]) == 0
        assert ledger.ahead == 1
        commit(store, one)
        assert ledger.refresh(deep=False) == 0
        assert ledger.ahead == 0
    assert held(ledger) == {HOLDER: (D(3), D(500) / 3)}
    assert held(FillLedger(store)) == held(ledger)


def test_what_the_store_says_of_a_fill_counts_more_than_the_stream(store: OrderStore, trade: Trade) -> None:
    trade(("1", "100"))
    ledger = FillLedger(store)
    one = heard("x", "1", "200", venue_order_id="v1")
    ledger.refresh([one])
    commit(store, msgspec.structs.replace(one, fee=D(3), fee_currency="USDT"))
    ledger.refresh()
    assert ledger.book.positions[HOLDER].fees == 3
    assert held(ledger) == {HOLDER: (D(2), D(150))}


def test_a_fill_that_was_counted_long_ago_is_not_counted_again(store: OrderStore, trade: Trade) -> None:
    """A stream tells again of the last trades after every gap; by then the ledger remembers them no more."""
    trade(("1", "100"), at_ns=1_000)
    ledger = FillLedger(store)
    early = heard("e", "1", "100", at_ns=2_000, venue_order_id="v1")
    ledger.refresh([early])
    trade(("1", "100"), at_ns=1_000 + 10 * LOOK_BACK_NS)
    ledger.refresh()
    ledger.refresh()
    [told] = [one for one in store.fills() if one.trade_id == "v1-0"]
    assert ledger.refresh([told, early]) == 0
    commit(store, msgspec.structs.replace(early, received_ns=1_000 + 11 * LOOK_BACK_NS))
    assert ledger.refresh() == 0
    assert held(ledger) == {HOLDER: (D(3), D(100))}


def test_only_what_is_selected_is_heard(store: OrderStore, trade: Trade) -> None:
    mine = trade(("1", "100"))
    fills = [
        heard("a", "1", "100", venue_order_id="v1"),
        heard("b", "1", "100", venue="okx"),
        heard("c", "1", "100", account="second"),
        heard("d", "1", "100", symbol="ETH/USDT"),
        heard("e", "1", "100"),
    ]
    for selection, amount in (
        (Selection(client_id=mine.client_id), 2),
        (Selection("binance", "main", ("BTC/USDT",), "maker"), 2),
        (Selection("binance", "main", ("BTC/USDT",)), 3),
    ):
        ledger = FillLedger(store, selection)
        ledger.refresh(fills)
        assert sum(one.quantity for one in ledger.positions.values()) == amount


def test_the_amounts_of_an_account_are_those_of_the_store(store: OrderStore, trade: Trade) -> None:
    """What only the stream has told of is missing here, and a comparison with the venue must find it so."""
    trade(("2", "100"), venue="binanceusdm", symbol=SWAP)
    ledger = FillLedger(store)
    ledger.refresh([heard("a", "1.5", "100", side=Side.SELL, venue="binanceusdm", symbol=SWAP, venue_order_id="v1")])
    assert [one.quantity for one in ledger.positions.values()] == [D("0.5")]
    assert ledger.amounts("binanceusdm", "main") == {SWAP: D(2)}


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated database without orders, to be written many times."""
    path = tmp_path_factory.mktemp("empty") / "orders.db"
    OrderStore(path).close()
    return path.read_bytes()


FILLS = [
    heard(f"{n}", f"{1 + n % 3}", f"{100 + 7 * n}", at_ns=1_000 * (n // 2), side=Side.SELL if n % 2 else Side.BUY)
    for n in range(8)
]


@settings(max_examples=25, deadline=None)
@example([(1, "heard"), (0, "heard")])
@example([(1, "heard"), (0, "committed"), (0, "glance"), (1, "committed")])
@given(st.lists(st.tuples(st.sampled_from(range(8)), st.sampled_from(["heard", "committed", "look", "glance"]))))
def test_in_whatever_order_fills_are_heard_and_committed_the_positions_are_those_of_the_store(
    empty_store: bytes, steps: list[tuple[int, str]]
) -> None:
    with TemporaryDirectory() as root:
        path = Path(root) / "orders.db"
        path.write_bytes(empty_store)
        check_in_any_order(OrderStore(path), steps)


def check_in_any_order(opened: OrderStore, steps: list[tuple[int, str]]) -> None:
    with closing(opened) as store:
        ledger = FillLedger(store)
        ledger.know({("binance", "BTC/USDT"): D(1)})
        for number, what in steps:
            if what == "heard":
                ledger.refresh([FILLS[number]], deep=False)
            elif what == "committed":
                commit(store, FILLS[number])
            else:
                ledger.refresh(deep=what == "look")
        commit(store, *FILLS)
        ledger.refresh()
        whole = FillLedger(store)
        whole.know({("binance", "BTC/USDT"): D(1)})
        whole.refresh()
        assert ledger.ahead == 0
        assert ledger.positions.keys() == whole.positions.keys()
        for holder, position in whole.positions.items():
            assert ledger.positions[holder].pnl(D(150)) == position.pnl(D(150))
