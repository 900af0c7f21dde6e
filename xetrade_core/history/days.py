"""One day of one venue's funding as it stands in the lake: summed up, audited, and drawn beside other venues."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from xetrade_core.funding.rates import apr
from xetrade_core.history.backfill import BackfillReport
from xetrade_core.lake.day_tables import days_of, read_day
from xetrade_core.lake.funding_schemas import FUNDING_RATES
from xetrade_core.lake.store import ObjectStore


@dataclass(frozen=True, slots=True)
class SymbolDay:
    """One symbol's day: fundings in the lake, the sum of their rates (fractions), and their mean APR."""

    symbol: str
    fundings: int
    paid: float
    mean_apr: float | None
    interval_s: float | None


@dataclass(frozen=True, slots=True)
class FundedDay:
    """What a fetch has made of a day. `inconsistent` are rows whose APR is not that of their rate and interval."""

    venue: str
    day_ns: int
    report: BackfillReport
    symbols: tuple[SymbolDay, ...]
    inconsistent: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Fundings in the lake."""
        return sum(one.fundings for one in self.symbols)

    @property
    def missing(self) -> tuple[tuple[str, int], ...]:
        """Symbol and time (ns) of fundings that the venue leaves out."""
        return tuple((one.symbol, at_ns) for one in self.report.symbols for at_ns in one.missing)

    @property
    def without(self) -> tuple[str, ...]:
        """Symbols that were asked for and have no funding on the day, although one was due by the end of the plan."""
        held = {one.symbol for one in self.symbols}
        return tuple(one.symbol for one in self.report.symbols if one.symbol not in held and not one.awaited)


def funded_day(store: ObjectStore, venue: str, day_ns: int, report: BackfillReport) -> FundedDay:
    """Sum up and audit a day after it was fetched. Raises LakeError."""
    rows = _rows(store, venue, day_ns)
    by_symbol: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_symbol[row["symbol"]].append(row)
    return FundedDay(
        venue,
        day_ns,
        report,
        tuple(_summed(symbol, own) for symbol, own in sorted(by_symbol.items())),
        tuple(f"{row['symbol']} {row['timestamp']}" for row in rows if not _consistent(row)),
    )


def apr_series(
    store: ObjectStore, venues: Iterable[str], symbol: str, start_ns: int, end_ns: int
) -> dict[str, tuple[list[int], list[float]]]:
    """Funding times (ns) and APRs of a symbol by venue, of the days in [start_ns, end_ns) that the lake has."""
    series: dict[str, tuple[list[int], list[float]]] = {}
    for venue in venues:
        times: list[int] = []
        aprs: list[float] = []
        for day_ns in days_of(store, FUNDING_RATES, venue):
            if start_ns <= day_ns < end_ns:
                for row in _rows(store, venue, day_ns):
                    if row["symbol"] == symbol and row["apr"] is not None:
                        times.append(row["timestamp"].value)
                        aprs.append(row["apr"])
        if times:
            series[venue] = times, aprs
    return series


def _rows(store: ObjectStore, venue: str, day_ns: int) -> list[dict[str, Any]]:
    table = read_day(store, FUNDING_RATES, venue, day_ns)
    rows: list[dict[str, Any]] = [] if table is None else table.to_pylist()
    return rows


def _summed(symbol: str, rows: Sequence[dict[str, Any]]) -> SymbolDay:
    aprs = [row["apr"] for row in rows if row["apr"] is not None]
    mean = sum(aprs) / len(aprs) if aprs else None
    return SymbolDay(symbol, len(rows), sum(row["rate"] for row in rows), mean, rows[-1]["interval_s"])


def _consistent(row: dict[str, Any]) -> bool:
    if row["interval_s"] is None:
        return row["apr"] is None
    return row["apr"] is not None and math.isclose(
        row["apr"], apr(row["rate"], row["interval_s"]), rel_tol=1e-9, abs_tol=1e-15
    )
