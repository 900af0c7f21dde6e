"""Deribit's instrument list and the names of its instruments.

`BTC-PERPETUAL` and `BTC-27DEC24` settle in BTC and are quoted in USD, `BTC_USDC-PERPETUAL` settles in USDC, options add
strike and side (`BTC-27DEC24-100000-C`, `XRP_USDC-30JUN24-0d5-C`: d is the point), spot is `BTC_USDC`. Source:
https://docs.deribit.com/articles/deribit-naming and public/get_instruments (checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from xetrade_core.errors import UnknownSymbol, VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.venue import RestRequest

_PATH = "/api/v2/public/get_instruments"
_WEIGHT = 20  # 10,000 credits where most calls cost 500
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_KINDS = {"spot": MarketType.SPOT, "future": MarketType.FUTURE, "option": MarketType.OPTION}  # the others are combos


class _Listing(msgspec.Struct):
    instrument_name: str
    kind: str
    base_currency: str
    quote_currency: str
    tick_size: Decimal
    min_trade_amount: Decimal
    is_active: bool
    expiration_timestamp: int = 0
    counter_currency: str = ""
    settlement_currency: str = ""
    settlement_period: str = ""
    strike: Decimal | None = None
    option_type: str = ""


class _Reply(msgspec.Struct):
    result: list[_Listing]


_DECODER = msgspec.json.Decoder(_Reply)


class DeribitInstruments:
    """Reads `public/get_instruments` and names the instruments. Combos are left out: they have no universal symbol."""

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """One request a kind of instrument that the symbols can be; none named: all of them.

        Options are nine tenths of the list, so they are asked for only when one is wanted.
        """
        kinds = sorted({kind for symbol in symbols or ("",) for kind in _kinds(symbol.upper())})
        return tuple(
            RestRequest(_PATH, (("currency", "any"), ("expired", "false"), ("kind", kind)), _WEIGHT) for kind in kinds
        )

    def parse(self, body: bytes) -> list[Instrument]:
        """All instruments but combos."""
        try:
            rows = _DECODER.decode(body).result
        except msgspec.MsgspecError as error:
            raise VenueUnavailable(f"deribit answered {_PATH} with no instrument list: {error}") from error
        return [self.instrument(row) for row in rows if row.kind in _KINDS]

    def instrument(self, row: _Listing) -> Instrument:
        """One listing as an instrument.

        Deribit counts sizes in USD (inverse futures) or in base currency (all others), not in its contracts of 10 USD
        or 0.001 BTC: so a contract is one USD, or one of the base.
        """
        base = row.base_currency
        # Lists of before 2022 name neither: all there was, settled in its base and was priced in USD.
        quote = row.counter_currency or (row.quote_currency if row.quote_currency != base else "USD")
        settle = row.settlement_currency or base
        kind, symbol = _KINDS[row.kind], f"{base}/{quote}"
        if kind is not MarketType.SPOT:
            symbol += f":{settle}"
            if row.settlement_period == "perpetual":
                kind = MarketType.SWAP
            else:
                symbol += f"-{datetime.fromtimestamp(row.expiration_timestamp / 1000, UTC):%y%m%d}"
            if row.strike is not None:
                symbol += f"-{_plain(row.strike)}-{'C' if row.option_type == 'call' else 'P'}"
        return Instrument(
            venue="deribit",
            symbol=symbol,
            venue_id=row.instrument_name,
            market_type=kind,
            price_tick=row.tick_size,
            lot=row.min_trade_amount,
            status=InstrumentStatus.TRADING if row.is_active else InstrumentStatus.HALTED,
            min_amount=row.min_trade_amount,
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDC` -> `BTC_USDC`, `BTC/USD:BTC` -> `BTC-PERPETUAL`, `BTC/USD:BTC-241227` -> `BTC-27DEC24`."""
        parts = SymbolParts.parse(symbol, "deribit")
        if parts.settle is None:
            return f"{parts.base}_{parts.quote}"
        if parts.settle not in (parts.base, parts.quote):
            raise UnknownSymbol(symbol, "deribit", "contracts settle in their base or quote, like BTC/USD:BTC")
        if parts.settle == parts.base and parts.quote != "USD":
            raise UnknownSymbol(symbol, "deribit", "what settles in its base is quoted in USD, like BTC/USD:BTC")
        name = parts.base if parts.settle == parts.base else f"{parts.base}_{parts.quote}"
        if parts.expiry is None:
            return f"{name}-PERPETUAL"
        name += f"-{_day(parts.expiry, symbol)}"
        return name if parts.strike is None else f"{name}-{parts.strike.replace('.', 'd')}-{parts.side}"


def _kinds(symbol: str) -> tuple[str, ...]:
    """The kinds that a symbol, written in any accepted form, can be."""
    if not symbol:
        return ("future", "option", "spot")
    if "/" in symbol:
        parts = SymbolParts.parse(symbol, "deribit")
        return ("option",) if parts.strike else ("future",) if parts.settle else ("spot",)
    return ("option",) if symbol.endswith(("-C", "-P")) else ("future", "spot")


def _day(expiry: str, symbol: str) -> str:
    """`241227` -> `27DEC24`, `210806` -> `6AUG21`."""
    year, month, day = expiry[:2], int(expiry[2:4]), int(expiry[4:])
    if not 1 <= month <= len(_MONTHS):
        raise UnknownSymbol(symbol, "deribit", "an expiry is YYMMDD, like BTC/USD:BTC-241227")
    return f"{day}{_MONTHS[month - 1]}{year}"


def _plain(strike: Decimal) -> str:
    """Digits without an exponent or trailing zeros, as in a universal symbol."""
    return f"{strike.normalize():f}"
