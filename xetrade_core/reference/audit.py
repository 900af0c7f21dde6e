"""What must hold for a day of reference data, counted; what is made of it is decided above."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from xetrade_core.model.instruments import Instrument, InstrumentStatus
from xetrade_core.symbols.mapping import SymbolMap
from xetrade_core.symbols.reasons import Reason

#: a list that has less than this share of the day before's is not believed to be whole
LEAST_SHARE = 0.8


def stepless(instruments: Iterable[Instrument]) -> tuple[str, ...]:
    """Ids of what trades without a price tick or a lot above 0: no order could be rounded to it."""
    trading = (row for row in instruments if row.status is InstrumentStatus.TRADING)
    return tuple(row.venue_id for row in trading if row.price_tick <= 0 or row.lot <= 0 or row.contract_size <= 0)


def shrunk(rows: int, before: int | None) -> bool:
    """Whether a list has lost so much since the day before that it is likelier to be cut short."""
    return before is not None and rows < before * LEAST_SHARE


def doubled(instruments: Iterable[Instrument]) -> tuple[str, ...]:
    """Venue and symbol of which more than one id is trading: the map cannot go back from the symbol to the id."""
    trading = Counter(f"{row.venue} {row.symbol}" for row in instruments if row.status is InstrumentStatus.TRADING)
    return tuple(sorted(name for name, count in trading.items() if count > 1))


def not_by_rule(symbols: SymbolMap) -> tuple[str, ...]:
    """Ids whose listing says otherwise than the venue's naming rule: the venue has begun to name differently."""
    return tuple(f"{one.venue} {one.venue_id}" for one in symbols if Reason.RULE_DISAGREES in one.reasons)


def contradicted(symbols: SymbolMap) -> tuple[str, ...]:
    """Ids whose price is far from that of the same exposure elsewhere."""
    return tuple(f"{one.venue} {one.venue_id}" for one in symbols if Reason.PRICE_DISAGREES in one.reasons)
