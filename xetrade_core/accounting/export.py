"""Trades out of the order store into the lake, a venue and day at a time; made again, a day is the same to the byte."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from xetrade_core.lake.layout import NS_PER_DAY, day_start
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trades import StoredFill, write_fills
from xetrade_core.model.orders import Fill
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.trading.reader import OrderReader


@dataclass(frozen=True, slots=True)
class ExportedFills:
    """What was brought into the lake. `unsized` are instruments whose contract size nothing tells: their fills are
    left out, and the day is not complete. `unclaimed` fills are of no order of ours."""

    venue: str
    day_ns: int
    rows: int
    rejected: int
    changed: bool
    unclaimed: int
    unsized: tuple[str, ...]


def export_fills(reader: OrderReader, store: ObjectStore, venue: str, day_ns: int) -> ExportedFills:
    """The fills of a venue whose time at the venue is on the day. Raises StoreUnavailable, LakeError."""
    start_ns = day_start(day_ns)
    sizes = {key: terms.size for key, terms in reader.terms().items()}
    rows, unsized = [], set()
    for fill, strategy in reader.traded(venue=venue, at_from_ns=start_ns, at_to_ns=start_ns + NS_PER_DAY):
        size = _size(fill, sizes)
        if size is None:
            unsized.add(fill.symbol)
        else:
            rows.append(StoredFill(fill, strategy, size))
    written = write_fills(store, venue, start_ns, rows)
    return ExportedFills(
        venue,
        start_ns,
        written.rows,
        written.rejected,
        written.changed,
        sum(row.fill.client_id is None for row in rows),
        tuple(sorted(unsized)),
    )


def _size(fill: Fill, sizes: dict[tuple[str, str], Decimal]) -> Decimal | None:
    """What one unit of its amount is: one coin on spot, else as orders of ours in it say."""
    if SymbolParts.parse(fill.symbol, fill.venue).settle is None:
        return Decimal(1)
    return sizes.get((fill.venue, fill.symbol))
