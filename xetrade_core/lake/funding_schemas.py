"""The datasets of funding, column by column: what was paid, what the venue changed of it, and what is expected."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from xetrade_core.lake.dataset import LABEL, TIMESTAMP, Column, Dataset, Reasons

YEAR_S = 365 * 24 * 3600.0
#: who said so: the venue itself, or a file that somebody gave us
SOURCES = ("venue", "file")
_MINUTE_NS = 60_000_000_000
_RATE_UNIT = "fraction of notional per interval"

_EXCHANGE = Column("exchange", LABEL, "Venue id, as in ccxt: binanceusdm, okx.")
_SYMBOL = Column("symbol", LABEL, "Universal symbol, as in ccxt: BTC/USDT:USDT, BTC/USD:BTC.")
_INTERVAL = Column(
    "interval_s", pa.float64(), "Period that the rate pays for; null where it cannot be told.", "s", True, at_least=1
)
_APR = Column("apr", pa.float64(), "rate x 365 x 24 h / interval, simple; null without an interval.", "fraction a year",
              True)  # fmt: skip


def _price(name: str, description: str) -> Column:
    return Column(name, pa.float64(), description, "quote currency", True, at_least=0)


def apr_reasons(table: pa.Table) -> Reasons:
    """Rows whose `apr` is not that of their rate and interval."""
    rate, interval, apr = (
        table.column(name).to_numpy().astype(np.float64) for name in ("rate", "interval_s", "apr")
    )  # nulls are NaN
    known = ~np.isnan(rate) & ~np.isnan(interval)
    expected = np.full(len(rate), np.nan)
    np.divide(rate * YEAR_S, interval, out=expected, where=known & (interval > 0))
    wrong = ~(np.isclose(apr, expected, rtol=1e-9, atol=1e-15, equal_nan=True))
    return [(wrong, "apr is not that of rate and interval_s")] if wrong.any() else []


def _rate_reasons(table: pa.Table) -> Reasons:
    reasons = apr_reasons(table)
    times = table.column("timestamp").cast(pa.int64()).fill_null(0).to_numpy()
    off = times % _MINUTE_NS != 0
    if off.any():
        reasons.append((off, "timestamp is not on a full minute"))
    symbols = table.column("symbol").cast(pa.string()).fill_null("").to_pylist()
    seen: set[tuple[str, int]] = set()
    twice = np.zeros(table.num_rows, dtype=bool)
    for index, key in enumerate(zip(symbols, times.tolist(), strict=True)):
        twice[index] = key in seen
        seen.add(key)
    if twice.any():
        reasons.append((twice, "another row has this symbol and timestamp"))
    return reasons


FUNDING_RATES = Dataset(
    "funding_rates",
    "Funding rates",
    "venue, symbol, funding time",
    "What was paid at each funding, longs to shorts where positive: one file a venue and day, in order of symbol and "
    "time. A rate that the venue changed later stands as it is now; what it was is in funding_revisions.",
    (
        Column("timestamp", TIMESTAMP, "Funding time, on the full minute.", "ns UTC"),
        _EXCHANGE,
        _SYMBOL,
        Column("exchange_timestamp", TIMESTAMP, "The time as the venue stamps it, some ms late.", "ns UTC"),
        Column("rate", pa.float64(), "The rate paid.", _RATE_UNIT, at_least=-1, at_most=1),
        _INTERVAL,
        _APR,
        _price("mark_price", "Mark price at the funding, where the venue's history has it."),
        _price("index_price", "Index price at the funding, where the venue's history has it."),
        Column("source", LABEL, "Who says so: the venue, or a file that was imported.", one_of=SOURCES),
        Column("revision", pa.int32(), "How often the rate has been changed since it was first recorded.", "count",
               at_least=0),
        Column("recorded_timestamp", TIMESTAMP, "When this rate was first seen here.", "ns UTC"),
    ),
    layout="venue_day",
    row_check=_rate_reasons,
)  # fmt: skip

FUNDING_REVISIONS = Dataset(
    "funding_revisions",
    "Changes of funding rates",
    "venue, symbol, funding time, revision",
    "Every change of a rate that was recorded already: the venue's history says otherwise than before, or the venue "
    "says otherwise than an imported file.",
    (
        Column("timestamp", TIMESTAMP, "Funding time.", "ns UTC"),
        _EXCHANGE,
        _SYMBOL,
        Column("revision", pa.int32(), "The number of the change, from 1.", "count", at_least=1),
        Column("rate_before", pa.float64(), "The rate that stood here.", _RATE_UNIT),
        Column("rate_after", pa.float64(), "The rate that took its place.", _RATE_UNIT),
        Column("source_before", LABEL, "Who had said so.", one_of=SOURCES),
        Column("source_after", LABEL, "Who says so now.", one_of=SOURCES),
        Column("noticed_timestamp", TIMESTAMP, "When the change was seen here.", "ns UTC"),
    ),
    layout="venue_day",
)

FUNDING_QUOTES = Dataset(
    "funding_quotes",
    "Funding as it stands",
    "venue, symbol, sample time",
    "Live and predicted rates, sampled. What they really mean differs from venue to venue: see funding.md.",
    (
        Column("timestamp", TIMESTAMP, "Grid time of the sample.", "ns UTC"),
        _EXCHANGE,
        _SYMBOL,
        Column("exchange_timestamp", TIMESTAMP, "The venue's time of the answer, where it gives one.", "ns UTC", True),
        Column("received_timestamp", TIMESTAMP, "When the answer was received.", "ns UTC"),
        Column("rate", pa.float64(), "The venue's live rate.", _RATE_UNIT, True, at_least=-1, at_most=1),
        Column("next_funding_timestamp", TIMESTAMP, "When it is paid.", "ns UTC", True),
        Column("predicted_rate", pa.float64(), "The rate after that, where the venue predicts one.", _RATE_UNIT, True,
               at_least=-1, at_most=1),
        Column("predicted_funding_timestamp", TIMESTAMP, "When that is paid.", "ns UTC", True),
        _INTERVAL,
        _APR,
        _price("mark_price", "Mark price now, where the venue's answer has it."),
        _price("index_price", "Index price now, where the venue's answer has it."),
    ),
    layout="venue_day",
    row_check=apr_reasons,
)  # fmt: skip
