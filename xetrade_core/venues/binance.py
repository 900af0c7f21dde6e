"""Binance spot."""

from __future__ import annotations

from datetime import date

from xetrade_core.books.binance import BinanceSpotBooks
from xetrade_core.model.instruments import MarketType
from xetrade_core.venues.binance_format import SPOT_ERRORS, BinanceInstruments, most
from xetrade_core.venues.venue import (
    BookProtocol,
    Capability,
    ClientIdRule,
    Endpoints,
    Fact,
    RateRule,
    RestRules,
    SnapshotWeight,
    Uniqueness,
    Venue,
    WebsocketRules,
    WireDialect,
    offers,
)

_CHECKED = date(2026, 11, 20)
_STREAMS = "https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams"
_FILTERS = "https://developers.binance.com/docs/binance-spot-api-docs/filters"
_REST = "https://developers.binance.com/docs/binance-spot-api-docs/rest-api"

VENUE = Venue(
    id="binance",
    name="Binance spot",
    market_types=(MarketType.SPOT,),
    live=Endpoints(rest="https://api.binance.com", ws="wss://stream.binance.com:9443/ws"),
    testnet=Endpoints(rest="https://testnet.binance.vision", ws="wss://stream.testnet.binance.vision/ws"),
    websocket=WebsocketRules(
        dialect=WireDialect.BINANCE,
        channel="{id_lower}@depth@100ms",
        interval_ms=100,
        depth=None,
        max_subscriptions=1024,
        lifetime_s=24 * 3600,
        send_interval_s=0.25,
        connects=RateRule(300, 300),
    ),
    rest=RestRules(
        budget=RateRule(6000, 60),
        snapshot_path="/api/v3/depth",
        time_path="/api/v3/time",
        weights=(SnapshotWeight(100, 5), SnapshotWeight(500, 25), SnapshotWeight(1000, 50), SnapshotWeight(5000, 250)),
        used_weight_header="X-MBX-USED-WEIGHT-1M",
    ),
    protocol=BookProtocol.REST_SNAPSHOT,
    books=BinanceSpotBooks,
    instruments=BinanceInstruments("binance", "/api/v3/exchangeInfo", weight=20),
    most=most,
    ccxt_class="binance",
    client_ids=ClientIdRule(
        pattern=r"[.A-Z:/a-z0-9_-]{1,36}",
        ccxt_param="clientOrderId",
        unique=Uniqueness.OPEN_ORDERS,
        query=True,
        cancel=True,
    ),
    errors=SPOT_ERRORS,
    capabilities=offers(
        native=(
            Capability.BOOK_STREAM,
            Capability.BOOK_REST,
            Capability.QUOTES_ALL,
            Capability.PLACE,
            Capability.PLACE_STREAM,
            Capability.CANCEL,
            Capability.CANCEL_ALL,
            Capability.POST_ONLY,
            Capability.ORDER_STREAM,
            Capability.TRADE_STREAM,
            Capability.KEY_PERMISSIONS,
            Capability.TESTNET,
        ),
        emulated=(Capability.AMEND,),
    ),
    contracts_at=("binanceusdm", "binancecoinm"),
    facts=(
        Fact("sync", "U == previous u + 1; the first has U <= lastUpdateId + 1 <= u", _CHECKED, _STREAMS),
        Fact("lifetime", "a connection is closed after 24 h; serverShutdown may announce it", _CHECKED, _STREAMS),
        Fact("ping", "the server pings every 20 s and closes when no pong comes within a minute", _CHECKED, _STREAMS),
        Fact("sends", "5 incoming messages a second a connection, pings and pongs included", _CHECKED, _STREAMS),
        Fact("streams", "1024 streams a connection; 300 connections per 5 minutes per IP", _CHECKED, _STREAMS),
        Fact("weight", "6000 a minute per IP; depth costs 5/25/50/250 to 100/500/1000/5000 levels", _CHECKED, _REST),
        Fact("ban", "429 carries Retry-After; going on leads to 418, a ban of 2 minutes to 3 days", _CHECKED, _REST),
        Fact(
            "largest orders",
            "LOT_SIZE bounds every quantity, MARKET_LOT_SIZE a market order's besides; NOTIONAL "
            "bounds the value (maxNotional), a market order's only if applyMaxToMarket says so",
            _CHECKED,
            _FILTERS,
        ),
        Fact(
            "client ids",
            "newClientOrderId, 36 of letters, digits and .:/_-, unique among "
            "open orders only: a market order sent twice is done twice; a duplicate is refused as -2010",
            _CHECKED,
            _REST,
        ),
    ),
)
