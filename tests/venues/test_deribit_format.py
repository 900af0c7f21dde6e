"""Deribit's names, held against ccxt's own reading of the recorded instrument lists."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.support.recordings import recording
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.venues.registry import venue

CODEC = venue("deribit").instruments


def _replies() -> list[bytes]:
    with gzip.open(recording("markets/DERIBIT.instruments.0.gz")) as file:
        return [line.partition(b": ")[2] for line in file if line.startswith(b"https://")]


def _with_names_of_today(row: dict[str, Any]) -> dict[str, Any]:
    """What ccxt needs of a list of before 2022, which named neither the price's currency nor the settlement's."""
    return {"counter_currency": "USD", "settlement_currency": row["base_currency"], **row}


@pytest.mark.recordings
def test_every_instrument_has_ccxts_symbol_and_leads_back_to_its_id() -> None:
    import ccxt

    exchange = ccxt.deribit()
    seen: set[MarketType] = set()
    for body in _replies():
        ours = {row.venue_id: row for row in CODEC.parse(body)}
        listed = [_with_names_of_today(row) for row in json.loads(body)["result"]]
        exchange.publicGetGetInstruments = lambda params, listed=listed: {"result": json.loads(json.dumps(listed))}
        theirs = exchange.fetch_markets()
        assert len(ours) == len(theirs) == len(listed) > 10
        for market in theirs:
            row = ours[market["id"]]
            assert (row.symbol, row.market_type) == (market["symbol"], market["type"])
            assert float(row.price_tick) == market["precision"]["price"]
            assert float(row.lot) == market["precision"]["amount"]
            assert CODEC.venue_id(row.symbol) == row.venue_id
            seen.add(row.market_type)
    assert seen == {MarketType.SWAP, MarketType.FUTURE, MarketType.OPTION}


def listed(**changes: object) -> Instrument:
    row = {
        "instrument_name": "BTC_USDC",
        "kind": "spot",
        "base_currency": "BTC",
        "counter_currency": "USDC",
        "quote_currency": "USDC",
        "settlement_currency": "USDC",
        "tick_size": 0.5,
        "min_trade_amount": 1e-05,
        "is_active": True,
    }
    (found,) = CODEC.parse(json.dumps({"result": [{**row, **changes}]}).encode())
    return found


def test_spot_is_read_and_what_is_not_active_is_halted() -> None:
    spot = listed()
    assert (spot.symbol, spot.market_type, str(spot.lot)) == ("BTC/USDC", MarketType.SPOT, "0.00001")
    assert spot.status is InstrumentStatus.TRADING
    assert listed(is_active=False).status is InstrumentStatus.HALTED


def test_combos_are_left_out() -> None:
    body = {"result": [{"instrument_name": "BTC-FS-19MAY26_PERP", "kind": "future_combo", "base_currency": "BTC"}]}
    row = {"quote_currency": "USD", "tick_size": 0.5, "min_trade_amount": 10.0, "is_active": True}
    body["result"][0] |= row
    assert CODEC.parse(json.dumps(body).encode()) == []


@pytest.mark.parametrize(
    ("symbols", "kinds"),
    [
        ((), ["future", "option", "spot"]),
        (("BTC/USD:BTC",), ["future"]),
        (("BTC/USDC", "BTC/USD:BTC-261225-100000-C"), ["option", "spot"]),
        (("btc-perpetual",), ["future", "spot"]),
        (("BTC-25DEC26-100000-C",), ["option"]),
        (("BTCUSDC",), ["future", "spot"]),
    ],
)
def test_only_the_kinds_that_can_be_meant_are_asked_for(symbols: tuple[str, ...], kinds: list[str]) -> None:
    assert [dict(request.params)["kind"] for request in CODEC.requests(symbols)] == kinds
