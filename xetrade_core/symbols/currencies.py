"""Currency codes: which venue calls what by another name, and which names are a multiple of another currency.

A universal symbol carries the code that the field (ccxt) uses; a venue's id carries the venue's own. One table, each
row with its source, so that a code that means two things (KuCoin's ALT) is translated at one place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_CCXT = "ccxt 4.5.90, commonCurrencies of"


FAMILIES: dict[str, tuple[str, ...]] = {
    "binance": ("binance", "binanceusdm", "binancecoinm"),
    "kucoin": ("kucoin", "kucoinfutures"),
}
"""Venues that are one exchange, by the name that people use for it: an id may be of any of them."""


def family_of(venue: str) -> str:
    """The family of a venue, itself where it stands alone."""
    return next((name for name, members in FAMILIES.items() if venue in members), venue)


@dataclass(frozen=True, slots=True)
class Alias:
    """`venues` write `venue_code` for what the field calls `code`; without venues, all may, and none is known to."""

    venues: tuple[str, ...]
    venue_code: str
    code: str
    why: str
    source: str


ALIASES: tuple[Alias, ...] = (
    Alias((), "XBT", "BTC", "a code in the style of ISO 4217", f"{_CCXT} Exchange"),
    Alias((), "BCHSV", "BSV", "the name at the fork of 2018", f"{_CCXT} Exchange"),
    Alias(FAMILIES["binance"], "YOYO", "YOYOW", "shortened", f"{_CCXT} binance"),
    Alias(("okx",), "AE", "AET", "OKX's AE is the ERC-20 token", f"{_CCXT} okx"),
    Alias(("kucoinfutures",), "XBT", "BTC", "contracts, unlike spot, say XBT", "KuCoin, futures: get all symbols"),
    Alias(("kucoin",), "BCHSV", "BSV", "spot kept the old name", "KuCoin, spot: get all symbols"),
    Alias(FAMILIES["kucoin"], "BIFI", "BIFIF", "Bifrost; the field's BIFI is Beefy", f"{_CCXT} kucoin"),
    Alias(FAMILIES["kucoin"], "VAI", "VAIOT", "Vaiot; the field's VAI is Venus's stable coin", f"{_CCXT} kucoin"),
    Alias(FAMILIES["kucoin"], "WAX", "WAXP", "the token after its migration", f"{_CCXT} kucoin"),
    Alias(FAMILIES["kucoin"], "ALT", "APTOSLAUNCHTOKEN", "the field's ALT is AltLayer", f"{_CCXT} kucoin"),
    Alias(FAMILIES["kucoin"], "KALT", "ALT", "AltLayer, since ALT was taken", f"{_CCXT} kucoin"),
    Alias(FAMILIES["kucoin"], "FUD", "FTX Users' Debt", "the field's FUD is another", f"{_CCXT} kucoin"),
)
_EVERYWHERE = {row.venue_code: row.code for row in ALIASES if not row.venues}
#: codes that people use for currencies which venues call by another
SPOKEN = tuple(_EVERYWHERE)
_NAMED = {venue for row in ALIASES for venue in row.venues}
_TO_FIELD = {
    venue: _EVERYWHERE | {row.venue_code: row.code for row in ALIASES if venue in row.venues} for venue in _NAMED
}
_TO_VENUE = {venue: {row.code: row.venue_code for row in ALIASES if venue in row.venues} for venue in _NAMED}


def field_code(venue: str, code: str) -> str:
    """The field's code of what the venue calls `code`: `XBT` -> `BTC`, KuCoin's `ALT` -> `APTOSLAUNCHTOKEN`."""
    return _TO_FIELD.get(venue, _EVERYWHERE).get(code, code)


def venue_code(venue: str, code: str) -> str:
    """What the venue calls the field's `code`, the inverse of `field_code` on what the venue lists."""
    return _TO_VENUE.get(venue, {}).get(code, code)


# A factor in front (1000BONK, 10000SATS, 1MBABYDOGE, kPEPE) or behind (Bybit's SHIB1000). What follows must be a name
# of at least two letters: 1INCH, 1000X and 100X are names of their own.
_PREFIXED = re.compile(r"(?P<factor>10{2,9}|1[MB](?=[A-Z]{3})|k(?=[A-Z]{2}))(?P<name>[^\W\d_a-z].+)")
_SUFFIXED = re.compile(r"(?P<name>[A-Z]{2,})(?P<factor>10{3,9})")
_WORDS = {"k": Decimal(1_000), "1M": Decimal(1_000_000), "1B": Decimal(1_000_000_000)}


def split_multiplier(base: str) -> tuple[str, Decimal]:
    """The currency behind a base, and how many of it one base is: `1000BONK` -> (`BONK`, 1000), `BTC` -> (`BTC`, 1)."""
    found = _PREFIXED.fullmatch(base) or _SUFFIXED.fullmatch(base)
    if found is None:
        return base, Decimal(1)
    factor = found["factor"]
    return found["name"], _WORDS[factor] if factor in _WORDS else Decimal(factor)
