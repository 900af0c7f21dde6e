"""What changed between two days of a venue's list: listings, delistings, renames, steps, sizes, limits, status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from xetrade_core.errors import UnknownSymbol
from xetrade_core.model.decimals import plain
from xetrade_core.model.instruments import Instrument
from xetrade_core.symbols.parts import SymbolParts


class ChangeKind(StrEnum):
    """What changed."""

    LISTED = "listed"
    DELISTED = "delisted"
    EXPIRED = "expired"  # gone, and its expiry is past: what was to be expected
    RENAMED = "renamed"  # the venue's id of a symbol, or the symbol of an id
    PRICE_TICK = "price_tick"
    LOT = "lot"
    CONTRACT_SIZE = "contract_size"
    MIN_AMOUNT = "min_amount"
    MAX_AMOUNT = "max_amount"
    MIN_NOTIONAL = "min_notional"
    MAX_NOTIONAL = "max_notional"
    MAX_USD = "max_usd"
    MAX_MARKET_AMOUNT = "max_market_amount"
    MAX_MARKET_NOTIONAL = "max_market_notional"
    MAX_MARKET_USD = "max_market_usd"
    STATUS = "status"


_FIELDS = (
    ChangeKind.PRICE_TICK, ChangeKind.LOT, ChangeKind.CONTRACT_SIZE, ChangeKind.MIN_AMOUNT, ChangeKind.MAX_AMOUNT,
    ChangeKind.MIN_NOTIONAL, ChangeKind.MAX_NOTIONAL, ChangeKind.MAX_USD, ChangeKind.MAX_MARKET_AMOUNT,
    ChangeKind.MAX_MARKET_NOTIONAL, ChangeKind.MAX_MARKET_USD, ChangeKind.STATUS,
)  # fmt: skip
_KEPT_LATER = (
    ChangeKind.MAX_NOTIONAL, ChangeKind.MAX_USD, ChangeKind.MAX_MARKET_AMOUNT, ChangeKind.MAX_MARKET_NOTIONAL,
    ChangeKind.MAX_MARKET_USD,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one instrument; `before` and `after` as text, None where there is nothing.

    `venue_id` and `symbol` are those of the later day, or of the earlier where it is gone.
    """

    venue: str
    venue_id: str
    symbol: str
    kind: ChangeKind
    before: str | None
    after: str | None


def compare(before: Iterable[Instrument], after: Iterable[Instrument], day: str) -> list[Change]:
    """The changes of one venue's list, by symbol and kind; `day` (YYMMDD) is the later one.

    An id that vanished while its symbol came back under another id is one rename, not a delisting and a listing.
    """
    old, new = _by_id(before), _by_id(after)
    gone = {key: row for key, row in old.items() if key not in new}
    came = {key: row for key, row in new.items() if key not in old}
    moved = _moved(gone.values(), came.values())
    changes: list[Change] = []
    for earlier, later in moved:
        del gone[_key(earlier)], came[_key(later)]
        changes.append(_change(later, ChangeKind.RENAMED, earlier.venue_id, later.venue_id))
        changes += _differences(earlier, later)
    for key in old.keys() & new.keys():
        changes += _differences(old[key], new[key])
    changes += [_change(row, ChangeKind.LISTED, None, row.status) for row in came.values()]
    for row in gone.values():
        kind = ChangeKind.EXPIRED if _expired(row, day) else ChangeKind.DELISTED
        changes.append(_change(row, kind, row.status, None))
    return sorted(changes, key=lambda one: (one.venue, one.symbol, one.venue_id, one.kind))


def _key(row: Instrument) -> tuple[str, str, str]:
    return row.venue, row.venue_id, row.market_type


def _by_id(rows: Iterable[Instrument]) -> dict[tuple[str, str, str], Instrument]:
    return {_key(row): row for row in rows}


def _moved(gone: Iterable[Instrument], came: Iterable[Instrument]) -> list[tuple[Instrument, Instrument]]:
    """Pairs of rows of one symbol: the id that vanished and the one that came."""
    by_symbol = {(row.venue, row.symbol): row for row in came}
    pairs: dict[tuple[str, str], tuple[Instrument, Instrument]] = {}
    for row in gone:
        later = by_symbol.get((row.venue, row.symbol))
        if later is not None:
            pairs.setdefault((row.venue, row.symbol), (row, later))
    return list(pairs.values())


def _differences(earlier: Instrument, later: Instrument) -> Iterator[Change]:
    if earlier.symbol != later.symbol:
        yield _change(later, ChangeKind.RENAMED, earlier.symbol, later.symbol)
    for kind in _FIELDS:
        before, after = getattr(earlier, kind.value), getattr(later, kind.value)
        if before != after and (before is not None or kind not in _KEPT_LATER):  # once it was not kept
            yield _change(later, kind, before, after)


def _change(row: Instrument, kind: ChangeKind, before: object, after: object) -> Change:
    return Change(row.venue, row.venue_id, row.symbol, kind, _text(before), _text(after))


def _text(value: object) -> str | None:
    if isinstance(value, Decimal):
        return plain(value)
    return None if value is None else str(value)


def _expired(row: Instrument, day: str) -> bool:
    """Whether the instrument's expiry is not after `day`."""
    try:
        expiry = SymbolParts.parse(row.symbol, row.venue).expiry
    except UnknownSymbol:
        return False
    return expiry is not None and expiry <= day
