"""Deribit: `BTC-PERPETUAL`, `BTC-25JUN21`, `BTC-25JUN21-40000-C` (inverse), `SOL_USDC-PERPETUAL`, `BTC_USDC-25JUN27`,
`XRP_USDC-25JUN27-0d5-C` (linear; `d` is the decimal point), spot `BTC_USDC`.

Combinations of several instruments (`BTC-FS-25JUN27_PERP`) have no universal symbol. Source: docs.deribit.com, "naming
conventions" (checked 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xetrade_core.symbols.expiries import from_worded, to_worded
from xetrade_core.symbols.naming.rule import refuse, to_field, to_venue
from xetrade_core.symbols.parts import SymbolParts

_SPOT = re.compile(r"(?P<base>[A-Za-z0-9]+)_(?P<quote>[A-Za-z0-9]+)")
_CONTRACT = re.compile(
    r"(?P<base>[A-Za-z0-9]+)(?:_(?P<quote>[A-Za-z0-9]+))?"
    r"-(?:(?P<swap>PERPETUAL)|(?P<day>\d{1,2}[A-Z]{3}\d{2})(?:-(?P<strike>\d+(?:d\d+)?)-(?P<side>[CP]))?)"
)


@dataclass(frozen=True, slots=True)
class DeribitNaming:
    """All of Deribit's kinds but combinations."""

    venue: str = "deribit"
    example: str = "BTC/USD:BTC, BTC/USDC:USDC, BTC/USD:BTC-261225, BTC/USD:BTC-261225-100000-C or BTC/USDC"

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        if pair := _SPOT.fullmatch(venue_id):
            return (to_field(self.venue, SymbolParts(pair["base"], pair["quote"])),)
        found = _CONTRACT.fullmatch(venue_id)
        if found is None:
            return ()
        base, quote = found["base"], found["quote"]
        day = from_worded(found["day"]) if found["day"] else None
        if found["day"] and day is None:
            return ()
        strike = found["strike"].replace("d", ".") if found["strike"] else None
        parts = SymbolParts(base, quote or "USD", quote or base, day, strike, found["side"])
        return (to_field(self.venue, parts),)

    def write(self, parts: SymbolParts) -> str:
        own = to_venue(self.venue, parts)
        if own.settle is None:
            if own.quote == "USD":  # spot is against coins alone: BTC/USD means a contract
                raise refuse(self, parts)
            return f"{own.base}_{own.quote}"
        if own.quote == "USD" and own.settle == own.base:
            pair = own.base
        elif own.settle == own.quote != "USD":
            pair = f"{own.base}_{own.quote}"
        else:
            raise refuse(self, parts)
        if own.expiry is None:
            return f"{pair}-PERPETUAL"
        end = "" if own.strike is None else f"-{own.strike.replace('.', 'd')}-{own.side}"
        return f"{pair}-{to_worded(own.expiry)}{end}"
