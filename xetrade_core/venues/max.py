"""MAX (max.maicoin.com), Taiwan: a spot market in TWD and USDT. ccxt does not know it; its client is `max_client`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from xetrade_core.books.max import CHANNEL_LEVELS, MaxBooks
from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.model.orders import TimeInForce
from xetrade_core.symbols.naming import naming
from xetrade_core.symbols.naming.rule import listed_parts
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.venue import (
    BookProtocol,
    Capability,
    ClientIdRule,
    Endpoints,
    ErrorKind,
    Fact,
    RateRule,
    RestRequest,
    RestRules,
    Uniqueness,
    Venue,
    WebsocketRules,
    WireDialect,
    error_codes,
    offers,
)

_CHECKED = date(2026, 11, 27)
_WS = "https://github.com/maicoin/max-websocket-docs"
_REST = "https://max.maicoin.com/documents/api_list/v3"
_PATH = "/api/v3/markets"
_STATUS = {
    "active": InstrumentStatus.TRADING,
    "suspended": InstrumentStatus.HALTED,
    "cancel-only": InstrumentStatus.CANCEL_ONLY,
}


class _Listing(msgspec.Struct):
    id: str
    status: str
    base_unit: str
    quote_unit: str
    base_unit_precision: int
    quote_unit_precision: int
    min_base_amount: Decimal | None = None
    min_quote_amount: Decimal | None = None


_DECODER = msgspec.json.Decoder(list[_Listing])


class MaxInstruments:
    """Reads `markets`, one list of all, and names the markets."""

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """One request lists them all."""
        return (RestRequest(_PATH),)

    def parse(self, body: bytes) -> list[Instrument]:
        """All markets with their status."""
        try:
            rows = _DECODER.decode(body)
        except msgspec.MsgspecError as error:
            raise VenueUnavailable(f"max answered {_PATH} with no list of markets: {error}") from error
        if not rows:
            raise VenueUnavailable(f"max answered {_PATH} with an empty list of markets")
        return [self.instrument(row) for row in rows]

    def instrument(self, row: _Listing) -> Instrument:
        """One market. A precision is a number of decimals; a negative one makes lots of tens, hundreds, thousands."""
        parts = listed_parts("max", row.base_unit.upper(), row.quote_unit.upper())
        return Instrument(
            venue="max",
            symbol=parts.symbol,
            venue_id=row.id,
            market_type=MarketType.SPOT,
            price_tick=_step(row.quote_unit_precision),
            lot=_step(row.base_unit_precision),
            status=_STATUS.get(row.status, InstrumentStatus.HALTED),
            min_amount=row.min_base_amount,
            min_notional=row.min_quote_amount,
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/TWD` -> `btctwd`."""
        return naming("max").write(SymbolParts.parse(symbol, "max"))


def _step(precision: int) -> Decimal:
    """3 -> 0.001, 0 -> 1, -3 -> 1000."""
    return Decimal(1).scaleb(-precision) if precision >= 0 else Decimal(10**-precision)


_ERRORS = error_codes(
    {
        ErrorKind.BAD_REQUEST: "1001",
        ErrorKind.AUTHENTICATION: "2001 2005 2008 2010 2014 2017 5004",
        ErrorKind.CLOCK: "2007",  # the nonce is outside the window of 30 s
        ErrorKind.PERMISSION: "2011 2029 2060 2061 2062 2063 2064 2065",
        ErrorKind.UNKNOWN_ORDER: "2003 2004",  # no such order, or none that can be cancelled any more
        ErrorKind.ORDER_REJECTED: "2002 2016 2019 2020 2021 2022 2023 2024 2034 5011",
        ErrorKind.INSUFFICIENT_FUNDS: "2018 2025",
        ErrorKind.DUPLICATE_CLIENT_ID: "2036",  # "duplicated resource": confirm by asking for the order
        ErrorKind.UNAVAILABLE: "2066",
        # 2006, the nonce was used: perhaps by this very request, which something on the way has sent twice
        ErrorKind.OUTCOME_UNKNOWN: "2006 5999",
    }
)

