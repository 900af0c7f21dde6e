"""Book metrics against a naive implementation that walks each book with a loop."""

from __future__ import annotations

import math
from decimal import Decimal
from statistics import fmean
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.snapshots import HOUR, SYMBOL, VENUE, snapshot_rows
from xetrade_core.clock import NS_PER_S
from xetrade_core.lake import parquet
from xetrade_core.lake.instrument_facts import instrument_metadata, segment_facts, with_facts
from xetrade_core.lake.layout import part_key
from xetrade_core.lake.measure import hour_symbols, measure_hour
from xetrade_core.lake.metrics import minute_metrics, sample_metrics
from xetrade_core.lake.schemas import BOOK_METRICS, DEPTH_BANDS_BPS, IMPACT_NOTIONALS, L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.model.contracts import SPOT, Contract
from xetrade_core.model.instruments import Instrument, MarketType

CONTRACTS = [SPOT, Contract(Decimal("0.01")), Contract(Decimal(100), inverse=True)]
steps = st.lists(st.integers(1, 400), min_size=1, max_size=12)
sizes = st.lists(st.floats(0.001, 50.0), min_size=12, max_size=12)
books = st.builds(
    lambda mid, bid_steps, bid_sizes, ask_steps, ask_sizes: {
        "bid_price": _walk(mid, bid_steps, -1),
        "bid_size": bid_sizes[: len(bid_steps)],
        "ask_price": _walk(mid, ask_steps, 1),
        "ask_size": ask_sizes[: len(ask_steps)],
    },
    st.integers(40_000, 80_000),
    steps,
    sizes,
    steps,
    sizes,
)


def _walk(mid: float, by: list[int], direction: int) -> list[float]:
    prices, price = [], float(mid)
    for step in by:
        price += direction * step / 2
        prices.append(price)
    return prices


def table_of(given_books: list[dict[str, Any]], every_s: int = 7) -> pa.Table:
    rows = snapshot_rows(range(0, len(given_books) * every_s, every_s)).to_pylist()
    return pa.Table.from_pylist([row | book for row, book in zip(rows, given_books, strict=True)], L2_SNAPSHOTS.schema)


