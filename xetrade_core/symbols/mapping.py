"""A venue's id and its universal symbol: one mapping with its reasons, by rule alone or by what the venue lists.

`map_by_rule` and `id_by_rule` ask nobody. `SymbolMap` holds what venues list and answers by a dictionary; what it does
not hold it maps by rule, and says that it is not listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from xetrade_core.errors import UnknownSymbol
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.symbols.currencies import FAMILIES, SPOKEN, split_multiplier, venue_code
from xetrade_core.symbols.naming import has_naming, naming
from xetrade_core.symbols.pairs import read_pair, swaps_of
from xetrade_core.symbols.parts import Style, SymbolParts
from xetrade_core.symbols.reasons import Reason, confidence

#: where an id is of several kinds of market and none was asked for, the first of these is meant
PREFERENCE = (MarketType.SPOT, MarketType.SWAP, MarketType.FUTURE, MarketType.OPTION)


@dataclass(frozen=True, slots=True)
class Mapping:
    """One id of one venue as a universal symbol.

    `underlying` is the currency behind the base, and one base is `multiplier` of it (1000BONK: BONK, 1000).
    `contract_size` is in base currency (linear) or quote currency (inverse), None where only a listing would tell.
    `others` are the symbols that the same id can mean too, each with its venue.
    """

    venue: str
    venue_id: str
    symbol: str
    parts: SymbolParts
    underlying: str
    multiplier: Decimal
    contract_size: Decimal | None
    reasons: tuple[Reason, ...]
    confidence: float
    others: tuple[tuple[str, str], ...] = ()

    @property
    def market_type(self) -> MarketType:
        """Spot, swap, future or option."""
        return self.parts.market_type

    @property
    def style(self) -> Style:
        """Spot, linear, inverse or quanto."""
        return self.parts.style

    def because(self, *reasons: Reason) -> Mapping:
        """The same mapping with further reasons, each once."""
        joined = tuple(dict.fromkeys((*self.reasons, *reasons)))
        return replace(self, reasons=joined, confidence=confidence(joined))


def members_of(venue: str) -> tuple[str, ...]:
    """The venues that an id of `venue` may be of: itself, and where it is a family's name all of the family."""
    return FAMILIES.get(venue, (venue,))


def map_by_rule(venue: str, text: str, kind: MarketType | None = None) -> Mapping:
    """What `text` is on `venue` by its naming rule, read as an id of the venue, else as a pair in any spelling.

    `kind` says which of several kinds of market is meant. Raises UnknownVenue, and UnknownSymbol with what is read.
    """
    example = naming(venue).example
    for found in _candidates(venue, text, kind):
        return found
    kinds = f" of the market type {kind}" if kind is not None else ""
    raise UnknownSymbol(text, venue, f"it is no id{kinds} and no pair there; its symbols look like {example}")


def id_by_rule(venue: str, symbol: str) -> Mapping:
    """What `venue` calls a universal symbol, by its naming rule. Raises UnknownVenue, UnknownSymbol."""
    naming(venue)
    parts = SymbolParts.parse(symbol, venue)
    for member in members_of(venue):
        venue_id = _written(member, parts)
        if venue_id is not None:
            return _mapping(member, venue_id, parts, (Reason.RULE,))
    raise UnknownSymbol(symbol, venue, f"its symbols look like {naming(venue).example}")


