"""What holds for every position, whatever the fills: conservation, splits, flips, lots, signs, two kinds of numbers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.positions.lots import LotMethod
from xetrade_core.positions.numbers import exact_sum, of_quanta, quanta, reported, short_text, stream_context
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import NoConversion, Position, exact, streamed
from xetrade_core.symbols.parts import Style

SPOT = Payout(Style.SPOT, Decimal(1), "BTC", "USDT", "USDT")
LINEAR = Payout(Style.LINEAR, Decimal("0.001"), "BTC", "USDT", "USDT")
INVERSE = Payout(Style.INVERSE, Decimal(100), "BTC", "USD", "BTC")
QUANTO = Payout(Style.QUANTO, Decimal("0.000001"), "ETH", "USD", "BTC")

payouts = st.sampled_from([SPOT, LINEAR, INVERSE, QUANTO])
methods = st.sampled_from(list(LotMethod))
prices = st.decimals("0.01", "99999.99", places=2).map(F)
quantities = st.decimals("0.001", "99.999", places=3).map(F)
signed = st.builds(lambda quantity, side: quantity * side, quantities, st.sampled_from([1, -1]))
fees = st.decimals("-1", "1", places=4).map(F)
trades = st.lists(st.tuples(signed, prices), max_size=20)


def after(payout: Payout, rows: list[tuple[F, F]], method: LotMethod = LotMethod.AVERAGE) -> Position[F]:
    position = exact(payout, method)
    for quantity, price in rows:
        position.trade(quantity, price)
    return position


def worth(payout: Payout, quantity: F, price: F) -> F:
    """What `quantity` is worth at `price`, by the definition of the style and nothing of ours."""
    return quantity * F(payout.multiplier) * (-1 / price if payout.style is Style.INVERSE else price)


@given(payouts, methods, st.lists(st.tuples(signed, prices, fees, st.booleans()), max_size=20), prices, prices)
def test_cash_and_inventory_are_what_flowed_to_the_last_digit(payout, method, rows, funded_at, mark):
    """Money in and out at fill prices, plus what is left at the mark, is the net result: no digit is lost anywhere."""
    position, cash, inventory = exact(payout, method), F(0), F(0)
    for quantity, price, fee, in_base in rows:
        spot_base = in_base and payout.style is Style.SPOT
        position.fill(quantity, price, fee, payout.base if spot_base else payout.settle)
        cash -= worth(payout, quantity, price)
        if spot_base:
            inventory -= fee
        else:
            cash -= fee
        inventory += quantity
    cash -= abs(worth(payout, inventory, funded_at)) * F("0.0001") * (1 if inventory > 0 else -1)
    position.fund(F("0.0001"), funded_at)
    net = position.realized + position.unrealized(mark) - position.fees + position.funding
    assert position.quantity == inventory
    assert net == cash + worth(payout, inventory, mark)


@given(payouts, methods, trades, st.data())
def test_any_split_of_the_same_fills_gives_the_same(payout, method, rows, data):
    split: list[tuple[F, F]] = []
    for quantity, price in rows:
        part = quantity * data.draw(st.sampled_from([F(1), F(1, 2), F(1, 3), F(9, 10)]))
        split += [(part, price), (quantity - part, price)]
    one, two = after(payout, rows, method), after(payout, split, method)
    assert (one.quantity, one.realized, one.average_entry) == (two.quantity, two.realized, two.average_entry)
    assert one.open_lots() == two.open_lots()


@given(payouts, methods, st.lists(st.tuples(quantities, prices), min_size=1, max_size=10), quantities, prices)
def test_a_flip_is_a_close_and_an_opening(payout, method, entries, beyond, price):
    held = sum(quantity for quantity, _ in entries)
    flipped = after(payout, [*entries, (-held - beyond, price)], method)
    closed = after(payout, [*entries, (-held, price)], method)
    opened = after(payout, [(-beyond, price)], method)
    assert closed.average_entry is None
    assert closed.unrealized(price) == 0
    assert flipped.realized == closed.realized + opened.realized
    assert (flipped.quantity, flipped.average_entry) == (-beyond, price) == (opened.quantity, opened.average_entry)


@given(payouts, trades, prices)
def test_every_method_comes_to_the_same_once_flat(payout, rows, leave):
    held = sum((quantity for quantity, _ in rows), F(0))
    flat = [after(payout, [*rows, (-held, leave)], method) for method in LotMethod]
    assert {position.quantity for position in flat} == {0}
    assert len({position.realized for position in flat}) == 1
    assert all(not position.open_lots() for position in flat)


@given(payouts, methods, trades)
def test_lots_add_up_to_the_position(payout, method, rows):
    position = after(payout, rows, method)
    lots = position.open_lots()
    assert sum(quantity for quantity, _ in lots) == position.quantity
    assert sum((worth(payout, *lot) for lot in lots), F(0)) == worth(
        payout, position.quantity, position.average_entry or F(1)
    )


@given(payouts, trades, prices, fees)
def test_at_the_break_even_price_nothing_is_won_or_lost(payout, rows, mark, fee):
    position = after(payout, rows)
    position.fill(F(1), mark, fee, payout.settle)
    if (price := position.break_even) is not None:
        assert position.realized - position.fees + position.funding + position.unrealized(price) == 0


@given(payouts, methods, st.lists(st.tuples(signed, prices, fees), max_size=40), prices)
def test_decimals_report_what_fractions_report(payout, method, rows, mark):
    """A stream of decimals, cut at 100 digits, and fractions that never round, come to the same 28 places."""
    one, two = exact(payout, method), streamed(payout, method)
    with localcontext(stream_context()):
        for quantity, price, fee in rows:
            one.fill(quantity, price, fee, payout.settle)
            two.fill(*map(reported, (quantity, price, fee)), payout.settle)
        one.fund(F("0.0001"), mark)
        two.fund(Decimal("0.0001"), reported(mark))
        assert one.pnl(mark) == two.pnl(reported(mark))


@given(payouts, trades, fees, prices)
def test_what_is_reported_adds_up_to_the_last_digit(payout, rows, fee, mark):
    position = after(payout, rows)
    position.fill(F(1, 3), mark, fee, payout.settle)
    position.fund(F("-0.000125"), mark)
    found = position.pnl(mark)
    with localcontext(prec=200):
        assert found.realized_pnl_net_of_fees == found.realized_pnl - found.fees
        assert found.net_pnl == found.realized_pnl_net_of_fees + found.unrealized_pnl + found.funding


@pytest.mark.parametrize("payout", [LINEAR, INVERSE, QUANTO], ids=lambda payout: payout.style)
@pytest.mark.parametrize("side", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize("rate", ["0.0001", "-0.0001"])
def test_longs_pay_when_the_rate_is_positive(payout, side, rate):
    position = after(payout, [(F(10 * side), F(50_000))])
    received = position.fund(F(rate), F(40_000))
    assert (received < 0) == (side > 0) == (F(rate) > 0) or (received > 0) == ((side > 0) != (F(rate) > 0))
    assert abs(received) == abs(worth(payout, F(10), F(40_000))) * F("0.0001")


def test_an_inverse_entry_averages_harmonically():
    position = after(replace(INVERSE, multiplier=Decimal(1)), [(F(1000), F(5000)), (F(2000), F(6000))])
    assert position.average_entry == 5625


def test_a_linear_entry_averages_arithmetically():
    assert after(LINEAR, [(F(1), F(5000)), (F(2), F(6500))]).average_entry == 6000


def test_lots_are_released_oldest_first_newest_first_or_on_average():
    rows = [(F(1), F(100)), (F(1), F(110)), (F(1), F(120)), (F(-1), F(130))]
    realized = {method: after(SPOT, rows, method).realized for method in LotMethod}
    assert realized == {LotMethod.FIFO: 30, LotMethod.LIFO: 10, LotMethod.AVERAGE: 20}
    assert after(SPOT, rows, LotMethod.FIFO).open_lots() == [(1, 110), (1, 120)]
    assert after(SPOT, rows, LotMethod.LIFO).open_lots() == [(1, 100), (1, 110)]
    assert after(SPOT, rows).open_lots() == [(2, 110)]


def test_a_base_fee_on_spot_is_taken_from_what_was_bought():
    position = exact(SPOT)
    position.fill(F(1), F(100), F("0.001"), "BTC")
    assert position.quantity == F("0.999")
    assert position.average_entry == 100
    assert position.fees == F("0.1")
    assert position.fees_paid == {"BTC": F("0.001")}
    assert position.realized == 0


def test_a_base_fee_on_a_spot_sale_gives_more_away():
    position = after(SPOT, [(F(2), F(100))])
    position.fill(F(-1), F(110), F("0.001"), "BTC")
    assert position.quantity == F("0.999")
    assert position.realized == F("10.01")
    assert position.fees == F("0.11")


def test_a_base_fee_as_large_as_the_fill_leaves_nothing():
    for method in LotMethod:
        position = exact(SPOT, method)
        position.fill(F(1), F(100), F(1), "BTC")
        assert (position.quantity, position.open_lots(), position.fees) == (0, [], 100)


def test_a_quote_fee_on_an_inverse_contract_is_paid_at_the_price_of_the_fill():
    position = exact(INVERSE)
    position.fill(F(10), F(50_000), F(5), "USD")
    assert position.fees == F("0.0001")


def test_a_rebate_is_a_negative_fee():
    position = exact(LINEAR)
    position.fill(F(1), F(100), F("-0.02"), "USDT")
    assert position.pnl(F(100)).fees == Decimal("-0.02")
    assert position.pnl(F(100)).net_pnl == Decimal("0.02")


def test_a_fee_in_a_third_currency_needs_a_rate_and_changes_nothing_without_one():
    position = exact(LINEAR)
    with pytest.raises(NoConversion, match="a fee in BNB has no value in USDT"):
        position.fill(F(1), F(100), F("0.01"), "BNB")
    assert (position.quantity, position.fees) == (0, 0)
    position.fill(F(1), F(100), F("0.01"), "BNB", F(600))
    assert position.fees == 6


@pytest.mark.parametrize("currency", ["ETH", "USD"])
def test_a_quanto_price_tells_nothing_about_the_settlement_currency(currency):
    with pytest.raises(NoConversion):
        exact(QUANTO).fill(F(1), F(500), F(1), currency)


def test_without_a_mark_an_open_position_has_no_unrealized_and_a_flat_one_has_none_left():
    position = after(SPOT, [(F(1), F(100))])
    assert (position.pnl(None).unrealized_pnl, position.pnl(None).net_pnl) == (None, None)
    position.trade(F(-1), F(120))
    assert (position.pnl(None).unrealized_pnl, position.pnl(None).net_pnl) == (0, 20)
    assert position.pnl(None).avg_entry is None


@given(st.decimals("-1e30", "1e30", places=40), st.sampled_from([0, 18, 28]))
def test_decimals_and_fractions_are_rounded_alike(value, places):
    assert quanta(value, places) == quanta(F(value), places)


@given(st.integers(-(10**50), 10**50))
def test_a_reported_number_keeps_every_place_and_no_zero_at_its_end(count):
    number = of_quanta(count)
    assert quanta(number) == count
    text = format(number, "f")
    assert "E" not in text
    assert not ("." in text and text.endswith("0"))
    assert text != "-0"


def test_long_numbers_are_added_and_shortened_without_a_loss():
    long = Decimal("123456789012345678901234567890.123456789")
    assert exact_sum([long, Decimal("0.000000001")]) == Decimal("123456789012345678901234567890.123456790")
    assert short_text(long, 8) == "123456789012345678901234567890.12345679"
    assert short_text(Decimal("-1234.50"), 2, grouped=True) == "-1,234.5"
    assert (short_text(Decimal("1200")), short_text(Decimal("0.000000001")), short_text(None)) == ("1200", "0", "-")
    assert short_text(Decimal("-0.000000001")) == "0"
