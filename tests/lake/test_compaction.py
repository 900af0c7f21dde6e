"""Compaction loses nothing and doubles nothing: by crash at every step, by race at every step, on a local and an S3
store.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest

from tests.support.snapshots import HOUR, SYMBOL, VENUE, gap_rows, snapshot_rows
from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import CorruptFile, LakeError
from xetrade_core.lake import parquet
from xetrade_core.lake.compaction import CompactionReport, compact_hour
from xetrade_core.lake.dataset import Dataset
from xetrade_core.lake.instrument_facts import instrument_metadata, part_facts
from xetrade_core.lake.layout import NS_PER_HOUR, part_key, segment_key
from xetrade_core.lake.pending import pending_contents, pending_hours
from xetrade_core.lake.quality import QualityRecord
from xetrade_core.lake.schemas import L2_GAP_SEGMENTS, L2_GAPS, L2_QUALITY, L2_SEGMENTS, L2_SNAPSHOTS
from xetrade_core.lake.store import ObjectInfo, ObjectStore, Source, open_store
from xetrade_core.model.instruments import Instrument, MarketType

OTHER = "ETH/USDT"
Filled = Callable[[Path], ObjectStore]


def put_rows(store: ObjectStore, rows: pa.Table, writer: str = "w1", **metadata: str) -> str:
    """Upload a segment as a capture does."""
    times = rows.column("timestamp").cast(pa.int64()).to_pylist()
    key = segment_key(L2_SEGMENTS.name, VENUE, min(times), max(times) + 1, writer)
    table = rows.cast(L2_SEGMENTS.schema)
    store.create(key, parquet.to_bytes(table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})))
    return key


def put_gaps(store: ObjectStore, rows: pa.Table, writer: str = "w1") -> str:
    times = rows.column("from_timestamp").cast(pa.int64()).to_pylist()
    key = segment_key(L2_GAP_SEGMENTS.name, VENUE, min(times), max(times) + 1, writer)
    store.create(key, parquet.to_bytes(rows))
    return key


def compact(store: ObjectStore, hour: int = HOUR, **options: Any) -> CompactionReport:
    return compact_hour(store, VENUE, hour, interval_ns=NS_PER_S, clock=ManualClock(HOUR), **options)


def stored(store: ObjectStore, dataset: Dataset, symbol: str = SYMBOL, hour: int = HOUR) -> pa.Table:
    return parquet.from_bytes(store.read(part_key(dataset.name, VENUE, symbol, hour)), "part")


def quality(store: ObjectStore, symbol: str = SYMBOL, hour: int = HOUR) -> QualityRecord:
    return QualityRecord.from_table(stored(store, L2_QUALITY, symbol, hour))


def gaps(store: ObjectStore, symbol: str = SYMBOL, hour: int = HOUR) -> list[tuple[int, int | None, str]]:
    """The ledger as (from second, to second, cause)."""
    table = stored(store, L2_GAPS, symbol, hour)
    starts, ends = (table.column(name).cast(pa.int64()).to_pylist() for name in ("from_timestamp", "to_timestamp"))
    seconds = [
        ((a - hour) // NS_PER_S, None if b is None else (b - hour) // NS_PER_S)
        for a, b in zip(starts, ends, strict=True)
    ]
    return [(a, b, cause) for (a, b), cause in zip(seconds, table.column("cause").to_pylist(), strict=True)]


def seconds(store: ObjectStore, symbol: str = SYMBOL) -> list[int]:
    return [
        (ns - HOUR) // NS_PER_S
        for ns in stored(store, L2_SNAPSHOTS, symbol).column("timestamp").cast(pa.int64()).to_pylist()
    ]


def content(store: ObjectStore) -> dict[str, bytes]:
    return {info.key: store.read(info.key) for info in store.list("")}


def fill(store: ObjectStore) -> None:
    """An hour with everything in it: two writers that overlap and disagree, two symbols, gaps told twice, a row that
    is refused,
    a missing second in one session and missing seconds between two."""
    both = [snapshot_rows(range(10), unsynced=[4], symbol=symbol) for symbol in (SYMBOL, OTHER)]
    put_rows(store, pa.concat_tables(both))
    put_rows(store, pa.concat_tables([snapshot_rows([10, 11, 13, 14]), snapshot_rows(range(10, 15), symbol=OTHER)]))
    put_rows(store, snapshot_rows(range(12, 20), sequence_offset=1, unsynced=[12]), writer="w2")
    put_rows(store, snapshot_rows(range(25, 30), sequence_offset=2), writer="w3")
    refused = snapshot_rows([20, 21], symbol=OTHER).to_pylist()
    refused[0]["bid_size"] = [-1.0, 1.0, 1.0]
    put_rows(store, pa.Table.from_pylist(refused, L2_SNAPSHOTS.schema), writer="w2")
    put_gaps(store, gap_rows({"start": 4, "end": None}))
    put_gaps(
        store,
        pa.concat_tables([gap_rows({"start": 4, "end": 5}), gap_rows({"start": 4, "end": 5}, symbol=OTHER)]),
        writer="w1b",
    )


@pytest.fixture
def filled(tmp_path: Path) -> Filled:
    """Makes a lake as `fill` does, a copy of the one that it filled."""
    fill(open_store(tmp_path / "filled"))

    def make(directory: Path) -> ObjectStore:
        shutil.copytree(tmp_path / "filled", directory)
        return open_store(directory)

    return make


class Crash(BaseException):
    """The process dies here."""


class Spy:
    """A store that calls `at(step)` before and after each operation, numbered in turn."""

    def __init__(self, inner: ObjectStore, at: Callable[[int], None]) -> None:
        self._inner = inner
        self._at = at
        self.steps = 0

    @property
    def uri(self) -> str:
        return self._inner.uri

    def _step(self) -> None:
        step, self.steps = self.steps, self.steps + 1
        self._at(step)

    def create(self, key: str, source: Source) -> None:
        self._step()
        self._inner.create(key, source)
        self._step()

    def replace(self, key: str, source: Source, *, if_match: str | None = None) -> None:
        self._step()
        self._inner.replace(key, source, if_match=if_match)
        self._step()

    def delete(self, key: str) -> None:
        self._step()
        self._inner.delete(key)
        self._step()

    def read(self, key: str) -> bytes:
        self._step()
        return self._inner.read(key)

    def open(self, key: str) -> BinaryIO:
        self._step()
        return self._inner.open(key)

    def stat(self, key: str) -> ObjectInfo | None:
        self._step()
        return self._inner.stat(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._step()
        return self._inner.list(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        self._step()
        return self._inner.folders(prefix)

    def exists(self, key: str) -> bool:
        self._step()
        return self._inner.exists(key)

    def check_writable(self) -> None:
        self._inner.check_writable()


def test_segments_become_one_sorted_file_a_symbol(store: ObjectStore) -> None:
    put_rows(store, pa.concat_tables([snapshot_rows(range(30, 60)), snapshot_rows(range(30, 60), symbol=OTHER)]))
    put_rows(store, pa.concat_tables([snapshot_rows(range(30), symbol=OTHER), snapshot_rows(range(30))]))
    report = compact(store)
    assert [(one.symbol, one.rows, one.rows_added) for one in report.symbols] == [(SYMBOL, 60, 60), (OTHER, 60, 60)]
    assert [(one.first_sequence, one.last_sequence) for one in report.symbols] == [(1000, 1590), (1000, 1590)]
    assert stored(store, L2_SNAPSHOTS).equals(snapshot_rows(range(60)).cast(L2_SNAPSHOTS.schema))
    assert report.complete
    assert list(store.list("l2_segments/")) == []


def test_compacting_again_changes_nothing(store: ObjectStore) -> None:
    fill(store)
    compact(store)
    before = content(store)
    compact(store, expected=[SYMBOL, OTHER])
    assert content(store) == before


def test_later_segments_are_merged_into_the_file_as_if_they_had_come_at_once(tmp_path: Path) -> None:
    at_once, in_turn = open_store(tmp_path / "at-once"), open_store(tmp_path / "in-turn")
    fill(at_once)
    compact(at_once)
    fill(tmp := open_store(tmp_path / "all"))  # the same segments, handed over one at a time
    for info in list(tmp.list("")):
        in_turn.create(info.key, tmp.read(info.key))
        compact(in_turn)
    for key, data in content(at_once).items():
        if not key.startswith("l2_quality/"):
            assert in_turn.read(key) == data, key
    for symbol in (SYMBOL, OTHER):
        assert quality(in_turn, symbol) == quality(at_once, symbol)


def test_overlapping_writers_are_merged_and_the_losers_counted(local_store: ObjectStore) -> None:
    fill(local_store)
    report = compact(local_store)
    assert seconds(local_store) == [*range(20), *range(25, 30)]
    assert quality(local_store).duplicates == 2  # 13 and 14; 12 was recorded by w2 alone
    assert report.duplicates == 2
    rows = stored(local_store, L2_SNAPSHOTS)
    assert rows.column("sequence").to_pylist()[13:15] == [1131, 1141]


def test_refused_rows_are_kept_beside_with_their_reason(local_store: ObjectStore) -> None:
    fill(local_store)
    report = compact(local_store)
    (info,) = local_store.list("l2_snapshots_rejected/")
    assert "/symbol=ETH-USDT/date=2024-08-09/hour=00/" in info.key
    refused = parquet.from_bytes(local_store.read(info.key), "refused")
    assert refused.column("rejected_reason").to_pylist() == ["bid_size is not positive"]
    assert (report.rejected, quality(local_store, OTHER).rejected) == (1, 1)
    assert seconds(local_store, OTHER) == [*range(15), 21]


def test_rows_in_the_wrong_segment_are_refused(local_store: ObjectStore) -> None:
    rows = pa.concat_tables([snapshot_rows(range(3)), snapshot_rows([3], venue="okx"), snapshot_rows([3600])])
    local_store.create(segment_key(L2_SEGMENTS.name, VENUE, HOUR, HOUR + 4, "w"), parquet.to_bytes(rows))
    assert compact(local_store).rejected == 2
    reasons = [
        parquet.from_bytes(local_store.read(info.key), "r").column("rejected_reason").to_pylist()
        for info in local_store.list("l2_snapshots_rejected/")
    ]
    assert reasons == [["of another venue than its segment", "outside the hour of its segment"]]


class TestLedger:
    def test_a_second_missing_within_a_session_is_unexplained(self, local_store: ObjectStore) -> None:
        put_rows(local_store, snapshot_rows([0, 1, 2, 5, 6]))
        report = compact(local_store)
        assert gaps(local_store) == [(3, 5, "unexplained")]
        assert not report.complete

    def test_seconds_between_two_sessions_had_no_recorder(self, local_store: ObjectStore) -> None:
        put_rows(local_store, snapshot_rows([0, 1, 2]), writer="one")
        put_rows(local_store, snapshot_rows([7, 8]), writer="two")
        assert compact(local_store).complete
        assert gaps(local_store) == [(3, 7, "recorder_down")]

    def test_the_end_of_the_window_after_a_session_is_for_its_recovery_to_explain(
        self, local_store: ObjectStore
    ) -> None:
        put_rows(local_store, snapshot_rows(range(5)))
        compact(local_store, window=(HOUR, HOUR + 8 * NS_PER_S))
        assert gaps(local_store) == [(5, 8, "unexplained")]
        put_gaps(local_store, gap_rows({"start": 5, "end": 8, "cause": "recorder_down"}))
        assert compact(local_store, window=(HOUR, HOUR + 8 * NS_PER_S)).complete
        assert gaps(local_store) == [(5, 8, "recorder_down")]

    def test_a_late_start_is_never_excused(self, local_store: ObjectStore) -> None:
        put_rows(local_store, snapshot_rows(range(5, 8)))
        report = compact(local_store, window=(HOUR, HOUR + 8 * NS_PER_S))
        assert gaps(local_store) == [(0, 5, "unexplained")]
        assert not report.complete

    def test_a_session_that_died_in_the_hour_before_explains_the_start(self, local_store: ObjectStore) -> None:
        hour = HOUR + NS_PER_HOUR
        put_rows(local_store, snapshot_rows(range(3590, 3595)), writer="one")
        put_rows(local_store, snapshot_rows(range(5, 8), hour=hour), writer="two")
        compact(local_store)
        compact(local_store, hour=hour, window=(hour, hour + 8 * NS_PER_S))
        assert gaps(local_store, hour=hour) == [(0, 5, "recorder_down")]

    def test_a_row_out_of_sync_without_a_gap_is_unexplained(self, local_store: ObjectStore) -> None:
        put_rows(local_store, snapshot_rows(range(6), unsynced=[2, 3]))
        assert not compact(local_store).complete
        assert gaps(local_store) == [(2, 4, "unexplained")]

    def test_what_was_unexplained_is_explained_when_its_record_arrives(self, local_store: ObjectStore) -> None:
        put_rows(local_store, snapshot_rows(range(6), unsynced=[2, 3]))
        compact(local_store)
        put_gaps(local_store, gap_rows({"start": 2, "end": 4}))
        assert compact(local_store).complete
        assert gaps(local_store) == [(2, 4, "disconnect")]

    def test_an_absence_ends_where_another_session_recorded(self, local_store: ObjectStore) -> None:
        """A stopped session says that nothing follows until the end of its window; a second one took over at 8."""
        put_rows(local_store, snapshot_rows(range(5)), writer="one")
        put_gaps(local_store, gap_rows({"start": 5, "end": 20, "cause": "stopped"}), writer="one")
        put_rows(local_store, snapshot_rows(range(8, 12)), writer="two")
        assert compact(local_store).complete
        assert gaps(local_store) == [(5, 8, "stopped"), (12, 20, "stopped")]
        put_rows(local_store, snapshot_rows(range(12, 16)), writer="three")
        compact(local_store)
        assert gaps(local_store) == [(5, 8, "stopped"), (16, 20, "stopped")]

    def test_an_expected_symbol_of_which_nothing_came_is_not_complete(self, local_store: ObjectStore) -> None:
        put_rows(local_store, snapshot_rows(range(5)))
        report = compact(local_store, expected=[OTHER])
        assert [(one.symbol, one.quality.expected, one.quality.complete) for one in report.symbols] == [
            (SYMBOL, 5, True),
            (OTHER, 5, False),
        ]
        assert gaps(local_store, OTHER) == [(0, 5, "unexplained")]


def test_tick_sizes_travel_from_segment_to_file(local_store: ObjectStore) -> None:
    instrument = Instrument(
        VENUE, SYMBOL, "BTCUSDT", MarketType.SPOT, price_tick=_decimal("0.01"), lot=_decimal("0.00001")
    )
    put_rows(local_store, snapshot_rows(range(3)), **instrument_metadata([instrument]))
    compact(local_store)
    put_rows(local_store, snapshot_rows(range(3, 5)))  # a writer that does not say
    compact(local_store)
    schema = stored(local_store, L2_SNAPSHOTS).schema
    assert part_facts(schema)["price_tick"] == "0.01"
    assert schema.field("bid_price").metadata[b"price_tick"] == b"0.01"
    assert schema.field("ask_size").metadata[b"lot"] == b"0.00001"


def _decimal(text: str) -> Any:
    from decimal import Decimal

    return Decimal(text)


def test_a_damaged_segment_is_left_alone_and_told(local_store: ObjectStore) -> None:
    put_rows(local_store, snapshot_rows(range(5)))
    bad = segment_key(L2_SEGMENTS.name, VENUE, HOUR + 5 * NS_PER_S, HOUR + 6 * NS_PER_S, "w1")
    local_store.create(bad, b"PAR1 torn")
    report = compact(local_store)
    assert report.unreadable == (bad,)
    assert not report.complete
    assert local_store.exists(bad)
    assert seconds(local_store) == list(range(5))


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "part.parquet", f"{HOUR + NS_PER_HOUR}-{HOUR + NS_PER_HOUR + 1}-w1.parquet", "9-1-w1.parquet"],
    ids=["text", "another table", "a segment of another hour", "times that no segment has"],
)
def test_a_foreign_file_is_told_and_left_alone_and_stops_nothing(local_store: ObjectStore, name: str) -> None:
    segment = put_rows(local_store, snapshot_rows(range(5)))
    foreign = f"{segment.rpartition('/')[0]}/{name}"
    local_store.create(foreign, b"read me")
    local_store.create(f"{L2_SEGMENTS.name}/notes.txt", b"read me")
    assert pending_hours(local_store) == [(VENUE, HOUR)]
    report = compact(local_store)
    assert report.unreadable == (foreign,)
    assert not report.complete
    assert seconds(local_store) == list(range(5))
    assert local_store.read(foreign) == b"read me"
    assert not local_store.exists(segment)
    assert pending_hours(local_store) == []


def test_what_waits_in_an_hour_has_another_digest_when_a_segment_comes_or_goes(local_store: ObjectStore) -> None:
    put_rows(local_store, snapshot_rows(range(5)))
    one = pending_contents(local_store)
    assert one == pending_contents(local_store, VENUE)
    late = put_rows(local_store, snapshot_rows(range(3)), "recovered")  # its name sorts before the newest
    two = pending_contents(local_store)
    assert list(two) == [(VENUE, HOUR)]
    assert two != one
    local_store.delete(late)
    assert pending_contents(local_store) == one


def test_a_damaged_part_stops_compaction_and_keeps_the_segments(local_store: ObjectStore) -> None:
    segment = put_rows(local_store, snapshot_rows(range(5)))
    local_store.create(part_key(L2_SNAPSHOTS.name, VENUE, SYMBOL, HOUR), b"garbage")
    with pytest.raises(CorruptFile, match=r"part\.parquet"):
        compact(local_store)
    assert local_store.exists(segment)


def test_a_store_that_returns_other_bytes_than_it_took_loses_nothing(local_store: ObjectStore) -> None:
    """Every row is compared with what was read back before a segment is deleted."""

    class Corrupting(Spy):
        def create(self, key: str, source: Source) -> None:
            if key.startswith("l2_snapshots/") and isinstance(source, bytes):
                source = parquet.to_bytes(parquet.from_bytes(source, key).slice(1))
            self._inner.create(key, source)

        def replace(self, key: str, source: Source, *, if_match: str | None = None) -> None:
            raise AssertionError("not reached: the file holds a subset, so it is merged and swapped")

    segment = put_rows(local_store, snapshot_rows(range(5)))
    with pytest.raises(AssertionError):
        compact(Corrupting(local_store, lambda step: None))
    assert local_store.exists(segment)


@pytest.mark.slow
def test_killed_at_every_step_and_run_again_gives_the_same_lake(tmp_path: Path, filled: Filled) -> None:
    reference = filled(tmp_path / "reference")
    counter = Spy(reference, lambda step: None)
    compact(counter)
    expected = content(reference)
    assert counter.steps > 40
    for kill_at in range(counter.steps):
        store = filled(tmp_path / f"killed-{kill_at}")

        def kill(step: int, kill_at: int = kill_at) -> None:
            if step == kill_at:
                raise Crash

        with pytest.raises(Crash):
            compact(Spy(store, kill))
        compact(store, expected=[SYMBOL, OTHER])
        assert content(store) == expected, f"killed at step {kill_at}"


@pytest.mark.slow
def test_another_compaction_at_every_step_loses_and_doubles_nothing(tmp_path: Path, filled: Filled) -> None:
    """At each step of one compaction, a segment arrives and another compaction runs from start to end."""
    late = snapshot_rows(range(14, 34), sequence_offset=3)
    reference = filled(tmp_path / "reference")
    put_rows(reference, late, writer="w4")
    compact(reference)
    expected = content(reference)
    compact(counter := Spy(filled(tmp_path / "counted"), lambda step: None))
    for interrupt_at in range(counter.steps):
        store = filled(tmp_path / f"raced-{interrupt_at}")

        def interrupt(step: int, interrupt_at: int = interrupt_at, store: ObjectStore = store) -> None:
            if step == interrupt_at:
                put_rows(store, late, writer="w4")
                compact(store)

        compact(Spy(store, interrupt))
        compact(store, expected=[SYMBOL, OTHER])
        for key, data in expected.items():
            assert store.read(key) == data, f"interrupted at step {interrupt_at}: {key}"


def test_an_hour_that_keeps_changing_gives_up_and_keeps_its_segments(local_store: ObjectStore) -> None:
    segment = put_rows(local_store, snapshot_rows(range(5)))
    part = part_key(L2_SNAPSHOTS.name, VENUE, SYMBOL, HOUR)
    meddled = iter(range(100, 3000))

    class Meddling(Spy):
        def create(self, key: str, source: Source) -> None:
            self._meddle(key)
            self._inner.create(key, source)

        def replace(self, key: str, source: Source, *, if_match: str | None = None) -> None:
            self._meddle(key)
            self._inner.replace(key, source, if_match=if_match)

        def _meddle(self, key: str) -> None:
            if key == part:
                other = snapshot_rows([next(meddled)]).cast(L2_SNAPSHOTS.schema)
                self._inner.replace(key, parquet.to_bytes(other))

    with pytest.raises(LakeError, match="its segments are kept"):
        compact(Meddling(local_store, lambda step: None))
    assert local_store.exists(segment)


def test_hours_and_venues_do_not_touch_each_other(local_store: ObjectStore) -> None:
    other = segment_key(L2_SEGMENTS.name, "okx", HOUR, HOUR + 5, "w")
    local_store.create(other, parquet.to_bytes(snapshot_rows(range(5), venue="okx").cast(L2_SEGMENTS.schema)))
    put_rows(local_store, snapshot_rows(range(5)))
    compact(local_store)
    assert [info.key for info in local_store.list("l2_segments/")] == [other]


def test_an_expected_symbol_of_which_nothing_came_misses_what_later_segments_of_others_have_too(
    local_store: ObjectStore,
) -> None:
    for seconds, writer in ((range(10), "w1"), (range(10, 30), "w2")):
        put_rows(local_store, snapshot_rows(seconds), writer)
        report = compact(local_store, expected=("ETH/USDT",))
    other, absent = sorted((one.quality for one in report.symbols), key=lambda record: record.symbol)
    assert (other.expected, other.missing) == (30, 0)
    assert (absent.expected, absent.missing, absent.unexplained) == (30, 30, 30)
