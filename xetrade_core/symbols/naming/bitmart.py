"""BitMart, which shut down in July 2026: spot `BTC_USDT`, swaps `BTCUSDT`. Its ids still stand in old data.

Source: developer-pro.bitmart.com as of 2026-05.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xetrade_core.symbols.naming.rule import refuse, split_pairs, to_field, to_venue
from xetrade_core.symbols.parts import SymbolParts

_PAIR = re.compile(r"(?P<base>[^\W_]+)_(?P<quote>[^\W_]+)")
_QUOTES = ("USDT", "USDC", "USD")


@dataclass(frozen=True, slots=True)
class BitMartNaming:
    """BitMart's spot and swaps."""

    venue: str = "bitmart"
    example: str = "BTC/USDT or BTC/USDT:USDT"

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        if pair := _PAIR.fullmatch(venue_id):
            return (to_field(self.venue, SymbolParts(pair["base"], pair["quote"])),)
        if not venue_id.isalnum():
            return ()
        return tuple(
            to_field(self.venue, SymbolParts(base, quote, base if quote == "USD" else quote))
            for base, quote in split_pairs(venue_id, _QUOTES)
        )

    def write(self, parts: SymbolParts) -> str:
        own = to_venue(self.venue, parts)
        if own.settle is None:
            return f"{own.base}_{own.quote}"
        if own.expiry is not None or own.settle != (own.base if own.quote == "USD" else own.quote):
            raise refuse(self, parts)
        return f"{own.base}{own.quote}"
