"""Instruments, mappings and changes as tables of the lake, and instruments back again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Table
from decimal import Decimal
from typing import Any

import pyarrow as pa

from xetrade_core.lake.dataset import TIMESTAMP, Dataset
from xetrade_core.lake.reference_schemas import INSTRUMENTS, SYMBOL_MAP, SYMBOL_MAP_CHANGES
from xetrade_core.model.instruments import Instrument, InstrumentStatus, MarketType
from xetrade_core.symbols.changes import Change
from xetrade_core.symbols.currencies import family_of
from xetrade_core.symbols.equivalence import Grouping, exposure_of
from xetrade_core.symbols.expiries import expiry_ns
from xetrade_core.symbols.mapping import Mapping, SymbolMap
from xetrade_core.symbols.parts import SymbolParts

#: an instrument of one venue: its id and its kind, for an id may be of two kinds (BTCUSDT of Bybit)
Key = tuple[str, str]


def key_of(row: Instrument) -> Key:
    """What tells an instrument from the others of its venue."""
    return row.venue_id, row.market_type.value


def instruments_table(day_ns: int, rows: Iterable[Instrument], first_seen: Table[Key, int]) -> pa.Table:
    """The day's `instruments` of one venue, in a fixed order; all must have a universal symbol."""
    ordered = sorted(rows, key=lambda row: (row.market_type, row.symbol, row.venue_id))
    return _table(INSTRUMENTS, [_instrument_row(day_ns, row, first_seen[key_of(row)]) for row in ordered])


def _instrument_row(day_ns: int, row: Instrument, first_seen_ns: int) -> dict[str, Any]:
    parts = SymbolParts.parse(row.symbol, row.venue)
    return {
        "timestamp": day_ns,
        "exchange": row.venue,
        "venue_id": row.venue_id,
        "symbol": row.symbol,
        "market_type": row.market_type.value,
        "style": parts.style.value,
        "base": parts.base,
        "quote": parts.quote,
        "settle": parts.settle,
        "expiry": expiry_ns(parts.expiry) if parts.expiry is not None else None,
        "strike": float(parts.strike) if parts.strike is not None else None,
        "option_side": parts.side,
        "price_tick": float(row.price_tick),
        "lot": float(row.lot),
        "contract_size": float(row.contract_size),
        "min_amount": _number(row.min_amount),
        "max_amount": _number(row.max_amount),
        "min_notional": _number(row.min_notional),
        "max_notional": _number(row.max_notional),
        "max_usd": _number(row.max_usd),
        "max_market_amount": _number(row.max_market_amount),
        "max_market_notional": _number(row.max_market_notional),
        "max_market_usd": _number(row.max_market_usd),
        "status": row.status.value,
        "first_seen_timestamp": first_seen_ns,
    }


def instruments_of(table: pa.Table) -> list[Instrument]:
    """The instruments of a day's table: the inverse of `instruments_table`."""
    names = (
        "exchange", "symbol", "venue_id", "market_type", "price_tick", "lot", "contract_size", "status", "min_amount",
        "max_amount", "min_notional", "max_notional", "max_usd", "max_market_amount", "max_market_notional",
        "max_market_usd",
    )  # fmt: skip
    columns = [table.column(name).to_pylist() for name in names]
    return [
        Instrument(
            venue,
            symbol,
            venue_id,
            MarketType(kind),
            _decimal(tick),
            _decimal(lot),
            _decimal(size),
            InstrumentStatus(status),
            *(None if limit is None else _decimal(limit) for limit in limits),
        )
        for venue, symbol, venue_id, kind, tick, lot, size, status, *limits in zip(*columns, strict=True)
    ]


def first_seen(table: pa.Table | None) -> dict[Key, int]:
    """When each instrument of a day's table was first seen; empty for no table."""
    if table is None:
        return {}
    names = table.column("venue_id").to_pylist(), table.column("market_type").to_pylist()
    times = table.column("first_seen_timestamp").cast(pa.int64()).to_pylist()
    return dict(zip(zip(*names, strict=True), times, strict=True))


def map_table(day_ns: int, symbols: SymbolMap) -> pa.Table:
    """The day's `symbol_map`, by venue and symbol."""
    ordered = sorted(symbols, key=lambda one: (one.venue, one.symbol, one.venue_id))
    same_id: dict[tuple[str, str], list[Mapping]] = {}
    for one in ordered:
        same_id.setdefault((family_of(one.venue), one.venue_id), []).append(one)
    rows = [
        {
            "timestamp": day_ns,
            "exchange": one.venue,
            "venue_id": one.venue_id,
            "symbol": one.symbol,
            "market_type": one.market_type.value,
            "style": one.style.value,
            "underlying": one.underlying,
            "multiplier": float(one.multiplier),
            "contract_size": float(one.contract_size if one.contract_size is not None else 1),
            "exposure": exposure_of(one, Grouping.DOLLARS).label,
            "confidence": one.confidence,
            "reasons": [reason.value for reason in one.reasons],
            "others": [
                f"{other.venue} {other.symbol}"
                for other in same_id[family_of(one.venue), one.venue_id]
                if other is not one
            ],
        }
        for one in ordered
    ]
    return _table(SYMBOL_MAP, rows)


def changes_table(day_ns: int, changes: Sequence[tuple[int, Change]]) -> pa.Table:
    """The day's `symbol_map_changes`; each change with the start of the day that it was compared with."""
    rows = [
        {
            "timestamp": day_ns,
            "since_timestamp": since_ns,
            "exchange": one.venue,
            "venue_id": one.venue_id,
            "symbol": one.symbol,
            "change": one.kind.value,
            "before": one.before,
            "after": one.after,
        }
        for since_ns, one in changes
    ]
    return _table(SYMBOL_MAP_CHANGES, rows)


def _table(dataset: Dataset, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table of the dataset, times given in nanoseconds."""
    arrays = []
    for column in dataset.schema:
        values = [row[column.name] for row in rows]
        kind = pa.string() if pa.types.is_dictionary(column.type) else column.type
        array = pa.array(values, pa.int64() if column.type == TIMESTAMP else kind)
        arrays.append(array.cast(column.type))
    return pa.table(arrays, schema=dataset.schema)


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _decimal(value: float) -> Decimal:
    """The number that was written: the shortest decimal of a double."""
    return Decimal(repr(value)).normalize() if value else Decimal(0)
