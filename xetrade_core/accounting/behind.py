"""Of which earlier days the order store has more than the lake: trades and payments came late, or the order that made
a trade was found late, or nobody made the days.
A day of which it has less is left as it is: the store may be a new one.

A day that was found to be in order is not looked at again until the store or the lake has other rows of earlier days:
what both had is kept beside the lake's days.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from xetrade_core.accounting.export import known_sizes, size_of
from xetrade_core.accounting.openings import Files, files_of, first_stale, made_of
from xetrade_core.errors import ObjectNotFound
from xetrade_core.lake.layout import NS_PER_DAY
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trades import count_claimed, count_fills, count_payments
from xetrade_core.trading.fundings import fundings_by_day
from xetrade_core.trading.reader import OrderReader

#: the profit of days before is made by hand: a trade of a wrong year would have every day since made again
MOST_DAYS = 400
Counts = Mapping[int, tuple[int, int, int]]
"""Fills, those of orders of ours, and funding payments, by the start of their day."""


@dataclass(frozen=True, slots=True)
class Behind:
    """`missing` days are to be exported again, all `days` to be accounted for, the oldest first. `stored` is what the
    order store has, for `keep_caught_up`."""

    missing: tuple[int, ...]
    days: tuple[int, ...]
    stored: str


class _CaughtUp(msgspec.Struct, frozen=True):
    stored: str
    made_of: str


def find_behind(reader: OrderReader, store: ObjectStore, venue: str, before_ns: int) -> Behind:
    """The days of a venue before one that are to be made again. Raises StoreUnavailable, LakeError."""
    counts = _counts(reader, store, venue, before_ns)
    stored = hashlib.sha256(repr(sorted(counts.items())).encode()).hexdigest()
    files = files_of(store, venue)
    if _kept(store, venue) == _CaughtUp(stored, made_of(files, before_ns)):
        return Behind((), (), stored)
    missing = tuple(
        day_ns
        for day_ns, (fills, claimed, payments) in sorted(counts.items())
        if fills > count_fills(store, venue, day_ns)
        or claimed > count_claimed(store, venue, day_ns)
        or payments > count_payments(store, venue, day_ns)
    )
    earliest_ns = before_ns - MOST_DAYS * NS_PER_DAY
    first = min([*missing, first_stale(store, venue, files, earliest_ns, before_ns)])
    return Behind(missing, tuple(range(max(first, earliest_ns), before_ns, NS_PER_DAY)), stored)


def keep_caught_up(store: ObjectStore, venue: str, before_ns: int, stored: str, files: Files) -> None:
    """Keep that all days before one are made of these files, and of what the order store had."""
    done = _CaughtUp(stored, made_of(files, before_ns))
    if _kept(store, venue) != done:
        store.replace(_key(venue), msgspec.json.encode(done))


def _counts(reader: OrderReader, store: ObjectStore, venue: str, before_ns: int) -> Counts:
    """What the order store has of each day, without the fills that an export leaves out."""
    sizes = known_sizes(reader, store, venue)
    found: dict[int, tuple[int, int, int]] = {}
    for (day_ns, symbol), (many, ours) in reader.fills_by_day(venue, before_ns).items():
        fills, claimed, _ = found.get(day_ns, (0, 0, 0))
        sized = size_of(venue, symbol, sizes) is not None
        found[day_ns] = (fills + many, claimed + ours, 0) if sized else (fills, claimed, 0)
    for day_ns, paid in fundings_by_day(reader, venue, before_ns).items():
        found[day_ns] = (*found.get(day_ns, (0, 0, 0))[:2], paid)
    return found


def _kept(store: ObjectStore, venue: str) -> _CaughtUp | None:
    try:
        return msgspec.json.decode(store.read(_key(venue)), type=_CaughtUp)
    except (ObjectNotFound, msgspec.MsgspecError):
        return None


def _key(venue: str) -> str:
    return f"_openings/venue={venue}/caught_up.json"
