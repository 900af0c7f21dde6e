"""Derive (formerly Lyra): perpetuals and options settled in USDC, and spot, on a chain of its own."""

from __future__ import annotations

from datetime import date

from xetrade_core.books.derive import DeriveBooks
from xetrade_core.model.instruments import MarketType
from xetrade_core.venues.derive_format import DeriveInstruments
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
_DOCS = "https://docs.derive.xyz"

_ERRORS = error_codes(
    {
        ErrorKind.RATE_LIMITED: "-32000 -32100",
        ErrorKind.OUTCOME_UNKNOWN: "-32603 9000 9001",  # internal error; confirmation or engine timed out
        ErrorKind.CLOCK: "11018 11022",
        ErrorKind.AUTHENTICATION: "14014 14020 14021 14022 14023 14026 14029 14030 16100",
        ErrorKind.PERMISSION: "14027 14031 16000 16001",
        ErrorKind.UNKNOWN_SYMBOL: "12000 12001 12002",
        ErrorKind.UNKNOWN_ORDER: "11003 11004 11005 11006",
        ErrorKind.DUPLICATE_CLIENT_ID: "11017",  # of the signed nonce: labels may repeat
        ErrorKind.INSUFFICIENT_FUNDS: "10011 10012 11000 11020",
        ErrorKind.NOTHING_TO_TAKE: "11009 11014",
        ErrorKind.ORDER_REJECTED: (
            "11002 11007 11008 11010 11011 11012 11013 11015 11016 11019 11021 11023 11024 "
            "11025 11026 11027 11028 11029 11050 11051 11052 11053 11054 11055"
        ),
        ErrorKind.BAD_REQUEST: "-32700 -32600 -32601 -32602 13000 14000 14001 14025",
    }
)

VENUE = Venue(
    id="derive",
    name="Derive",
    market_types=(MarketType.SPOT, MarketType.SWAP, MarketType.OPTION),
    live=Endpoints(rest="https://api.derive.xyz", ws="wss://api.derive.xyz/v3/ws"),
    testnet=Endpoints(rest="https://testnet.api.derive.xyz", ws="wss://testnet.api.derive.xyz/v3/ws"),
    websocket=WebsocketRules(
        dialect=WireDialect.DERIVE,
        channel="orderbook.{id}.1.100",
        interval_ms=100,
        depth=100,
        max_subscriptions=100,
        lifetime_s=24 * 3600,
        send_interval_s=0.25,
        connects=RateRule(20, 10),
    ),
    rest=RestRules(budget=RateRule(50, 5), time_path="/v3/public/get_time"),
    protocol=BookProtocol.CHANNEL_SNAPSHOT,
    books=DeriveBooks,
    instruments=DeriveInstruments(),
    ccxt_class="derive",
    marks=MarkCall.TICKER,
    facts=(
        Fact("sync", "every message is the whole book of the channel; publish_id goes up with each", _CHECKED,
             f"{_DOCS}/api-reference/channels/orderbook"),
        Fact("channel", "group (ticks a level: 1, 10 or 100) and depth (1, 10, 20 or 100 levels a side) are part of "
             "its name; ccxt takes group 10", _CHECKED, f"{_DOCS}/api-reference/channels/orderbook"),
        Fact("largest orders", "maximum_amount bounds the amount; no value is bounded", date(2026, 11, 29),
             f"{_DOCS}/api-reference/market-data/publicget_all_instruments"),
        Fact("book", "there is no order book over REST: the websocket alone has it", _CHECKED,
             f"{_DOCS}/api-reference/market-data/publicget_ticker"),
        Fact("ping", "protocol pings are answered; nothing else is asked for", _CHECKED,
             f"{_DOCS}/api-reference/channels/orderbook"),
        Fact("lifetime", "none is stated for a connection; it is replaced daily all the same", _CHECKED,
             f"{_DOCS}/integrators/trading/rate-limits"),
        Fact("rate", "bursts are refilled every 5 seconds; 10 reads a second a client are used here, the stated "
             "least; -32000 above it", _CHECKED, f"{_DOCS}/integrators/trading/rate-limits"),
        Fact("order rate", "a trader's orders and cancels: 25 in 5 seconds; more for market makers", _CHECKED,
             f"{_DOCS}/integrators/trading/rate-limits"),
        Fact("signatures", "every order is signed for itself (EIP-712), with a limit price, the most it may be charged "
             "and a nonce: a time in ns of the last 90 days, which no second order may have (11017)", _CHECKED,
             f"{_DOCS}/authentication/action-signing"),
        Fact("key check", "session_keys tells the protocol scopes of a wallet's session keys; the wallet's own key may "
             "do everything", _CHECKED, f"{_DOCS}/authentication/access-scopes"),
        Fact("dead man", "cancel on disconnect, a lasting setting of the wallet: any lost websocket of it cancels all "
             "of its orders at once", _CHECKED, f"{_DOCS}/trading/cancel-on-disconnect"),
        Fact("market orders", "signed with a limit price within minp and maxp of get_ticker, which move with the mark; "
             "reduce-only goes with market, ioc and fok alone (11024)", _CHECKED,
             f"{_DOCS}/api-reference/orderbook/privateorder"),
        Fact("immediate orders", "an ioc order that would trade nothing is refused (11009), and so is a fok order that "
             "would not be filled whole (11014)", _CHECKED, f"{_DOCS}/error-codes"),
        Fact("calls", "all calls are POST with a JSON body; lists come in pages of up to 1000", _CHECKED,
             f"{_DOCS}/api-reference/market-data/publicget_all_instruments"),
        Fact("label", "a client's label of up to 64 characters, which may repeat; orders are told apart by the signed "
             "nonce, cancelled by label, not asked for by it", _CHECKED,
             f"{_DOCS}/api-reference/orderbook/privateorder"),
        Fact("funding", "paid by the hour; the live rate is the last row of the history", _CHECKED,
             f"{_DOCS}/api-reference/market-data/publicget_funding_rate_history"),
        Fact("marks", "get_ticker has the mark price (M) and its time; there is none of all instruments", _CHECKED,
             f"{_DOCS}/api-reference/market-data/publicget_ticker"),
    ),
    client_ids=ClientIdRule(
        pattern=r"[ -~]{1,64}", ccxt_param="clientOrderId", unique=Uniqueness.NEVER, query=False, cancel=True
    ),
    errors=_ERRORS,
    capabilities=offers(
        (
            Capability.BOOK_STREAM,
            Capability.FUNDING_HISTORY,
            Capability.PLACE,
            Capability.CANCEL,
            Capability.CANCEL_ALL,
            Capability.POST_ONLY,
            Capability.REDUCE_ONLY,
            Capability.ORDER_STREAM,
            Capability.TRADE_STREAM,
            Capability.POSITION_STREAM,
            Capability.DEAD_MAN_SWITCH,
            Capability.KEY_PERMISSIONS,
            Capability.TESTNET,
        ),
        emulated=(
            Capability.FUNDING,  # read from the history
            Capability.AMEND,  # cancelled and placed anew: the venue's `replace` gives the order another id
        ),
    ),
    funding=FundingRules(
        live_means="what was paid for the last full hour, as the history states it",
        predicted_means=None,
        paging=Paging.RANGE,
        page_limit=720,
        default_interval_s=3600,
        max_span_s=30 * 86_400,
    ),
)  # fmt: skip
