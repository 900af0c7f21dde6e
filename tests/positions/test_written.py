"""Cases out of a file: exactly what is written, in the order of time, and one clear line for what cannot be."""

from __future__ import annotations

import json
import random
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xetrade_core.errors import ConfigError
from xetrade_core.positions.case import Ledger, PositionSide
from xetrade_core.positions.details import details
from xetrade_core.positions.fields import time_ns
from xetrade_core.positions.position import Pnl
from xetrade_core.positions.written import read_cases

BUY = {"side": "buy", "qty": "1", "price": "100"}
LINEAR = {"symbol": "BTC/USDT:USDT"}


def pnl(instrument: Any, fills: Any = (), **more: Any) -> Pnl:
    [case], _ = read_cases(json.dumps({"instrument": instrument, "fills": list(fills), **more}), "f.json")
    return Ledger(case).pnl()


def fill(side: str, qty: Any, price: Any, **more: Any) -> dict[str, Any]:
    return {"side": side, "qty": qty, "price": price, **more}


def test_numbers_are_read_digit_by_digit_as_text_or_as_json_numbers():
    case = '{"instrument": {"type": "spot"}, "fills": [{"side": "BUY", "qty": 0.1, "price": 1e-1}], "mark": "0.30"}'
    [read], listed = read_cases(case, "f.json")
    assert not listed
    assert Ledger(read).pnl().unrealized_pnl == D("0.02")


def test_a_list_stays_a_list():
    cases, listed = read_cases('[{"instrument": {"type": "spot"}}]', "f.json")
    assert (len(cases), listed) == (1, True)
    assert Ledger(cases[0]).pnl() == Pnl(D(0), None, D(0), D(0), D(0), D(0), D(0), D(0))


@given(st.randoms())
def test_the_order_in_the_file_does_not_matter_where_times_say_it(rng: random.Random):
    fills = [
        fill("buy", 1, 100, time="2026-01-01T00:00:00Z"),
        fill("sell", 3, 110, time="2026-01-01T10:00:00+01:00"),
        fill("buy", 5, 90, time="2026-01-02"),
        fill("sell", 1, 95, time=1767500000),
    ]
    funding = [
        {"rate": "0.001", "mark": 100, "time": "2026-01-01T08:00:00Z"},
        {"rate": "0.001", "mark": 100, "time": "2026-01-01T16:00:00Z"},
        {"rate": "0.001", "mark": 100, "time": "2026-01-09T00:00:00Z"},
    ]
    expected = pnl(LINEAR, fills, funding=funding, mark=100)
    rng.shuffle(fills)
    rng.shuffle(funding)
    assert pnl(LINEAR, fills, funding=funding, mark=100) == expected
    assert expected.funding == D("-0.1") + D("0.2") + D("-0.2")
    assert expected.realized_pnl == 10 + 40 + 5


def test_funding_counts_the_position_of_its_time_after_fills_of_the_same_instant():
    time = "2026-01-01T08:00:00Z"
    assert (
        pnl(LINEAR, [fill("buy", 1, 100, time=time)], funding=[{"rate": "0.01", "mark": 100, "time": time}]).funding
        == -1
    )
    before = {"rate": "0.01", "mark": 100, "time": "2026-01-01T07:59:59.999999999Z"}
    assert pnl(LINEAR, [fill("buy", 1, 100, time=time)], funding=[before]).funding == 0


def test_without_times_funding_comes_after_the_fills():
    assert pnl(LINEAR, [BUY], funding=[{"rate": "0.01", "mark": 100}]).funding == -1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("1970-01-01T01:00:01.000000001+01:00", 10**9 + 1),
        ("1970-01-01T00:00:01", 10**9),
        ("1970-01-02", 86_400 * 10**9),
        ("1767500000", 1767500000 * 10**9),
        (D("1767500000.5"), 1767500000_500_000_000),
        (D(1767500000123), 1767500000123 * 10**6),
        (D(1767500000123456), 1767500000123456 * 10**3),
        (D(1767500000123456789), 1767500000123456789),
    ],
)
def test_times_are_read_to_the_nanosecond(text, expected):
    assert time_ns(text, "time") == expected


