"""What KuCoin's two markets share: the form of replies, the connect ticket, error codes; and their instrument lists.

Source: www.kucoin.com/docs-new, "Get All Symbols" of spot and of futures, "Get Public Token" (checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus
from xetrade_core.symbols.naming import naming
from xetrade_core.symbols.naming.rule import listed_parts
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.most import Most, most_of
from xetrade_core.venues.venue import ErrorKind, RateRule, RestRequest, WebsocketRules, WireDialect, error_codes

_OK = "200000"
_FUTURES_STATUS = MappingProxyType(
    {
        "Init": InstrumentStatus.PRE_LAUNCH,
        "Open": InstrumentStatus.TRADING,
        "CancelOnly": InstrumentStatus.CANCEL_ONLY,
        "BeingSettled": InstrumentStatus.SETTLING,
        "Settled": InstrumentStatus.DELISTED,
        "Closed": InstrumentStatus.DELISTED,
    }
)  # the others (Paused) are halts

ERRORS = error_codes(
    {
        ErrorKind.RATE_LIMITED: "429 429000 1015 200002",
        ErrorKind.UNAVAILABLE: "503 126009 126010 300002 300014 300015 503000",
        ErrorKind.OUTCOME_UNKNOWN: "500 408000 500000 126038 126039",
        ErrorKind.CLOCK: "400002 126041",
        ErrorKind.AUTHENTICATION: "401 400001 400003 400004 400005 400006 400401",
        ErrorKind.PERMISSION: "403 40010 101030 112010 126005 126021 126045 126046 126047 126048 130201 130302 200009 "
        "400007 400303 400500 400700 411100",
        ErrorKind.UNKNOWN_SYMBOL: "100003 126004 126006 400600 600203 900001",
        ErrorKind.UNKNOWN_ORDER: "100004 126043 error.getOrder.orderNotExist order_not_exist "
        "order_not_exist_or_not_allow_to_cancel",
        ErrorKind.DUPLICATE_CLIENT_ID: "102426 126033 126044 300018 validation.createOrder.clientOidDuplicated",
        ErrorKind.INSUFFICIENT_FUNDS: "126013 130203 130301 200004 200005 210021 230003 260100 300003 330008 "
        "account.available.amount",
        ErrorKind.ORDER_REJECTED: "103000 126003 126011 126015 126022 126027 126028 126029 126030 126042 130311 130312 "
        "130313 130314 200001 200003 300001 300004 300005 300006 300007 300008 300009 300010 300011 300012 300013 "
        "300016 300017 330005 330011 330012 400200 400330 "
        "400350 400370 400760 600100 600101",
        ErrorKind.BAD_REQUEST: "400 404 405 415 100001 100005 300000 400008 400100 400400 401000 404000 415000",
    }
)  # most refusals are 400100, of futures 100001: some are told apart by their words, which stand here as codes


class _Refusal(msgspec.Struct):
    code: str
    msg: str = ""


_REFUSAL = msgspec.json.Decoder(_Refusal, strict=False)
_T = TypeVar("_T")


def read_reply(body: bytes, decoder: msgspec.json.Decoder[_T], venue: str, what: str) -> _T:
    """A reply whose code says that it went well; raises VenueUnavailable for any other and for what is none."""
    try:
        refusal = _REFUSAL.decode(body)
        if refusal.code == _OK:
            return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise VenueUnavailable(f"{venue} answered with no {what}: {error}") from error
    raise VenueUnavailable(f"{venue} refused to tell its {what}: code {refusal.code} {refusal.msg}")


class _Server(msgspec.Struct):
    endpoint: str


class _Ticket(msgspec.Struct):
    token: str
    instanceServers: list[_Server]


class _TicketReply(msgspec.Struct):
    data: _Ticket


_TICKET = msgspec.json.Decoder(_TicketReply)


_ASK = RestRequest("/api/v1/bullet-public", weight=10, method="POST")


@dataclass(frozen=True, slots=True)
class KucoinTicket:
    """Where to connect to, and the token to connect with: good for 24 h."""

    venue: str
    request: RestRequest = _ASK

    def url(self, body: bytes, connect_id: str) -> str:
        """`<endpoint>?token=..&connectId=..` of the first server."""
        ticket = read_reply(body, _TICKET, self.venue, "address for websockets").data
        if not ticket.instanceServers:
            raise VenueUnavailable(f"{self.venue} names no server for websockets")
        query = urlencode({"token": ticket.token, "connectId": connect_id})
        return f"{ticket.instanceServers[0].endpoint}?{query}"


def kucoin_websocket(venue: str, channel: str) -> WebsocketRules:
    """What the sockets of spot and futures have in common: all but the channel."""
    return WebsocketRules(
        dialect=WireDialect.KUCOIN,
        channel=channel,
        interval_ms=100,
        depth=None,
        max_subscriptions=400,
        lifetime_s=24 * 3600,
        send_interval_s=0.11,
        connects=RateRule(30, 60),
        ping_text='{"id":"1","type":"ping"}',
        ping_every_s=15,
        batch=50,
        ticket=KucoinTicket(venue),
        welcome=True,
    )


class _Pair(msgspec.Struct):
    symbol: str
    enableTrading: bool
    priceIncrement: Decimal | None = None
    baseIncrement: Decimal | None = None
    baseMinSize: Decimal | None = None
    baseMaxSize: Decimal | None = None
    minFunds: Decimal | None = None


class _Pairs(msgspec.Struct):
    data: list[_Pair]


class _Contract(msgspec.Struct):
    symbol: str
    baseCurrency: str
    quoteCurrency: str
    settleCurrency: str
    status: str
    tickSize: Decimal
    lotSize: Decimal
    multiplier: Decimal
    maxOrderQty: Decimal | None = None
    marketMaxOrderQty: Decimal | None = None
    expireDate: int | None = None
    nextFundingRateTime: int | None = None


class _Contracts(msgspec.Struct):
    data: list[_Contract]


_PAIRS = msgspec.json.Decoder(_Pairs, strict=False)
_CONTRACTS = msgspec.json.Decoder(_Contracts, strict=False)


@dataclass(frozen=True, slots=True)
class KucoinInstruments:
    """Reads the list of spot pairs and names them."""

    venue: str = "kucoin"
    path: str = "/api/v2/symbols"

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """One request lists the whole market."""
        return (RestRequest(self.path, weight=4),)

    def parse(self, body: bytes) -> list[Instrument]:
        """All pairs that have a price tick, with their status."""
        rows = read_reply(body, _PAIRS, self.venue, "instrument list").data
        return [self._instrument(row, row.priceIncrement) for row in rows if row.priceIncrement]

    def _instrument(self, row: _Pair, tick: Decimal) -> Instrument:
        base, _, quote = row.symbol.partition(
            "-"
        )  # the id names the pair: R-BTC is of a currency that is called REV now
        parts = listed_parts(self.venue, base, quote)
        return Instrument(
            venue=self.venue,
            symbol=parts.symbol,
            venue_id=row.symbol,
            market_type=parts.market_type,
            price_tick=tick,
            lot=row.baseIncrement or Decimal(0),
            status=InstrumentStatus.TRADING if row.enableTrading else InstrumentStatus.HALTED,
            min_amount=row.baseMinSize,
            max_amount=row.baseMaxSize,
            min_notional=row.minFunds,
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDT` -> `BTC-USDT`, `WAXP/USDT` -> `WAX-USDT`."""
        return naming(self.venue).write(SymbolParts.parse(symbol, self.venue))


