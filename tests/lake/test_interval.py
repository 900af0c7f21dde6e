"""An hour is judged by the interval it was recorded at: what its files say, not what someone assumes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.support.snapshots import HOUR, SYMBOL, VENUE, gap_rows, snapshot_rows
from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import ConfigError
from xetrade_core.lake import parquet
from xetrade_core.lake.compaction import CompactionReport, compact_hour
from xetrade_core.lake.interval import IntervalRule, interval_metadata, segment_interval_ns
from xetrade_core.lake.layout import part_key, segment_key
from xetrade_core.lake.schemas import L2_QUALITY, L2_SEGMENTS
from xetrade_core.lake.store import ObjectStore

S, HALF, FIFTH = NS_PER_S, NS_PER_S // 2, NS_PER_S // 5
OTHER = "ETH/USDT"
Judgement = tuple[float, int, bool]
"""Interval in s, grid times expected, whether complete."""


def put(
    store: ObjectStore, interval_ns: int, ticks: range, *, says: bool = True, writer: str = "w", symbol: str = SYMBOL
) -> str:
    """A segment of rows at these multiples of the interval; `says`: with the interval in its metadata."""
    rows = snapshot_rows(ticks, symbol=symbol, interval_ns=interval_ns).cast(L2_SEGMENTS.schema)
    if says:
        rows = rows.replace_schema_metadata(interval_metadata(interval_ns))
    key = segment_key(L2_SEGMENTS.name, VENUE, HOUR + ticks.start, HOUR + ticks.stop * interval_ns, writer)
    store.create(key, parquet.to_bytes(rows))
    return key


def compact(store: ObjectStore, **options: Any) -> CompactionReport:
    return compact_hour(store, VENUE, HOUR, clock=ManualClock(HOUR), **options)


def judged(report: CompactionReport, symbol: str = SYMBOL) -> Judgement:
    (record,) = (one.quality for one in report.symbols if one.symbol == symbol)
    return record.interval_s, record.expected, record.complete


@pytest.mark.parametrize("interval_ns", [FIFTH, HALF, S, 5 * S])
def test_the_segments_say_it(local_store: ObjectStore, interval_ns: int) -> None:
    put(local_store, interval_ns, range(20))
    assert judged(compact(local_store, usual_interval_ns=S)) == (interval_ns / S, 20, True)


def test_a_fine_hour_is_not_taken_for_a_coarse_one_whose_rows_it_has_all_of(local_store: ObjectStore) -> None:
    """Every second row is lost. At one second the hour would look complete."""
    for tick in range(0, 20, 2):
        put(local_store, HALF, range(tick, tick + 1))
    assert judged(compact(local_store, usual_interval_ns=S)) == (0.5, 19, False)


def test_the_record_says_it_when_the_segments_are_gone(local_store: ObjectStore) -> None:
    put(local_store, HALF, range(10))
    compact(local_store)
    window = (HOUR, HOUR + 10 * S)
    again = compact(local_store, expected=[SYMBOL], window=window, usual_interval_ns=S)
    assert judged(again) == (0.5, 20, False)


def test_a_given_interval_that_contradicts_the_files_is_refused_and_changes_nothing(local_store: ObjectStore) -> None:
    put(local_store, HALF, range(10))
    before = list(local_store.list(""))
    with pytest.raises(ConfigError, match=r"BTC/USDT of binance .* was recorded every 0\.5 s, not every 1 s: leave"):
        compact(local_store, interval_ns=S)
    assert list(local_store.list("")) == before
    assert judged(compact(local_store, interval_ns=HALF)) == (0.5, 10, True)
    with pytest.raises(ConfigError, match=r"was recorded every 0\.5 s, not every 1 s"):
        compact(local_store, interval_ns=S, expected=[SYMBOL])


def test_symbols_of_one_hour_may_have_their_own(local_store: ObjectStore) -> None:
    put(local_store, HALF, range(10), writer="one")
    put(local_store, S, range(10), writer="two", symbol=OTHER)
    report = compact(local_store)
    assert judged(report) == (0.5, 10, True)
    assert judged(report, OTHER) == (1.0, 10, True)


def test_an_hour_recorded_at_several_waits_for_someone_to_choose(local_store: ObjectStore) -> None:
    put(local_store, S, range(10), writer="one")
    put(local_store, HALF, range(20, 40), writer="two")
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"was recorded every 0\.5 s and 1 s: give the interval by which"):
            compact(local_store)
    assert len(list(local_store.list("l2_segments/"))) == 2
    assert judged(compact(local_store, interval_ns=S)) == (1.0, 20, True)


def test_segments_that_came_later_are_held_against_the_record(local_store: ObjectStore) -> None:
    put(local_store, S, range(10), writer="one")
    compact(local_store)
    put(local_store, HALF, range(20, 40), writer="two")
    with pytest.raises(ConfigError, match=r"was recorded every 0\.5 s and 1 s"):
        compact(local_store)


def test_what_nothing_says_must_be_given(local_store: ObjectStore) -> None:
    put(local_store, HALF, range(10), says=False)
    with pytest.raises(ConfigError, match=r"nothing says at which interval BTC/USDT of binance .* was recorded"):
        compact(local_store)
    assert judged(compact(local_store, usual_interval_ns=HALF)) == (0.5, 10, True)


def test_a_symbol_of_which_nothing_came_is_judged_as_the_others(local_store: ObjectStore) -> None:
    put(local_store, HALF, range(10))
    assert judged(compact(local_store, expected=[OTHER], usual_interval_ns=S), OTHER) == (0.5, 10, False)


def test_an_hour_of_which_nothing_came_is_judged_by_the_usual_interval(local_store: ObjectStore) -> None:
    window = (HOUR, HOUR + 10 * S)
    assert judged(compact(local_store, expected=[OTHER], window=window, usual_interval_ns=S), OTHER) == (1, 10, False)


def test_gap_records_say_it_where_there_are_no_rows(local_store: ObjectStore) -> None:
    gaps = gap_rows({"start": 0, "end": 10, "cause": "recorder_down"})
    data = parquet.to_bytes(gaps.replace_schema_metadata(interval_metadata(HALF)))
    local_store.create(segment_key("l2_gap_segments", VENUE, HOUR, HOUR + 10 * S, "w.g1"), data)
    assert judged(compact(local_store)) == (0.5, 20, True)
    assert not local_store.exists(part_key("l2_snapshots", VENUE, SYMBOL, HOUR))
    assert local_store.exists(part_key(L2_QUALITY.name, VENUE, SYMBOL, HOUR))


@pytest.mark.parametrize("options", [{"interval_ns": 0}, {"usual_interval_ns": -S}])
def test_an_interval_must_be_positive(local_store: ObjectStore, options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"interval_ns = .* give a positive number of nanoseconds"):
        compact(local_store, **options)


@pytest.mark.parametrize("text", ["", "0", "often", "-5"])
def test_metadata_that_makes_no_sense_says_nothing(text: str) -> None:
    schema = pa.schema([]).with_metadata({"interval_ns": text})
    assert segment_interval_ns(schema) is None
    assert IntervalRule(usual_ns=S).choose("it", [segment_interval_ns(schema)]) == S
