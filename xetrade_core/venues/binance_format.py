"""What Binance's three markets share: the instrument list's format and the names of contracts.

Source: the `exchangeInfo` replies of the spot, USD-M and COIN-M APIs (developers.binance.com, checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from xetrade_core.errors import UnknownSymbol, VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.venue import RestRequest

# Binance reuses a code that the field knows otherwise; the universal symbol carries the field's name.
_FIELD_CODES = {"YOYO": "YOYOW"}
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


class _Filter(msgspec.Struct):
    filterType: str
    tickSize: str = "0"
    stepSize: str = "0"


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
        symbol = f"{_field_code(row.baseAsset)}/{_field_code(row.quoteAsset)}"
        kind = MarketType.SPOT
        if row.marginAsset:
            symbol += f":{_field_code(row.marginAsset)}"
            kind = MarketType.SWAP
            if row.deliveryDate and row.deliveryDate != _PERPETUAL_DELIVERY_MS and "PERPETUAL" not in row.contractType:
                symbol += f"-{datetime.fromtimestamp(row.deliveryDate / 1000, UTC):%y%m%d}"
                kind = MarketType.FUTURE
        return Instrument(
            venue=self.venue,
            symbol=symbol,
            venue_id=row.symbol,
            market_type=kind,
            price_tick=Decimal(price.tickSize) if price else Decimal(0),
            lot=Decimal(lot.stepSize) if lot else Decimal(0),
            contract_size=row.contractSize,
            status=_STATUS.get(row.status or row.contractStatus, InstrumentStatus.HALTED),
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDT` -> `BTCUSDT`, `BTC/USDT:USDT-261225` -> `BTCUSDT_261225`, `BTC/USD:BTC` -> `BTCUSD_PERP`."""
        parts = SymbolParts.parse(symbol, self.venue)
        pair = _venue_code(parts.base) + _venue_code(parts.quote)
        spot_market, inverse_market = self.venue == "binance", self.venue == "binancecoinm"
        fits = parts.settle is None if spot_market else parts.settle == (parts.base if inverse_market else parts.quote)
        if not fits or parts.strike is not None:
            form = "BTC/USDT" if spot_market else "BTC/USD:BTC" if inverse_market else "BTC/USDT:USDT"
            raise UnknownSymbol(symbol, self.venue, f"its symbols look like {form}")
        if parts.expiry is not None:
            return f"{pair}_{parts.expiry}"
        return f"{pair}_PERP" if inverse_market else pair


def _field_code(code: str) -> str:
    return _FIELD_CODES.get(code, code)


def _venue_code(code: str) -> str:
    return next((venue for venue, field in _FIELD_CODES.items() if field == code), code)
