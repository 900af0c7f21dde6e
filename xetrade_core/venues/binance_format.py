"""What Binance's markets share: the instrument list's format, error codes, and what both futures markets offer.

Source: the `exchangeInfo` replies of the spot, USD-M and COIN-M APIs (developers.binance.com, checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus
from xetrade_core.symbols.naming import naming
from xetrade_core.symbols.naming.rule import listed_parts
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.most import Most, most_of
from xetrade_core.venues.venue import (
    Capability,
    ClientIdRule,
    ErrorKind,
    FundingRules,
    Paging,
    RestRequest,
    Uniqueness,
    error_codes,
    offers,
)

_STATUS = {
    "TRADING": InstrumentStatus.TRADING,
    "PRE_TRADING": InstrumentStatus.PRE_LAUNCH,
    "PENDING_TRADING": InstrumentStatus.PRE_LAUNCH,
    "PRE_DELIVERING": InstrumentStatus.SETTLING,
    "DELIVERING": InstrumentStatus.SETTLING,
    "DELIVERED": InstrumentStatus.DELISTED,
    "PRE_SETTLE": InstrumentStatus.SETTLING,
    "SETTLING": InstrumentStatus.SETTLING,
    "CLOSE": InstrumentStatus.DELISTED,
}  # the others (BREAK, HALT, END_OF_DAY, ..) are halts
_PERPETUAL_DELIVERY_MS = 4_133_404_800_000  # 2100-12-25: what Binance writes for "never"


_COMMON_ERRORS = error_codes(
    {
        ErrorKind.RATE_LIMITED: "-1003 -1015 -1034",
        ErrorKind.UNAVAILABLE: "-1004 -1008 -1016",
        ErrorKind.OUTCOME_UNKNOWN: "-1000 -1001 -1006 -1007",
        ErrorKind.CLOCK: "-1021",
        ErrorKind.AUTHENTICATION: "-1002 -1022 -1099 -2008 -2014 -2015 -2017",
        ErrorKind.UNKNOWN_SYMBOL: "-1121",
        ErrorKind.UNKNOWN_ORDER: "-2011 -2013",
        ErrorKind.ORDER_REJECTED: "-1013 -1111 -1112 -1122 -2010 -2016",
        ErrorKind.BAD_REQUEST: "-1014 -1020 -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1114 -1115 -1116 -1117 "
        "-1118 -1119 -1120 -1127 -1128 -1130 -1131",
    }
)
SPOT_ERRORS = _COMMON_ERRORS | error_codes(
    {
        ErrorKind.OUTCOME_UNKNOWN: "-2021 -2022",  # a cancel-and-replace of which one half, or neither, was done
        ErrorKind.UNKNOWN_ORDER: "-2026",
        ErrorKind.INSUFFICIENT_FUNDS: "-3041",
    }
)
FUTURES_ERRORS = _COMMON_ERRORS | error_codes(
    {
        ErrorKind.CLOCK: "-4188 -5028",
        ErrorKind.UNKNOWN_SYMBOL: "-4144",
        ErrorKind.DUPLICATE_CLIENT_ID: "-4116",
        ErrorKind.INSUFFICIENT_FUNDS: "-2018 -2019 -4050 -4051",
        ErrorKind.ORDER_REJECTED: "-2020 -2021 -2022 -2023 -2024 -2025 -2027 -2028 -4003 -4005 -4014 -4016 -4023 -4024 "
        "-4061 -4112 -4113 -4118 -4131 -4141 -4164 -4183 -4184 -5021 -5022 -5027",
        ErrorKind.BAD_REQUEST: "-1125 -1129 -4015",
    }
)


#: USD-M and COIN-M have the same rules but for their addresses
FUTURES_CLIENT_IDS = ClientIdRule(
    pattern=r"[.A-Z:/a-z0-9_-]{1,36}",
    ccxt_param="clientOrderId",
    unique=Uniqueness.OPEN_ORDERS,
    query=True,
    cancel=True,
)
FUTURES_CAPABILITIES = offers(
    native=(
        Capability.BOOK_STREAM,
        Capability.BOOK_REST,
        Capability.QUOTES_ALL,
        Capability.FUNDING,
        Capability.FUNDING_ALL,
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
    emulated=(Capability.FUNDING_INTERVAL,),
)
FUTURES_FUNDING = FundingRules(
    live_means="the venue's estimate so far of what will be paid at the next funding time; it moves until then "
    "(the field is called lastFundingRate, but it is no rate that was paid)",
    predicted_means=None,
    paging=Paging.OLDEST_FIRST,
    page_limit=1000,
    default_interval_s=8 * 3600,
    page_weight=24,  # 500 calls in 5 minutes, as a share of the weight of a minute
)


class _Filter(msgspec.Struct):
    filterType: str
    tickSize: str = "0"
    stepSize: str = "0"
    minQty: Decimal | None = None
    maxQty: Decimal | None = None
    minNotional: Decimal | None = None
    notional: Decimal | None = None
    maxNotional: Decimal | None = None
    applyMaxToMarket: bool = False


class _Listing(msgspec.Struct):
    symbol: str
    baseAsset: str
    quoteAsset: str
    filters: list[_Filter]
    status: str = ""
    contractStatus: str = ""
    contractType: str = ""
    deliveryDate: int | None = None
    marginAsset: str = ""
    contractSize: Decimal = Decimal(1)


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Listing]


_DECODER = msgspec.json.Decoder(_ExchangeInfo, strict=False)


def _most(row: _Listing) -> Most:
    """LOT_SIZE is about all orders, MARKET_LOT_SIZE about market orders besides; NOTIONAL says which it is about."""
    filters = {each.filterType: each for each in row.filters}
    lot, market, worth = (filters.get(name) for name in ("LOT_SIZE", "MARKET_LOT_SIZE", "NOTIONAL"))
    notional = worth.maxNotional if worth else None
    return Most(
        max_amount=lot.maxQty if lot else None,
        max_notional=notional,
        max_market_amount=(market.maxQty or None) if market else None,
        max_market_notional=notional if worth and worth.applyMaxToMarket else None,
    )


most = most_of(_Listing, _most)


@dataclass(frozen=True, slots=True)
class BinanceInstruments:
    """Reads `exchangeInfo` of one of the markets and names its instruments."""

    venue: str
    path: str
    weight: int

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """One request lists the whole market."""
        return (RestRequest(self.path, weight=self.weight),)

    def parse(self, body: bytes) -> list[Instrument]:
        """All instruments with their status."""
        try:
            info = _DECODER.decode(body)
        except msgspec.MsgspecError as error:
            raise VenueUnavailable(f"{self.venue} answered {self.path} with no instrument list: {error}") from error
        return [self.instrument(row) for row in info.symbols]

    def instrument(self, row: _Listing) -> Instrument:
        """One listing as an instrument."""
        filters = {each.filterType: each for each in row.filters}
        price, lot = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
        worth = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
        dated = row.marginAsset and row.deliveryDate not in (None, 0, _PERPETUAL_DELIVERY_MS)
        expiry_ms = row.deliveryDate if dated and "PERPETUAL" not in row.contractType else None
        parts = listed_parts(self.venue, row.baseAsset, row.quoteAsset, row.marginAsset, expiry_ms=expiry_ms)
        return Instrument(
            venue=self.venue,
            symbol=parts.symbol,
            venue_id=row.symbol,
            market_type=parts.market_type,
            price_tick=Decimal(price.tickSize) if price else Decimal(0),
            lot=Decimal(lot.stepSize) if lot else Decimal(0),
            contract_size=row.contractSize,
            status=_STATUS.get(row.status or row.contractStatus, InstrumentStatus.HALTED),
            min_amount=lot.minQty if lot else None,
            min_notional=(worth.minNotional or worth.notional) if worth else None,
            **_most(row)._asdict(),
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDT` -> `BTCUSDT`, `BTC/USDT:USDT-261225` -> `BTCUSDT_261225`, `BTC/USD:BTC` -> `BTCUSD_PERP`."""
        return naming(self.venue).write(SymbolParts.parse(symbol, self.venue))