class SymbolMap:
    """What venues list, both ways. Built once, then each answer is a look-up."""

    def __init__(self, mappings: Iterable[Mapping]) -> None:
        self._all = tuple(mappings)
        self._venues = frozenset(one.venue for one in self._all)
        by_id: dict[tuple[str, str], list[Mapping]] = {}
        self._by_symbol: dict[tuple[str, str], Mapping] = {}
        for one in self._all:
            by_id.setdefault((one.venue, one.venue_id), []).append(one)
            self._by_symbol.setdefault((one.venue, one.symbol), one)
        for family, members in FAMILIES.items():
            for one in self._all:
                if one.venue in members and one.venue != family:
                    by_id.setdefault((family, one.venue_id), []).append(one)
                    self._by_symbol.setdefault((family, one.symbol), one)
        self._by_id = {key: rows[0] if len(rows) == 1 else _first(rows) for key, rows in by_id.items()}
        self._by_kind = {(*key, one.market_type): one for key, rows in by_id.items() for one in reversed(rows)}

    @classmethod
    def of(cls, instruments: Iterable[Instrument]) -> SymbolMap:
        """The map of what venues list. An instrument without a universal symbol (a combination) is left out."""
        rows = [(one, parts) for one in instruments if (parts := _parts_of(one)) is not None]
        rows.sort(key=lambda row: row[0].status is not InstrumentStatus.TRADING)  # stable: what trades comes first
        shared: dict[tuple[str, str], int] = {}
        for one, _ in rows:
            shared[one.venue, one.symbol] = shared.get((one.venue, one.symbol), 0) + 1
        return cls(_listed(one, parts, shared[one.venue, one.symbol] > 1) for one, parts in rows)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Mapping]:
        return iter(self._all)

    @property
    def venues(self) -> frozenset[str]:
        """The venues whose lists it holds."""
        return self._venues

    def find(self, venue: str, venue_id: str, kind: MarketType | None = None) -> Mapping | None:
        """The listed instrument of an id; where it is of several kinds and none is asked for, the likeliest, and the
        mapping says so. None where it is not listed.
        """
        if kind is None:
            return self._by_id.get((venue, venue_id))
        return self._by_kind.get((venue, venue_id, kind))

    def find_symbol(self, venue: str, symbol: str) -> Mapping | None:
        """The listed instrument of a universal symbol; None where it is not listed."""
        return self._by_symbol.get((venue, symbol))

    def map(self, venue: str, text: str, kind: MarketType | None = None) -> Mapping:
        """What `text` is on `venue`: by what it lists, else by rule. Raises UnknownVenue, UnknownSymbol."""
        for spelled in _spellings(text):
            listed = self.find(venue, spelled, kind)
            if listed is not None:
                return listed if spelled == text else listed.because(Reason.OTHER_SPELLING)
        candidates = list(_candidates(venue, text, kind))
        for ruled in candidates:
            listed = self.find_symbol(ruled.venue, ruled.symbol)
            if listed is not None:
                spelling = (Reason.OTHER_SPELLING,) if text not in (listed.symbol, listed.venue_id) else ()
                return listed.because(*spelling)
        return self._not_listed(candidates[0] if candidates else map_by_rule(venue, text, kind))

    def map_as(self, venue: str, text: str, symbol: str) -> Mapping | None:
        """The mapping of `text` as that universal symbol; None where it means another. Raises UnknownVenue,
        UnknownSymbol.
        """
        kind = SymbolParts.parse(symbol, venue).market_type
        try:
            first = self.map(venue, text, kind)
        except UnknownSymbol:
            return None
        if first.symbol == symbol or Reason.EXACT_LISTING in first.reasons:
            return first if first.symbol == symbol else None
        others = (one for one in _candidates(venue, text, kind) if one.symbol == symbol)
        found = next(others, None)
        return self._not_listed(found.because(Reason.AMBIGUOUS_SPLIT)) if found is not None else None

    def universal(self, venue: str, symbol: str) -> Mapping:
        """What `venue` calls a universal symbol: by what it lists, else by rule. Raises UnknownVenue, UnknownSymbol."""
        listed = self.find_symbol(venue, symbol)
        return listed if listed is not None else self._not_listed(id_by_rule(venue, symbol))

    def _not_listed(self, ruled: Mapping) -> Mapping:
        """A mapping by rule; where the venue's list is known, it does not have it."""
        return ruled.because(Reason.NOT_LISTED) if ruled.venue in self._venues else ruled


def _candidates(venue: str, text: str, kind: MarketType | None) -> Iterator[Mapping]:
    """Everything that a text can mean on a venue by rule, likeliest first: an id, an id in other letters, a pair."""
    for spelled in _spellings(text):
        readings = [
            (member, parts)
            for member in members_of(venue)
            for parts in naming(member).read(spelled)
            if kind in (None, parts.market_type)
        ]
        if readings:
            found = _chosen(readings, spelled, kind)
            yield found if spelled == text else found.because(Reason.OTHER_SPELLING)
            yield from (_mapping(member, spelled, parts, (Reason.RULE,)) for member, parts in readings[1:])
            return  # KuCoin's id ALT-USDT is not the pair ALT/USDT, which it calls KALT-USDT
    for parts in _symbols_of(text, kind):
        for member in members_of(venue):
            venue_id = _written(member, parts)
            if venue_id is not None:
                known = parts in naming(member).read(venue_id)
                found = _mapping(member, venue_id, parts, (Reason.RULE if known else Reason.GUESS,))
                yield found if text in (parts.symbol, venue_id) else found.because(Reason.OTHER_SPELLING)


