"""KuCoin: spot `BTC-USDT`; futures `XBTUSDTM`, `ETHUSDCM` (linear), `XBTUSDM` (inverse), `XBTMZ26` (inverse, dated).

Futures write XBT for BTC. A month's code stands for the last Friday of the month. Source: www.kucoin.com/docs-new,
"get all symbols" of spot and futures, and the delivery rules of coin-margined contracts (checked 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xetrade_core.symbols.expiries import from_coded, to_coded
from xetrade_core.symbols.naming.rule import refuse, split_pairs, to_field, to_venue
from xetrade_core.symbols.parts import SymbolParts

_PAIR = re.compile(r"(?P<base>[^\W_]+)-(?P<quote>[^\W_]+)")
_DATED = re.compile(r"(?P<base>[^\W_]+)M(?P<end>[FGHJKMNQUVXZ]\d{2})")
_QUOTES = ("USDT", "USDC", "USD")


@dataclass(frozen=True, slots=True)
class KucoinNaming:
    """KuCoin's spot market."""

    venue: str = "kucoin"
    example: str = "BTC/USDT"

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        found = _PAIR.fullmatch(venue_id)
        return (to_field(self.venue, SymbolParts(found["base"], found["quote"])),) if found else ()

    def write(self, parts: SymbolParts) -> str:
        if parts.settle is not None:
            raise refuse(self, parts)
        own = to_venue(self.venue, parts)
        return f"{own.base}-{own.quote}"


@dataclass(frozen=True, slots=True)
class KucoinFuturesNaming:
    """KuCoin's futures."""

    venue: str = "kucoinfutures"
    example: str = "BTC/USDT:USDT, BTC/USD:BTC or BTC/USD:BTC-261225"

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        if not venue_id.isalnum():
            return ()
        if (dated := _DATED.fullmatch(venue_id)) and (day := from_coded(dated["end"])):
            return (to_field(self.venue, SymbolParts(dated["base"], "USD", dated["base"], day)),)
        if not venue_id.endswith("M"):
            return ()
        return tuple(
            to_field(self.venue, SymbolParts(base, quote, base if quote == "USD" else quote))
            for base, quote in split_pairs(venue_id.removesuffix("M"), _QUOTES)
        )

    def write(self, parts: SymbolParts) -> str:
        own = to_venue(self.venue, parts)
        inverse = own.quote == "USD" and own.settle == own.base
        if own.strike is not None or own.quote not in _QUOTES or not (inverse or own.settle == own.quote != "USD"):
            raise refuse(self, parts)
        if own.expiry is None:
            return f"{own.base}{own.quote}M"
        code = to_coded(own.expiry) if inverse else None
        if code is None:
            raise refuse(self, parts)
        return f"{own.base}M{code}"
