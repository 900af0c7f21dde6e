"""What days have come to, one after the other: the line of the running net, and who made it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from xetrade_core.lake.day_tables import days_of, read_day
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import PNL_DAILY
from xetrade_core.positions.numbers import exact_sum


@dataclass(frozen=True, slots=True)
class Equity:
    """A venue's days in one settlement currency, the oldest first: the running net at the end of each, and the net of
    all of them by symbol. `unknown` rows have no net (no mark) and are in neither."""

    venue: str
    settle: str
    days_ns: tuple[int, ...]
    running: tuple[Decimal, ...]
    by_symbol: dict[str, Decimal]
    unknown: int


def equity_of(store: ObjectStore, venue: str, from_ns: int, to_ns: int) -> list[Equity]:
    """The days of a venue that start in from_ns <= start < to_ns and are in the lake, by settlement currency."""
    rows: list[dict[str, object]] = []
    wanted = ["timestamp", "symbol", "settle", "net"]
    for day_ns in days_of(store, PNL_DAILY, venue):
        if from_ns <= day_ns < to_ns:
            table = read_day(store, PNL_DAILY, venue, day_ns)
            if table is not None:
                times = table.column("timestamp").cast(pa.int64())
                rows += table.select(wanted).set_column(0, "timestamp", times).to_pylist()
    return [_equity(venue, settle, [row for row in rows if row["settle"] == settle]) for settle in _settles(rows)]


def _settles(rows: list[dict[str, object]]) -> list[str]:
    return sorted({str(row["settle"]) for row in rows})


def _equity(venue: str, settle: str, rows: list[dict[str, object]]) -> Equity:
    known = [(int(str(row["timestamp"])), str(row["symbol"]), row["net"]) for row in rows]
    nets = [(day_ns, symbol, net) for day_ns, symbol, net in known if isinstance(net, Decimal)]
    days = sorted({day_ns for day_ns, _, _ in known})
    running = tuple(exact_sum(net for at_ns, _, net in nets if at_ns <= day_ns) for day_ns in days)
    symbols = sorted({symbol for _, symbol, _ in nets})
    by_symbol = {symbol: exact_sum(net for _, other, net in nets if other == symbol) for symbol in symbols}
    return Equity(venue, settle, tuple(days), running, by_symbol, len(known) - len(nets))
