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
from xetrade_core.venues.venue import (
    BookProtocol,
    Endpoints,
    Fact,
    RateRule,
    RestRequest,
    RestRules,
    Venue,
    WebsocketRules,
    WireDialect,
)

_CHECKED = date(2026, 11, 20)
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


class _Reply(msgspec.Struct):
    code: str
    data: list[_Listing]
    msg: str = ""


_DECODER = msgspec.json.Decoder(_Reply)

_STATUS = {
    "live": InstrumentStatus.TRADING,
    "preopen": InstrumentStatus.PRE_LAUNCH,
    "rebase": InstrumentStatus.HALTED,
    "suspend": InstrumentStatus.HALTED,
    "expired": InstrumentStatus.DELISTED,
}


def _decimal(text: str, missing: int) -> Decimal:
    return Decimal(text) if text else Decimal(missing)


class OkxInstruments:
    """Reads `public/instruments`, one request a kind of market, and names the instruments."""

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """Only the kinds that the symbols can be: the whole of OKX is four lists of several megabytes."""
        wanted = sorted({query for symbol in symbols for query in _queries(symbol.upper())})
        return tuple(RestRequest(_PATH, query) for query in wanted)

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
    rest=RestRules(budget=RateRule(20, 2), time_path="/api/v5/public/time"),
    protocol=BookProtocol.CHANNEL_SNAPSHOT,
    books=OkxBooks,
    instruments=OkxInstruments(),
    ccxt_class="okx",
    facts=(
        Fact("sync", "first a snapshot (prevSeqId -1), then prevSeqId == last seqId; seqId < prevSeqId is a reset by "
             "maintenance; an unchanged book is repeated every 60 s with equal ids", _CHECKED, _DOCS),
        Fact("checksum", "always 0 since September 2026; older recordings carry a CRC32", _CHECKED, _DOCS),
        Fact("ping", "send the text 'ping' within 30 s of silence; the answer is 'pong'", _CHECKED, _DOCS),
        Fact("requests", "480 (un)subscribe and login requests an hour a connection; 3 connects a second per IP",
             _CHECKED, _DOCS),
        Fact("notice", "event 'notice' with code 64008 announces that the connection will be closed", _CHECKED, _DOCS),
        Fact("rest", "public/instruments: 20 requests per 2 s per IP", _CHECKED, _DOCS),
    ),
)  # fmt: skip
