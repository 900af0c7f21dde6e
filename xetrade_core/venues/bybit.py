"""Bybit v5: spot, linear, inverse and options on one host, with one websocket path for each of these categories."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType

import msgspec

from xetrade_core.books.bybit import BybitBooks, category
from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.symbols.naming import naming
from xetrade_core.symbols.naming.rule import listed_parts
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.most import Most, most_of
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
    RestRequest,
    RestRules,
    Uniqueness,
    Venue,
    WebsocketRules,
    WireDialect,
    error_codes,
    offers,
)

_CHECKED = date(2026, 11, 20)
_DOCS = "https://bybit-exchange.github.io/docs/v5"
_PATH = "/v5/market/instruments-info"
_PAGE = ("limit", "1000")
_OPTION_ID = re.compile(r"(?P<base>[^-]+)-\d{1,2}[A-Z]{3}\d{2}-[\d.]+-[CP](?:-USD[TC])?")
_DATED_ID = re.compile(r"[^-]+-\d{1,2}[A-Z]{3}\d{2}|.+PERP")
_STATUS = MappingProxyType(
    {
        "Trading": InstrumentStatus.TRADING,
        "PreLaunch": InstrumentStatus.PRE_LAUNCH,
        "Delivering": InstrumentStatus.SETTLING,
        "Settling": InstrumentStatus.SETTLING,
        "Closed": InstrumentStatus.DELISTED,
    }
)


class _Lots(msgspec.Struct):
    """`basePrecision`, `minOrderAmt`, `maxLimitOrderQty` and `maxMarketOrderQty` are spot's, where `maxOrderQty` counts
    no more; `qtyStep`, `minNotionalValue` and `maxMktOrderQty` the contracts'."""

    basePrecision: Decimal | None = None
    qtyStep: Decimal | None = None
    minOrderQty: Decimal | None = None
    maxOrderQty: Decimal | None = None
    maxLimitOrderQty: Decimal | None = None
    maxMarketOrderQty: Decimal | None = None
    maxMktOrderQty: Decimal | None = None
    minOrderAmt: Decimal | None = None
    minNotionalValue: Decimal | None = None


class _Prices(msgspec.Struct):
    tickSize: Decimal


