"""The datasets of the lake's book data, column by column. docs/data-dictionary.md is generated from here."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xetrade_core.errors import LakeError
from xetrade_core.lake.dataset import LABEL, LEVELS, TIMESTAMP, Column, Dataset, Reasons
from xetrade_core.lake.funding_schemas import FUNDING_QUOTES, FUNDING_RATES, FUNDING_REVISIONS
from xetrade_core.lake.levels import level_reasons
from xetrade_core.lake.quote_schemas import BEST_QUOTES
from xetrade_core.lake.reference_schemas import INSTRUMENTS, SYMBOL_MAP, SYMBOL_MAP_CHANGES
from xetrade_core.lake.trade_schemas import FILLS, FUNDING_PAYMENTS, ORDERS, PNL_DAILY, POSITIONS, RECONCILIATIONS
from xetrade_core.model.book_events import GapCause

DEPTH_BANDS_BPS = (10, 25, 50)
IMPACT_NOTIONALS = (10_000, 50_000, 250_000)
IMBALANCE_LEVELS = (1, 5, 10)

_EXCHANGE = Column("exchange", LABEL, "Venue id, as in ccxt where it knows the venue: binance, binanceusdm, okx, max.")
_SYMBOL = Column("symbol", LABEL, "Universal symbol, as in ccxt: BTC/USDT, BTC/USDT:USDT, BTC/USD:BTC.")
_PRICE_UNIT = "quote currency"
_SIZE_UNIT = "base currency for spot, contracts otherwise"

_KNOWN = (
    "How many of the best {0} levels lie within the reach of the venue's snapshot, so that none can be missing among "
    "them. Levels past it are known only once a message has touched them. Null out of sync."
)

_SNAPSHOT_COLUMNS = (
    Column("timestamp", TIMESTAMP, "Grid time of the sample: the book after all frames received before it.", "ns UTC"),
    _EXCHANGE,
    _SYMBOL,
    Column(
        "exchange_timestamp",
        TIMESTAMP,
        "The venue's time of the last applied message; the venue's clock.",
        "ns UTC",
        True,
    ),
    Column("received_timestamp", TIMESTAMP, "When that message was received; the recorder's clock.", "ns UTC", True),
    Column("sequence", pa.int64(), "The venue's sequence id of that message; null out of sync.", "", True, at_least=0),
    Column("book_epoch", pa.int32(), "Snapshots the book was built from so far in its session.", "count", at_least=0),
    Column("synced", pa.bool_(), "Whether every message up to `sequence` is known to be in the book."),
    Column("stale", pa.bool_(), "Whether the symbol was silent for longer than its staleness limit."),
    Column("update_count", pa.int32(), "Messages applied since the previous sample.", "count", at_least=0),
    Column("refused_count", pa.int32(), "Messages refused since the previous sample.", "count", at_least=0),
    Column("bid_known", pa.int32(), _KNOWN.format("bid"), "levels", True, at_least=0),
    Column("ask_known", pa.int32(), _KNOWN.format("ask"), "levels", True, at_least=0),
    Column("bid_price", LEVELS, "Bid prices, best first; null out of sync.", _PRICE_UNIT, True),
    Column("bid_size", LEVELS, "Bid sizes, in the order of bid_price; null out of sync.", _SIZE_UNIT, True),
    Column("ask_price", LEVELS, "Ask prices, best first; null out of sync.", _PRICE_UNIT, True),
    Column("ask_size", LEVELS, "Ask sizes, in the order of ask_price; null out of sync.", _SIZE_UNIT, True),
)

L2_SNAPSHOTS = Dataset(
    "l2_snapshots",
    "Order book snapshots",
    "venue, symbol, grid time",
    "The top of the book on the wall-clock grid, one file a symbol and hour, in order of time, each time once. "
    "A row with synced = false carries no book; why is in l2_gaps.",
    _SNAPSHOT_COLUMNS,
    row_check=level_reasons,
)

L2_SEGMENTS = Dataset(
    "l2_segments",
    "Order book snapshots, as captured",
    "venue, symbol, grid time, writer",
    "What captures upload every minute or so, all symbols of a shard in a file. "
    "Compaction merges it into l2_snapshots and then deletes it; a reader sees both as one.",
    _SNAPSHOT_COLUMNS,
    layout="segment",
    row_check=level_reasons,
)


def _gap_reasons(table: pa.Table) -> Reasons:
    start, end = table.column("from_timestamp"), table.column("to_timestamp")
    backwards = pc.fill_null(pc.less(end, start), False).to_numpy(zero_copy_only=False)
    return [(backwards, "to_timestamp is before from_timestamp")] if backwards.any() else []


_GAP_COLUMNS = (
    Column(
        "gap_id", pa.string(), "Stable id of the gap: <session>-<n>; the parts of a gap that crosses an hour share it."
    ),
    _EXCHANGE,
    _SYMBOL,
    Column("from_timestamp", TIMESTAMP, "The gap covers samples from here on.", "ns UTC"),
    Column("to_timestamp", TIMESTAMP, "To here, exclusive; null while it is open.", "ns UTC", True),
    Column("from_sequence", pa.int64(), "The last sequence id applied before the gap.", "", True, at_least=0),
    Column("to_sequence", pa.int64(), "The first sequence id known after the gap.", "", True, at_least=0),
    Column("cause", pa.string(), "Why; see the causes below.", one_of=tuple(GapCause)),
    Column("resync_ms", pa.float64(), "From losing the book to having it back.", "ms", True, at_least=0),
    Column("detail", pa.string(), "What the recorder saw, for a person.", "", True),
    Column("session", pa.string(), "The capture session that recorded it; `compaction` where no session could."),
)

L2_GAPS = Dataset(
    "l2_gaps",
    "Gap ledger",
    "venue, symbol, gap",
    "Every time a book was out of sync and every missing sample, with its cause.",
    _GAP_COLUMNS,
    row_check=_gap_reasons,
)

L2_GAP_SEGMENTS = Dataset(
    "l2_gap_segments",
    "Gap ledger, as captured",
    "venue, symbol, gap, writer",
    "What captures upload beside l2_segments. Compaction merges it into l2_gaps and then deletes it.",
    _GAP_COLUMNS,
    layout="segment",
    row_check=_gap_reasons,
)


def _count(name: str, description: str) -> Column:
    return Column(name, pa.int64(), description, "count", at_least=0)


def _quality_reasons(table: pa.Table) -> Reasons:
    number = {name: table.column(name).to_numpy() for name in _SUMS_TO for name in (name, *_SUMS_TO[name])}
    reasons = []
    for whole, parts in _SUMS_TO.items():
        wrong = number[whole] != sum(number[part] for part in parts)
        if wrong.any():
            reasons.append((np.asarray(wrong), f"{whole} is not {' + '.join(parts)}"))
    return reasons


_SUMS_TO = {
    "expected": ("captured", "missing"),
    "captured": ("synced", "unsynced"),
}

L2_QUALITY = Dataset(
    "l2_quality",
    "Completeness record",
    "venue, symbol, hour",
    "What the window of one hour should hold, what it holds, and whether everything else is explained. "
    "Counts are grid times of the window; captured + missing = expected.",
    (
        Column("timestamp", TIMESTAMP, "Start of the hour.", "ns UTC"),
        _EXCHANGE,
        _SYMBOL,
        Column("from_timestamp", TIMESTAMP, "Start of the expected window.", "ns UTC"),
        Column("to_timestamp", TIMESTAMP, "End of the expected window, exclusive.", "ns UTC"),
        Column("interval_s", pa.float64(), "Sampling interval.", "s", at_least=0),
        Column("depth", pa.int32(), "Levels a side of the deepest book of the hour.", "levels", at_least=0),
        _count("expected", "Grid times in the window."),
        _count("captured", "Grid times with a row."),
        _count("synced", "Grid times with a row in sync."),
        _count("unsynced", "Grid times with a row out of sync."),
        _count("unsynced_explained", "Of these, covered by a gap with a known cause."),
        _count("missing", "Grid times without a row."),
        _count("missing_explained", "Of these, covered by a gap with a known cause."),
        _count("unexplained", "Unsynced and missing grid times that no gap with a known cause covers."),
        Column(
            "synced_share", pa.float64(), "synced / expected; 1 for an empty window.", "share", at_least=0, at_most=1
        ),
        Column("complete", pa.bool_(), "Whether every expected grid time is synced or explained: unexplained = 0."),
        _count("stale", "Grid times whose symbol was silent past its staleness limit."),
        _count("crossed", "Rows with best bid >= best ask; always 0, since such rows are refused."),
        _count("duplicates", "Rows dropped since their grid time had another, better row."),
        _count("rejected", "Rows and gap records that failed the schema, kept in l2_*_rejected."),
        _count("gaps", "Gaps in the ledger."),
        _count("resyncs", "Gaps that ended with the book back in sync."),
        _count("refused", "Messages refused."),
        _count("updates", "Messages applied."),
        Column("causes", pa.string(), "Explained and unexplained seconds by cause, as JSON: {cause: seconds}."),
        Column(
            "skew_ms_p50",
            pa.float64(),
            "Median of received - exchange time over all rows: delay + clock skew.",
            "ms",
            True,
        ),
        Column(
            "latency_ms_p50", pa.float64(), "Median of received - exchange time over rows with an update.", "ms", True
        ),
        Column("latency_ms_p95", pa.float64(), "95th percentile of the same.", "ms", True),
        Column("latency_ms_p99", pa.float64(), "99th percentile of the same.", "ms", True),
        Column("latency_ms_max", pa.float64(), "Largest of the same.", "ms", True),
        Column(
            "bytes_per_snapshot", pa.float64(), "Size of the hour's Parquet file per row.", "bytes", True, at_least=0
        ),
        _count("segments", "Segments merged into the hour's file."),
        Column("sources", pa.string(), "Which: JSON list of short digests of their names; a merge is never repeated."),
        Column("sessions", pa.string(), "Capture sessions of the hour: JSON list of {id, first, last}."),
        Column("computed_timestamp", TIMESTAMP, "When this record was made.", "ns UTC"),
    ),
    row_check=_quality_reasons,
)


def _mean(name: str, description: str, unit: str) -> Column:
    return Column(name, pa.float64(), description, unit, True)


def _depth_columns() -> list[Column]:
    known = "of the recorded levels; a lower bound where {side}_reach_bps is less than the band"
    return [
        _mean(
            f"{side}_depth_{band}bps",
            f"Mean {side} depth within {band} bps of mid, {known.format(side=side)}.",
            _PRICE_UNIT,
        )
        for band in DEPTH_BANDS_BPS
        for side in ("bid", "ask")
    ]


def _impact_columns() -> list[Column]:
    columns = []
    for notional in IMPACT_NOTIONALS:
        for action, side in (("buy", "ask"), ("sell", "bid")):
            tag = f"{action}_{notional // 1000}k"
            columns += [
                _mean(
                    f"{tag}_impact_bps",
                    f"Mean price against mid to {action} {notional:,} at once, where it fills.",
                    "bps",
                ),
                _mean(f"{tag}_unfilled_share", f"Samples whose recorded {side}s are too thin for it.", "share"),
            ]
    return columns


BOOK_METRICS = Dataset(
    "book_metrics",
    "Book metrics by the minute",
    "venue, symbol, minute",
    "Aggregates over the synced samples of each minute; a minute without any has no row. "
    "Null where no sample has the value.",
    (
        Column("timestamp", TIMESTAMP, "Start of the minute.", "ns UTC"),
        _EXCHANGE,
        _SYMBOL,
        _count("samples", "Synced samples with both sides that the row is made of."),
        _mean("mid_first", "Mid price of the first sample.", _PRICE_UNIT),
        _mean("mid_last", "Mid price of the last sample.", _PRICE_UNIT),
        _mean("mid_min", "Lowest mid price.", _PRICE_UNIT),
        _mean("mid_max", "Highest mid price.", _PRICE_UNIT),
        _mean("mid_mean", "Mean mid price.", _PRICE_UNIT),
        _mean("microprice_mean", "Mean of (bid * ask size + ask * bid size) / (bid size + ask size).", _PRICE_UNIT),
        _mean("spread_mean", "Mean of best ask - best bid.", _PRICE_UNIT),
        _mean("spread_max", "Widest spread.", _PRICE_UNIT),
        _mean("spread_bps_mean", "Mean spread against mid.", "bps"),
        *(
            _mean(f"imbalance_{levels}_mean", f"Mean of (bid - ask) / (bid + ask) size of the top {levels}.", "-1 to 1")
            for levels in IMBALANCE_LEVELS
        ),
        _mean("bid_reach_bps_min", "How far below mid the recorded bids always reach.", "bps"),
        _mean("ask_reach_bps_min", "How far above mid the recorded asks always reach.", "bps"),
        *_depth_columns(),
        *_impact_columns(),
    ),
)

DATASETS = {
    one.name: one
    for one in (
        L2_SNAPSHOTS, L2_GAPS, L2_QUALITY, BOOK_METRICS, BEST_QUOTES, L2_SEGMENTS, L2_GAP_SEGMENTS,
        FUNDING_RATES, FUNDING_REVISIONS, FUNDING_QUOTES, INSTRUMENTS, SYMBOL_MAP, SYMBOL_MAP_CHANGES,
        ORDERS, FILLS, FUNDING_PAYMENTS, PNL_DAILY, POSITIONS, RECONCILIATIONS,
    )
}  # fmt: skip


def dataset_of(name: str) -> Dataset:
    """The dataset of that name; `LakeError` where there is none."""
    if name not in DATASETS:
        raise LakeError(f"unknown dataset {name!r}: known datasets are {', '.join(DATASETS)}")
    return DATASETS[name]
