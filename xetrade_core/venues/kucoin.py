"""KuCoin spot."""

from __future__ import annotations

from datetime import date

from xetrade_core.books.kucoin import KucoinSpotBooks
from xetrade_core.model.instruments import MarketType
from xetrade_core.venues.kucoin_format import ERRORS, KucoinInstruments, kucoin_websocket
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
    offers,
)

_CHECKED, _TRADING = date(2026, 11, 20), date(2026, 11, 28)
_DOCS = "https://www.kucoin.com/docs-new"

VENUE = Venue(
    id="kucoin",
    name="KuCoin spot",
    market_types=(MarketType.SPOT,),
    live=Endpoints(rest="https://api.kucoin.com", ws="wss://ws-api-spot.kucoin.com/"),
    testnet=None,
    websocket=kucoin_websocket("kucoin", "/market/level2"),
    rest=RestRules(
        budget=RateRule(2000, 30),
        snapshot_path="/api/v1/market/orderbook/level2_{limit}",
        snapshot_query=("symbol",),
        time_path="/api/v1/timestamp",
        weights=(SnapshotWeight(20, 2), SnapshotWeight(100, 4)),
    ),
    protocol=BookProtocol.REST_SNAPSHOT,
    books=KucoinSpotBooks,
    instruments=KucoinInstruments(),
    ccxt_class="kucoin",
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
            Capability.PLACE,
            Capability.CANCEL,
            Capability.CANCEL_ALL,
            Capability.POST_ONLY,
            Capability.ORDER_STREAM,
            Capability.TRADE_STREAM,
            Capability.DEAD_MAN_SWITCH,
            Capability.KEY_PERMISSIONS,
        ),
        emulated=(Capability.AMEND,),
    ),
    contracts_at=("kucoinfutures",),
    facts=(
        Fact("sync", "sequenceStart <= snapshot + 1 <= sequenceEnd, then contiguous; a change at price 0 carries its "
             "sequence only", _CHECKED, f"{_DOCS}/3470068w0"),
        Fact("address", "host and token of the websocket come from POST bullet-public; a token is good for 24 h",
             _CHECKED, f"{_DOCS}/3470294w0"),
        Fact("welcome", "nothing may be sent before the welcome message", _CHECKED,
             f"{_DOCS}/websocket-api/base-info/introduction"),
        Fact("ping", "send {\"type\":\"ping\"} each pingInterval (18 s), whatever comes; closed 10 s after a "
             "missed one", _CHECKED, f"{_DOCS}/websocket-api/base-info/introduction"),
        Fact("requests", "100 messages in 10 s a connection, 100 topics a request, 400 a connection; 30 connects a "
             "minute", _CHECKED, f"{_DOCS}/websocket-api/base-info/introduction"),
        Fact("weight", "2000 in 30 s per IP for public calls; 20/100 levels cost 2/4; the whole book (v3) needs a key, "
             "so that the first 100 levels are all that is known at the start", _CHECKED, f"{_DOCS}/rate-limit"),
        Fact("largest orders", "baseMaxSize bounds the quantity; quoteMaxSize is of market orders by funds, which are "
             "not placed here, and no other value is bounded", date(2026, 11, 29),
             f"{_DOCS}/rest/spot-trading/market-data/get-all-symbols"),
        Fact("client ids", "clientOid, 40 of letters, digits, - and _; a duplicate is refused (126044, 102426), for "
             "how long is not said: query first", _CHECKED, f"{_DOCS}/rest/spot-trading/orders/add-order"),
        Fact("amending", "hf/orders/alter cancels and places anew: another order id, the same client id, so that "
             "trades cannot be told apart; orders are replaced instead", _TRADING,
             f"{_DOCS}/rest/spot-trading/orders/modify-order"),
        Fact("trades", "neither the list of trades nor the stream names our id; the stream says no fee", _TRADING,
             f"{_DOCS}/3470074w0"),
        Fact("history", "a canceled order can be asked for for 3 days, a filled one for 7; trades by weeks", _TRADING,
             f"{_DOCS}/rest/spot-trading/orders/get-order-by-clientoid"),
        Fact("dead man", "hf/orders/dead-cancel-all, 5 to 86,400 s", _CHECKED,
             f"{_DOCS}/rest/spot-trading/orders/set-dcp"),
    ),
)  # fmt: skip