def naive(book: dict[str, Any], contract: Contract) -> dict[str, float]:
    """Every metric of one book, level by level."""
    bids = list(zip(book["bid_price"], book["bid_size"], strict=True))
    asks = list(zip(book["ask_price"], book["ask_size"], strict=True))
    (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
    mid = (bid + ask) / 2
    found = {
        "mid": mid,
        "spread": ask - bid,
        "spread_bps": (ask - bid) / mid * 1e4,
        "microprice": (bid * ask_size + ask * bid_size) / (bid_size + ask_size),
        "bid_reach_bps": (mid - bids[-1][0]) / mid * 1e4,
        "ask_reach_bps": (asks[-1][0] - mid) / mid * 1e4,
    }
    for levels in (1, 5, 10):
        one, other = (sum(size for _, size in side[:levels]) for side in (bids, asks))
        found[f"imbalance_{levels}"] = (one - other) / (one + other)

    def worth(price: float, size: float) -> float:
        return size * float(contract.size) * (1.0 if contract.inverse else price)

    for name, side in (("bid", bids), ("ask", asks)):
        for band in DEPTH_BANDS_BPS:
            found[f"{name}_depth_{band}bps"] = sum(worth(p, s) for p, s in side if abs(p - mid) / mid * 1e4 <= band)
    for notional in IMPACT_NOTIONALS:
        for action, side in (("buy", asks), ("sell", bids)):
            left, base = float(notional), 0.0
            for price, size in side:
                taken = min(left, worth(price, size))
                left -= taken
                base += taken / price
            key = f"{action}_{notional // 1000}k_impact_bps"
            found[key] = math.nan if left > notional * 1e-12 else abs(notional / base / mid - 1) * 1e4
    return found


@settings(deadline=None)  # the machine may be busy
@given(st.lists(books, min_size=1, max_size=4), st.sampled_from(CONTRACTS))
def test_every_metric_of_every_sample_is_the_naive_one(given_books: list[dict[str, Any]], contract: Contract) -> None:
    got = sample_metrics(table_of(given_books), contract)
    for i, book in enumerate(given_books):
        for name, value in naive(book, contract).items():
            assert got[name][i] == pytest.approx(value, rel=1e-9, abs=1e-6, nan_ok=True), name


@settings(deadline=None)  # the machine may be busy
@given(st.lists(books, min_size=1, max_size=20))
def test_minutes_are_aggregates_of_their_samples(given_books: list[dict[str, Any]]) -> None:
    table = minute_metrics(table_of(given_books), VENUE, SYMBOL, SPOT)
    by_minute: dict[int, list[dict[str, float]]] = {}
    for i, book in enumerate(given_books):
        by_minute.setdefault(i * 7 // 60, []).append(naive(book, SPOT))
    assert table.column("samples").to_pylist() == [len(one) for one in by_minute.values()]
    for row, samples in zip(table.to_pylist(), by_minute.values(), strict=True):
        mids = [one["mid"] for one in samples]
        assert [row[f"mid_{name}"] for name in ("first", "last", "min", "max")] == [
            mids[0],
            mids[-1],
            min(mids),
            max(mids),
        ]
        assert row["spread_max"] == max(one["spread"] for one in samples)
        assert row["bid_reach_bps_min"] == pytest.approx(min(one["bid_reach_bps"] for one in samples))
        for name in ("mid", "microprice", "spread_bps", "imbalance_5"):
            assert row[f"{name}_mean"] == pytest.approx(fmean(one[name] for one in samples), abs=1e-9)
        for name in ("buy_50k_impact_bps", "sell_250k_impact_bps"):
            filled = [one[name] for one in samples if not math.isnan(one[name])]
            assert row[name] == (pytest.approx(fmean(filled), abs=1e-6) if filled else None)
            assert row[name.replace("impact_bps", "unfilled_share")] == pytest.approx(1 - len(filled) / len(samples))
    assert len(BOOK_METRICS.validate(table).rejected) == 0


def test_books_out_of_sync_or_one_sided_are_no_samples() -> None:
    rows = snapshot_rows(range(4), unsynced=[1]).to_pylist()
    rows[2] |= {"ask_price": [], "ask_size": []}
    table = minute_metrics(pa.Table.from_pylist(rows, L2_SNAPSHOTS.schema), VENUE, SYMBOL, SPOT)
    assert table.column("samples").to_pylist() == [2]


def test_an_hour_without_a_book_has_no_minute() -> None:
    for rows in (snapshot_rows([]), snapshot_rows([0, 1], unsynced=[0, 1])):
        assert minute_metrics(rows, VENUE, SYMBOL, SPOT).num_rows == 0


@pytest.mark.parametrize(
    ("symbol", "inverse"),
    [
        ("BTC/USDT", False),
        ("BTC/USDT:USDT", False),
        ("BTC/USD:BTC", True),
        ("BTC/USD:BTC-261225", True),
        ("BTC/USD:BTC-261225-100000-C", False),
        ("BTC/USDC:USDC-261225", False),
        ("ETH/BTC", False),
    ],
)
def test_a_contract_that_settles_in_its_base_is_inverse(symbol: str, inverse: bool) -> None:
    assert Contract.of(symbol).inverse is inverse


def test_an_hour_of_the_lake_is_measured_with_its_contract_size(store: ObjectStore) -> None:
    symbol = "BTC/USD:BTC"
    instrument = Instrument("binancecoinm", symbol, "BTCUSD_PERP", MarketType.SWAP, 1, 1, 100)  # type: ignore[arg-type]
    segment = pa.schema([]).with_metadata(instrument_metadata([instrument]))
    rows = snapshot_rows(range(90), symbol=symbol, venue="binancecoinm").cast(L2_SNAPSHOTS.schema)
    rows = with_facts(rows, segment_facts(segment, symbol))
    store.create(part_key(L2_SNAPSHOTS.name, "binancecoinm", symbol, HOUR), parquet.to_bytes(rows))
    assert hour_symbols(store, "binancecoinm", HOUR) == [symbol]
    report = measure_hour(store, "binancecoinm", HOUR)
    assert report.minutes == {symbol: 2}
    key = part_key(BOOK_METRICS.name, "binancecoinm", symbol, HOUR)
    table = parquet.from_bytes(store.read(key), key)
    assert table.column("timestamp").cast(pa.int64()).to_pylist() == [HOUR, HOUR + 60 * NS_PER_S]
    assert table.column("bid_depth_50bps")[0].as_py() == pytest.approx((0.25 + 0.5 + 0.75) * 100)
    assert measure_hour(store, "binancecoinm", HOUR) == report
