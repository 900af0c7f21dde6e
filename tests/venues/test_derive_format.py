"""Derive's list of instruments: its pages, and its names held against ccxt's own."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from tests.support.recordings import recording
from xetrade_core.model.instruments import InstrumentStatus, MarketType
from xetrade_core.venues.derive_format import DeriveInstruments
from xetrade_core.venues.registry import venue

CODEC = venue("derive").instruments
assert isinstance(CODEC, DeriveInstruments)


def _examples() -> list[dict[str, Any]]:
    """The instrument rows among the recorded messages."""
    rows: dict[str, dict[str, Any]] = {}
    with tarfile.open(recording("rest-examples/deribit-derive.tar.gz")) as archive:
        for member in archive:
            if (
                member.name.startswith("derive/")
                and "instrument" in member.name
                and (file := archive.extractfile(member))
            ):
                body = json.load(file)
                found = body.get("result", [body]) if isinstance(body, dict) else body
                rows |= {row["instrument_name"]: row for row in (found if isinstance(found, list) else [found])}
    return list(rows.values())


def reply(rows: list[dict[str, Any]], pages: int = 1) -> bytes:
    result = {"instruments": rows, "pagination": {"num_pages": pages, "count": len(rows)}}
    return json.dumps({"id": 1, "result": result}).encode()


@pytest.mark.recordings
def test_every_kind_of_instrument_has_ccxts_symbol_and_leads_back_to_its_id() -> None:
    import ccxt

    rows = _examples()
    ours = CODEC.parse(reply(rows))
    for instrument, row in zip(ours, rows, strict=True):
        market = ccxt.derive().parse_market(row)
        assert (instrument.symbol, instrument.market_type) == (market["symbol"], market["type"])
        assert float(instrument.price_tick) == market["precision"]["price"]
        assert float(instrument.lot) == market["precision"]["amount"]
        assert instrument.contract_size == (market["contractSize"] or 1)
        if row["instrument_name"] != "ETH-20260627-3500-C":  # an invented one, whose name and expiry disagree
            assert CODEC.venue_id(instrument.symbol) == instrument.venue_id
    assert {row.market_type for row in ours} == {MarketType.SPOT, MarketType.SWAP, MarketType.OPTION}


def test_what_is_not_active_is_halted_and_limits_are_kept() -> None:
    row = {"instrument_name": "ZEC-PERP", "instrument_type": "perp", "base_currency": "ZEC", "quote_currency": "USDC"}
    row |= {"tick_size": "0.01", "amount_step": "0.01", "minimum_amount": "1", "maximum_amount": "100000"}
    (zec,) = CODEC.parse(reply([{**row, "is_active": False}]))
    assert (zec.symbol, zec.status) == ("ZEC/USDC:USDC", InstrumentStatus.HALTED)
    assert (zec.min_amount, zec.max_amount) == (Decimal(1), Decimal(100_000))


def test_pages_follow_until_the_last() -> None:
    (first,) = CODEC.requests(["BTC-20261225-100000-C"])
    assert (first.method, json.loads(first.body)) == (
        "POST",
        {"expired": False, "instrument_type": "option", "page": 1, "page_size": 1000},
    )
    second = CODEC.next_page(first, reply([], pages=2))
    assert second is not None
    assert json.loads(second.body)["page"] == 2
    assert CODEC.next_page(second, reply([], pages=2)) is None


@dataclass
class _Asked:
    symbols: tuple[str, ...]
    kinds: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    "asked",
    [
        _Asked((), ["erc20", "option", "perp"]),
        _Asked(("BTC/USDC:USDC",), ["perp"]),
        _Asked(("ETH/USDC", "BTC/USDC:USDC-261225-100000-C"), ["erc20", "option"]),
        _Asked(("btc-perp",), ["erc20", "perp"]),
    ],
    ids=lambda asked: ",".join(asked.symbols) or "all",
)
def test_only_the_kinds_that_can_be_meant_are_asked_for(asked: _Asked) -> None:
    assert [json.loads(row.body)["instrument_type"] for row in CODEC.requests(asked.symbols)] == asked.kinds
