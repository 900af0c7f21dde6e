"""What each venue calls its instruments, by rule alone: one small module a family of venues, and which there are.

A rule reads an id into every symbol it can mean, likeliest first, and writes the id of a symbol. It asks nobody, so it
cannot know whether the venue lists it. Venue codecs and the symbol map stand on the same rules.
"""

from __future__ import annotations

from xetrade_core.errors import UnknownVenue
from xetrade_core.symbols.naming.binance import BinanceNaming
from xetrade_core.symbols.naming.bitmart import BitMartNaming
from xetrade_core.symbols.naming.bybit import BybitNaming
from xetrade_core.symbols.naming.deribit import DeribitNaming
from xetrade_core.symbols.naming.derive import DeriveNaming
from xetrade_core.symbols.naming.kucoin import KucoinFuturesNaming, KucoinNaming
from xetrade_core.symbols.naming.max import MaxNaming
from xetrade_core.symbols.naming.okx import OkxNaming
from xetrade_core.symbols.naming.rule import NamingRule

_RULES: dict[str, NamingRule] = {
    rule.venue: rule
    for rule in (
        BinanceNaming("binance"),
        BinanceNaming("binanceusdm"),
        BinanceNaming("binancecoinm"),
        OkxNaming(),
        BybitNaming(),
        KucoinNaming(),
        KucoinFuturesNaming(),
        DeribitNaming(),
        DeriveNaming(),
        MaxNaming(),
        BitMartNaming(),
    )
}


def naming(venue: str) -> NamingRule:
    """The naming rule of a venue, by its id; raises UnknownVenue."""
    try:
        return _RULES[venue]
    except KeyError:
        raise UnknownVenue(venue, _RULES) from None


def has_naming(venue: str) -> bool:
    """Whether there is a rule for a venue of that id."""
    return venue in _RULES


def namings() -> tuple[NamingRule, ...]:
    """All rules, in a fixed order."""
    return tuple(_RULES.values())
