"""The venues' facts and names, held against ccxt's own reading of real captures."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.recordings import recording
from xetrade_core.clock import SystemClock
from xetrade_core.errors import ConfigError, UnknownSymbol, UnknownVenue, VenueRetired, VenueUnavailable
from xetrade_core.feeds.factory import open_feed
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.feeds.recorded import RecordedFeed
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.venues import binance_format, bybit, okx
from xetrade_core.venues.clients import OWN_CLIENTS, ClientOptions, open_market_data
from xetrade_core.venues.instruments import named_instrument, resolve_symbol
from xetrade_core.venues.most import Most
from xetrade_core.venues.registry import venue, venues
from xetrade_core.venues.venue import BookProtocol, Venue, VenueStatus

EVERY = [pytest.param(each, id=each.id) for each in venues()]


@pytest.mark.parametrize("subject", EVERY)
def test_a_venue_is_whole(subject: Venue) -> None:
    assert venue(subject.id) is subject
    assert subject.live.rest.startswith("https://")
    assert subject.live.ws.startswith("wss://")
    assert (subject.rest.snapshot_path is not None) == (subject.protocol is BookProtocol.REST_SNAPSHOT)
    limits = [row.limit for row in subject.rest.weights]
    assert limits == sorted(limits)
    assert all(row.weight <= subject.rest.budget.limit for row in subject.rest.weights)
    topics = {"retired"} if subject.status is VenueStatus.RETIRED else {"sync", "ping"}
    assert {fact.topic for fact in subject.facts} >= topics
    for fact in subject.facts:
        assert fact.source.startswith("https://")
        assert date(2026, 1, 1) <= fact.checked <= date(2027, 12, 31)
    assert 0 < subject.websocket.lifetime_s <= 24 * 3600


@pytest.mark.parametrize("subject", EVERY)
def test_its_client_exists(subject: Venue) -> None:
    ccxt = pytest.importorskip("ccxt")
    if subject.ccxt_class is None:
        assert (subject.id in OWN_CLIENTS) is (subject.status is VenueStatus.LIVE)
    else:
        assert subject.ccxt_class in ccxt.exchanges


def test_urls_come_from_configuration_alone() -> None:
    spot = venue("binance")
    assert spot.endpoints() == spot.live
    assert spot.endpoints(testnet=True) == spot.testnet
    own = spot.endpoints(rest_url="http://127.0.0.1:1/", ws_url="ws://127.0.0.1:2")
    assert (own.rest, own.ws) == ("http://127.0.0.1:1", "ws://127.0.0.1:2/ws")
    usdm = venue("binanceusdm").endpoints(ws_url="ws://127.0.0.1:2/")
    assert usdm.ws == "ws://127.0.0.1:2/public/ws"
    assert venue("okx").endpoints(ws_url="ws://127.0.0.1:2/other").ws == "ws://127.0.0.1:2/other"


@pytest.mark.parametrize("setting", ["rest_url", "ws_url"])
@pytest.mark.parametrize("taker", [venue("binance").endpoints, FeedOptions], ids=["endpoints", "options"])
def test_a_password_in_a_url_is_refused_and_not_shown(setting: str, taker: Callable[..., object]) -> None:
    with pytest.raises(ConfigError, match=f"{setting} holds a user name or password") as refusal:
        taker(**{setting: "wss://someone:hunter2@127.0.0.1:1/ws"})
    assert "hunter2" not in str(refusal.value)
    assert "someone" not in str(refusal.value)


def test_an_unknown_venue_names_the_known_ones() -> None:
    with pytest.raises(UnknownVenue, match=r"unknown venue 'ftx': known venues are .*binance, binancecoinm, .*okx"):
        venue("ftx")


def test_a_retired_venue_says_when_it_shut_down() -> None:
    gone = venue("bitmart")
    instrument = named_instrument(gone, "BTC/USDT")
    assert (gone.status, instrument.venue_id) == (VenueStatus.RETIRED, "BTC_USDT")
    calls: list[Callable[[], object]] = [
        gone.require_live,
        lambda: gone.instruments.requests(["BTC/USDT"]),
        lambda: gone.instruments.parse(b"[]"),
        lambda: gone.books([instrument]),
        lambda: open_market_data("bitmart", ClientOptions(), SystemClock(), random.Random(1)),
        lambda: asyncio.run(open_feed("bitmart", ["BTC/USDT"], FeedOptions(), SystemClock(), random.Random(1))),
        lambda: asyncio.run(
            open_feed("bitmart", ["BTC/USDT"], FeedOptions(feed="poll"), SystemClock(), random.Random(1))
        ),
        lambda: RecordedFeed("bitmart", ["BTC/USDT"], [Path("old.gz")], SystemClock()),
    ]
    for call in calls:
        with pytest.raises(VenueRetired, match=r"BitMart shut down on 2026-07-26: .* choose a live venue"):
            call()


def test_the_snapshot_for_a_depth_is_the_cheapest_that_reaches() -> None:
    rest = venue("binance").rest
    assert [(rest.snapshot_for(n).limit, rest.snapshot_for(n).weight) for n in (1, 101, 500, 501, 9999)] == [
        (100, 5),
        (500, 25),
        (500, 25),
        (1000, 50),
        (5000, 250),
    ]
    with pytest.raises(ConfigError, match="on the websocket"):
        venue("okx").rest.snapshot_for(10)


def _markets(name: str) -> dict[str, Any]:
    with gzip.open(recording(f"markets/{name}/fetch_markets.json.gz")) as file:
        capture: dict[str, Any] = json.load(file)
    return capture


def _floats(*amounts: Decimal | None) -> list[float | None]:
    return [None if amount is None else float(amount) for amount in amounts]


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["binance", "bybit", "okx"])
def test_listings_read_as_ccxt_reads_them(name: str) -> None:
    parsed = _markets(name)["parsed_response"]
    assert parsed
    for market in parsed:
        largest = market["limits"]["amount"]["max"]
        if name == "okx":
            largest = float(market["info"]["maxLmtSz"])
            ours = okx.VENUE.instruments.instrument(  # type: ignore[attr-defined]
                msgspec.convert(market["info"], okx._Listing, strict=False)
            )
        elif name == "bybit":
            ours = bybit.VENUE.instruments.instrument(  # type: ignore[attr-defined]
                msgspec.convert(market["info"], bybit._Listing, strict=False), "spot"
            )
            largest = float(market["info"]["lotSizeFilter"]["maxLimitOrderQty"])
        else:
            codec = venue(
                "binance" if market["spot"] else "binanceusdm" if market["linear"] else "binancecoinm"
            ).instruments
            ours = codec.instrument(  # type: ignore[attr-defined]
                msgspec.convert(market["info"], binance_format._Listing, strict=False)
            )
        assert (ours.symbol, ours.venue_id, ours.market_type) == (market["symbol"], market["id"], market["type"])
        assert (float(ours.price_tick), float(ours.lot)) == (
            market["precision"]["price"],
            market["precision"]["amount"],
        )
        assert float(ours.contract_size) == (market["contractSize"] or 1)
        limits = market["limits"]
        assert _floats(ours.min_amount, ours.max_amount) == [limits["amount"]["min"], largest]
        assert _floats(ours.min_notional) == [limits["cost"]["min"]]
        assert _bounds_of(name, market) == {field: getattr(ours, field) for field in Most._fields}
        if name == "binance":
            assert _floats(ours.max_notional) == [limits["cost"]["max"]]


def _bounds_of(name: str, market: dict[str, Any]) -> dict[str, Decimal | None]:
    """What the venue's own row says, read by hand; and that of ccxt's row the same is read."""
    info = market["info"]

    def number(row: dict[str, str], field: str) -> Decimal | None:
        return Decimal(row[field]) if row.get(field) else None

    if name == "okx":
        assert info["instType"] == "SPOT"
        read = {"max_amount": number(info, "maxLmtSz"), "max_usd": number(info, "maxLmtAmt")}
        read |= {"max_market_usd": number(info, "maxMktAmt")}
        read |= {"max_market_notional": number(info, "maxMktSz") if info["quoteCcy"] == "USDT" else None}
    elif name == "bybit":
        lots = info["lotSizeFilter"]
        read = {"max_amount": number(lots, "maxLimitOrderQty"), "max_market_amount": number(lots, "maxMarketOrderQty")}
    else:
        filters = {row["filterType"]: row for row in info["filters"]}
        read = {"max_amount": number(filters["LOT_SIZE"], "maxQty")}
        read |= {"max_market_amount": number(filters["MARKET_LOT_SIZE"], "maxQty")}
        assert not filters.get("NOTIONAL", {}).get("applyMaxToMarket")
        read |= {"max_notional": number(filters.get("NOTIONAL", {}), "maxNotional")}
    whole = {**Most()._asdict(), **read}
    of_ccxt = venue(name).most
    assert of_ccxt is not None
    assert of_ccxt(info)._asdict() == whole
    return whole


def test_the_most_that_an_order_may_be_is_read_where_the_venue_writes_it() -> None:
    def okx(**row: str) -> Most:
        return read("okx", instId="X", state="live", tickSz="1", lotSz="1", **row)

    def read(name: str, **row: object) -> Most:
        most = venue(name).most
        assert most is not None
        return most(row)

    D = Decimal
    swap = {"instType": "SWAP", "maxLmtSz": "100000000", "maxMktSz": "50000", "maxLmtAmt": "20000000", "maxMktAmt": ""}
    assert okx(**swap) == Most(max_amount=D(100_000_000), max_usd=D(20_000_000), max_market_amount=D(50_000))
    assert okx(**swap | {"instType": "OPTION"}).max_usd is None, "of its premium or of what it is on, is not said"
    spot = swap | {"instType": "SPOT", "quoteCcy": "EUR", "maxMktAmt": "71000"}
    assert okx(**spot) == Most(D(100_000_000), max_usd=D(20_000_000), max_market_usd=D(71_000)), "50,000 USDT, not EUR"
    lots = {"maxOrderQty": "100.000", "maxMktOrderQty": "60.000"}
    linear = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading", "lotSizeFilter": lots}
    assert read("bybit", **linear, priceFilter={"tickSize": "1"}) == Most(D(100), max_market_amount=D(60))
    contract = {"symbol": "XBTUSDTM", "baseCurrency": "XBT", "quoteCurrency": "USDT", "settleCurrency": "USDT"}
    contract |= {"status": "Open", "tickSize": 0.1, "lotSize": 1, "multiplier": 0.001}
    futures = read("kucoinfutures", **contract, maxOrderQty=10, marketMaxOrderQty=6)
    assert futures == Most(D(10), max_market_amount=D(6))
    worth = {"filterType": "NOTIONAL", "maxNotional": "9000000.00000000", "applyMaxToMarket": True}
    pair = {"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}
    both = read("binance", **pair, filters=[worth, {"filterType": "MARKET_LOT_SIZE", "maxQty": "0.00000000"}])
    assert both == Most(max_notional=D(9_000_000), max_market_notional=D(9_000_000))
    with pytest.raises(ValueError, match="not a row of the venue's list"):
        read("binance", **pair)
    assert {one.id for one in venues() if one.most is None} >= {"kucoin", "deribit", "derive", "max"}


@pytest.mark.recordings
@pytest.mark.parametrize(("name", "venue_id"), [("binance", "binancecoinm"), ("bybit", "bybit"), ("okx", "okx")])
def test_every_listed_instrument_has_a_name_that_leads_back_to_it(name: str, venue_id: str) -> None:
    codec = venue(venue_id).instruments
    listed = codec.parse(json.dumps(_markets(name)["http_response"]).encode())
    assert len(listed) > 20
    listed = [row for row in listed if row.status is InstrumentStatus.TRADING]
    assert len({row.symbol for row in listed}) == len(listed)
    for row in listed:
        assert codec.venue_id(row.symbol) == row.venue_id
        assert row.price_tick > 0
        assert row.lot > 0


@pytest.mark.parametrize("venue_id", ["binance", "okx", "bybit", "deribit", "derive", "max"])
@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"symbols":3}', b'{"code":"50001","data":[],"msg":"busy"}'])
def test_a_body_that_is_no_list_of_instruments_is_unavailable(venue_id: str, body: bytes) -> None:
    with pytest.raises(VenueUnavailable, match=venue_id):
        venue(venue_id).instruments.parse(body)


@pytest.mark.parametrize(
    ("venue_id", "symbol", "id_there"),
    [
        ("binance", "BTC/USDT", "BTCUSDT"),
        ("binance", "YOYOW/BTC", "YOYOBTC"),
        ("binanceusdm", "BTC/USDT:USDT", "BTCUSDT"),
        ("binanceusdm", "1000SHIB/USDT:USDT", "1000SHIBUSDT"),
        ("binanceusdm", "BTC/USDT:USDT-261225", "BTCUSDT_261225"),
        ("binancecoinm", "BTC/USD:BTC", "BTCUSD_PERP"),
        ("binancecoinm", "BTC/USD:BTC-261225", "BTCUSD_261225"),
        ("okx", "BTC/USDT", "BTC-USDT"),
        ("okx", "BTC/USDT:USDT", "BTC-USDT-SWAP"),
        ("okx", "BTC/USD:BTC-261225", "BTC-USD-261225"),
        ("okx", "BTC/USD:BTC-261225-100000-C", "BTC-USD-261225-100000-C"),
        ("bybit", "BTC/USDT", "BTCUSDT"),
        ("bybit", "BTC/USDT:USDT", "BTCUSDT"),
        ("bybit", "BTC/USDC:USDC", "BTCPERP"),
        ("bybit", "BTC/USD:BTC", "BTCUSD"),
        ("bybit", "BTC/USD:BTC-260327", "BTCUSDH26"),
        ("bybit", "DOGE/USDT:USDT-260327-0.22-P", "DOGE-27MAR26-0.22-P-USDT"),
        ("max", "BTC/TWD", "btctwd"),
        ("derive", "ETH/USDC", "ETH-USDC"),
        ("derive", "BTC/USDC:USDC", "BTC-PERP"),
        ("derive", "XRP/USDC:USDC-261225-0.5-P", "XRP-20261225-0_5-P"),
        ("deribit", "BTC/USDC", "BTC_USDC"),
        ("deribit", "BTC/USD:BTC", "BTC-PERPETUAL"),
        ("deribit", "BTC/USDC:USDC", "BTC_USDC-PERPETUAL"),
        ("deribit", "BTC/USD:BTC-210806", "BTC-6AUG21"),
        ("deribit", "BTC/USD:BTC-241227-100000-C", "BTC-27DEC24-100000-C"),
        ("deribit", "XRP/USDC:USDC-240630-0.5-P", "XRP_USDC-30JUN24-0d5-P"),
    ],
)
def test_a_universal_symbol_becomes_the_venues_id_by_rule(venue_id: str, symbol: str, id_there: str) -> None:
    row = named_instrument(venue(venue_id), symbol)
    assert (row.venue_id, row.symbol, row.venue) == (id_there, symbol, venue_id)


@pytest.mark.parametrize(
    ("venue_id", "symbol"),
    [
        ("binance", "BTC/USDT:USDT"),
        ("binanceusdm", "BTC/USDT"),
        ("binanceusdm", "BTC/USD:BTC"),
        ("binancecoinm", "BTC/USDT:USDT"),
        ("okx", "BTC/USDT:EUR"),
        ("okx", "BTCUSDT"),
        ("okx", ""),
        ("max", "BTC/USDT:USDT"),
        ("derive", "BTC/USDT:USDT"),
        ("derive", "BTC/USDC:USDC-261225"),
        ("deribit", "BTC/USD:ETH"),
        ("deribit", "BTC/USDT:BTC"),
        ("deribit", "BTC/USD:BTC-241327"),
    ],
)
def test_a_symbol_that_the_venue_cannot_have_is_refused(venue_id: str, symbol: str) -> None:
    with pytest.raises(UnknownSymbol, match=venue_id):
        venue(venue_id).instruments.venue_id(symbol)


def row(symbol: str, venue_id: str, kind: MarketType) -> Instrument:
    return Instrument("okx", symbol, venue_id, kind, Decimal("0.1"), Decimal(1))


LISTED = [
    row("BTC/USDT", "BTC-USDT", MarketType.SPOT),
    row("ETH/USDT", "ETH-USDT", MarketType.SPOT),
    row("BTC/USDT:USDT", "BTC-USDT-SWAP", MarketType.SWAP),
    row("BTC/USD:BTC", "BTC-USD-SWAP", MarketType.SWAP),
    row("BTC/USD:BTC-261225", "BTC-USD-261225", MarketType.FUTURE),
]


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTC/USDT", "BTC/USDT"),
        ("btc/usdt:usdt", "BTC/USDT:USDT"),
        (" BTC-USDT ", "BTC/USDT"),
        ("BTCUSDT", "BTC/USDT"),
        ("btc-usdt-swap", "BTC/USDT:USDT"),
        ("BTC-USDT_USDT", "BTC/USDT:USDT"),
        ("btc-usdt:usdt", "BTC/USDT:USDT"),
        ("BTC-USD", "BTC/USD:BTC"),
        ("BTCUSD", "BTC/USD:BTC"),
        ("BTC-USD-261225", "BTC/USD:BTC-261225"),
    ],
)
def test_a_pair_is_understood_however_it_is_written(text: str, symbol: str) -> None:
    assert resolve_symbol(venue("okx"), text, LISTED).symbol == symbol


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("BTC/USDX", r"did you mean BTC/USDT"),
        ("ETHUSD", r"did you mean ETH/USDT"),
        ("QQQQQQ", r"it lists 5 instruments, such as BTC/USDT, ETH/USDT"),
    ],
)
def test_an_unknown_pair_gets_its_near_matches(text: str, hint: str) -> None:
    with pytest.raises(UnknownSymbol, match=hint):
        resolve_symbol(venue("okx"), text, LISTED)


def test_bybits_contracts_read_as_ccxt_reads_them() -> None:
    """The venue's documented examples of every kind, through ccxt itself: no recording lists them."""
    import ccxt

    exchange = ccxt.bybit()
    lots = {"maxOrderQty": "100", "minOrderQty": "1", "qtyStep": "1"}
    rows = [
        ("linear", {"symbol": "BTCUSDT", "contractType": "LinearPerpetual", "quoteCoin": "USDT", "settleCoin": "USDT"}),
        ("linear", {"symbol": "BTCPERP", "contractType": "LinearPerpetual", "quoteCoin": "USDC", "settleCoin": "USDC"}),
        ("linear", {"symbol": "BTC-26DEC25", "contractType": "LinearFutures", "quoteCoin": "USDC", "settleCoin": "USDC",
                    "deliveryTime": "1766736000000"}),
        ("linear", {"symbol": "BTCUSDT-26DEC25", "contractType": "LinearFutures", "quoteCoin": "USDT",
                    "settleCoin": "USDT", "deliveryTime": "1766736000000"}),
        ("inverse", {"symbol": "BTCUSD", "contractType": "InversePerpetual", "quoteCoin": "USD", "settleCoin": "BTC"}),
        ("inverse", {"symbol": "BTCUSDZ25", "contractType": "InverseFutures", "quoteCoin": "USD", "settleCoin": "BTC",
                     "deliveryTime": "1766736000000"}),
    ]  # fmt: skip
    for listed_as, facts in rows:
        row = {"status": "Trading", "baseCoin": "BTC", "deliveryTime": "0", "priceFilter": {"tickSize": "0.1"}, **facts}
        reply = {"retCode": 0, "result": {"category": listed_as, "list": [{**row, "lotSizeFilter": lots}]}}
        exchange.publicGetV5MarketInstrumentsInfo = lambda params, reply=reply: (
            {"result": {"list": []}} if params.get("status") else reply
        )
        (theirs,) = exchange.fetch_future_markets({"category": listed_as})
        (ours,) = bybit.VENUE.instruments.parse(json.dumps(reply).encode())
        assert (ours.symbol, ours.venue_id, ours.market_type) == (theirs["symbol"], theirs["id"], theirs["type"])
        assert float(ours.contract_size) == theirs["contractSize"]
        assert bybit.VENUE.instruments.venue_id(ours.symbol) == ours.venue_id
