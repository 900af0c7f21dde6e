"""What days have come to, one after the other: the line of the running net, and who made it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from xetrade_core.lake.day_tables import days_of, read_day
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import PNL_DAILY
from xetrade_core.model.orders import ZERO
from xetrade_core.positions.numbers import exact_sum


@dataclass(frozen=True, slots=True)
class Equity:
    """A venue's days in one settlement currency, the oldest first: what had been made since the first by the end of
    each, and what all of them have made by symbol. A position without a mark counts as it was last marked, so that a
    day that nobody looked at changes nothing of those after it; there are `unknown` rows of that kind."""

    venue: str
    settle: str
    days_ns: tuple[int, ...]
    running: tuple[Decimal, ...]
    by_symbol: dict[str, Decimal]
    unknown: int


@dataclass(slots=True)
class _Held:
    """One position: what it has banked, and what was unrealized at the beginning and when it was marked last."""

    banked: Decimal = ZERO
    begun: Decimal | None = None
    unrealized: Decimal | None = None

    def take(self, row: dict[str, Any]) -> None:
        self.banked = exact_sum((self.banked, row["realized"], row["fees"].copy_negate(), row["funding"]))
        if self.begun is None:
            self.begun = row["unrealized"] if row["unrealized_before"] is None else row["unrealized_before"]
        if row["unrealized"] is not None:
            self.unrealized = row["unrealized"]

    @property
    def made(self) -> Decimal:
        if self.begun is None or self.unrealized is None:
            return self.banked
        return exact_sum((self.banked, self.unrealized, self.begun.copy_negate()))


def equity_of(store: ObjectStore, venue: str, from_ns: int, to_ns: int) -> list[Equity]:
    """The days of a venue that start in from_ns <= start < to_ns and are in the lake, by settlement currency."""
    days: dict[int, list[dict[str, Any]]] = {}
    for day_ns in days_of(store, PNL_DAILY, venue):
        if from_ns <= day_ns < to_ns:
            table = read_day(store, PNL_DAILY, venue, day_ns)
            if table is not None:
                days[day_ns] = table.select(_WANTED).to_pylist()
    settles = sorted({row["settle"] for rows in days.values() for row in rows})
    return [_equity(venue, settle, days) for settle in settles]


_WANTED = [
    "account", "symbol", "strategy", "settle", "realized", "fees", "funding", "unrealized", "unrealized_before", "net",
]  # fmt: skip


def _equity(venue: str, settle: str, days: dict[int, list[dict[str, Any]]]) -> Equity:
    held: dict[tuple[str, str, str | None], _Held] = {}
    running: dict[int, Decimal] = {}
    unknown = 0
    for day_ns, rows in days.items():
        for row in rows:
            if row["settle"] == settle:
                held.setdefault((row["account"], row["symbol"], row["strategy"]), _Held()).take(row)
                unknown += row["net"] is None
        if held:
            running[day_ns] = exact_sum(one.made for one in held.values())
    symbols = sorted({symbol for _, symbol, _ in held})
    by_symbol = {symbol: exact_sum(one.made for key, one in held.items() if key[1] == symbol) for symbol in symbols}
    return Equity(venue, settle, tuple(running), tuple(running.values()), by_symbol, unknown)
