"""What positions are marked at when a day ends: the last mark that a snapshot of positions has recorded on it.

Snapshots end when nobody looks any more, so the last mark may be of long before the day's end: of when it is, is kept.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.lake.layout import NS_PER_DAY
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import POSITIONS
from xetrade_core.lake.venue_hours import read_venue_span


class DayMark(NamedTuple):
    """A mark, and of when it is (ns): as its venue said, else when it was recorded."""

    price: Decimal
    at_ns: int


class SnapshotMarks:
    """The marks of some days, by their start; other days have none. May be used as `positions.daily.Marks`."""

    def __init__(self, store: ObjectStore, days_ns: tuple[int, ...]) -> None:
        self._store = store
        self._days_ns = days_ns
        self._kept: dict[tuple[str, int], dict[str, DayMark]] = {}

    def __call__(self, venue: str, symbol: str, day_ns: int) -> Decimal | None:
        found = self.of(venue, symbol, day_ns)
        return None if found is None else found.price

    def of(self, venue: str, symbol: str, day_ns: int) -> DayMark | None:
        """The youngest mark of an instrument that was recorded on a day. Raises CorruptFile."""
        if day_ns not in self._days_ns:
            return None
        if (venue, day_ns) not in self._kept:
            snapshots = read_venue_span(self._store, POSITIONS, venue, day_ns, day_ns + NS_PER_DAY)
            self._kept[venue, day_ns] = _youngest(snapshots)
        return self._kept[venue, day_ns].get(symbol)


def _youngest(snapshots: pa.Table) -> dict[str, DayMark]:
    """By symbol. Two who watch may have been told at different times: the later look need not have the later mark."""
    marked = snapshots.filter(pc.is_valid(snapshots.column("mark")))
    looked = marked.column("timestamp").cast(pa.int64())
    stated = pc.min_element_wise(pc.coalesce(marked.column("mark_timestamp").cast(pa.int64()), looked), looked)
    found: dict[str, DayMark] = {}
    rows = zip(
        marked.column("symbol").cast(pa.string()).to_pylist(),
        marked.column("mark").to_pylist(),
        stated.to_pylist(),
        strict=True,
    )
    for symbol, price, at_ns in rows:
        if symbol not in found or at_ns >= found[symbol].at_ns:
            found[symbol] = DayMark(price, at_ns)
    return found
