"""Deribit: inverse and linear perpetuals, futures and options, and spot."""

from __future__ import annotations

from datetime import date

from xetrade_core.books.deribit import DeribitBooks
from xetrade_core.model.instruments import MarketType
from xetrade_core.venues.deribit_format import DeribitInstruments
from xetrade_core.venues.venue import (
    BookProtocol,
    Capability,
    ClientIdRule,
    Endpoints,
    ErrorKind,
    Fact,
    FundingRules,
    MarkCall,
    Paging,
    RateRule,
    RestRules,
    Uniqueness,
    Venue,
    WebsocketRules,
    WireDialect,
    error_codes,
    offers,
)

_CHECKED = date(2026, 11, 27)
_DOCS = "https://docs.deribit.com"

_ERRORS = error_codes(
    {
        ErrorKind.RATE_LIMITED: "10028 10047 10066 11035 12001",
        ErrorKind.UNAVAILABLE: "10040 10041 10048 11051 11056 11094 13025 13503 13888",
        ErrorKind.AUTHENTICATION: "10000 12000 12998 12999 13000 13001 13003 13004 13006 13007 13009",
        ErrorKind.PERMISSION: "9999 10019 11042 11098 12005 13002 13012 13021 13031 13403 13778",
        ErrorKind.UNKNOWN_SYMBOL: "10020 13019 13020",
        ErrorKind.UNKNOWN_ORDER: "10004 10010 10029 11008 11044",
        ErrorKind.INSUFFICIENT_FUNDS: "10009 10039",
        ErrorKind.ORDER_REJECTED: (
            "10002 10003 10005 10006 10007 10008 10011 10012 10013 10014 10015 10016 10017 10018 10021 "
            "10022 10023 10024 10025 10026 10027 10032 10034 10035 10036 10037 10038 10043 10044 10045 "
            "10046 10072 11013 11021 11022 11030 11036 11037 11038 11039 11041 11046 11048 11054 11055 13030"
        ),
        ErrorKind.BAD_REQUEST: (
            "10030 10031 10033 11029 11043 11045 11047 11049 11050 13010 13011 13016 13032 "
            "-32000 -32600 -32601 -32602 -32700"
        ),
        # "General failure", "other error", "request failed" and "processing takes too long" say nothing of what became
        # of an order; 11030, "other reject", says that it was not taken.
        ErrorKind.OUTCOME_UNKNOWN: "10001 11031 13008 13028",
    }
)

