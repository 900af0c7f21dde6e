"""OKX: spot, swaps, futures and options on one host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from xetrade_core.books.okx import OkxBooks
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
_PUBLIC = 6  # what a public call weighs (20 in 2 s), so that one about an order (60 in 2 s) weighs 2
_DOCS = "https://www.okx.com/docs-v5/en/"
_PATH = "/api/v5/public/instruments"
_KINDS = {"SPOT": MarketType.SPOT, "SWAP": MarketType.SWAP, "FUTURES": MarketType.FUTURE, "OPTION": MarketType.OPTION}
_OPTION_ID = re.compile(r"(?P<family>[^-]+-[^-]+)-\d{6}-[\d.]+-[CP]")


class _Listing(msgspec.Struct):
    instId: str
    instType: str
    state: str
    tickSz: str
    lotSz: str
    baseCcy: str = ""
    quoteCcy: str = ""
    settleCcy: str = ""
    uly: str = ""
    expTime: str = ""
    ctVal: str = ""
    ctMult: str = ""
    stk: str = ""
    optType: str = ""
    minSz: str = ""
    maxLmtSz: str = ""
    maxMktSz: str = ""
    maxLmtAmt: str = ""
    maxMktAmt: str = ""


class _Reply(msgspec.Struct):
    code: str
    data: list[_Listing]
    msg: str = ""


_DECODER = msgspec.json.Decoder(_Reply)

_ERRORS = error_codes(
    {
        ErrorKind.RATE_LIMITED: "50011 50040 50061 51113 60014",
        ErrorKind.UNAVAILABLE: "50001 50005 50013 50026 63999",
        ErrorKind.OUTCOME_UNKNOWN: "50004 51054 51149",
        ErrorKind.CLOCK: "50102 50107 50112 60004 60006",
        ErrorKind.AUTHENTICATION: "50008 50101 50103 50104 50105 50106 50111 50113 50114 50119 60001 60002 60003 60005 "
        "60007 60009 60011 60024 60032",
        ErrorKind.PERMISSION: "50007 50009 50027 50030 50110 50120 51009 51010 51024 51155",
        ErrorKind.UNKNOWN_SYMBOL: "51001 51002 51012 51015 60018",
        ErrorKind.UNKNOWN_ORDER: "51400 51401 51402 51410 51503 51509 51510 51603",
        ErrorKind.DUPLICATE_CLIENT_ID: "51011 51016",
        ErrorKind.INSUFFICIENT_FUNDS: "51008 51119 51127 51131 51502 59200 59201",
        ErrorKind.ORDER_REJECTED: "51004 51005 51006 51007 51020 51021 51022 51027 51028 51029 51030 51031 51100 51101 "
        "51102 51103 51104 51105 51106 51107 51108 51109 51110 51112 51115 51116 51117 51118 51120 51121 51122 51124 "
        "51128 51129 51132 51133 51134 51136 51137 51138 51139 51169 51201 51202 51203 51204 51205 51404",
        ErrorKind.BAD_REQUEST: "50000 50002 50006 50014 50015 50016 50024 50025 50044 50115 51000 51003 51111 51407 "
        "60012 60013",
    }
)

_STATUS = {
    "live": InstrumentStatus.TRADING,
    "preopen": InstrumentStatus.PRE_LAUNCH,
    "rebase": InstrumentStatus.HALTED,
    "suspend": InstrumentStatus.HALTED,
    "expired": InstrumentStatus.DELISTED,
}


def _decimal(text: str, missing: int) -> Decimal:
    return Decimal(text) if text else Decimal(missing)


def _most(row: _Listing) -> Most:
    """Amounts (`Amt`) are in US dollars; of an option it is not said what of it they count. The largest market order
    (`maxMktSz`) is in contracts, on spot in USDT, whatever the pair is quoted in.
    """
    limit, market, limit_usd, market_usd = (
        Decimal(text) if text else None for text in (row.maxLmtSz, row.maxMktSz, row.maxLmtAmt, row.maxMktAmt)
    )
    spot, option = row.instType == "SPOT", row.instType == "OPTION"
    return Most(
        max_amount=limit,
        max_usd=None if option else limit_usd,
        max_market_amount=None if spot else market,
        max_market_notional=market if spot and row.quoteCcy == "USDT" else None,
        max_market_usd=None if option else market_usd,
    )


class OkxInstruments:
    """Reads `public/instruments`, one request a kind of market, and names the instruments."""

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """Only the kinds that the symbols can be: the whole of OKX is four lists of several megabytes."""
        wanted = sorted({query for symbol in symbols for query in _queries(symbol.upper())})
        return tuple(RestRequest(_PATH, query, _PUBLIC) for query in wanted)

    def parse(self, body: bytes) -> list[Instrument]:
        """All instruments that have a price tick, with their status; one that is only announced may have none."""
        try:
            reply = _DECODER.decode(body)
        except msgspec.MsgspecError as error:
            raise VenueUnavailable(f"okx answered {_PATH} with no instrument list: {error}") from error
        if reply.code != "0":
            raise VenueUnavailable(f"okx refused {_PATH}: code {reply.code} {reply.msg}")
        return [self.instrument(row) for row in reply.data if row.tickSz]

    def instrument(self, row: _Listing) -> Instrument:
        """One listing as an instrument; the contract's size is value times multiplier."""
        base, quote = (row.baseCcy, row.quoteCcy) if row.instType == "SPOT" else tuple(row.uly.split("-")[:2])
        parts = listed_parts(
            "okx", base, quote, row.settleCcy, expiry_ms=int(row.expTime or 0) or None, strike=row.stk, side=row.optType
        )
        return Instrument(
            venue="okx",
            symbol=parts.symbol,
            venue_id=row.instId,
            market_type=_KINDS[row.instType],
            price_tick=Decimal(row.tickSz),
            lot=_decimal(row.lotSz, 0),
            contract_size=_decimal(row.ctVal, 1) * _decimal(row.ctMult, 1),
            status=_STATUS.get(row.state, InstrumentStatus.HALTED),
            min_amount=Decimal(row.minSz) if row.minSz else None,
            **_most(row)._asdict(),
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDT` -> `BTC-USDT`, `BTC/USDT:USDT` -> `BTC-USDT-SWAP`, `BTC/USD:BTC-261225` -> `BTC-USD-261225`."""
        return naming("okx").write(SymbolParts.parse(symbol, "okx"))


def _queries(symbol: str) -> list[tuple[tuple[str, str], ...]]:
    """The instrument lists that may hold a symbol, written in any accepted form, in upper case."""
    if "/" in symbol:
        parts = SymbolParts.parse(symbol, "okx")
        if parts.strike is not None:
            return [(("instFamily", f"{parts.base}-{parts.quote}"), ("instType", "OPTION"))]
        kind = "SPOT" if parts.settle is None else "SWAP" if parts.expiry is None else "FUTURES"
        return [(("instType", kind),)]
    if option := _OPTION_ID.fullmatch(symbol):
        return [(("instFamily", option["family"]), ("instType", "OPTION"))]
    if symbol.endswith("-SWAP"):
        return [(("instType", "SWAP"),)]
    if symbol.count("-") == 2:
        return [(("instType", "FUTURES"),)]
    return [(("instType", "SPOT"),)]


VENUE = Venue(
    id="okx",
    name="OKX",
    market_types=(MarketType.SPOT, MarketType.SWAP, MarketType.FUTURE, MarketType.OPTION),
    live=Endpoints(rest="https://www.okx.com", ws="wss://ws.okx.com:8443/ws/v5/public"),
    testnet=Endpoints(rest="https://www.okx.com", ws="wss://wspap.okx.com:8443/ws/v5/public"),
    websocket=WebsocketRules(
        dialect=WireDialect.OKX,
        channel="books",
        interval_ms=100,
        depth=400,
        max_subscriptions=240,
        lifetime_s=24 * 3600,
        send_interval_s=0.1,
        connects=RateRule(3, 1),
        ping_text="ping",
    ),
    rest=RestRules(budget=RateRule(_PUBLIC * 20, 2), time_path="/api/v5/public/time"),
    protocol=BookProtocol.CHANNEL_SNAPSHOT,
    books=OkxBooks,
    instruments=OkxInstruments(),
    most=most_of(_Listing, _most),
    ccxt_class="okx",
    client_ids=ClientIdRule(
        pattern=r"[A-Za-z0-9]{1,32}",
        ccxt_param="clientOrderId",
        unique=Uniqueness.OPEN_ORDERS,
        query=True,
        cancel=True,
    ),
    errors=_ERRORS,
    capabilities=offers(
        native=(
            Capability.BOOK_STREAM,
            Capability.BOOK_REST,
            Capability.QUOTES_ALL,
            Capability.FUNDING,
            Capability.FUNDING_ALL,
            Capability.FUNDING_PREDICTED,
            Capability.FUNDING_INTERVAL,
            Capability.FUNDING_HISTORY,
            Capability.PLACE,
            Capability.PLACE_STREAM,
            Capability.CANCEL,
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
        emulated=(Capability.CANCEL_ALL,),
    ),
    funding=FundingRules(
        live_means="what will be paid at the next funding time: fixed already where the contract is charged by the "
        "next period, an estimate that moves until then where by the current period",
        predicted_means="the estimate for the funding after the next one; OKX gives none for contracts that are "
        "charged by the current period",
        paging=Paging.NEWEST_FIRST,
        page_limit=100,
        default_interval_s=8 * 3600,
        page_weight=2 * _PUBLIC,
        end_param="after",
        kept_s=92 * 86_400,
    ),
    marks=MarkCall.MARK_PRICES,
    facts=(
        Fact("sync", "first a snapshot (prevSeqId -1), then prevSeqId == last seqId; seqId < prevSeqId is a reset by "
             "maintenance; an unchanged book is repeated every 60 s with equal ids", _CHECKED, _DOCS),
        Fact("checksum", "always 0 since September 2026; older recordings carry a CRC32", _CHECKED, _DOCS),
        Fact("ping", "send the text 'ping' within 30 s of silence; the answer is 'pong'", _CHECKED, _DOCS),
        Fact("requests", "480 (un)subscribe and login requests an hour a connection; 3 connects a second per IP",
             _CHECKED, _DOCS),
        Fact("notice", "event 'notice' with code 64008 announces that the connection will be closed", _CHECKED, _DOCS),
        Fact("rest", "public/instruments: 20 requests per 2 s per IP", _CHECKED, _DOCS),
        Fact("order calls", "place, amend, cancel and query: 60 each per 2 s per user and instrument", _CHECKED, _DOCS),
        Fact("largest orders", "maxLmtSz and maxMktSz bound the quantity, in contracts; on spot in base currency, a "
             "market order's in USDT. maxLmtAmt and, on spot, maxMktAmt bound the value in US dollars, of options not "
             "said of what: that is left to the venue", date(2026, 11, 29), _DOCS),
        Fact("client ids", "clOrdId, 32 letters and digits; of several orders with the same one the latest is meant, "
             "so it is unique among open orders only; a duplicate is 51016", _CHECKED, _DOCS),
        Fact("funding", "history newest first, 100 rows a page, of the last 3 months; 10 calls in 2 s per instrument",
             _CHECKED, _DOCS),
        Fact("dead man", "cancel-all-after, 10 to 120 s, for all orders or those of a tag", _CHECKED, _DOCS),
        Fact("cancel all", "no call cancels all orders of an account: they are cancelled in batches of 20", _CHECKED,
             _DOCS),
        Fact("marks", "public/mark-price, of all instruments of a kind at once, each with its time", _CHECKED,
             f"{_DOCS}#public-data-rest-api-get-mark-price"),
    ),
)  # fmt: skip