VENUE = Venue(
    id="max",
    name="MAX",
    market_types=(MarketType.SPOT,),
    live=Endpoints(rest="https://max-api.maicoin.com", ws="wss://max-stream.maicoin.com/ws"),
    testnet=None,
    websocket=WebsocketRules(
        dialect=WireDialect.MAX,
        channel="book",
        interval_ms=100,
        depth=CHANNEL_LEVELS,
        max_subscriptions=100,
        lifetime_s=24 * 3600,
        send_interval_s=0.35,
        connects=RateRule(600, 3600),
        ping_every_s=30,
    ),
    rest=RestRules(budget=RateRule(1200, 60), time_path="/api/v3/timestamp"),
    protocol=BookProtocol.CHANNEL_SNAPSHOT,
    books=MaxBooks,
    instruments=MaxInstruments(),
    ccxt_class=None,
    facts=(
        Fact("sync", "a snapshot replaces; an update follows on if fi <= last li + 1 <= li and v is the same; a "
             "snapshot without levels clears the book until the next", _CHECKED, _WS),
        Fact("depth", "1, 5, 10, 20 or 50 levels a side; 50 is the most", _CHECKED, _WS),
        Fact("ping", "the client sends ping frames, every 30 s; the server closes after 130 s without one", _CHECKED,
             _WS),
        Fact("limits", "more than 20 messages a second, 200 a minute, or 600 connections an hour per IP: 429 and a ban",
             _CHECKED, _WS),
        Fact("lifetime", "none is stated for a connection; it is replaced daily all the same", _CHECKED, _WS),
        Fact("rate", "1200 public calls a minute per IP, 1200 private ones per user", _CHECKED, _REST),
        Fact("ban", "Retry-After of a 429 is a Unix time in seconds, not a delay; connecting before it starts it anew",
             _CHECKED, _REST),
        Fact("depth order", "/api/v3/depth lists both sides by falling price, so that the best ask is the last",
             _CHECKED, _REST),
        Fact("largest orders", "markets states the smallest amounts and values, and no largest", date(2026, 11, 29),
             _REST),
        Fact("precision", "decimals of price and amount; it can be 0 or negative: shibtwd -3 is a lot of 1000",
             _CHECKED, _REST),
        Fact("nonce", "milliseconds within 30 s of the venue's clock, each once per access key", _CHECKED, _REST),
        Fact("client id", "up to 36 characters; the same one is refused within 24 hours and not later, by a code "
             "that is not documented: no order is sent again", _CHECKED, _REST),
        Fact("orders", "limit, post_only, ioc_limit and market (and stops); no fill-or-kill, no change in place, no "
             "reduce-only. Placing and cancelling are asynchronous: a reply only takes note", _CHECKED, _REST),
        Fact("trades", "one between two orders of the account is one row, of side self-trade: order, fee and "
             "liquidity are the ask's, self_trade_bid_... the bid's. A fee is null until it is known", _CHECKED, _REST),
        Fact("permissions", "no call tells what a key may do; to withdraw it must be bound to IP addresses", _CHECKED,
             _REST),
    ),
    client_ids=ClientIdRule(
        pattern=r"[A-Za-z0-9-]{1,36}", ccxt_param="client_oid", unique=Uniqueness.UNVERIFIED, query=True, cancel=True
    ),
    errors=_ERRORS,
    capabilities=offers(
        (
            Capability.BOOK_STREAM,
            Capability.BOOK_REST,
            Capability.QUOTES_ALL,
            Capability.PLACE,
            Capability.CANCEL,
            Capability.CANCEL_ALL,
            Capability.POST_ONLY,
            Capability.ORDER_STREAM,
            Capability.TRADE_STREAM,
        ),
        emulated=(Capability.AMEND,),
    ),
    funding=None,
    times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
)  # fmt: skip
