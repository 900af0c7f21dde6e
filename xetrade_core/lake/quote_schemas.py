"""The dataset of the best quotes across venues, column by column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from xetrade_core.lake.dataset import LABEL, LEVELS, TIMESTAMP, Column, Dataset, Reasons
from xetrade_core.lake.levels import Levels

_PRICE_UNIT = "quote currency"
_SIZE_UNIT = "base currency"
_NAMES = pa.list_(pa.string())


def _side(name: str, best: str) -> tuple[Column, ...]:
    return (
        Column(f"{name}_price", pa.float64(), f"{best} of the venues that count.", _PRICE_UNIT, True, at_least=0),
        Column(f"{name}_size", pa.float64(), "What its holders offer there together.", _SIZE_UNIT, True, at_least=0),
        Column(f"{name}_venue", LABEL, "Who holds it; of several, the one that offers most.", "", True),
        Column(f"{name}_holders", pa.int32(), "How many venues hold it.", "count", at_least=0),
        Column(f"{name}_age_ms", pa.float64(), "Time since that venue's last message.", "ms", True, at_least=0),
    )


def _count(name: str, description: str) -> Column:
    return Column(name, pa.int32(), description, "count", at_least=0)


def quote_reasons(table: pa.Table) -> Reasons:
    """Rows that do not agree with themselves."""
    bid, ask = (table.column(name).to_numpy().astype(np.float64) for name in ("bid_price", "ask_price"))
    flags = {name: table.column(name).to_numpy(zero_copy_only=False).astype(bool) for name in ("crossed", "locked")}
    counted, bids, asks = (Levels.of(table, name) for name in ("venue_age_ms", "venue_bid", "venue_ask"))
    reasons = [
        (flags["crossed"] != (bid > ask), "crossed is not bid_price > ask_price"),
        (flags["locked"] != (bid == ask), "locked is not bid_price = ask_price"),
        (counted.lengths != table.column("venues_counted").to_numpy(), "the lists are not of the venues that count"),
        ((bids.lengths != counted.lengths) | (asks.lengths != counted.lengths), "the lists differ in length"),
    ]
    if len(bids.values) == len(asks.values):
        reasons.append((bids.rows_with(bids.values >= asks.values), "a venue is crossed within itself"))
    return [(rows, reason) for rows, reason in reasons if rows.any()]


BEST_QUOTES = Dataset(
    "best_quotes",
    "Best quotes across venues",
    "symbol, second",
    "The best bid and ask of all venues that were recorded, on each full second of which any has a row. The same "
    "universal symbol only, so one multiplier. A venue counts unless its book was out of sync or had no message for "
    "longer than the staleness limit, which the file's metadata states. Made from l2_snapshots.",
    (
        Column("timestamp", TIMESTAMP, "Grid time of the samples, a full second.", "ns UTC"),
        Column("symbol", LABEL, "Universal symbol, as in ccxt: BTC/USDT, BTC/USDT:USDT, BTC/USD:BTC."),
        *_side("bid", "Highest bid"),
        *_side("ask", "Lowest ask"),
        Column("spread_bps", pa.float64(), "ask_price - bid_price against their mid; negative where crossed.", "bps",
               True),
        Column("crossed", pa.bool_(), "Whether the best bid is above the best ask, which then is another venue's."),
        Column("locked", pa.bool_(), "Whether the best bid equals the best ask."),
        _count("venues_counted", "Venues that count."),
        _count("venues_stale", "Venues left out since their last message was too old."),
        _count("venues_unsynced", "Venues left out since their book was out of sync."),
        Column("venues", _NAMES, "The venues that count."),
        Column("venue_bid", LEVELS, "Their best bids, in the order of venues; null for none.", _PRICE_UNIT),
        Column("venue_ask", LEVELS, "Their best asks, in that order; null for none.", _PRICE_UNIT),
        Column("venue_age_ms", LEVELS, "Time since their last messages, in that order.", "ms"),
    ),
    layout="symbol_hour",
    row_check=quote_reasons,
)  # fmt: skip
