"""Best quotes across venues as numpy arrays: one symbol, the seconds of one hour. Pure; no Python loop over rows.

`books/best.py` says the same of one moment; tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.lake.levels import Levels
from xetrade_core.lake.quote_schemas import BEST_QUOTES
from xetrade_core.model.contracts import Contract

SECONDS = 3600
BPS = 1e4
#: what is read of a snapshot
COLUMNS = ("timestamp", "synced", "stale", "received_timestamp", "bid_price", "bid_size", "ask_price", "ask_size")


@dataclass(frozen=True, slots=True)
class Touch:
    """One venue's best bid and ask on each second of an hour, arrays of shape (SECONDS,).

    The float64 are NaN where there is nothing that counts; sizes are in base currency. `recorded` says where there is a
    row, `stale` and `unsynced` which of these do not count, and why.
    """

    bid: np.ndarray
    bid_size: np.ndarray
    ask: np.ndarray
    ask_size: np.ndarray
    age_ms: np.ndarray
    recorded: np.ndarray
    stale: np.ndarray
    unsynced: np.ndarray

    @classmethod
    def empty(cls) -> Touch:
        """Nothing recorded."""
        numbers = (np.full(SECONDS, np.nan) for _ in range(5))
        flags = (np.zeros(SECONDS, dtype=bool) for _ in range(3))
        return cls(*numbers, *flags)

    @property
    def counts(self) -> np.ndarray:
        """Where the venue counts: in sync, fresh, and at least one side."""
        return np.asarray(~(np.isnan(self.bid) & np.isnan(self.ask)))


def touch_of(batches: Iterable[pa.Table], hour_ns: int, contract: Contract, staleness_limit_s: float) -> Touch:
    """The touch of one venue's snapshots (`COLUMNS`, a bounded number of rows at a time); only full seconds are read.

    A row is stale as `l2_snapshots` says, or where its last message is older than `staleness_limit_s`.
    """
    touch = Touch.empty()
    for rows in batches:
        since_ns = rows.column("timestamp").cast(pa.int64()).to_numpy() - hour_ns
        full = since_ns % NS_PER_S == 0
        if full.any():
            _enter(touch, rows.filter(pa.array(full)), since_ns[full], hour_ns, contract, staleness_limit_s)
    return touch


def _enter(
    touch: Touch, rows: pa.Table, since_ns: np.ndarray, hour_ns: int, contract: Contract, limit_s: float
) -> None:
    """Write these rows of full seconds into the touch."""
    second = since_ns // NS_PER_S
    synced, late = (rows.column(name).to_numpy(zero_copy_only=False).astype(bool) for name in ("synced", "stale"))
    received_ns = rows.column("received_timestamp").cast(pa.int64()).fill_null(hour_ns).to_numpy()
    age_ms = np.maximum(since_ns + hour_ns - received_ns, 0) / NS_PER_MS
    stale = synced & (late | (age_ms > limit_s * 1000))
    touch.recorded[second], touch.stale[second], touch.unsynced[second] = True, stale, ~synced
    counted = synced & ~stale
    for side, prices, sizes in (("bid", touch.bid, touch.bid_size), ("ask", touch.ask, touch.ask_size)):
        price, size = (Levels.of(rows, f"{side}_{name}").best() for name in ("price", "size"))
        worth = size * float(contract.size)
        prices[second] = np.where(counted, price, np.nan)
        sizes[second] = np.where(counted, worth / price if contract.inverse else worth, np.nan)
    touch.age_ms[second] = np.where(counted, age_ms, np.nan)


def best_rows(symbol: str, hour_ns: int, touches: Mapping[str, Touch]) -> pa.Table:
    """`best_quotes` of one symbol and hour out of the touch of each venue; a row for each second that any recorded."""
    venues = list(touches)
    at = np.flatnonzero(np.any([one.recorded for one in touches.values()], axis=0)) if venues else np.zeros(0, int)
    if not len(at):
        return BEST_QUOTES.empty()
    bids, asks, ages = (_stacked(touches, name, at) for name in ("bid", "ask", "age_ms"))
    bid = _Best.of(bids, _stacked(touches, "bid_size", at), np.fmax.reduce(bids, axis=0))
    ask = _Best.of(asks, _stacked(touches, "ask_size", at), np.fmin.reduce(asks, axis=0))
    counts = _stacked(touches, "counts", at)
    columns = {
        "timestamp": pa.array(hour_ns + at * NS_PER_S),
        "symbol": pa.array([symbol] * len(at)),
        **bid.columns("bid", venues, ages),
        **ask.columns("ask", venues, ages),
        "spread_bps": pa.array((ask.price - bid.price) / (ask.price + bid.price) * 2 * BPS, from_pandas=True),
        "crossed": pa.array(bid.price > ask.price),
        "locked": pa.array(bid.price == ask.price),
        "venues_counted": pa.array(counts.sum(axis=0)),
        "venues_stale": pa.array(_stacked(touches, "stale", at).sum(axis=0)),
        "venues_unsynced": pa.array(_stacked(touches, "unsynced", at).sum(axis=0)),
        "venues": _lists(counts, pa.array(venues).take(pa.array(np.nonzero(counts.T)[1]))),
        **{
            name: _lists(counts, pa.array(values.T[counts.T], from_pandas=True))
            for name, values in (("venue_bid", bids), ("venue_ask", asks), ("venue_age_ms", ages))
        },
    }
    return BEST_QUOTES.conform(pa.table(columns))


@dataclass(frozen=True, slots=True)
class _Best:
    """The best of one side: float64 of shape (rows,), NaN for none; `largest` is the index of the venue offering most
    there, `holders` how many venues do.
    """

    price: np.ndarray
    size: np.ndarray
    largest: np.ndarray
    holders: np.ndarray

    @classmethod
    def of(cls, prices: np.ndarray, sizes: np.ndarray, best: np.ndarray) -> _Best:
        """From prices and sizes of shape (venues, rows) and the best of these prices."""
        held = np.where(prices == best, sizes, np.nan)  # NaN equals nothing: where there is no best nobody holds it
        holders = (prices == best).sum(axis=0)
        largest = np.argmax(np.nan_to_num(held, nan=-1.0), axis=0)
        return cls(best, np.where(holders, np.nansum(held, axis=0), np.nan), largest, holders)

    def columns(self, name: str, venues: list[str], ages: np.ndarray) -> dict[str, pa.Array]:
        """The columns of this side."""
        nobody = self.holders == 0
        age_ms = np.where(nobody, np.nan, ages[self.largest, np.arange(len(nobody))])
        return {
            f"{name}_price": pa.array(self.price, from_pandas=True),
            f"{name}_size": pa.array(self.size, from_pandas=True),
            f"{name}_venue": pa.DictionaryArray.from_arrays(
                pa.array(self.largest.astype(np.int32), mask=nobody), pa.array(venues)
            ),
            f"{name}_holders": pa.array(self.holders),
            f"{name}_age_ms": pa.array(age_ms, from_pandas=True),
        }


def _stacked(touches: Mapping[str, Touch], name: str, at: np.ndarray) -> np.ndarray:
    """One array of all venues at the chosen seconds, shape (venues, rows)."""
    return np.stack([getattr(one, name)[at] for one in touches.values()])


def _lists(counts: np.ndarray, values: pa.Array) -> pa.ListArray:
    """One list a row out of `values`, which are those of the counting venues, row by row."""
    offsets = np.concatenate(([0], np.cumsum(counts.sum(axis=0))))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)
