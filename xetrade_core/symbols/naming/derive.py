"""Derive: spot `ETH-USDC`, `BTC-PERP`, options `BTC-20261225-100000-C` and `XRP-20261225-0_5-P` (`_` is the point).

Contracts settle in USDC and are listed with that quote; older listings named the index's USD, whose symbols are
written alike. Source: docs.derive.xyz/trading/instrument-names and public/get_instruments (checked 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xetrade_core.symbols.expiries import is_day
from xetrade_core.symbols.naming.rule import refuse, to_field, to_venue
from xetrade_core.symbols.parts import SymbolParts

_SETTLE = "USDC"
_ID = re.compile(
    r"(?P<base>[^\W_]+)-(?:(?P<swap>PERP)|20(?P<expiry>\d{6})-(?P<strike>\d+(?:_\d+)?)-(?P<side>[CP])"
    r"|(?P<quote>[A-Za-z][A-Za-z0-9]*))"
)


@dataclass(frozen=True, slots=True)
class DeriveNaming:
    """All of Derive's kinds."""

    venue: str = "derive"
    example: str = "BTC/USDC:USDC, BTC/USDC:USDC-261225-100000-C or ETH/USDC"

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        found = _ID.fullmatch(venue_id)
        if found is None or (found["expiry"] and not is_day(found["expiry"])):
            return ()
        if found["quote"] and not found["swap"]:
            return (to_field(self.venue, SymbolParts(found["base"], found["quote"])),)
        strike = found["strike"].replace("_", ".") if found["strike"] else None
        parts = SymbolParts(found["base"], _SETTLE, _SETTLE, found["expiry"], strike, found["side"])
        return (to_field(self.venue, parts),)

    def write(self, parts: SymbolParts) -> str:
        own = to_venue(self.venue, parts)
        if own.settle is None:
            return f"{own.base}-{own.quote}"
        if own.settle != _SETTLE or own.quote not in (_SETTLE, "USD") or (own.expiry is None) != (own.strike is None):
            raise refuse(self, parts)
        if own.expiry is None or own.strike is None:
            return f"{own.base}-PERP"
        return f"{own.base}-20{own.expiry}-{own.strike.replace('.', '_')}-{own.side}"