def test_a_fee_currency_tells_the_settlement_currency_where_nothing_else_does():
    assert pnl({"type": "linear"}, [{**BUY, "fee": "0.1", "fee_currency": "USDT"}]).fees == D("0.1")
    assert pnl({"type": "inverse"}, [{**BUY, "fee": "0.1", "fee_currency": "BTC"}]).fees == D("0.1")
    assert pnl({"type": "inverse"}, [{**BUY, "fee": "5", "fee_currency": "USD"}]).fees == D("0.05")
    assert pnl({"type": "quanto"}, [{**BUY, "fee": "0.1", "fee_currency": "BTC"}]).fees == D("0.1")
    assert pnl({"type": "spot"}, [{**BUY, "fee": "0.1"}]).fees == D("0.1")


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC-USDT", "BTCUSDT", "btc_usdt", "BTC/USDT:USDT"])
def test_a_symbol_in_any_spelling_names_the_currencies(symbol):
    fee = {**BUY, "fee": "0.001", "fee_currency": "BTC"}
    assert pnl({"type": "linear", "symbol": symbol}, [fee]).fees == D("0.1")


def test_a_symbol_without_settlement_leaves_the_style_to_the_type_and_is_spot_without_one():
    fee = {**BUY, "fee": "0.001", "fee_currency": "BTC"}
    assert pnl({"type": "inverse", "symbol": "BTCUSD"}, [fee]).fees == D("0.001")
    assert pnl({"symbol": "BTC-USDT"}, [fee]).qty_signed == D("0.999")


def test_an_option_that_is_priced_in_its_base_pays_in_it_by_the_difference():
    """OKX and Deribit: 0.05 BTC paid and 0.06 received is 0.01 BTC a coin, and no reciprocal of anything."""
    option = {"symbol": "BTC/USD:BTC-261225-100000-C", "multiplier": "0.01"}
    fee = {"fee": "0.0003", "fee_currency": "BTC"}
    found = pnl(option, [fill("buy", 100, "0.05", **fee), fill("sell", 40, "0.06")], mark="0.04")
    assert (found.avg_entry, found.realized_pnl, found.unrealized_pnl) == (D("0.05"), D("0.004"), D("-0.006"))
    assert (found.fees, found.net_pnl) == (D("0.0003"), D("-0.0023"))
    assert pnl({"symbol": "BTC/USDT:USDT-261225-100000-P"}, [BUY], mark=90).net_pnl == -10


def test_a_symbol_that_cannot_be_read_is_a_name_and_no_more():
    assert pnl({"type": "linear", "symbol": "BTC-PERPETUAL-X"}, [BUY], mark=101).net_pnl == 1


def test_what_a_fee_was_reckoned_from_is_no_concern():
    assert pnl(LINEAR, [{**BUY, "fee": "0.1", "fee_rate": "0.001"}]).fees == D("0.1")


def test_trades_as_ccxt_gives_them_are_fills():
    trade = {
        "id": "1", "order": "2", "symbol": "BTC/USDT", "side": "buy", "price": 100.0, "amount": 1.0, "cost": 100.0,
        "timestamp": 1767500000123, "datetime": "2026-01-04T04:13:20.123Z", "takerOrMaker": "taker", "info": {},
        "fee": {"cost": 0.001, "currency": "BTC", "rate": 0.001}, "fees": [{"cost": 0.001, "currency": "BTC"}],
    }  # fmt: skip
    found = pnl({"symbol": "BTC/USDT"}, [trade], mark=100)
    assert (found.qty_signed, found.fees) == (D("0.999"), D("0.1"))
    none = {**trade, "fee": {"cost": None, "currency": None}, "fees": []}
    assert pnl({"symbol": "BTC/USDT"}, [none], mark=100).fees == 0
    assert pnl({"symbol": "BTC/USDT"}, [{**trade, "fee": None, "fees": []}], mark=100).fees == 0
    two = {**trade, "fee": None, "fees": [{"cost": 0.3, "currency": "USDT"}, {"cost": "-0.1", "currency": "USDT"}]}
    assert pnl({"symbol": "BTC/USDT"}, [two], mark=100).fees == D("0.2")
    both = {**two, "fees": [*two["fees"], {"cost": 1, "currency": "BNB"}]}
    with pytest.raises(ConfigError, match=r"fills\[0\].fees = 'BNB, USDT' is not valid: fees in one currency"):
        pnl({"symbol": "BTC/USDT"}, [both])


