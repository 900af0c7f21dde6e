"""KuCoin's names and limits, held against ccxt's own reading of the recorded pairs and of documented contracts."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.support.recordings import recording
from xetrade_core.errors import UnknownSymbol, VenueUnavailable
from xetrade_core.model.instruments import InstrumentStatus, MarketType
from xetrade_core.venues.registry import venue

SPOT, FUTURES = venue("kucoin").instruments, venue("kucoinfutures").instruments


def pair(base: str, **facts: Any) -> dict[str, Any]:
    row = {"symbol": f"{base}-USDT", "baseCurrency": base, "quoteCurrency": "USDT", "enableTrading": True}
    steps = {"baseIncrement": "0.01", "priceIncrement": "0.001", "baseMinSize": "1", "baseMaxSize": "10000000000"}
    return {**row, **steps, "quoteMinSize": "0.1", "minFunds": "0.2", **facts}


def body(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"code": "200000", "data": rows}).encode()


@pytest.mark.recordings
def test_every_recorded_pair_has_ccxts_symbol_steps_and_limits_and_leads_back_to_its_id() -> None:
    import ccxt

    with gzip.open(recording("markets/KUCOIN.instruments.0.gz")) as file:
        reply = next(line for line in file if line.startswith(b"https://")).partition(b": ")[2]
    exchange = ccxt.kucoin({"options": {"fetchMarkets": {"types": ["spot"], "fetchTickersFees": False}}})
    exchange.publicGetSymbols = lambda params: json.loads(reply)
    theirs = {row["id"]: row for row in exchange.fetch_markets()}
    ours = SPOT.parse(reply)
    assert len(ours) == len(theirs) > 100
    for row in ours:
        market = theirs[row.venue_id]
        assert (row.symbol, row.market_type) == (market["symbol"], MarketType.SPOT)
        assert (float(row.price_tick), float(row.lot)) == (market["precision"]["price"], market["precision"]["amount"])
        limits = market["limits"]["amount"]
        assert (float(row.min_amount or 0), float(row.max_amount or 0)) == (limits["min"], limits["max"])
        assert (row.status is InstrumentStatus.TRADING) is market["active"]
        assert SPOT.venue_id(row.symbol) == row.venue_id


@pytest.mark.parametrize(
    ("base", "symbol"),
    [
        ("ALT", "APTOSLAUNCHTOKEN/USDT"),
        ("KALT", "ALT/USDT"),
        ("WAX", "WAXP/USDT"),
        ("BIFI", "BIFIF/USDT"),
        ("BCHSV", "BSV/USDT"),
        ("BTC", "BTC/USDT"),
    ],
)
def test_what_kucoin_renames_is_read_as_ccxt_reads_it(base: str, symbol: str) -> None:
    import ccxt

    (row,) = SPOT.parse(body([pair(base)]))
    assert row.symbol == symbol == f"{ccxt.kucoin().safe_currency_code(base)}/USDT"
    assert SPOT.venue_id(symbol) == f"{base}-USDT"
    assert (str(row.min_notional), str(row.lot)) == ("0.2", "0.01")


def test_a_pair_that_may_not_be_traded_is_halted_and_one_without_a_tick_is_left_out() -> None:
    rows = SPOT.parse(body([pair("A", enableTrading=False), pair("B", priceIncrement=None)]))
    assert [(row.symbol, row.status) for row in rows] == [("A/USDT", InstrumentStatus.HALTED)]


def contract(symbol: str, quote: str, settle: str, **facts: Any) -> dict[str, Any]:
    row = {"symbol": symbol, "baseCurrency": "XBT", "quoteCurrency": quote, "settleCurrency": settle, "status": "Open"}
    row |= {"tickSize": 0.1, "lotSize": 1, "multiplier": 0.001, "maxOrderQty": 1000000, "maxPrice": 1000000.0}
    return {**row, "isInverse": False, "expireDate": None, "nextFundingRateTime": 123456, **facts}


CONTRACTS = [
    contract("XBTUSDTM", "USDT", "USDT"),
    contract("XBTUSDCM", "USDC", "USDC"),
    contract("XBTUSDM", "USD", "XBT", multiplier=-1.0, isInverse=True, tickSize=1e-05),
    contract(
        "XBTMZ26", "USD", "XBT", multiplier=-1.0, isInverse=True, expireDate=1798185600000, nextFundingRateTime=None
    ),
]


@pytest.mark.parametrize("row", CONTRACTS, ids=lambda row: row["symbol"])
def test_contracts_read_as_ccxt_reads_them(row: dict[str, Any]) -> None:
    import ccxt

    exchange = ccxt.kucoinfutures()
    exchange.futuresPublicGetContractsActive = lambda params: {"code": "200000", "data": [row]}
    (theirs,) = exchange.fetch_markets()
    (ours,) = FUTURES.parse(body([row]))
    assert (ours.symbol, ours.venue_id, ours.market_type) == (theirs["symbol"], theirs["id"], theirs["type"])
    assert (float(ours.price_tick), float(ours.lot)) == (theirs["precision"]["price"], theirs["precision"]["amount"])
    assert float(ours.contract_size) == theirs["contractSize"]
    assert (ours.min_amount, ours.max_amount) == (theirs["limits"]["amount"]["min"], theirs["limits"]["amount"]["max"])
    assert FUTURES.venue_id(ours.symbol) == ours.venue_id


@pytest.mark.parametrize(
    ("status", "read"),
    [("Init", "pre_launch"), ("BeingSettled", "settling"), ("Paused", "halted"), ("CancelOnly", "cancel_only")],
)
def test_a_contract_says_whether_it_trades(status: str, read: str) -> None:
    (row,) = FUTURES.parse(body([{**CONTRACTS[0], "status": status}]))
    assert row.status == read


@pytest.mark.parametrize("codec", [SPOT, FUTURES], ids=["spot", "futures"])
@pytest.mark.parametrize("reply", [b"", b"<html>", b"[]", b'{"code":"200000"}', b'{"code":"429000","msg":"slow"}'])
def test_a_body_that_is_no_list_of_instruments_is_unavailable(codec: Any, reply: bytes) -> None:
    with pytest.raises(VenueUnavailable, match="kucoin"):
        codec.parse(reply)


def test_a_symbol_that_the_market_cannot_have_is_refused() -> None:
    with pytest.raises(UnknownSymbol, match="kucoin"):
        SPOT.venue_id("BTC/USDT:USDT")
    with pytest.raises(UnknownSymbol, match="kucoinfutures"):
        FUTURES.venue_id("BTC/USDT")