def _contract_most(row: _Contract) -> Most:
    return Most(max_amount=row.maxOrderQty, max_market_amount=row.marketMaxOrderQty)


contract_most = most_of(_Contract, _contract_most)


@dataclass(frozen=True, slots=True)
class KucoinContracts:
    """Reads the list of contracts and names them."""

    venue: str = "kucoinfutures"
    path: str = "/api/v1/contracts/active"

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """One request lists the whole market."""
        return (RestRequest(self.path, weight=3),)

    def parse(self, body: bytes) -> list[Instrument]:
        """All contracts with their status."""
        return [self._instrument(row) for row in read_reply(body, _CONTRACTS, self.venue, "instrument list").data]

    def _instrument(self, row: _Contract) -> Instrument:
        """A contract without a next funding expires; an inverse one has a negative multiplier, in its quote."""
        expiry_ms = row.expireDate if row.nextFundingRateTime is None else None
        parts = listed_parts(
            self.venue, row.baseCurrency, row.quoteCurrency, row.settleCurrency, expiry_ms=expiry_ms or None
        )
        return Instrument(
            venue=self.venue,
            symbol=parts.symbol,
            venue_id=row.symbol,
            market_type=parts.market_type,
            price_tick=row.tickSize,
            lot=row.lotSize,
            contract_size=abs(row.multiplier),
            status=_FUTURES_STATUS.get(row.status, InstrumentStatus.HALTED),
            min_amount=row.lotSize,
            **_contract_most(row)._asdict(),
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDT:USDT` -> `XBTUSDTM`, `BTC/USD:BTC` -> `XBTUSDM`, `BTC/USD:BTC-261225` -> `XBTMZ26`."""
        return naming(self.venue).write(SymbolParts.parse(symbol, self.venue))
