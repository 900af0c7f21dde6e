"""Derive's instrument list, which is asked for by POST and comes in pages.

Source: https://docs.derive.xyz/api-reference/market-data/publicget_all_instruments (checked 2026-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec

from xetrade_core.errors import VenueUnavailable
from xetrade_core.model.instruments import Instrument, InstrumentStatus
from xetrade_core.symbols.naming import naming
from xetrade_core.symbols.naming.rule import listed_parts
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.venues.venue import RestRequest

_PATH = "/v3/public/get_all_instruments"
_PAGE = 1000
_SETTLE = "USDC"
_KINDS = ("erc20", "option", "perp")


class _Option(msgspec.Struct):
    expiry: int  # seconds since the epoch
    strike: Decimal
    option_type: str


class _Listing(msgspec.Struct):
    instrument_name: str
    instrument_type: str
    base_currency: str
    quote_currency: str
    tick_size: Decimal
    amount_step: Decimal
    is_active: bool
    minimum_amount: Decimal | None = None
    maximum_amount: Decimal | None = None
    option_details: _Option | None = None


class _Pagination(msgspec.Struct):
    num_pages: int = 1


class _Result(msgspec.Struct):
    instruments: list[_Listing]
    pagination: _Pagination = msgspec.field(default_factory=_Pagination)


class _Reply(msgspec.Struct):
    result: _Result


class _Query(msgspec.Struct):
    expired: bool
    instrument_type: str
    page: int
    page_size: int


_DECODER = msgspec.json.Decoder(_Reply)


class DeriveInstruments:
    """Reads `public/get_all_instruments` and names the instruments."""

    def requests(self, symbols: Sequence[str]) -> tuple[RestRequest, ...]:
        """The first page of each kind of instrument that the symbols can be; none named: of all kinds."""
        kinds = sorted({kind for symbol in symbols or ("",) for kind in _kinds(symbol.upper())})
        return tuple(
            RestRequest(_PATH, method="POST", body=msgspec.json.encode(_Query(False, kind, 1, _PAGE))) for kind in kinds
        )

    def next_page(self, request: RestRequest, body: bytes) -> RestRequest | None:
        """The page after the one that `body` is."""
        query = msgspec.json.decode(request.body, type=_Query)
        if query.page >= self._result(body).pagination.num_pages:
            return None
        query.page += 1
        return replace(request, body=msgspec.json.encode(query))

    def parse(self, body: bytes) -> list[Instrument]:
        """All instruments of one page."""
        return [self.instrument(row) for row in self._result(body).instruments]

    def instrument(self, row: _Listing) -> Instrument:
        """One listing; contracts are worth one of their base."""
        option = row.option_details
        parts = listed_parts(
            "derive",
            row.base_currency,
            row.quote_currency,
            None if row.instrument_type == "erc20" else _SETTLE,
            expiry_ms=None if option is None else option.expiry * 1000,
            strike=None if option is None else option.strike,
            side=None if option is None else option.option_type,
        )
        return Instrument(
            venue="derive",
            symbol=parts.symbol,
            venue_id=row.instrument_name,
            market_type=parts.market_type,
            price_tick=row.tick_size,
            lot=row.amount_step,
            status=InstrumentStatus.TRADING if row.is_active else InstrumentStatus.HALTED,
            min_amount=row.minimum_amount,
            max_amount=row.maximum_amount,
        )

    def venue_id(self, symbol: str) -> str:
        """`BTC/USDC:USDC` -> `BTC-PERP`, `BTC/USDC:USDC-261225-100000-C` -> `BTC-20261225-100000-C`."""
        return naming("derive").write(SymbolParts.parse(symbol, "derive"))

    @staticmethod
    def _result(body: bytes) -> _Result:
        try:
            return _DECODER.decode(body).result
        except msgspec.MsgspecError as error:
            raise VenueUnavailable(f"derive answered {_PATH} with no instrument list: {error}") from error


def _kinds(symbol: str) -> tuple[str, ...]:
    """The kinds that a symbol, written in any accepted form, can be."""
    if not symbol:
        return _KINDS
    if "/" in symbol:
        parts = SymbolParts.parse(symbol, "derive")
        return ("option",) if parts.strike else ("perp",) if parts.settle else ("erc20",)
    return ("option",) if symbol.endswith(("-C", "-P")) else ("erc20", "perp")
