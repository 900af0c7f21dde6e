"""Binance COIN-M futures (inverse contracts)."""

from __future__ import annotations

from datetime import date

from xetrade_core.books.binance import BinanceFuturesBooks
from xetrade_core.model.instruments import MarketType
from xetrade_core.venues.binance_format import (
    FUTURES_CAPABILITIES,
    FUTURES_CLIENT_IDS,
    FUTURES_ERRORS,
    FUTURES_FUNDING,
    BinanceInstruments,
    most,
)
from xetrade_core.venues.venue import (
    BookProtocol,
    Endpoints,
    Fact,
    MarkCall,
    RateRule,
    RestRules,
    SnapshotWeight,
    Venue,
    WebsocketRules,
    WireDialect,
)

_CHECKED = date(2026, 11, 20)
_DOCS = "https://developers.binance.com/docs/derivatives/coin-margined-futures"

VENUE = Venue(
    id="binancecoinm",
    name="Binance COIN-M futures",
    market_types=(MarketType.SWAP, MarketType.FUTURE),
    live=Endpoints(rest="https://dapi.binance.com", ws="wss://dstream.binance.com/ws"),
    testnet=Endpoints(rest="https://testnet.binancefuture.com", ws="wss://dstream.binancefuture.com/ws"),
    websocket=WebsocketRules(
        dialect=WireDialect.BINANCE,
        channel="{id_lower}@depth@100ms",
        interval_ms=100,
        depth=None,
        max_subscriptions=200,
        lifetime_s=24 * 3600,
        send_interval_s=0.15,
        connects=RateRule(300, 300),
    ),
    rest=RestRules(
        budget=RateRule(2400, 60),
        snapshot_path="/dapi/v1/depth",
        time_path="/dapi/v1/time",
        weights=(SnapshotWeight(50, 2), SnapshotWeight(100, 5), SnapshotWeight(500, 10), SnapshotWeight(1000, 20)),
        used_weight_header="X-MBX-USED-WEIGHT-1M",
    ),
    protocol=BookProtocol.REST_SNAPSHOT,
    books=BinanceFuturesBooks,
    instruments=BinanceInstruments("binancecoinm", "/dapi/v1/exchangeInfo", weight=1),
    most=most,
    ccxt_class="binancecoinm",
    client_ids=FUTURES_CLIENT_IDS,
    errors=FUTURES_ERRORS,
    capabilities=FUTURES_CAPABILITIES,
    funding=FUTURES_FUNDING,
    marks=MarkCall.MARK_PRICES,
    facts=(
        Fact("hosts", "one websocket host, not split as USD-M's", _CHECKED, f"{_DOCS}/websocket-market-streams"),
        Fact("sync", "pu == previous u; the first after a snapshot has U <= lastUpdateId <= u", _CHECKED,
             f"{_DOCS}/websocket-market-streams/How-to-manage-a-local-order-book-correctly"),
        Fact("lifetime", "a connection is closed after 24 h", _CHECKED, f"{_DOCS}/websocket-market-streams/Connect"),
        Fact("ping", "the server pings every 3 minutes and closes without a pong in 10", _CHECKED,
             f"{_DOCS}/websocket-market-streams/Connect"),
        Fact("sends", "10 incoming messages a second a connection; at most 200 streams are used here", _CHECKED,
             f"{_DOCS}/websocket-market-streams/Connect"),
        Fact("weight", "2400 a minute per IP; depth costs 2/5/10/20 to 50/100/500/1000 levels", _CHECKED,
             f"{_DOCS}/market-data/rest-api/Order-Book"),
        Fact("largest orders", "LOT_SIZE bounds every quantity, MARKET_LOT_SIZE a market order's besides (-4005); no "
             "filter bounds the value from above", date(2026, 11, 29), f"{_DOCS}/common-definition"),
        Fact("client ids", "newClientOrderId, 36 of letters, digits and .:/_-, unique among "
             "open orders; a duplicate is refused as -4116", _CHECKED, f"{_DOCS}/trade/rest-api/New-Order"),
        Fact("funding", "fundingRate: at most 1000 rows, oldest first; shares 500 calls in 5 minutes with "
             "fundingInfo", _CHECKED, f"{_DOCS}/market-data/rest-api/Get-Funding-Rate-History"),
        Fact("dead man", "countdownCancelAll, a symbol at a time", _CHECKED,
             f"{_DOCS}/trade/rest-api/Auto-Cancel-All-Open-Orders"),
        Fact("marks", "premiumIndex has the mark price, by which unrealized profit is reckoned and positions are "
             "liquidated, and its time", _CHECKED, f"{_DOCS}/market-data/rest-api/Index-Price-and-Mark-Price"),
    ),
)  # fmt: skip
