"""What people write for a pair, read without knowing a venue: `BTC/USDT`, `BTC-USDT`, `btc_usdt`, `BTCUSDT`,
`BTC/USDT:USDT`, `BTC-USDT:USDT`; and whether such a text means a given symbol.
"""

from __future__ import annotations

import re
from dataclasses import replace

from xetrade_core.symbols.naming.rule import longest_first, split_pairs, to_field
from xetrade_core.symbols.parts import SymbolParts

#: quote currencies that end a pair written without a separator
QUOTES = longest_first(
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USDE", "USD1", "USD", "DAI", "EUR", "TRY", "TWD", "BRL", "GBP", "JPY",
    "AUD", "BTC", "ETH", "BNB",
)  # fmt: skip
_SEPARATED = re.compile(
    r"(?P<base>[^-_/:\s]+)[-_/](?P<quote>[^-_/:\s]+)(?P<rest>:[^-_/:\s]+(?:-\d{6}(?:-[\d.]+-[CP])?)?)?"
)
_THOUSANDS = re.compile(r"k[A-Z]{2}")
_MARKS = re.compile(r"[-/:_]")


def read_pair(text: str) -> tuple[SymbolParts, ...]:
    """Every symbol that the text can mean, likeliest first; none where it is no pair.

    Capitals are likelier than what is written, but for a small k that stands for a thousand (kPEPE).
    """
    stripped = text.strip()
    found: dict[SymbolParts, None] = {}
    spellings = (stripped.upper(), stripped)
    for spelled in reversed(spellings) if _THOUSANDS.match(stripped) else spellings:
        if match := _SEPARATED.fullmatch(spelled):
            parts = SymbolParts.parse(f"{match['base']}/{match['quote']}{match['rest'] or ''}", "any venue")
            found[to_field("", parts)] = None
        elif spelled.isalnum():
            pairs = (SymbolParts(base, quote) for base, quote in split_pairs(spelled, QUOTES))
            found |= dict.fromkeys(to_field("", pair) for pair in pairs)
    return tuple(found)


def swaps_of(pair: SymbolParts) -> tuple[SymbolParts, ...]:
    """The perpetual swaps that a pair may mean where there is no spot: the linear one, else the inverse."""
    inverse, linear = replace(pair, settle=pair.base), replace(pair, settle=pair.quote)
    return (inverse,) if pair.quote == "USD" else (linear, inverse)


def plain_name(text: str) -> str:
    """The text without what separates, in capitals: what two spellings of one name have in common."""
    return _MARKS.sub("", text).upper()


def means(text: str, symbol: str) -> bool:
    """Whether a person means `symbol` (universal) by `text`: `BTC-USDT`, `BTCUSDT`, with or without `:USDT`."""
    wanted = plain_name(text)
    return wanted in (plain_name(symbol), plain_name(symbol.partition(":")[0]))


def as_asked(text: str) -> str:
    """What a person wrote for a pair, for a venue to look up: `BTC/USDT` may mean the swap where there is no spot."""
    return text if ":" in text else text.replace("/", "-")
