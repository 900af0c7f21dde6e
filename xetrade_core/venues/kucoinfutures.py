"""KuCoin futures: linear and inverse, perpetual and dated."""

from __future__ import annotations

from datetime import date

from xetrade_core.books.kucoin import KucoinFuturesBooks
from xetrade_core.model.instruments import MarketType
from xetrade_core.venues.kucoin_format import ERRORS, KucoinContracts, contract_most, kucoin_websocket
from xetrade_core.venues.venue import (
    BookProtocol,
    Capability,
    ClientIdRule,
    Endpoints,
    Fact,
    FundingRules,
    MarkCall,
    Paging,
    RateRule,
    RestRules,
    SnapshotWeight,
    Uniqueness,
    Venue,
    offers,
)

_CHECKED, _TRADING = date(2026, 11, 20), date(2026, 11, 28)
_DOCS = "https://www.kucoin.com/docs-new"

VENUE = Venue(
    id="kucoinfutures",
    name="KuCoin futures",
    market_types=(MarketType.SWAP, MarketType.FUTURE),
    live=Endpoints(rest="https://api-futures.kucoin.com", ws="wss://ws-api-futures.kucoin.com/"),
    testnet=None,
    websocket=kucoin_websocket("kucoinfutures", "/contractMarket/level2"),
    rest=RestRules(
        budget=RateRule(2000, 30),
        snapshot_path="/api/v1/level2/snapshot",
        snapshot_query=("symbol",),
        time_path="/api/v1/timestamp",
        weights=(SnapshotWeight(1_000_000, 3),),
        book_limits=(20, 100),
    ),
    protocol=BookProtocol.REST_SNAPSHOT,
    books=KucoinFuturesBooks,
    instruments=KucoinContracts(),
    most=contract_most,
    ccxt_class="kucoinfutures",
    client_ids=ClientIdRule(
        pattern=r"[A-Za-z0-9_-]{1,40}",
        ccxt_param="clientOrderId",
        unique=Uniqueness.UNVERIFIED,
        query=True,
        cancel=True,
    ),
    errors=ERRORS,
    capabilities=offers(
        native=(
            Capability.BOOK_STREAM,
            Capability.BOOK_REST,
            Capability.QUOTES_ALL,
            Capability.FUNDING,
            Capability.FUNDING_ALL,
            Capability.FUNDING_INTERVAL,
            Capability.FUNDING_HISTORY,
            Capability.PLACE,
            Capability.CANCEL,
            Capability.CANCEL_ALL,
            Capability.POST_ONLY,
            Capability.REDUCE_ONLY,
            Capability.ORDER_STREAM,
            Capability.TRADE_STREAM,
            Capability.POSITION_STREAM,
            Capability.KEY_PERMISSIONS,
        ),
        emulated=(Capability.AMEND,),
    ),
    funding=FundingRules(
        live_means="what the running period pays at its end",
        predicted_means=None,
        paging=Paging.NEWEST_FIRST,
        page_limit=100,
        default_interval_s=8 * 3600,
        page_weight=5,
    ),
    marks=MarkCall.TICKERS,
    facts=(
        Fact("sync", "one change a message, sequence == last sequence + 1, on top of a snapshot over REST", _CHECKED,
             f"{_DOCS}/3470082w0"),
        Fact("address", "host and token of the websocket come from POST bullet-public; a token is good for 24 h",
             _CHECKED, f"{_DOCS}/3470294w0"),
        Fact("welcome", "nothing may be sent before the welcome message", _CHECKED,
             f"{_DOCS}/websocket-api/base-info/introduction"),
        Fact("ping", "send {\"type\":\"ping\"} each pingInterval (18 s), whatever comes; closed 10 s after a "
             "missed one", _CHECKED, f"{_DOCS}/websocket-api/base-info/introduction"),
        Fact("requests", "100 messages in 10 s a connection, 100 topics a request; 30 connects a minute", _CHECKED,
             f"{_DOCS}/websocket-api/base-info/introduction"),
        Fact("names", "XBT stands for BTC; sizes are contracts of `multiplier`, which is negative for inverse ones",
             _CHECKED, f"{_DOCS}/rest/futures-trading/market-data/get-all-symbols"),
        Fact("weight", "2000 in 30 s per IP for public calls; the whole book costs 3, parts of 20/100 levels 5/10",
             _CHECKED, f"{_DOCS}/rate-limit"),
        Fact("largest orders", "maxOrderQty bounds the contracts of an order, marketMaxOrderQty those of a market "
             "order; no value is bounded", date(2026, 11, 29),
             f"{_DOCS}/rest/futures-trading/market-data/get-all-symbols"),
        Fact("client ids", "clientOid, 40 of letters, digits, - and _; a duplicate is refused, for how long is not "
             "said: query first", _CHECKED, f"{_DOCS}/rest/futures-trading/orders/add-order"),
        Fact("margin", "an order says its margin mode, and is refused (330005) where the contract is set to another",
             _TRADING, f"{_DOCS}/rest/futures-trading/orders/add-order"),
        Fact("trades", "the list of trades is not up to date, recentFills is, for a day; a call spans a week, three "
             "months are kept; neither names our id", _TRADING,
             f"{_DOCS}/rest/futures-trading/orders/get-trade-history"),
        Fact("not found", "100001 stands for any bad parameter; only error.getOrder.orderNotExist says that there is "
             "no such order", _TRADING, f"{_DOCS}/error-code"),
        Fact("funding", "history by from and to alone, newest first, 100 rows a page at most", _CHECKED,
             f"{_DOCS}/rest/futures-trading/funding-fees/get-public-funding-history"),
        Fact("marks", "contracts/active has the markPrice of every contract, without a time", _CHECKED,
             "https://www.kucoin.com/docs-new/rest/futures-trading/market-data/get-all-symbols"),
    ),
)  # fmt: skip
