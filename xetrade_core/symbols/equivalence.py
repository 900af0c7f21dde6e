"""Which instruments are the same exposure, across venues, and how much of it one contract of each is.

How far "the same" goes is a choice, from narrow to wide:

* `CONTRACT`: equal but for the multiplier: same currency behind the base, same quote, same settlement, same expiry and
  strike. `1000SHIB/USDT:USDT` and `SHIB/USDT:USDT` are; `BTC/USDT:USDT` and `BTC/USDC:USDC` are not.
* `DOLLARS`: quotes that stand for the US dollar count as one; spot, linear and inverse stay apart.
* `UNDERLYING`: everything whose price is that of the underlying in dollars, spot, linear, inverse and quanto together;
  an expiry, a strike and a side still keep apart. A cross pair such as ETH/BTC stays with its own quote.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Table
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from statistics import median

from xetrade_core.symbols.mapping import Mapping, SymbolMap
from xetrade_core.symbols.parts import DOLLARS, Style
from xetrade_core.symbols.reasons import Reason

_DOLLAR = "USD"
#: prices of one exposure that differ by less agree; those that differ by more than the other contradict
AGREES_WITHIN, CONTRADICTS_BEYOND = 0.02, 0.10


class Grouping(StrEnum):
    """How far instruments count as the same exposure."""

    CONTRACT = "contract"
    DOLLARS = "dollars"
    UNDERLYING = "underlying"


@dataclass(frozen=True, slots=True)
class Exposure:
    """What instruments of one set have in common. `style` and `settle` are None where the grouping spans them."""

    underlying: str
    quote: str
    style: Style | None
    settle: str | None = None
    expiry: str | None = None
    strike: str | None = None
    side: str | None = None

    @property
    def label(self) -> str:
        """In words: `BTC in USD, linear, 261225`."""
        kind = [str(self.style)] if self.style is not None else []
        settled = [f"settled in {self.settle}"] if self.settle is not None and self.style is not Style.SPOT else []
        dated = [text for text in (self.expiry, self.strike, self.side) if text is not None]
        return ", ".join([f"{self.underlying} in {self.quote}", *kind, *settled, *dated])


@dataclass(frozen=True, slots=True)
class Member:
    """One instrument of a set. One contract (one unit of base for spot) is `amount` of `currency`; None if unknown."""

    mapping: Mapping
    amount: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class EquivalenceSet:
    """Instruments of the same exposure, by venue and id."""

    exposure: Exposure
    members: tuple[Member, ...]


def exposure_of(mapping: Mapping, grouping: Grouping = Grouping.CONTRACT) -> Exposure:
    """The exposure that an instrument is, as far as `grouping` goes."""
    parts = mapping.parts
    dated = (parts.expiry, parts.strike, parts.side)
    if grouping is Grouping.CONTRACT:
        return Exposure(mapping.underlying, parts.quote, mapping.style, parts.settle, *dated)
    quote = _DOLLAR if parts.quote in DOLLARS else parts.quote
    style = mapping.style if grouping is Grouping.DOLLARS else None
    return Exposure(mapping.underlying, quote, style, None, *dated)


def member(mapping: Mapping) -> Member:
    """The instrument with what one contract of it is: underlying, or quote currency for an inverse one."""
    if mapping.style is Style.INVERSE and mapping.parts.strike is None:
        return Member(mapping, mapping.contract_size, mapping.parts.quote)
    amount = mapping.contract_size * mapping.multiplier if mapping.contract_size is not None else None
    return Member(mapping, amount, mapping.underlying)


def equivalence_sets(mappings: Iterable[Mapping], grouping: Grouping = Grouping.CONTRACT) -> list[EquivalenceSet]:
    """All sets, those of one member included, the largest first, then by name."""
    groups: dict[Exposure, list[Member]] = {}
    for mapping in mappings:
        groups.setdefault(exposure_of(mapping, grouping), []).append(member(mapping))
    sets = [EquivalenceSet(exposure, _ordered(members)) for exposure, members in groups.items()]
    return sorted(sets, key=lambda one: (-len(one.members), one.exposure.label))


def equivalents(symbols: SymbolMap, mapping: Mapping, grouping: Grouping = Grouping.CONTRACT) -> EquivalenceSet:
    """The set that `mapping` belongs to, with itself."""
    exposure = exposure_of(mapping, grouping)
    found = {(one.venue, one.venue_id): one for one in symbols if exposure_of(one, grouping) == exposure}
    found.setdefault((mapping.venue, mapping.venue_id), mapping)
    return EquivalenceSet(exposure, _ordered(member(one) for one in found.values()))


def with_prices(symbols: SymbolMap, prices: Table[tuple[str, str], float]) -> SymbolMap:
    """The map with what prices say: `prices` by venue and symbol, in quote currency for one unit of base.

    Each price is brought to one unit of the underlying and laid beside the median of its exposure in dollars on all
    venues; a mapping whose exposure has no second price learns nothing.
    """
    rows = list(symbols)
    groups: dict[Exposure, list[int]] = {}
    for index, one in enumerate(rows):
        if (one.venue, one.symbol) in prices and one.parts.strike is None:
            groups.setdefault(exposure_of(one, Grouping.UNDERLYING), []).append(index)
    for group in groups.values():
        if len({rows[index].venue for index in group}) > 1:
            unit = {index: _unit_price(rows[index], prices) for index in group}
            middle = median(unit.values())
            for index, price in unit.items():
                off = abs(price / middle - 1) if middle > 0 else float("inf")
                if off <= AGREES_WITHIN:
                    rows[index] = rows[index].because(Reason.PRICE_AGREES)
                elif off > CONTRADICTS_BEYOND:
                    rows[index] = rows[index].because(Reason.PRICE_DISAGREES)
    return SymbolMap(rows)


def _unit_price(mapping: Mapping, prices: Table[tuple[str, str], float]) -> float:
    """The price of one unit of the currency behind the base."""
    return prices[mapping.venue, mapping.symbol] / float(mapping.multiplier)


def _ordered(members: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda one: (one.mapping.venue, one.mapping.venue_id)))
