"""The same exposure across venues, with how much of it one contract is; and prices as a witness."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.symbols.test_mapping import instrument
from xetrade_core.symbols.equivalence import Grouping, equivalence_sets, equivalents, with_prices
from xetrade_core.symbols.mapping import SymbolMap
from xetrade_core.symbols.reasons import Reason

LISTED = SymbolMap.of(
    [
        instrument("binance", "SHIBUSDT", "SHIB/USDT"),
        instrument("binanceusdm", "1000SHIBUSDT", "1000SHIB/USDT:USDT"),
        instrument("okx", "SHIB-USDT-SWAP", "SHIB/USDT:USDT", contract_size=Decimal(1_000_000)),
        instrument("bybit", "SHIB1000USDT", "SHIB1000/USDT:USDT"),
        instrument("bybit", "SHIB1000PERP", "SHIB1000/USDC:USDC"),
        instrument("binancecoinm", "BTCUSD_PERP", "BTC/USD:BTC", contract_size=Decimal(100)),
        instrument("okx", "BTC-USD-SWAP", "BTC/USD:BTC", contract_size=Decimal(100)),
        instrument("okx", "BTC-USD-261225", "BTC/USD:BTC-261225", contract_size=Decimal(100)),
        instrument("okx", "BTC-USDT-SWAP", "BTC/USDT:USDT", contract_size=Decimal("0.01")),
        instrument("okx", "BTC-USD-261225-100000-C", "BTC/USD:BTC-261225-100000-C", contract_size=Decimal("0.01")),
        instrument("deribit", "BTC-25DEC26-100000-C", "BTC/USD:BTC-261225-100000-C"),
        instrument("binance", "ETHBTC", "ETH/BTC"),
        instrument("binance", "ETHUSDT", "ETH/USDT"),
    ]
)


def members(venue: str, venue_id: str, grouping: Grouping) -> dict[str, tuple[Decimal | None, str]]:
    found = equivalents(LISTED, LISTED.map(venue, venue_id), grouping)
    return {one.mapping.venue_id: (one.amount, one.currency) for one in found.members}


def test_contracts_of_one_exposure_differ_by_what_one_is_worth() -> None:
    assert members("okx", "SHIB-USDT-SWAP", Grouping.CONTRACT) == {
        "1000SHIBUSDT": (1000, "SHIB"),
        "SHIB-USDT-SWAP": (1_000_000, "SHIB"),
        "SHIB1000USDT": (1000, "SHIB"),
    }


def test_dollars_may_count_as_one_while_spot_and_contracts_stay_apart() -> None:
    assert set(members("okx", "SHIB-USDT-SWAP", Grouping.DOLLARS)) == {
        "1000SHIBUSDT", "SHIB-USDT-SWAP", "SHIB1000USDT", "SHIB1000PERP",
    }  # fmt: skip


def test_the_underlying_joins_linear_and_inverse_but_no_expiry_no_option_and_no_cross_pair() -> None:
    assert set(members("okx", "BTC-USDT-SWAP", Grouping.UNDERLYING)) == {"BTCUSD_PERP", "BTC-USD-SWAP", "BTC-USDT-SWAP"}
    assert set(members("binance", "ETHUSDT", Grouping.UNDERLYING)) == {"ETHUSDT"}


def test_an_inverse_contract_is_worth_quote_currency_and_an_option_its_underlying() -> None:
    assert members("okx", "BTC-USD-SWAP", Grouping.CONTRACT)["BTCUSD_PERP"] == (100, "USD")
    assert members("okx", "BTC-USD-261225-100000-C", Grouping.CONTRACT) == {
        "BTC-USD-261225-100000-C": (Decimal("0.01"), "BTC"),
        "BTC-25DEC26-100000-C": (1, "BTC"),
    }


@pytest.mark.parametrize("grouping", Grouping)
def test_every_instrument_is_in_exactly_one_set(grouping: Grouping) -> None:
    sets = equivalence_sets(LISTED, grouping)
    held = [(one.mapping.venue, one.mapping.venue_id) for group in sets for one in group.members]
    assert sorted(held) == sorted((one.venue, one.venue_id) for one in LISTED)
    assert [len(one.members) for one in sets] == sorted((len(one.members) for one in sets), reverse=True)


def test_a_mapping_that_is_not_listed_joins_the_set_that_it_would_be_of() -> None:
    found = equivalents(LISTED, LISTED.map("kucoinfutures", "SHIBUSDTM"))
    assert {one.mapping.venue for one in found.members} == {"binanceusdm", "okx", "bybit", "kucoinfutures"}


def test_prices_bear_witness_for_and_against_a_mapping() -> None:
    seen = with_prices(
        LISTED,
        {
            ("binance", "SHIB/USDT"): 0.00001,
            ("binanceusdm", "1000SHIB/USDT:USDT"): 0.01001,
            ("okx", "SHIB/USDT:USDT"): 0.0000101,
            ("bybit", "SHIB1000/USDT:USDT"): 0.00002,
            ("binance", "ETH/USDT"): 3000.0,
        },
    )
    told = {one.venue_id: set(one.reasons) & {Reason.PRICE_AGREES, Reason.PRICE_DISAGREES} for one in seen}
    assert told["1000SHIBUSDT"] == told["SHIB-USDT-SWAP"] == told["SHIBUSDT"] == {Reason.PRICE_AGREES}
    assert told["SHIB1000USDT"] == {Reason.PRICE_DISAGREES}
    assert told["ETHUSDT"] == set(), "one venue alone is no witness"
    wrong = seen.map("bybit", "SHIB1000USDT")
    assert wrong.confidence < 0.4 < 0.999 < seen.map("binance", "SHIBUSDT").confidence
