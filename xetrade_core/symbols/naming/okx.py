"""OKX: `BTC-USDT`, `BTC-USDT-SWAP`, `BTC-USD-261225`, `BTC-USD-261225-100000-C`, `BTC-USD_UM-SWAP`.

A contract quoted in USD settles in its base, one of the `_UM` family in dollars of several kinds (settleCcy USD, shown
as USDⓈ), any other in its quote. `_UM_XPERP` contracts are futures of five years that pay funding like a swap; their
symbol is that of a dated `_UM` future. Source: www.okx.com/docs-v5, "public/instruments" (checked 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xetrade_core.symbols.expiries import is_day
from xetrade_core.symbols.naming.rule import refuse, to_field, to_venue
from xetrade_core.symbols.parts import SymbolParts

_ID = re.compile(
    r"(?P<base>[^\W_]+)-(?P<quote>[^\W_]+)(?P<family>_UM(?:_XPERP)?)?"
    r"(?:-(?:(?P<swap>SWAP)|(?P<expiry>\d{6})(?:-(?P<strike>\d+(?:\.\d+)?)-(?P<side>[CP]))?))?"
)
_DOLLARS = ("USD", "USDⓈ")


@dataclass(frozen=True, slots=True)
class OkxNaming:
    """All of OKX's kinds on one host."""

    venue: str = "okx"
    example: str = "BTC/USDT, BTC/USDT:USDT, BTC/USD:BTC-261225 or BTC/USD:BTC-261225-100000-C"

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        found = _ID.fullmatch(venue_id)
        if found is None or (found["expiry"] and not is_day(found["expiry"])):
            return ()
        base, quote, family = found["base"], found["quote"], found["family"]
        if not found["swap"] and not found["expiry"]:
            return () if family else (to_field(self.venue, SymbolParts(base, quote)),)
        settle = base if quote == "USD" and not family else quote
        parts = SymbolParts(base, quote, settle, found["expiry"], found["strike"], found["side"])
        return (to_field(self.venue, parts),)

    def write(self, parts: SymbolParts) -> str:
        own = to_venue(self.venue, parts)
        pair = f"{own.base}-{own.quote}"
        if own.settle is None:
            return pair
        if own.quote == "USD" and own.settle in _DOLLARS:
            pair += "_UM"
        elif own.settle != (own.base if own.quote == "USD" else own.quote):
            raise refuse(self, parts)
        if own.expiry is None:
            return f"{pair}-SWAP"
        return f"{pair}-{own.expiry}" + (f"-{own.strike}-{own.side}" if own.strike else "")