def test_fees_in_base_and_third_currencies():
    spot = {"type": "spot", "base": "BTC", "quote": "USDT"}
    base = pnl(spot, [{**BUY, "fee": "0.001", "fee_currency": "BTC"}], mark=100)
    assert (base.qty_signed, base.fees, base.avg_entry, base.net_pnl) == (D("0.999"), D("0.1"), 100, D("-0.1"))
    third = {**BUY, "fee": "0.01", "fee_currency": "BNB"}
    assert pnl(spot, [third], rates={"BNB": "600"}).fees == 6
    assert pnl(spot, [third], rates={"BNB/BTC": 0.01, "BTC/USDT": {"price": 60000, "time": "2026-01-01"}}).fees == 6
    assert pnl(spot, [{**third, "fee_price": 500}], rates={"BNB": "600"}).fees == 5
    assert pnl(LINEAR, [{**BUY, "fee": "-0.01", "fee_currency": "BTC"}]).fees == -1


def test_a_linear_contract_may_be_paid_in_several_currencies_of_which_one_is_a_dollar():
    fills = [{**BUY, "fee": "0.1", "fee_currency": "USDT"}, {**BUY, "fee": "1", "fee_currency": "BNB", "fee_price": 2}]
    assert pnl({"type": "linear"}, fills).fees == D("2.1")


def test_hedge_mode_keeps_long_and_short_apart():
    fills = [
        fill("buy", 2, 100, position="long"),
        fill("sell", 3, 110, position_side="SHORT"),
        fill("sell", 1, 120, position="long"),
    ]
    case = json.dumps({"instrument": LINEAR, "fills": fills, "mark": 105, "funding": [{"rate": "0.01", "mark": 100}]})
    [read], _ = read_cases(case, "f.json")
    ledger = Ledger(read)
    assert ledger.pnl().qty_signed == -2
    assert ledger.pnl().avg_entry is None
    assert ledger.pnl_of(PositionSide.LONG) == Pnl(D(1), D(100), D(20), D(20), D(5), D(0), D(-1), D(24))
    assert ledger.pnl_of(PositionSide.SHORT) == Pnl(D(-3), D(110), D(0), D(0), D(15), D(0), D(3), D(18))
    assert ledger.pnl().net_pnl == 42


def test_a_mark_of_nothing_is_a_price_for_what_was_bought():
    assert pnl({"type": "spot"}, [BUY], mark=0).unrealized_pnl == -100