def _spellings(text: str) -> tuple[str, ...]:
    """The text as written and in one kind of letters, each once."""
    return tuple(dict.fromkeys((text, text.strip(), text.strip().upper(), text.strip().lower())))


def _symbols_of(text: str, kind: MarketType | None) -> Iterator[SymbolParts]:
    """The symbols that a person may mean by a pair, likeliest first: spot, else a swap."""
    for pair in read_pair(text):
        if kind in (None, pair.market_type):
            yield pair
        if pair.settle is None and kind in (None, MarketType.SWAP):
            yield from swaps_of(pair)


def _chosen(readings: list[tuple[str, SymbolParts]], venue_id: str, kind: MarketType | None) -> Mapping:
    """The likeliest of several readings of one id; what else it can be is in `others`."""
    readings.sort(key=lambda reading: PREFERENCE.index(reading[1].market_type))  # stable: else as the rule has it
    member, parts = readings[0]
    others = tuple((venue, other.symbol) for venue, other in readings[1:])
    reasons = [Reason.RULE]
    if kind is None and any(other.market_type is not parts.market_type for _, other in readings):
        reasons.append(Reason.AMBIGUOUS_TYPE)
    if any(venue == member and other.market_type is parts.market_type for venue, other in readings[1:]):
        reasons.append(Reason.AMBIGUOUS_SPLIT)
    written = _written(member, parts)
    if written is not None and written != venue_id:
        if any(code in venue_id and code not in written for code in SPOKEN):  # XBT where the venue says BTC
            venue_id, reasons = written, [*reasons, Reason.ALIAS, Reason.OTHER_SPELLING]
        else:
            reasons.append(Reason.SHARED_SYMBOL)
    return replace(_mapping(member, venue_id, parts, tuple(reasons)), others=others)


def _written(venue: str, parts: SymbolParts) -> str | None:
    try:
        return naming(venue).write(parts)
    except UnknownSymbol:
        return None


def _mapping(
    venue: str, venue_id: str, parts: SymbolParts, reasons: tuple[Reason, ...], contract_size: Decimal | None = None
) -> Mapping:
    underlying, multiplier = _underlying(parts.base)
    if _renamed(venue, parts) and Reason.ALIAS not in reasons:
        reasons += (Reason.ALIAS,)
    if multiplier != 1:
        reasons += (Reason.MULTIPLIER,)
    size = Decimal(1) if parts.settle is None else contract_size
    score = confidence(reasons)
    return Mapping(venue, venue_id, parts.symbol, parts, underlying, multiplier, size, reasons, score)


def _parts_of(instrument: Instrument) -> SymbolParts | None:
    try:
        return SymbolParts.parse(instrument.symbol, instrument.venue)
    except UnknownSymbol:
        return None


def _listed(one: Instrument, parts: SymbolParts, shared: bool) -> Mapping:
    reasons: tuple[Reason, ...] = (Reason.EXACT_LISTING,)
    if has_naming(one.venue):
        agrees = parts in naming(one.venue).read(one.venue_id) or _written(one.venue, parts) == one.venue_id
        reasons += (Reason.RULE if agrees else Reason.RULE_DISAGREES,)
    if shared:
        reasons += (Reason.SHARED_SYMBOL,)
    return _mapping(one.venue, one.venue_id, parts, reasons, one.contract_size)


def _first(rows: list[Mapping]) -> Mapping:
    """The likeliest of several listed instruments of one id, which says what else the id is."""
    rows.sort(key=lambda one: PREFERENCE.index(one.market_type))
    others = tuple((one.venue, one.symbol) for one in rows[1:])
    several = len({one.market_type for one in rows}) > 1
    chosen = rows[0].because(Reason.AMBIGUOUS_TYPE) if several else rows[0]
    return replace(chosen, others=others)


_underlying = lru_cache(maxsize=65536)(split_multiplier)


def _renamed(venue: str, parts: SymbolParts) -> bool:
    return any(venue_code(venue, code) != code for code in (parts.base, parts.quote))
