"""MAX (max.maicoin.com): spot pairs written together in small letters, `btctwd`, `usdttwd`. No contracts.

Source: max.maicoin.com/documents/api_list/v3, "markets" (checked 2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass

from xetrade_core.symbols.naming.rule import refuse, split_pairs, to_field, to_venue
from xetrade_core.symbols.parts import SymbolParts

_QUOTES = ("USDT", "USDC", "TWD", "BTC", "ETH")


@dataclass(frozen=True, slots=True)
class MaxNaming:
    """MAX's spot market."""

    venue: str = "max"
    example: str = "BTC/TWD or BTC/USDT"

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        if not venue_id.isalnum() or venue_id != venue_id.lower():
            return ()
        pairs = split_pairs(venue_id.upper(), _QUOTES)
        return tuple(to_field(self.venue, SymbolParts(base, quote)) for base, quote in pairs)

    def write(self, parts: SymbolParts) -> str:
        own = to_venue(self.venue, parts)
        pair = own.base + own.quote
        if own.settle is not None or pair != pair.upper():  # small letters could not be told from capitals again
            raise refuse(self, parts)
        return pair.lower()
