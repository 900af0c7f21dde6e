"""Book metrics: per sample as numpy arrays, per minute as rows of `book_metrics`. Pure; no Python loop over rows.

Notionals are in quote currency: price x size x contract size, or size x contract size for an inverse contract
(BTC/USD:BTC), whose contracts are worth a fixed amount of quote currency. Only recorded levels are known, so depth
within a band is a lower bound where the levels end before the band does (see `reach`), and a notional that they
cannot fill has no impact but counts as unfilled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from xetrade_core.clock import NS_PER_S
from xetrade_core.lake.levels import Levels
from xetrade_core.lake.schemas import BOOK_METRICS, DEPTH_BANDS_BPS, IMBALANCE_LEVELS, IMPACT_NOTIONALS
from xetrade_core.model.contracts import Contract

BPS = 1e4
_NS_PER_MINUTE = 60 * NS_PER_S
_BLOCK_ROWS = 3600
"""Samples worked on at once: 100 levels a side of these are 12 MB."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the books: float64 arrays of shape (samples, levels), best first, NaN past the last level."""

    price: np.ndarray
    size: np.ndarray
    notional: np.ndarray


def sample_metrics(snapshots: pa.Table, contract: Contract) -> dict[str, np.ndarray]:
    """Metrics of every synced sample that has both sides, by name; all float64 of shape (samples,), `timestamp` int64
    ns.

    Names: mid, microprice, spread, spread_bps, imbalance_{1,5,10}, {bid,ask}_reach_bps, {bid,ask}_depth_{10,25,50}bps
    and {buy,sell}_{10,50,250}k_impact_bps, NaN where the recorded levels cannot fill it. Impact is against mid,
    positive = worse.
    """
    blocks = [_block_metrics(block, contract) for block in _blocks(snapshots)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def minute_metrics(snapshots: pa.Table, exchange: str, symbol: str, contract: Contract) -> pa.Table:
    """`snapshots` (one symbol, in order of time) as rows of `book_metrics`."""
    sample = sample_metrics(snapshots, contract)
    minute = sample["timestamp"] // _NS_PER_MINUTE
    starts = np.flatnonzero(np.diff(minute, prepend=-1))
    if not len(starts):
        return BOOK_METRICS.empty()
    minutes = _Minutes(starts, len(minute))
    columns = _minute_columns(sample, minutes)
    columns["timestamp"] = minute[starts] * _NS_PER_MINUTE
    columns["samples"] = minutes.counts
    arrays = [
        pa.array([{"exchange": exchange, "symbol": symbol}[one.name]] * len(starts)).cast(one.type)
        if one.name in ("exchange", "symbol")
        else pa.array(columns[one.name], from_pandas=True).cast(one.type)  # NaN is null
        for one in BOOK_METRICS.schema
    ]
    return pa.table(arrays, schema=BOOK_METRICS.schema)


def impact_bps(side: Side, mid: np.ndarray, notional: float) -> np.ndarray:
    """Mean price of taking `notional` quote from `side` against mid, in bps, positive = worse; NaN where it is too
    thin.
    """
    held = np.nan_to_num(side.notional)
    filled_before = np.cumsum(held, axis=1) - held
    taken = np.clip(notional - filled_before, 0, held)
    base = np.sum(np.divide(taken, side.price, out=np.zeros_like(taken), where=held > 0), axis=1)
    # With a margin of 1e-12: a sum of parts may miss the whole by rounding.
    fills = held.sum(axis=1) >= notional * (1 - 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(fills, np.abs(notional / base / mid - 1) * BPS, np.nan)


class _Minutes:
    """Reductions of per-sample arrays over runs of samples; NaN samples do not count, an empty run gives NaN."""

    def __init__(self, starts: np.ndarray, total: int) -> None:
        self._starts = starts
        self._ends = np.append(starts[1:], total)
        self.counts = self._ends - starts

    def mean(self, values: np.ndarray) -> np.ndarray:
        known = ~np.isnan(values)
        count = np.add.reduceat(known, self._starts, dtype=np.int64)
        total = np.add.reduceat(np.where(known, values, 0.0), self._starts)
        return np.asarray(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0))

    def least(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.fmin.reduceat(values, self._starts))

    def most(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.fmax.reduceat(values, self._starts))

    def first(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values[self._starts])

    def last(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values[self._ends - 1])


def _minute_columns(sample: dict[str, np.ndarray], minutes: _Minutes) -> dict[str, np.ndarray]:
    mid = sample["mid"]
    columns = {
        "mid_first": minutes.first(mid),
        "mid_last": minutes.last(mid),
        "mid_min": minutes.least(mid),
        "mid_max": minutes.most(mid),
        "spread_max": minutes.most(sample["spread"]),
    }
    for name in ("mid", "microprice", "spread", "spread_bps", *(f"imbalance_{levels}" for levels in IMBALANCE_LEVELS)):
        columns[f"{name}_mean"] = minutes.mean(sample[name])
    for name, values in sample.items():
        if name.endswith("_reach_bps"):
            columns[f"{name}_min"] = minutes.least(values)
        elif "_depth_" in name:
            columns[name] = minutes.mean(values)
        elif name.endswith("_impact_bps"):
            columns[name] = minutes.mean(values)
            columns[name.replace("_impact_bps", "_unfilled_share")] = minutes.mean(np.isnan(values).astype(float))
    return columns


def _block_metrics(rows: pa.Table, contract: Contract) -> dict[str, np.ndarray]:
    bids, asks = _side(rows, "bid", contract), _side(rows, "ask", contract)
    bid, ask, bid_size, ask_size = (one[:, 0] for one in (bids.price, asks.price, bids.size, asks.size))
    mid, spread = (bid + ask) / 2, ask - bid
    metrics = {
        "timestamp": rows.column("timestamp").cast(pa.int64()).to_numpy(),
        "mid": mid,
        "microprice": (bid * ask_size + ask * bid_size) / (bid_size + ask_size),
        "spread": spread,
        "spread_bps": spread / mid * BPS,
    }
    for levels in IMBALANCE_LEVELS:
        bid_sum, ask_sum = (np.nansum(side.size[:, :levels], axis=1) for side in (bids, asks))
        metrics[f"imbalance_{levels}"] = (bid_sum - ask_sum) / (bid_sum + ask_sum)
    for name, side in (("bid", bids), ("ask", asks)):
        distance = np.abs(side.price - mid[:, None]) / mid[:, None] * BPS
        metrics[f"{name}_reach_bps"] = np.fmax.reduce(distance, axis=1, initial=0.0)
        for band in DEPTH_BANDS_BPS:
            metrics[f"{name}_depth_{band}bps"] = np.nansum(np.where(distance <= band, side.notional, 0.0), axis=1)
    for notional in IMPACT_NOTIONALS:
        for action, side in (("buy", asks), ("sell", bids)):
            metrics[f"{action}_{notional // 1000}k_impact_bps"] = impact_bps(side, mid, notional)
    return metrics


def _side(rows: pa.Table, name: str, contract: Contract) -> Side:
    price = Levels.of(rows, f"{name}_price").padded()
    size = Levels.of(rows, f"{name}_size").padded(price.shape[1])
    width = max(price.shape[1], 1)  # so that column 0 exists even where there is no row
    price, size = (np.resize(one, (len(rows), width)) if not one.shape[1] else one for one in (price, size))
    return Side(price, size, size * float(contract.size) * (1.0 if contract.inverse else price))


def _blocks(snapshots: pa.Table) -> Iterator[pa.Table]:
    """The rows that metrics speak of, a bounded number at a time; at least one block, even if empty."""
    usable = snapshots.column("synced").to_numpy().astype(bool)
    for name in ("bid_price", "ask_price"):
        usable &= Levels.of(snapshots, name).lengths > 0
    rows = snapshots.filter(pa.array(usable)) if not usable.all() else snapshots
    for start in range(0, max(len(rows), 1), _BLOCK_ROWS):
        yield rows.slice(start, _BLOCK_ROWS)