def test_a_funding_may_be_what_the_venue_booked():
    assert pnl(LINEAR, [BUY], funding=[{"amount": "-0.25"}, {"amount": "0.05"}]).funding == D("-0.2")


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("", "f.json is not JSON"),
        ("[1, 2", "f.json is not JSON"),
        ('{"mark": NaN}', "f.json is not JSON: NaN is no number"),
        ("7", "f.json = '7' is not valid: {\"instrument\""),
        ("{}", "f.json: instrument is missing: give"),
        ([{}], "f.json: case 1: instrument is missing: give"),
        ({"instrument": {}}, "f.json: instrument.type is missing: give one of spot, linear, inverse, quanto"),
        ({"instrument": {"type": "future"}}, "f.json: instrument.type = 'future' is not valid: one of spot, linear"),
        (
            {"instrument": {"type": "spot", "multiplier": "0"}},
            "f.json: instrument.multiplier = '0' is not valid: above 0",
        ),
        ({"instrument": {"symbol": "BTC-PERPETUAL-X"}}, "f.json: instrument.type is missing: give one of spot"),
        (
            {"instrument": {"type": "inverse", "symbol": "BTC/USDT:USDT"}},
            "BTC/USDT:USDT is linear; leave one",
        ),
        ({"instrument": {"type": "spot"}, "fills": {}}, "f.json: fills = '{}' is not valid: a list"),
        ({"name": "x", "instrument": {"type": "spot"}, "fills": [1]}, "f.json (x): fills[0] = '1' is not valid"),
        ({"id": 7, "instrument": {"type": "spot"}, "fills": [1]}, "f.json (7): fills[0] = '1' is not valid"),
        ({"instrument": {"type": "spot"}, "fils": []}, "f.json: fils is no field: did you mean fills?"),
        (
            {"instrument": {"type": "spot"}, "method": "hifo"},
            "f.json: method = 'hifo' is not valid: one of average",
        ),
        ({"instrument": {"type": "spot"}, "mark": "-1"}, "f.json: mark = '-1' is not valid: 0 or more"),
        ({"instrument": {"type": "inverse"}, "mark": 0}, "f.json: mark = '0' is not valid: above 0"),
        ({"instrument": {"type": "spot"}, "mark": True}, "f.json: mark = 'true' is not valid: a decimal number"),
        ({"instrument": {"type": "spot"}, "mark": "1e999999999"}, "f.json: mark = '1e999999999' is not valid"),
        ({"instrument": {"type": "spot"}, "rates": []}, "f.json: rates = '[]' is not valid"),
        ({"instrument": {"type": "spot"}, "rates": {"BNB": 0}}, "f.json: rates.BNB = '0' is not valid: above 0"),
        ({"instrument": {"type": "spot"}, "funding": [{}]}, "funding[0] is not valid: a spot position pays no funding"),
        ({"instrument": LINEAR, "funding": [{"rate": 1}]}, "f.json: funding[0].mark is missing"),
        ({"instrument": LINEAR, "funding": [{}]}, "funding[0].rate is missing: give rate and mark, or the amount"),
        (
            {"instrument": LINEAR, "funding": [{"rate": 1, "mark": 1, "amount": 1}]},
            "has both rate and amount",
        ),
    ],
)
def test_a_mistake_in_a_case_is_one_clear_line(case, says):
    with pytest.raises(ConfigError) as refused:
        [*map(Ledger, read_cases(case if isinstance(case, str) else json.dumps(case), "f.json")[0])]
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("instrument", "change", "says"),
    [
        (LINEAR, {"side": None}, "fills[0].side is missing: give one of buy, sell"),
        (LINEAR, {"side": "long"}, "fills[0].side = 'long' is not valid: one of buy, sell"),
        (LINEAR, {"qty": None}, "fills[0].qty is missing"),
        (LINEAR, {"qty": "0"}, "fills[0].qty = '0' is not valid: above 0"),
        (LINEAR, {"qty": "-1"}, "fills[0].qty = '-1' is not valid: above 0"),
        (LINEAR, {"qty": "1_0"}, "fills[0].qty = '1_0' is not valid"),
        (LINEAR, {"amount": "2"}, "fills[0].qty is given twice, as qty and as amount: keep one"),
        (LINEAR, {"price": "1,5"}, "fills[0].price = '1,5' is not valid"),
        (LINEAR, {"price": "Infinity"}, "fills[0].price = 'Infinity' is not valid"),
        (LINEAR, {"price": [1]}, """fills[0].price = '["1"]' is not valid"""),
        (LINEAR, {"time": "yesterday"}, "fills[0].time = 'yesterday' is not valid: ISO 8601 such as"),
        (LINEAR, {"fee_curency": "USDT"}, "fills[0].fee_curency is no field: did you mean fee_currency?"),
        (LINEAR, {"fee_currency": 7}, "fills[0].fee_currency = '7' is not valid: a text"),
        (
            LINEAR,
            {"fee": 1, "fee_currency": "BNB"},
            "fills[0].fee_currency = 'BNB' is not valid: nothing tells its value in USDT",
        ),
        ({"type": "spot"}, {"fee": 1, "fee_currency": "BTC"}, "names no currencies, and fees are paid in BTC"),
        ({"type": "spot", "quote": "USDT"}, {"fee": 1, "fee_currency": "BTC"}, "instrument.base is missing"),
        (LINEAR, {"position": "long"}, "f.json: fills[1].position is missing: give one of"),
        (LINEAR, {"time": "2026-01-01"}, "f.json: fills[1].time is missing: others have one"),
    ],
)
def test_a_mistake_in_a_fill_names_the_fill_the_field_and_what_is_allowed(instrument, change, says):
    with pytest.raises(ConfigError) as refused:
        pnl(instrument, [{**BUY, **change}, BUY])
    assert says in str(refused.value)


