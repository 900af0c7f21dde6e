"""Many positions out of one stream, and days that add up to the whole."""

from __future__ import annotations

from decimal import Decimal as D
from decimal import localcontext
from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import Fill, Side
from xetrade_core.positions.book import Holder, PositionBook
from xetrade_core.positions.daily import NS_PER_DAY, OutOfOrder, daily
from xetrade_core.positions.numbers import stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import exact

LINEAR, INVERSE, SPOT = "BTC/USDT:USDT", "BTC/USD:BTC", "BTC/USDT"
DAY0 = 20_000 * NS_PER_DAY


def payout(venue: str, symbol: str) -> Payout:
    return Payout.of_symbol(symbol, D(100) if symbol == INVERSE else D(1))


def fill(at_ns: int, side: Side, amount: D, price: D, symbol: str = LINEAR, **more: object) -> Fill:
    return Fill(
        venue="v", account="a", symbol=symbol, trade_id="t", side=side, price=price, amount=amount, received_ns=at_ns,
        **more,
    )  # fmt: skip


events = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([LINEAR, INVERSE, SPOT]),
        st.sampled_from(["", "hedge"]),
        st.sampled_from(Side),
        st.decimals("0.001", "9", places=3),
        st.decimals("1", "99999", places=2),
    ),
    max_size=25,
)


@given(events)
def test_days_add_up_to_the_whole_and_the_whole_is_what_fractions_say(rows):
    rows.sort(key=lambda row: row[0])
    stream = [
        (fill(DAY0 + day * NS_PER_DAY, side, amount, price, symbol, fee=D("0.01"), fee_currency="BTC"), strategy)
        for day, symbol, strategy, side, amount, price in rows
    ]
    book = PositionBook(payout)
    found = list(daily(stream, book, lambda venue, symbol, day_ns: D(50_000)))
    for holder, position in book.positions.items():
        one = exact(payout("v", holder.symbol))
        for event, strategy in stream:
            if (event.symbol, strategy) == (holder.symbol, holder.strategy):
                one.fill(F(event.amount) * event.side.sign, F(event.price), F(event.fee), event.fee_currency)
        expected = one.pnl(F(50_000))
        days = [row for row in found if row.holder == holder]
        with localcontext(stream_context()):
            assert position.pnl(D(50_000)) == expected
            assert sum(row.realized for row in days) == expected.realized_pnl
            assert sum(row.fees for row in days) == expected.fees
            assert sum(row.net for row in days) == expected.net_pnl
        assert sum(row.fills for row in days) == sum(
            (event.symbol, strategy) == (holder.symbol, holder.strategy) for event, strategy in stream
        )


def test_an_open_position_has_a_row_on_days_without_a_trade_and_a_closed_one_has_none():
    stream = [
        (fill(DAY0, Side.BUY, D(1), D(100)), ""),
        (fill(DAY0 + 2 * NS_PER_DAY, Side.SELL, D(1), D(130)), ""),
        (fill(DAY0 + 4 * NS_PER_DAY, Side.BUY, D(1), D(1), SPOT), ""),
    ]
    marks = {DAY0: D(110), DAY0 + NS_PER_DAY: D(90)}
    found = list(daily(stream, PositionBook(payout), lambda venue, symbol, day_ns: marks.get(day_ns)))
    assert [(row.day_ns // NS_PER_DAY - 20_000, row.holder.symbol, row.fills, row.net) for row in found] == [
        (0, LINEAR, 1, D(10)),
        (1, LINEAR, 0, D(-20)),
        (2, LINEAR, 1, D(40)),
        (4, SPOT, 1, None),  # no mark: nothing is said of it
    ]
    assert found[-1].unrealized is None


def test_funding_belongs_to_the_day_it_was_paid():
    payment = FundingPayment("v", "a", LINEAR, "f1", D("-0.5"), "USDT", DAY0 + NS_PER_DAY)
    stream = [(fill(DAY0, Side.BUY, D(1), D(100)), ""), (payment, "")]
    found = list(daily(stream, PositionBook(payout), lambda venue, symbol, day_ns: D(100)))
    assert [(row.funding, row.net) for row in found] == [(0, 0), (D("-0.5"), D("-0.5"))]


def test_fees_of_no_known_value_stand_apart_in_their_own_currency():
    bnb = fill(DAY0, Side.BUY, D(1), D(100), fee=D("0.01"), fee_currency="BNB")
    book = PositionBook(payout)
    [row] = daily([(bnb, "")], book, lambda venue, symbol, day_ns: D(100))
    assert (row.fees, row.net, row.unvalued) == (0, 0, {"BNB": D("0.01")})
    assert book.unvalued == {Holder("v", "a", LINEAR, ""): {"BNB": D("0.01")}}
    valued = PositionBook(payout, fee_rates=lambda currency, settle, at_ns: D(600))
    [row] = daily([(bnb, "")], valued, lambda venue, symbol, day_ns: D(100))
    assert (row.fees, row.net, row.unvalued) == (6, -6, {})


def test_days_in_the_wrong_order_are_refused():
    stream = [(fill(DAY0 + NS_PER_DAY, Side.BUY, D(1), D(1)), ""), (fill(DAY0, Side.BUY, D(1), D(1)), "")]
    with pytest.raises(OutOfOrder):
        list(daily(stream, PositionBook(payout), lambda venue, symbol, day_ns: None))
