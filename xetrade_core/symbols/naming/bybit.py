"""Bybit v5: spot and USDT swaps `BTCUSDT` alike, `BTCPERP` (USDC), `BTCUSD` (inverse), `BTCUSDH25` (inverse, dated),
`BTCUSDT-26DEC25` and `BTC-26DEC25` (linear, dated; the latter in USDC), options `BTC-26DEC25-100000-C[-USDT]`.

A month's code stands for its last Friday. Options without a currency at their end settle in USDC.
Source: bybit-exchange.github.io/docs/v5/market/instrument and /enum#symbol (checked 2026-11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xetrade_core.symbols.expiries import from_coded, from_worded, to_coded, to_worded
from xetrade_core.symbols.naming.rule import longest_first, refuse, split_pairs, to_field, to_venue
from xetrade_core.symbols.parts import SymbolParts

_SPOT_QUOTES = longest_first(
    "USDT", "USDC", "USDE", "USD1", "USDQ", "USDR", "BTC", "ETH", "EUR", "DAI", "BRZ", "BRL", "PLN", "TRY", "MNT",
    "SOL", "BIT", "WBTC", "KZT", "GEL", "AED", "USD",
)  # fmt: skip
_OPTION = re.compile(
    r"(?P<base>[^\W_]+)-(?P<day>\d{1,2}[A-Z]{3}\d{2})-(?P<strike>\d+(?:\.\d+)?)-(?P<side>[CP])(?:-(?P<quote>USDT|USDC))?"
)
_DATED = re.compile(r"(?P<pair>[^\W_]+)-(?P<day>\d{1,2}[A-Z]{3}\d{2})")
_CODED = re.compile(r"(?P<base>[^\W_]+)USD(?P<end>[FGHJKMNQUVXZ]\d{2})")


@dataclass(frozen=True, slots=True)
class BybitNaming:
    """All of Bybit's categories: an id alone may be of spot and of linear, and is read as both."""

    venue: str = "bybit"
    example: str = "BTC/USDT, BTC/USDT:USDT, BTC/USDC:USDC, BTC/USD:BTC or BTC/USDT:USDT-261225-100000-C"

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        return tuple(dict.fromkeys(to_field(self.venue, parts) for parts in _readings(venue_id)))

    def write(self, parts: SymbolParts) -> str:
        own = to_venue(self.venue, parts)
        if own.settle is None:
            return own.base + own.quote
        if own.quote == "USD" and own.settle == own.base and own.strike is None:
            end = "" if own.expiry is None else to_coded(own.expiry)
            if end is None:
                raise refuse(self, parts)
            return f"{own.base}USD{end}"
        named_by_index = own.strike is not None and (own.quote, own.settle) == ("USD", "USDC")  # until 2023
        if not named_by_index and (own.settle != own.quote or own.quote not in ("USDT", "USDC")):
            raise refuse(self, parts)
        if own.strike is not None and own.expiry is not None:
            end = "-USDT" if own.quote == "USDT" else ""
            return f"{own.base}-{to_worded(own.expiry)}-{own.strike}-{own.side}{end}"
        pair = f"{own.base}USDT" if own.quote == "USDT" else own.base
        if own.expiry is not None:
            return f"{pair}-{to_worded(own.expiry)}"
        return pair if own.quote == "USDT" else f"{own.base}PERP"


def _readings(venue_id: str) -> list[SymbolParts]:
    """In the venue's own codes, likeliest first."""
    if option := _OPTION.fullmatch(venue_id):
        quote, day = option["quote"] or "USDC", from_worded(option["day"])
        return [SymbolParts(option["base"], quote, quote, day, option["strike"], option["side"])] if day else []
    if dated := _DATED.fullmatch(venue_id):
        pair, day = dated["pair"], from_worded(dated["day"])
        if day is None:
            return []
        linear = [SymbolParts(base, quote, quote, day) for base, quote in split_pairs(pair, ("USDT",))]
        return linear or [SymbolParts(pair, "USDC", "USDC", day)]
    if not venue_id.isalnum():
        return []
    found = []
    if (coded := _CODED.fullmatch(venue_id)) and (day := from_coded(coded["end"])):
        found.append(SymbolParts(coded["base"], "USD", coded["base"], day))
    for base, quote in split_pairs(venue_id, _SPOT_QUOTES):
        if quote == "USD":
            found.append(SymbolParts(base, "USD", base))
            continue
        found.append(SymbolParts(base, quote))
        if quote == "USDT":
            found.append(SymbolParts(base, quote, quote))
    if venue_id.endswith("PERP") and len(venue_id) > len("PERP"):
        base = venue_id.removesuffix("PERP")
        found.append(SymbolParts(base, "USDC", "USDC"))
    return found
