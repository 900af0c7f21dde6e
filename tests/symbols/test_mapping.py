"""A mapping says what it is, how sure it is and why; a map of listings answers both ways."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.symbols.listings import recorded_listings
from xetrade_core.errors import UnknownSymbol, UnknownVenue
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.symbols.currencies import split_multiplier
from xetrade_core.symbols.mapping import SymbolMap, id_by_rule, map_by_rule
from xetrade_core.symbols.pairs import means, read_pair
from xetrade_core.symbols.parts import Style, SymbolParts
from xetrade_core.symbols.reasons import WEIGHTS, Reason, confidence

R = Reason


def instrument(venue: str, venue_id: str, symbol: str, **facts: object) -> Instrument:
    kind = SymbolParts.parse(symbol, venue).market_type if "/" in symbol else MarketType.FUTURE
    given: dict[str, object] = {"price_tick": Decimal("0.1"), "lot": Decimal(1), **facts}
    return Instrument(venue, symbol, venue_id, kind, **given)  # type: ignore[arg-type]


LISTED = (
    instrument("binance", "BTCUSDT", "BTC/USDT"),
    instrument("binance", "1000SATSUSDT", "1000SATS/USDT"),
    instrument("binanceusdm", "BTCUSDT", "BTC/USDT:USDT"),
    instrument("binanceusdm", "ETHUSDT", "ETH/USDT:USDT"),
    instrument("binancecoinm", "BTCUSD_PERP", "BTC/USD:BTC", contract_size=Decimal(100)),
    instrument("bybit", "BTCUSDT", "BTC/USDT:USDT"),
    instrument("okx", "SHIB-USDT-SWAP", "SHIB/USDT:USDT", contract_size=Decimal(1_000_000)),
    instrument("okx", "BTC-USD_UM-310404", "BTC/USD:USD-310404"),
    instrument("okx", "BTC-USD_UM_XPERP-310404", "BTC/USD:USD-310404"),
    instrument("deribit", "BTC-FS-25JUN27_PERP", "BTC-FS-25JUN27_PERP"),
)
MAP = SymbolMap.of(LISTED)


@pytest.mark.parametrize(
    ("venue", "text", "kind", "found", "symbol", "reasons"),
    [
        ("binance", "BTCUSDT", None, "binance", "BTC/USDT", {R.RULE, R.AMBIGUOUS_TYPE}),
        ("binance", "BTCUSDT", MarketType.SWAP, "binanceusdm", "BTC/USDT:USDT", {R.RULE}),
        ("binance", "BTCUSD_PERP", None, "binancecoinm", "BTC/USD:BTC", {R.RULE}),
        ("binance", "BTC-USDT", None, "binance", "BTC/USDT", {R.RULE, R.OTHER_SPELLING}),
        ("binance", "BTC_USDT", None, "binance", "BTC/USDT", {R.RULE, R.OTHER_SPELLING}),
        ("binance", "BTC/USDT", None, "binance", "BTC/USDT", {R.RULE}),
        ("binance", "BTCUSD", None, "binance", "BTC/USD", {R.GUESS}),
        ("binance", "GBPAEUR", None, "binance", "GBP/AEUR", {R.RULE, R.AMBIGUOUS_SPLIT}),
        ("binanceusdm", "BTC/USDT", None, "binanceusdm", "BTC/USDT:USDT", {R.RULE, R.OTHER_SPELLING}),
        ("binanceusdm", "1000BONKUSDT", None, "binanceusdm", "1000BONK/USDT:USDT", {R.RULE, R.MULTIPLIER}),
        ("bybit", "btcusdt", None, "bybit", "BTC/USDT", {R.RULE, R.AMBIGUOUS_TYPE, R.OTHER_SPELLING}),
        ("okx", "BTCUSDT", None, "okx", "BTC/USDT", {R.RULE, R.OTHER_SPELLING}),
        ("okx", "XBT-USDT", None, "okx", "BTC/USDT", {R.RULE, R.ALIAS, R.OTHER_SPELLING}),
        ("okx", "BTC-USD_UM_XPERP-310404", None, "okx", "BTC/USD:USD-310404", {R.RULE, R.SHARED_SYMBOL}),
        ("kucoin", "ALT-USDT", None, "kucoin", "APTOSLAUNCHTOKEN/USDT", {R.RULE, R.ALIAS}),
        ("kucoin", "BTC-USDT", MarketType.SWAP, "kucoinfutures", "BTC/USDT:USDT",
         {R.RULE, R.ALIAS, R.OTHER_SPELLING}),
        ("deribit", "BTC/USD", None, "deribit", "BTC/USD:BTC", {R.RULE, R.OTHER_SPELLING}),
        ("max", "BTC-TWD", None, "max", "BTC/TWD", {R.RULE, R.OTHER_SPELLING}),
        ("bitmart", "BTC_USDT", None, "bitmart", "BTC/USDT", {R.RULE}),
    ],
)  # fmt: skip
def test_a_text_is_mapped_by_rule_with_its_reasons(
    venue: str, text: str, kind: MarketType | None, found: str, symbol: str, reasons: set[Reason]
) -> None:
    mapping = map_by_rule(venue, text, kind)
    assert (mapping.venue, mapping.symbol, set(mapping.reasons)) == (found, symbol, reasons)
    assert mapping.confidence == confidence(reasons)
    assert id_by_rule(mapping.venue, mapping.symbol).symbol == mapping.symbol


@pytest.mark.parametrize(
    ("venue", "text", "kind"),
    [("binance", "FOOBAR", None), ("bybit", "BTCUSDT", MarketType.OPTION), ("max", "BTC/USDT:USDT", None),
     ("okx", "", None), ("deribit", "BTC-FS-25JUN27_PERP", None), ("binance", "BTC/USDT/ETH", None)],
)  # fmt: skip
def test_what_cannot_be_mapped_is_refused_in_one_line(venue: str, text: str, kind: MarketType | None) -> None:
    with pytest.raises(UnknownSymbol, match="its symbols look like") as refusal:
        map_by_rule(venue, text, kind)
    assert "\n" not in str(refusal.value)


def test_the_other_things_that_an_id_can_mean_are_told() -> None:
    assert map_by_rule("binance", "BTCUSDT").others == (("binanceusdm", "BTC/USDT:USDT"),)
    assert map_by_rule("binanceusdm", "BTCUSDT").others == ()
    assert MAP.map("binance", "BTCUSDT").others == (("binanceusdm", "BTC/USDT:USDT"),)


def test_a_listed_id_is_surer_than_one_by_rule() -> None:
    listed = MAP.map("binanceusdm", "BTCUSDT")
    assert listed.reasons == (R.EXACT_LISTING, R.RULE)
    assert listed.confidence > 0.999 > map_by_rule("binanceusdm", "BTCUSDT").confidence


def test_a_listing_decides_what_a_rule_leaves_open() -> None:
    assert map_by_rule("bybit", "BTCUSDT").symbol == "BTC/USDT"
    only_swap = MAP.map("bybit", "BTCUSDT")
    assert only_swap.symbol == "BTC/USDT:USDT"
    assert R.AMBIGUOUS_TYPE not in only_swap.reasons
    assert MAP.map("bybit", "BTC-USDT").symbol == "BTC/USDT:USDT", "there is no spot to be meant"


def test_an_id_never_stands_for_a_pair_that_the_venue_calls_otherwise() -> None:
    altlayer = SymbolMap.of([instrument("kucoin", "KALT-USDT", "ALT/USDT")])
    assert altlayer.map("kucoin", "ALT-USDT").symbol == "APTOSLAUNCHTOKEN/USDT"
    assert R.NOT_LISTED in altlayer.map("kucoin", "ALT-USDT").reasons
    assert altlayer.map("kucoin", "ALT/USDT").venue_id == "KALT-USDT"
    assert altlayer.map_as("kucoin", "ALT-USDT", "ALT/USDT") is None
    assert altlayer.map_as("kucoin", "KALT-USDT", "ALT/USDT") is not None
    assert altlayer.map_as("kucoin", "nonsense", "ALT/USDT") is None


def test_what_a_known_list_does_not_have_is_in_doubt_and_elsewhere_it_is_not() -> None:
    assert R.NOT_LISTED in MAP.map("binanceusdm", "DOGEUSDT").reasons
    assert R.NOT_LISTED not in MAP.map("kucoin", "DOGE-USDT").reasons
    assert MAP.universal("okx", "DOGE/USDT:USDT").venue_id == "DOGE-USDT-SWAP"
    assert R.NOT_LISTED in MAP.universal("okx", "DOGE/USDT:USDT").reasons


def test_the_map_answers_both_ways_and_for_the_family() -> None:
    assert MAP.universal("okx", "SHIB/USDT:USDT").venue_id == "SHIB-USDT-SWAP"
    swap = MAP.find("binance", "BTCUSDT", MarketType.SWAP)
    assert swap is not None
    assert swap.venue == "binanceusdm"
    assert MAP.universal("binance", "BTC/USD:BTC").venue_id == "BTCUSD_PERP"
    assert MAP.find("okx", "NOPE") is None


def test_two_ids_of_one_symbol_are_both_in_doubt_and_a_combination_has_no_symbol() -> None:
    shared = [one for one in MAP if one.symbol == "BTC/USD:USD-310404"]
    assert [R.SHARED_SYMBOL in one.reasons for one in shared] == [True, True]
    assert len(MAP) == len(LISTED) - 1
    assert MAP.find("deribit", "BTC-FS-25JUN27_PERP") is None


def test_what_trades_is_meant_before_what_does_not() -> None:
    halted = instrument("okx", "OLD-USDT", "BTC/USDT", status=InstrumentStatus.DELISTED)
    trading = instrument("okx", "BTC-USDT", "BTC/USDT")
    assert SymbolMap.of([halted, trading]).universal("okx", "BTC/USDT").venue_id == "BTC-USDT"


def test_a_listing_that_its_own_rule_would_read_otherwise_counts_and_says_so() -> None:
    odd = SymbolMap.of([instrument("okx", "FOO-USDT", "BAR/USDT")])
    assert odd.map("okx", "FOO-USDT").symbol == "BAR/USDT"
    assert R.RULE_DISAGREES in odd.map("okx", "FOO-USDT").reasons


def test_a_mapping_knows_its_underlying_and_its_size() -> None:
    shib = MAP.map("okx", "SHIB-USDT-SWAP")
    assert (shib.underlying, shib.multiplier, shib.contract_size) == ("SHIB", 1, 1_000_000)
    sats = MAP.map("binance", "1000SATSUSDT")
    assert (sats.underlying, sats.multiplier, sats.contract_size) == ("SATS", 1000, 1)
    assert map_by_rule("okx", "SHIB-USDT-SWAP").contract_size is None, "only a listing tells"
    assert MAP.map("binancecoinm", "BTCUSD_PERP").style is Style.INVERSE


@pytest.mark.parametrize(
    ("base", "underlying", "multiplier"),
    [
        ("BTC", "BTC", 1), ("1000BONK", "BONK", 1000), ("kPEPE", "PEPE", 1000), ("1MBABYDOGE", "BABYDOGE", 10**6),
        ("1000000MOG", "MOG", 10**6), ("10000SATS", "SATS", 10**4), ("SHIB1000", "SHIB", 1000), ("1INCH", "1INCH", 1),
        ("1000X", "1000X", 1), ("100X", "100X", 1), ("KAVA", "KAVA", 1), ("SPX6900", "SPX6900", 1), ("1MT", "1MT", 1),
        ("k", "k", 1), ("1000", "1000", 1),
    ],
)  # fmt: skip
def test_a_factor_is_told_from_a_name(base: str, underlying: str, multiplier: int) -> None:
    assert split_multiplier(base) == (underlying, multiplier)


def test_every_recorded_listing_maps_both_ways_through_the_map() -> None:
    rows = [row for row in recorded_listings() if row.symbol is not None]
    symbols = SymbolMap.of(instrument(row.venue, row.venue_id, str(row.symbol)) for row in rows)
    assert len(symbols) == len(rows) == 3558
    for row in rows:
        there = symbols.find(row.venue, row.venue_id)
        assert there is not None
        assert there.symbol == row.symbol
        assert symbols.universal(row.venue, there.symbol).venue_id == row.venue_id
        assert R.RULE_DISAGREES not in there.reasons
        assert there.confidence > 0.98


supports = st.sets(st.sampled_from([reason for reason in Reason if WEIGHTS[reason].support]), min_size=1)
doubts = st.sets(st.sampled_from([reason for reason in Reason if WEIGHTS[reason].doubt]))


@given(supports, doubts, st.sampled_from(Reason))
def test_support_never_lowers_and_doubt_never_raises_the_confidence(
    support: set[Reason], doubt: set[Reason], more: Reason
) -> None:
    before, after = confidence(support | doubt), confidence(support | doubt | {more})
    assert 0 < before <= 1
    assert after >= before if WEIGHTS[more].support else after <= before
    assert confidence(doubt) == 0


def test_every_reason_has_one_weight_and_a_meaning() -> None:
    assert set(WEIGHTS) == set(Reason)
    for weight in WEIGHTS.values():
        assert (weight.support == 0) != (weight.doubt == 0)
        assert weight.meaning


@pytest.mark.parametrize("text", ["BTC/USDT", "BTC-USDT", "btc_usdt", "BTCUSDT", " btcusdt "])
def test_a_pair_is_read_in_any_spelling(text: str) -> None:
    assert read_pair(text)[0] == SymbolParts("BTC", "USDT")


def test_a_pair_with_its_settlement_is_read_whole() -> None:
    assert read_pair("BTC-USDT:USDT")[0].symbol == "BTC/USDT:USDT"
    assert read_pair("BTC/USD:BTC-261225-100000-C")[0].symbol == "BTC/USD:BTC-261225-100000-C"
    assert read_pair("BTC") == ()
    assert read_pair("kPEPE/USDC:USDC")[0].base == read_pair("kPEPEUSDC")[0].base == "kPEPE"
    assert read_pair("kava-usdt")[0].base == "KAVA"
    assert means("BTCUSDT", "BTC/USDT:USDT")
    assert not means("BTCUSDT", "BTC/USDC")


def test_an_unknown_venue_is_told() -> None:
    for ask in (map_by_rule, id_by_rule, MAP.map, MAP.universal):
        with pytest.raises(UnknownVenue):
            ask("mtgox", "BTC/USDT")


def test_the_page_on_symbols_shows_every_reason_as_it_is_weighed() -> None:
    page = (Path(__file__).parents[2] / "docs/symbols.md").read_text()
    for reason, weight in WEIGHTS.items():
        support, doubt = (f"{number:g}" if number else "" for number in (weight.support, weight.doubt))
        assert (
            f"| {reason} | {support}{' ' if support else ''}| {doubt}{' ' if doubt else ''}| {weight.meaning} |" in page
        )