@given(
    st.sampled_from(["linear", "inverse", "quanto", "spot"]),
    st.sampled_from(["average", "fifo", "lifo"]),
    st.lists(
        st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 30), st.integers(50, 200), st.integers(-5, 9)),
        min_size=1,
        max_size=30,
    ),
)
def test_a_large_case_is_reckoned_quickly_and_reports_the_same(kind: str, method: str, trades: list[Any]):
    symbols = {"linear": "BTC/USDT:USDT", "inverse": "BTC/USD:BTC", "quanto": "ETH/USD:BTC", "spot": "BTC/USDT"}
    fills = [
        {"side": side, "qty": qty, "price": price, "fee": f"{fee}e-3", "fee_currency": "BNB", "time": index}
        for index, (side, qty, price, fee) in enumerate(trades)
    ]
    funding = [] if kind == "spot" else [{"rate": "0.0007", "mark": "99", "time": index} for index in range(3, 30, 7)]
    case = {
        "instrument": {"type": kind, "symbol": symbols[kind]}, "fills": fills, "funding": funding, "mark": "101",
        "method": method, "rates": {"EUR": "3", "BNB/EUR": "0.7"},
    }  # fmt: skip
    [small], _ = read_cases(json.dumps(case), "f.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xetrade_core.positions.case.MOST_EXACT", 0)
        large = Ledger(small)
    exact = Ledger(small)
    assert large.pnl() == exact.pnl()
    assert details(small, large.positions[PositionSide.NET]) == details(small, exact.positions[PositionSide.NET])


def test_a_mistake_in_a_large_case_is_named_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("xetrade_core.positions.case.MOST_EXACT", 0)
    fills = [{"side": "buy", "qty": 1, "price": 1, "fee": 1, "fee_currency": "BNB"}]
    [case], _ = read_cases(json.dumps({"instrument": {"symbol": "BTC/USDT:USDT"}, "fills": fills}), "f.json")
    with pytest.raises(ConfigError, match="fee_currency = 'BNB' is not valid: nothing tells its value in USDT"):
        Ledger(case)


def test_a_field_that_stands_twice_is_refused():
    with pytest.raises(ConfigError, match='"price" stands twice in one object'):
        read_cases('{"fills": [{"side": "buy", "qty": 1, "price": 1, "price": 2}]}', "f.json")


def test_a_hedge_fill_closes_no_more_than_is_held():
    fills = [fill("buy", 2, 100, position="long"), fill("sell", 3, 100, position="long")]
    with pytest.raises(ConfigError, match=r"fills\[1\].qty = '3' is not valid: the long position holds 2"):
        pnl(LINEAR, fills)
