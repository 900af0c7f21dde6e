"""Deribit's instrument list.

Source: https://docs.deribit.com/api-reference/market-data/public-get_instruments (checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus
from xetrade_core.symbols.naming import naming
from xetrade_core.symbols.naming.rule import listed_parts
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.venue import RestRequest

_PATH = "/api/v2/public/get_instruments"
_WEIGHT = 20  # 10,000 credits where most calls cost 500
_KINDS = ("spot", "future", "option")  # the others are combos


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
        base, spot = row.base_currency, row.kind == "spot"
        # Lists of before 2022 name neither: all there was, settled in its base and was priced in USD.
        quote = row.counter_currency or (row.quote_currency if row.quote_currency != base else "USD")
        parts = listed_parts(
            "deribit",
            base,
            quote,
            None if spot else row.settlement_currency or base,
            expiry_ms=None if spot or row.settlement_period == "perpetual" else row.expiration_timestamp,
            strike=row.strike,
            side="C" if row.option_type == "call" else "P",
        )
        return Instrument(
            venue="deribit",
            symbol=parts.symbol,
            venue_id=row.instrument_name,
            market_type=parts.market_type,
            price_tick=row.tick_size,
            lot=row.min_trade_amount,
            status=InstrumentStatus.TRADING if row.is_active else InstrumentStatus.HALTED,
            min_amount=row.min_trade_amount,
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDC` -> `BTC_USDC`, `BTC/USD:BTC` -> `BTC-PERPETUAL`, `BTC/USD:BTC-241227` -> `BTC-27DEC24`."""
        return naming("deribit").write(SymbolParts.parse(symbol, "deribit"))


def _kinds(symbol: str) -> tuple[str, ...]:
    """The kinds that a symbol, written in any accepted form, can be."""
    if not symbol:
        return ("future", "option", "spot")
    if "/" in symbol:
        parts = SymbolParts.parse(symbol, "deribit")
        return ("option",) if parts.strike else ("future",) if parts.settle else ("spot",)
    return ("option",) if symbol.endswith(("-C", "-P")) else ("future", "spot")