VENUE = Venue(
    id="deribit",
    name="Deribit",
    market_types=(MarketType.SPOT, MarketType.SWAP, MarketType.FUTURE, MarketType.OPTION),
    live=Endpoints(rest="https://www.deribit.com", ws="wss://www.deribit.com/ws/api/v2"),
    testnet=Endpoints(rest="https://test.deribit.com", ws="wss://test.deribit.com/ws/api/v2"),
    websocket=WebsocketRules(
        dialect=WireDialect.DERIBIT,
        channel="book.{id}.100ms",
        interval_ms=100,
        depth=None,
        max_subscriptions=500,
        lifetime_s=24 * 3600,
        send_interval_s=0.35,
        connects=RateRule(16, 10),
    ),
    rest=RestRules(budget=RateRule(100, 5), time_path="/api/v2/public/get_time",
                   book_limits=(1, 5, 10, 20, 50, 100, 1000, 10_000)),
    protocol=BookProtocol.CHANNEL_SNAPSHOT,
    books=DeribitBooks,
    instruments=DeribitInstruments(),
    ccxt_class="deribit",
    marks=MarkCall.TICKER,
    facts=(
        Fact("sync", "first a snapshot, then prev_change_id == last change_id; levels are [new|change|delete, price, "
             "amount]", _CHECKED, f"{_DOCS}/subscriptions/orderbook/bookinstrument_nameinterval"),
        Fact("channel", "100ms is the finest interval without a login; raw answers 13778 there. A channel that does "
             "not exist is left out of the answer's list", _CHECKED,
             f"{_DOCS}/api-reference/subscription-management/public-subscribe"),
        Fact("ping", "after set_heartbeat (10 s or more) the venue sends test_request on an idle line and closes it "
             "when no public/test follows; protocol pings are answered too", _CHECKED,
             f"{_DOCS}/api-reference/session-management/public-set_heartbeat"),
        Fact("lifetime", "none is stated for a connection; it is replaced daily all the same", _CHECKED,
             f"{_DOCS}/articles/connection-management-best-practices"),
        Fact("connections", "32 at a time per IP, REST calls included; one more is refused with 429", _CHECKED,
             f"{_DOCS}/articles/connection-management-best-practices"),
        Fact("rate", "credits: a call costs 500 of 50,000, refilled at 10,000 a second (20 a second, 100 at once); "
             "get_instruments 10,000; (un)subscribe 3,000 of 30,000 (3.3 a second, 10 at once). Without credits: 10028 "
             "and the session ends", _CHECKED, f"{_DOCS}/articles/rate-limits"),
        Fact("largest orders", "get_instruments states none, neither an amount nor a value", date(2026, 11, 29),
             f"{_DOCS}/api-reference/market-data/public-get_instruments"),
        Fact("amounts", "in USD for inverse futures and perpetuals, in base currency for linear ones and options; "
             "contract_size is what one contract is worth, and amounts are not counted in it", _CHECKED,
             f"{_DOCS}/api-reference/market-data/public-get_instruments"),
        Fact("label", "up to 64 characters and never unique: get_order_state_by_label lists all that share one",
             _CHECKED, f"{_DOCS}/api-reference/trading/private-get_order_state_by_label"),
        Fact("order calls", "buy, sell, edit and cancel have credits of their own: 5 a second and 20 at once on the "
             "lowest tier, for each account", _CHECKED, f"{_DOCS}/articles/rate-limits"),
        Fact("history", "ended orders are told as recent for 30 minutes, trades for 24 hours; what is older only with "
             "historical=true, which lags", _CHECKED, f"{_DOCS}/articles/accessing-historical-trades-orders"),
        Fact("signature", "deri-hmac-sha256 over time, nonce, method, path with query and body; good for 60 s",
             _CHECKED, f"{_DOCS}/articles/authentication"),
        Fact("dead man", "cancel-on-disconnect ends the orders that were placed on the websocket connection that is "
             "lost; those placed over REST stay", _CHECKED,
             f"{_DOCS}/api-reference/session-management/private-enable_cancel_on_disconnect"),
        Fact("settlement", "profits and fundings of a session are in the balance from 08:00 UTC on; the transaction "
             "log says what was funding as interest_pl", _CHECKED,
             f"{_DOCS}/api-reference/account-management/private-get_transaction_log"),
        Fact("funding", "accrues continuously; the history has hourly rows with interest_1h (paid over that hour) and "
             "interest_8h (trailing 8 h); ccxt states interest_8h", _CHECKED,
             f"{_DOCS}/api-reference/market-data/public-get_funding_rate_history"),
        Fact("marks", "ticker has mark_price and its time, of options in base currency", _CHECKED,
             f"{_DOCS}/api-reference/market-data/public-ticker"),
    ),
    client_ids=ClientIdRule(
        pattern=r"[ -~]{1,64}", ccxt_param="label", unique=Uniqueness.NEVER, query=True, cancel=True
    ),
    errors=_ERRORS,
    capabilities=offers(
        (
            Capability.BOOK_STREAM,
            Capability.BOOK_REST,
            Capability.FUNDING,
            Capability.FUNDING_HISTORY,
            Capability.PLACE,
            Capability.CANCEL,
            Capability.CANCEL_ALL,
            Capability.AMEND,
            Capability.POST_ONLY,
            Capability.REDUCE_ONLY,
            Capability.ORDER_STREAM,
            Capability.TRADE_STREAM,
            Capability.POSITION_STREAM,  # in user.changes
            Capability.DEAD_MAN_SWITCH,  # enable_cancel_on_disconnect
            Capability.KEY_PERMISSIONS,  # the scope that comes with a token
            Capability.TESTNET,
        ),
    ),
    funding=FundingRules(
        live_means="what was accrued over the last 8 hours (get_funding_rate_value over that span), not what will be",
        predicted_means=None,
        paging=Paging.RANGE,
        page_limit=720,
        default_interval_s=3600,
        max_span_s=30 * 86_400,
        paid_field="interest_1h",
    ),
    counts_contracts=False,
)  # fmt: skip
