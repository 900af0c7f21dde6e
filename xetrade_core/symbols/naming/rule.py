"""What a naming rule is, and what the rules share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from xetrade_core.errors import UnknownSymbol
from xetrade_core.symbols.currencies import field_code, venue_code
from xetrade_core.symbols.expiries import from_ms
from xetrade_core.symbols.parts import SymbolParts, plain_strike


class NamingRule(Protocol):
    """How one venue names its instruments. `example` shows the form of its symbols, for messages."""

    @property
    def venue(self) -> str:
        """The venue's id."""
        ...

    @property
    def example(self) -> str:
        """Universal symbols that the venue may list."""
        ...

    def read(self, venue_id: str) -> tuple[SymbolParts, ...]:
        """Every symbol that the id can mean, likeliest first; none where it is not of the venue's form."""
        ...

    def write(self, parts: SymbolParts) -> str:
        """The venue's id of a symbol; raises UnknownSymbol where the venue has nothing of that kind."""
        ...


def listed_parts(
    venue: str,
    base: str,
    quote: str,
    settle: str | None = None,
    *,
    expiry_ms: int | None = None,
    strike: Decimal | float | str | None = None,
    side: str | None = None,
) -> SymbolParts:
    """The symbol of a listing that names its currencies itself, in the venue's codes: what a codec knows of a row.

    `expiry_ms` is None for what does not expire, `settle` and `strike` empty or None where there is none; `side` is C
    or P.
    """
    parts = SymbolParts(
        base,
        quote,
        settle or None,
        from_ms(expiry_ms) if expiry_ms is not None else None,
        plain_strike(strike) if strike else None,
        side if strike else None,
    )
    return to_field(venue, parts)


def to_field(venue: str, parts: SymbolParts) -> SymbolParts:
    """The same parts in the field's currency codes instead of the venue's."""
    return _translated(parts, field_code, venue)


def to_venue(venue: str, parts: SymbolParts) -> SymbolParts:
    """The same parts in the venue's currency codes instead of the field's."""
    return _translated(parts, venue_code, venue)


def _translated(parts: SymbolParts, code: Callable[[str, str], str], venue: str) -> SymbolParts:
    settle = code(venue, parts.settle) if parts.settle is not None else None
    return replace(parts, base=code(venue, parts.base), quote=code(venue, parts.quote), settle=settle)


def refuse(rule: NamingRule, parts: SymbolParts) -> UnknownSymbol:
    """The error of a symbol whose kind the venue does not have."""
    return UnknownSymbol(parts.symbol, rule.venue, f"its symbols look like {rule.example}")


def split_pairs(text: str, quotes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Base and quote of a pair written together, for each of the quotes that it can end in, longest first."""
    for quote in quotes:
        if text.endswith(quote) and len(text) > len(quote):
            yield text.removesuffix(quote), quote


def longest_first(*quotes: str) -> tuple[str, ...]:
    """Quotes in the order in which a pair's end is tried: USDT before T, FDUSD before USD."""
    return tuple(sorted(quotes, key=lambda quote: (-len(quote), quotes.index(quote))))