class _Listing(msgspec.Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    status: str
    lotSizeFilter: _Lots
    priceFilter: _Prices
    settleCoin: str = ""
    contractType: str = ""
    deliveryTime: int = 0


class _Result(msgspec.Struct, rename={"rows": "list"}):
    rows: list[_Listing] = []
    category: str = ""
    nextPageCursor: str = ""


class _Reply(msgspec.Struct):
    retCode: int
    result: _Result
    retMsg: str = ""


class _Refusal(msgspec.Struct):
    retCode: int
    retMsg: str = ""


_DECODER = msgspec.json.Decoder(_Reply, strict=False)
_REFUSAL = msgspec.json.Decoder(_Refusal)


def _most(row: _Listing) -> Most:
    """`maxOrderAmt` is not read: the venue checks it no more, and says to look at the quantities instead."""
    lots = row.lotSizeFilter
    return Most(
        max_amount=lots.maxLimitOrderQty or lots.maxOrderQty,
        max_market_amount=lots.maxMarketOrderQty or lots.maxMktOrderQty,
    )


class BybitInstruments:
    """Reads `instruments-info`, one list a category, and names the instruments."""

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """Only the categories that the symbols can be of; options by their base. Spot first: an id may be of both."""
        wanted = dict.fromkeys(_query(symbol.strip().upper()) for symbol in symbols)
        return tuple(RestRequest(_PATH, query) for query in sorted(wanted, key=lambda query: query[0][1] != "spot"))

    def parse(self, body: bytes) -> list[Instrument]:
        """All instruments of a page with their status."""
        result = self._read(body)
        return [self.instrument(row, result.category) for row in result.rows]

    def next_page(self, request: RestRequest, body: bytes) -> RestRequest | None:
        """The request of the page after this one, None after the last."""
        cursor = self._read(body).nextPageCursor
        if not cursor:
            return None
        kept = tuple(one for one in request.params if one[0] != "cursor")
        return RestRequest(request.path, (*kept, ("cursor", cursor)), request.weight)

    def _read(self, body: bytes) -> _Result:
        try:
            refusal = _REFUSAL.decode(body)
            if refusal.retCode == 0:
                return _DECODER.decode(body).result
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise VenueUnavailable(f"bybit answered {_PATH} with no instrument list: {error}") from error
        raise VenueUnavailable(f"bybit refused {_PATH}: code {refusal.retCode} {refusal.retMsg}")

    def instrument(self, row: _Listing, listed_as: str) -> Instrument:
        """One listing as an instrument; `listed_as` is its category. Inverse contracts are worth one of their quote."""
        spot, option = listed_as == "spot", listed_as == "option"
        dated = option or row.contractType.endswith("Futures")
        settle = row.settleCoin or (row.quoteCoin if listed_as == "linear" else row.baseCoin)
        parts = listed_parts(
            "bybit",
            row.baseCoin,
            row.quoteCoin,
            None if spot else settle,
            expiry_ms=row.deliveryTime if dated and row.deliveryTime else None,
            strike=row.symbol.split("-")[2] if option else None,
            side=row.symbol.split("-")[3] if option else None,
        )
        lots = row.lotSizeFilter
        return Instrument(
            venue="bybit",
            symbol=parts.symbol,
            venue_id=row.symbol,
            market_type=parts.market_type,
            price_tick=row.priceFilter.tickSize,
            lot=lots.basePrecision or lots.qtyStep or Decimal(0),
            contract_size=Decimal(1),
            status=_STATUS.get(row.status, InstrumentStatus.HALTED),
            min_amount=lots.minOrderQty,
            min_notional=lots.minOrderAmt or lots.minNotionalValue,
            **_most(row)._asdict(),
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDT` and `BTC/USDT:USDT` -> `BTCUSDT`, `BTC/USDC:USDC` -> `BTCPERP`, `BTC/USD:BTC-260327` ->
        `BTCUSDH26`.
        """
        return naming("bybit").write(SymbolParts.parse(symbol, "bybit"))


def _query(symbol: str) -> tuple[tuple[str, str], ...]:
    """The instrument list that may hold a symbol, written in any accepted form, in upper case."""
    if "/" in symbol:
        parts = SymbolParts.parse(symbol, "bybit")
        if parts.strike is not None:
            return (("category", "option"), ("baseCoin", parts.base), _PAGE)
        if parts.settle is None:
            return (("category", "spot"),)
        return (("category", "inverse" if parts.settle == parts.base else "linear"), _PAGE)
    if option := _OPTION_ID.fullmatch(symbol):
        return (("category", "option"), ("baseCoin", option["base"]), _PAGE)
    if _DATED_ID.fullmatch(symbol):
        return (("category", "linear"), _PAGE)
    if re.fullmatch(r".+USD([FGHJKMNQUVXZ]\d{2})?", symbol):
        return (("category", "inverse"), _PAGE)
    return (("category", "spot"),)


VENUE = Venue(
    id="bybit",
    name="Bybit",
    market_types=(MarketType.SPOT, MarketType.SWAP, MarketType.FUTURE, MarketType.OPTION),
    live=Endpoints(rest="https://api.bybit.com", ws="wss://stream.bybit.com/v5/public/{group}"),
    testnet=Endpoints(rest="https://api-testnet.bybit.com", ws="wss://stream-testnet.bybit.com/v5/public/{group}"),
    websocket=WebsocketRules(
        dialect=WireDialect.BYBIT,
        channel="orderbook.200.{id}",
        interval_ms=100,
        depth=200,
        max_subscriptions=500,
        lifetime_s=24 * 3600,
        send_interval_s=0.1,
        connects=RateRule(500, 300),
        ping_text='{"op":"ping"}',
        ping_every_s=20,
        group=category,
        batch=10,
    ),
    rest=RestRules(budget=RateRule(600, 5), time_path="/v5/market/time", bans={403: 600.0}),
    protocol=BookProtocol.CHANNEL_SNAPSHOT,
    books=BybitBooks,
    instruments=BybitInstruments(),
    most=most_of(_Listing, _most),
    ccxt_class="bybit",
    client_ids=ClientIdRule(
        pattern=r"[A-Za-z0-9_-]{1,36}", ccxt_param="clientOrderId", unique=Uniqueness.ALWAYS, query=True, cancel=True
    ),
    errors=error_codes(
        {
            ErrorKind.RATE_LIMITED: "10006 10018 10429 170005 170222",
            ErrorKind.UNAVAILABLE: "10016 100001 110063 110066 131200 131201 170031 170032 170234",
            ErrorKind.OUTCOME_UNKNOWN: "5004 10000 170001 170007 170146 170147 170149 170150",
            ErrorKind.CLOCK: "-1021 10002",
            ErrorKind.AUTHENTICATION: "-2015 10003 10004 10007 10008 10009 33004",
            ErrorKind.PERMISSION: "10005 10010 10020 10024 10027 10028 10029 100028 110067 110068 110069 170201 170209 "
            "170224",
            ErrorKind.UNKNOWN_SYMBOL: "170121 170221",
            ErrorKind.UNKNOWN_ORDER: "-2013 110001 110008 110010 140001 140008 140010 170139 170142 170143 170190 "
            "170213",
            ErrorKind.DUPLICATE_CLIENT_ID: "12141 110030 110072 140030 170141",
            ErrorKind.INSUFFICIENT_FUNDS: "110004 110006 110007 110012 110014 110044 110045 110051 110052 110053 "
            "131001 140004 140006 140007 170033 170131",
            ErrorKind.ORDER_REJECTED: "-1140 12137 110003 110009 110016 110017 110020 110021 110022 110023 110042 "
            "110092 110093 110094 140003 140017 170124 170132 170133 170134 170135 170136 170137 170140 170148 170151 "
            "170157 170159 170192 170193 170194 170197 170198 170210 170217 170218 170371 170372 170381 170382",
            ErrorKind.BAD_REQUEST: "-1004 -1103 7001 10001 10014 10017 110018 110019 110032 170105 170115 170116 "
            "170117 170130 170202",
        }
    ),
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
            Capability.PLACE_STREAM,
            Capability.CANCEL,
            Capability.CANCEL_ALL,
            Capability.AMEND,
            Capability.POST_ONLY,
            Capability.REDUCE_ONLY,
            Capability.ORDER_STREAM,
            Capability.TRADE_STREAM,
            Capability.POSITION_STREAM,
            Capability.DEAD_MAN_SWITCH,
            Capability.KEY_PERMISSIONS,
            Capability.TESTNET,
        ),
    ),
    funding=FundingRules(
        live_means="what would be paid at the next funding as things stand; it moves until then",
        predicted_means=None,
        paging=Paging.NEWEST_FIRST,
        page_limit=200,
        default_interval_s=8 * 3600,
    ),
    marks=MarkCall.TICKERS,
    facts=(
        Fact("sync", "first a snapshot, then u == last u + 1; a snapshot may come at any time and replaces the "
             "book, of whatever u; u 1 is a restart of the service", _CHECKED, f"{_DOCS}/websocket/public/orderbook"),
        Fact("depths", "1, 50, 200 and 1000 levels for spot, linear and inverse (200: every 100 ms, spot 200 ms); 25 "
             "and 100 for options; 500 is gone", _CHECKED, f"{_DOCS}/websocket/public/orderbook"),
        Fact("paths", "one websocket path a category: spot, linear, inverse, option; an id may be of two of them",
             _CHECKED, f"{_DOCS}/ws/connect"),
        Fact("ping", "send {\"op\":\"ping\"} every 20 s; without it and without data a connection is cut after 10 "
             "minutes", _CHECKED, f"{_DOCS}/ws/connect"),
        Fact("requests", "at most 10 topics a request on spot, 21,000 characters of topics a connection; 500 connects "
             "in 5 minutes per IP; no lifetime is stated, we rotate daily", _CHECKED, f"{_DOCS}/ws/connect"),
        Fact("rest", "600 requests in 5 s per IP, then 403 and a pause of 10 minutes", _CHECKED, f"{_DOCS}/rate-limit"),
        Fact("lists", "instruments-info: spot in one reply, contracts and options in pages of at most 1000; options "
             "by base", _CHECKED, f"{_DOCS}/market/instrument"),
        Fact("largest orders", "on spot maxLimitOrderQty and maxMarketOrderQty, which change twice a month (170381, "
             "170382; post-only orders may be five times as large, which is not made use of); of contracts maxOrderQty "
             "and maxMktOrderQty. No value is bounded: maxOrderAmt of spot is not checked any more",
             date(2026, 11, 29), f"{_DOCS}/market/instrument"),
        Fact("client ids", "orderLinkId, 36 of letters, digits, - and _, always unique; ccxt finds no order by it: "
             "pass orderLinkId as a raw parameter", _CHECKED, f"{_DOCS}/order/create-order"),
        Fact("funding", "history newest first, at most 200 rows, startTime only together with endTime", _CHECKED,
             f"{_DOCS}/market/history-fund-rate"),
        Fact("dead man", "DCP cancels on disconnect of the private websocket after 3 to 300 s", _CHECKED,
             f"{_DOCS}/order/dcp"),
        Fact("marks", "tickers of linear and inverse contracts have markPrice", _CHECKED, f"{_DOCS}/market/tickers"),
    ),
)  # fmt: skip
