"""Orders before they are sent: on the venue's grid and within its bounds, or refused with field, value and bound."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.samples import SPOT, D, request
from xetrade_core.errors import InvalidOrder, NotTrading
from xetrade_core.model.instruments import InstrumentStatus, MarketType
from xetrade_core.model.orders import OrderType, Side, Terms, TimeInForce
from xetrade_core.trading.asking import pricing
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.requests import STRATEGY_LENGTH, Pricing, Rounding, fit, to_intent
from xetrade_core.trading.schema import HOLDINGS, ORDERS

PRICING = Pricing(mark=D(50_000), rate=D(1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"price": D("50000.005")}, r"price 50000.005 is not valid: a multiple of 0.01"),
        ({"amount": D("0.000015")}, r"quantity 0.000015 is not valid: a multiple of 0.00001 BTC"),
        ({"amount": D("9001")}, r"quantity 9001 is not valid: at most 9000 BTC"),
        ({"amount": D("0.00009")}, r"notional 4.5 is not valid: at least 5 USDT"),
        ({"amount": D("200"), "price": D(50_000)}, r"notional 10000000 is not valid: at most 9000000 USDT"),
        ({"strategy": "s" * 65}, r"strategy 's{64}' is not valid: at most 64 characters that can be printed"),
        ({"strategy": "a\0b"}, r"strategy 'a\\x00b' is not valid: at most 64 characters that can be printed"),
        ({"amount": D(0)}, r"quantity 0 is not valid: a number above zero"),
        ({"amount": D("1e999999")}, r"quantity 1E\+999999 is not valid: a number above zero, of at most 40 digits"),
        ({"price": D("1e-999999")}, r"price 1E-999999 is not valid: a number above zero, of at most 40 digits"),
        ({"amount": D("NaN")}, r"quantity NaN is not valid"),
        ({"price": D("-1")}, r"price -1 is not valid"),
        ({"price": None}, r"price is missing: a limit order needs one"),
        ({"type": OrderType.MARKET}, r"price 50000 is not valid: a market order has none"),
        ({"type": OrderType.MARKET, "price": None, "post_only": True}, r"post_only True is not valid"),
        ({"post_only": True, "time_in_force": TimeInForce.IOC}, r"time_in_force ioc is not valid"),
    ],
)
def test_what_the_venue_would_not_take_is_refused_before_it_is_sent(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOrder, match=said):
        fit(request(**changes), SPOT, PRICING)


def test_a_market_order_may_be_worth_more_than_one_with_a_price() -> None:
    """As Binance has it: `applyMaxToMarket` is false."""
    asked = request(type=OrderType.MARKET, price=None, amount=D(200))
    assert fit(asked, SPOT, PRICING)[:2] == (D(200), None)


@pytest.mark.parametrize(
    ("bound", "asked", "said"),
    [
        ({"max_market_amount": D(4)}, {"amount": D(5)}, "quantity 5 is not valid: at most 4 BTC at market"),
        ({"max_amount": D(4)}, {"amount": D(5)}, "quantity 5 is not valid: at most 4 BTC"),
        (
            {"max_market_notional": D(200_000)},
            {"amount": D(5)},
            "notional 250000 is not valid: at most 200000 USDT at market",
        ),
        (
            {"max_market_usd": D(249_000)},
            {"amount": D(5)},
            "notional 249750 is not valid: at most 249000 USD at market",
        ),
        (
            {"max_usd": D(249_000)},
            {"type": OrderType.LIMIT, "price": D(50_000), "amount": D(5)},
            "notional 249750 is not valid: at most 249000 USD",
        ),
    ],
)
def test_orders_at_market_and_those_with_a_price_have_each_their_own_most(
    bound: dict[str, Any], asked: dict[str, Any], said: str
) -> None:
    priced, unbound = replace(PRICING, rate=D("0.999")), replace(SPOT, max_notional=None)
    wanted = request(**{"type": OrderType.MARKET, "price": None} | asked)
    with pytest.raises(InvalidOrder) as refused:
        fit(wanted, replace(unbound, **bound), priced)
    assert str(refused.value) == said
    assert fit(wanted, unbound, priced)[0] == D(5)
    one = {name: value for name, value in bound.items() if name != "max_amount"}
    other = request(amount=D(5)) if wanted.price is None else request(amount=D(5), type=OrderType.MARKET, price=None)
    assert fit(other, replace(unbound, **one), priced)[0] == D(5), "of the other kind it says nothing"


def test_a_value_in_dollars_is_no_bound_where_nobody_knows_what_the_quote_currency_is_worth() -> None:
    """The order is refused for that, by who measures its risk."""
    assert fit(request(), replace(SPOT, max_usd=D(1)), Pricing(mark=None, rate=None))[0] == request().amount


def test_a_strategy_may_be_as_long_as_the_store_has_room_for() -> None:
    assert ORDERS.c.strategy.type.length == HOLDINGS.c.strategy.type.length == STRATEGY_LENGTH


def test_nothing_is_rounded_unless_asked() -> None:
    off = {"amount": D("0.0123456789"), "price": D("50000.017")}
    fitted = fit(request(**off, rounding=Rounding.FIT), SPOT, PRICING)
    assert fitted[:2] == (D("0.01234"), D("50000.02"))
    with pytest.raises(InvalidOrder, match=r"quantity 0.000001 is not valid: at least 0.00001"):
        fit(request(amount=D("0.000001"), rounding=Rounding.FIT), SPOT, PRICING)


@pytest.mark.parametrize(
    ("symbol", "price", "sold"),
    [
        ("BTC/USD:BTC-261225-100000-C", "0.06", "1"),
        ("BTC/USD:BTC-261225-100000-P", "1.3", "1.3"),
        ("BTC/USDC:USDC-261225-100000-P", "900", "100000"),
        ("XRP/USDC:USDC-261225-0.5-C", "0.02", "0.5"),
        ("BTC/USD:BTC-261225", "60000", "60000"),
        ("BTC/USDT", "60000", "60000"),
    ],
)
def test_a_sold_option_is_valued_by_what_its_seller_answers_for(symbol: str, price: str, sold: str) -> None:
    instrument = replace(
        SPOT, symbol=symbol, price_tick=D("0.0001"), market_type=MarketType.OPTION, min_notional=None, max_notional=None
    )
    wanted = {"symbol": symbol, "price": D(price)}
    assert fit(request(**wanted), instrument, PRICING)[2] == D(price), "a buyer loses no more than the premium"
    assert fit(request(side=Side.SELL, **wanted), instrument, PRICING)[1:] == (D(price), D(sold))
    assert fit(request(side=Side.SELL, reduce_only=True, **wanted), instrument, PRICING)[2] == D(price)


def test_a_small_rest_of_a_position_can_be_closed() -> None:
    dust = request(side=Side.SELL, amount=D("0.00001"), reduce_only=True)
    instrument = replace(SPOT, min_amount=D("0.001"))
    assert fit(dust, instrument, PRICING)[0] == D("0.00001")


def test_a_market_order_is_valued_above_the_mark_and_needs_one() -> None:
    market = request(type=OrderType.MARKET, price=None)
    assert fit(market, SPOT, PRICING)[2] == D(52_500)
    with pytest.raises(InvalidOrder, match="needs a fresh mark price"):
        fit(market, SPOT, Pricing(mark=None, rate=D(1)))


def test_what_is_not_trading_is_not_sent() -> None:
    with pytest.raises(NotTrading, match="status is halted"):
        fit(request(), replace(SPOT, status=InstrumentStatus.HALTED), PRICING)


def test_a_quote_currency_without_a_value_cannot_be_measured() -> None:
    with pytest.raises(InvalidOrder, match="USDT has a known value"):
        made(Pricing(mark=None, rate=None))


def made(pricing: Pricing = PRICING, **changes: Any) -> Any:
    instrument = replace(SPOT, **changes)
    wanted = request(symbol=instrument.symbol)
    return to_intent(wanted, instrument, pricing, client_id="x1", key="k", now_ns=7, live=False)


def test_an_inverse_contract_is_worth_its_size_at_any_price() -> None:
    inverse = made(
        symbol="BTC/USD:BTC", market_type=MarketType.SWAP, contract_size=D(100), lot=D("0.01"), min_notional=None
    )
    assert inverse.terms == Terms(D(100), inverse=True)
    assert inverse.terms.value(D(3), D(7)) == D(300)
    linear = made(
        symbol="BTC/USDT:USDT", market_type=MarketType.SWAP, contract_size=D("0.01"), lot=D("0.01"), min_notional=None
    )
    assert linear.terms.value(D(3), D(50_000)) == D(1500)


def test_an_option_that_is_priced_in_its_base_is_worth_its_premium_in_it() -> None:
    """OKX: 3 contracts of 0.01 BTC at 0.05 BTC are 0.0015 BTC, and not 0.03 dollars."""
    marks = Marks(rates={"BTC": D(60_000)})
    symbol = "BTC/USD:BTC-261225-100000-C"
    option = replace(SPOT, symbol=symbol, market_type=MarketType.OPTION, contract_size=D("0.01"), min_notional=None)
    wanted = request(symbol=symbol, price=D("0.05"), amount=D(3))
    priced = pricing(marks, "okx", symbol, 0)
    terms = to_intent(wanted, option, priced, client_id="x", key="k", now_ns=1, live=False).terms
    assert (terms.inverse, terms.value(D(3), D("0.05"))) == (False, D(90))


steps = st.sampled_from([D("0.00001"), D("0.5"), D(1), D(1000), D("0.3"), D(0)])


@given(st.decimals(D("0.00001"), D(10**9), places=7), steps)
def test_a_fitted_amount_is_on_the_grid_and_never_more_than_asked(amount: Decimal, lot: Decimal) -> None:
    instrument = replace(SPOT, lot=lot, min_amount=None, max_amount=None, min_notional=None, max_notional=None)
    try:
        fitted = fit(request(amount=amount, rounding=Rounding.FIT), instrument, PRICING)[0]
    except InvalidOrder:
        assert amount < lot
        return
    assert fitted <= amount
    assert amount - fitted < (lot or D(1))
    assert not lot or fitted % lot == 0
    assert fit(request(amount=fitted), instrument, PRICING)[0] == fitted
