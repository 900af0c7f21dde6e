"""The recorder: rows and ledger agree, whatever the feed, the clocks and the disk do."""

from __future__ import annotations

import dataclasses
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture.ledger_check import check_ledger
from tests.capture.market import Market, instruments
from xetrade_core.books.binance import BinanceSpotBooks
from xetrade_core.capture.columns import SnapshotColumns
from xetrade_core.capture.config import HOUR_NS
from xetrade_core.capture.ledger import GapRecord
from xetrade_core.capture.recorder import BookRecorder, RecorderPlan, Seal
from xetrade_core.clock import NS_PER_MS, NS_PER_S, ManualClock
from xetrade_core.model.book_events import GapCause

S = NS_PER_S
HOUR = 472_222 * HOUR_NS
SYMBOLS = ("BTC/USDT", "ETH/USDT")


class Memory:
    """A recorder's output, kept; `full` refuses batches."""

    def __init__(self) -> None:
        self.rows_by_symbol: dict[str, dict[int, bool]] = {symbol: {} for symbol in SYMBOLS}
        self.all_rows: list[dict[str, object]] = []
        self.gaps: list[GapRecord] = []
        self.seals: list[Seal] = []
        self.full = False

    def rows(self, columns: SnapshotColumns, log_start_ns: int) -> bool:
        if self.full:
            return False
        batch = columns.batch()
        ticks = batch.column("timestamp").cast("int64").to_pylist()
        for tick, symbol, synced in zip(
            ticks, batch.column("symbol").to_pylist(), batch.column("synced").to_pylist(), strict=True
        ):
            assert tick not in self.rows_by_symbol[symbol], "a grid time was recorded twice"
            self.rows_by_symbol[symbol][tick] = synced
        self.all_rows += batch.to_pylist()
        return True

    def line(self, line: bytes) -> None:
        assert line.endswith(b"\n")

    def seal(self, seal: Seal) -> None:
        self.seals.append(seal)
        self.gaps += seal.gaps


class Rig:
    """A recorder with real books of two generated markets on a manual clock."""

    def __init__(
        self, *, start_ns: int | None = None, end_ns: int | None = None, interval_ns: int = S, opened_ns: int = HOUR
    ) -> None:
        self.clock = ManualClock(opened_ns)
        self.output = Memory()
        self.plan = RecorderPlan(
            venue="binance",
            symbols=SYMBOLS,
            session_id="s1",
            interval_ns=interval_ns,
            depth=5,
            staleness_ns=10 * S,
            segment_ns=60 * S,
            opened_ns=opened_ns,
            start_ns=opened_ns if start_ns is None else start_ns,
            end_ns=end_ns,
            batch_ticks=2,
        )
        self.recorder = BookRecorder(self.plan, self.output, self.clock)
        self.books = BinanceSpotBooks(instruments(SYMBOLS))
        rng = random.Random(3)
        self.markets = {symbol: Market(symbol, rng) for symbol in SYMBOLS}
        self.recorder.attach(self.books.sequencers)

    def update(self, symbol: str, *, lost: bool = False) -> None:
        now_ns = self.clock.wall_ns()
        frame = self.markets[symbol].update(now_ns)
        if not lost:
            self.recorder.frame(now_ns, frame)
            self.recorder.events(self.books.feed(frame, now_ns))

    def snapshot(self, symbol: str) -> None:
        now_ns = self.clock.wall_ns()
        body = self.markets[symbol].snapshot()
        self.recorder.frame(now_ns, body, f"rest:{symbol}")
        self.recorder.events(self.books.snapshot(symbol, body, now_ns))

    def disconnect(self) -> None:
        now_ns = self.clock.wall_ns()
        self.recorder.lost(now_ns, SYMBOLS, GapCause.DISCONNECT)
        self.recorder.events(self.books.lose(SYMBOLS, GapCause.DISCONNECT, now_ns))

    def garble(self, symbol: str) -> None:
        now_ns = self.clock.wall_ns()
        frame = self.markets[symbol].update(now_ns).replace(b'"U":', b'"U":x')
        self.recorder.frame(now_ns, frame)
        self.recorder.events(self.books.feed(frame, now_ns))

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.recorder.tick(self.clock.wall_ns())

    def sync(self) -> None:
        for symbol in SYMBOLS:
            self.snapshot(symbol)

    def stop(self) -> None:
        self.recorder.stop(self.clock.wall_ns(), "test over")
        self.recorder.finish()

    def check(self, end_ns: int) -> None:
        for symbol in SYMBOLS:
            rows = self.output.rows_by_symbol[symbol]
            check_ledger(symbol, rows, self.output.gaps, self.plan.start_ns, end_ns, self.plan.interval_ns)

    def causes(self, symbol: str = "BTC/USDT") -> list[GapCause]:
        return [gap.cause for gap in self.output.gaps if gap.symbol == symbol]


def test_until_the_first_snapshot_rows_are_unsynced_inside_a_startup_gap() -> None:
    rig = Rig()
    for _ in range(3):
        rig.wait(1)
    rig.sync()
    for _ in range(3):
        rig.wait(1)
    rig.stop()
    assert list(rig.output.rows_by_symbol["BTC/USDT"].values()) == [False] * 4 + [True] * 3
    assert rig.causes() == [GapCause.STARTUP]
    rig.check(HOUR + 7 * S)


def test_a_lost_message_is_one_gap_with_both_ids_until_the_next_snapshot() -> None:
    rig = Rig()
    rig.sync()
    rig.wait(1.5)
    rig.update("BTC/USDT")
    before = rig.markets["BTC/USDT"].u
    rig.update("BTC/USDT", lost=True)
    after = rig.markets["BTC/USDT"].u + 1
    rig.update("BTC/USDT")
    rig.wait(1)
    rig.snapshot("BTC/USDT")
    rig.wait(1)
    rig.stop()
    (gap,) = [gap for gap in rig.output.gaps if gap.cause is GapCause.SEQUENCE]
    assert (gap.symbol, gap.from_sequence, gap.to_sequence) == ("BTC/USDT", before, after)
    assert (gap.from_ns - HOUR, (gap.to_ns or 0) - HOUR, gap.resync_ms) == (1_500_000_001, 2_500_000_001, 1000.0)
    assert list(rig.output.rows_by_symbol["BTC/USDT"].values()) == [False, True, False, True]
    rig.check(HOUR + 4 * S)


def test_a_refused_frame_says_in_the_ledger_what_was_wrong() -> None:
    rig = Rig()
    rig.sync()
    rig.garble("ETH/USDT")
    rig.wait(1)
    rig.stop()
    (gap,) = [gap for gap in rig.output.gaps if gap.cause is GapCause.MALFORMED]
    assert gap.symbol == "ETH/USDT"
    assert gap.detail
    assert rig.output.all_rows[-1]["refused_count"] == 1


def test_a_symbol_without_updates_is_stale_after_its_limit_although_in_sync() -> None:
    rig = Rig()
    rig.sync()
    for _ in range(12):
        rig.wait(1)
        rig.update("ETH/USDT")
    rig.stop()
    stale = {symbol: [row["stale"] for row in rig.output.all_rows if row["symbol"] == symbol] for symbol in SYMBOLS}
    assert stale["BTC/USDT"] == [False] * 11 + [True, True]
    assert not any(stale["ETH/USDT"])


def test_a_snapshot_that_deepens_a_book_shows_in_the_very_next_row() -> None:
    rig = Rig()
    bids = rig.markets["BTC/USDT"].bids
    rig.markets["BTC/USDT"].bids = dict(sorted(bids.items(), reverse=True)[:5])  # five levels: cut off, for all we know
    rig.recorder.plan = dataclasses.replace(rig.plan, depth=10, batch_ticks=3)
    rig.sync()
    rig.wait(1)
    rig.markets["BTC/USDT"].bids = bids
    rig.snapshot("BTC/USDT")
    rig.wait(1)
    rig.stop()
    levels = [len(row["bid_price"] or ()) for row in rig.output.all_rows if row["symbol"] == "BTC/USDT"]
    assert levels == [0, 5, 10]


def test_a_window_that_has_begun_without_us_is_recorder_down_until_we_are_there() -> None:
    rig = Rig(start_ns=HOUR - 100 * S, end_ns=HOUR + 10 * S, opened_ns=HOUR - 20 * S - 5)
    rig.sync()
    for _ in range(80):
        rig.wait(0.5)
    rig.stop()
    assert rig.causes()[0] is GapCause.RECORDER_DOWN
    rig.check(HOUR + 10 * S)


def test_stopping_early_leaves_the_rest_of_the_window_to_stopped() -> None:
    rig = Rig(end_ns=HOUR + 3 * HOUR_NS)
    rig.sync()
    rig.wait(1.5)
    rig.stop()
    stopped = [gap for gap in rig.output.gaps if gap.cause is GapCause.STOPPED and gap.symbol == "BTC/USDT"]
    assert [(gap.from_ns - HOUR, (gap.to_ns or 0) - HOUR) for gap in stopped] == [
        (2 * S, HOUR_NS),
        (HOUR_NS, 2 * HOUR_NS),
        (2 * HOUR_NS, 3 * HOUR_NS),
    ]
    rig.check(HOUR + 3 * HOUR_NS)


def test_where_the_log_failed_the_rows_after_its_last_durable_one_are_missing() -> None:
    rig = Rig(end_ns=HOUR + 100 * S)
    rig.sync()
    for _ in range(4):
        rig.wait(1)
    rig.recorder.stop(rig.clock.wall_ns(), "disk full")
    rig.recorder.finish(durable_ns=HOUR + 2 * S)
    lost = {
        symbol: {t: s for t, s in rows.items() if t <= HOUR + 2 * S}
        for symbol, rows in rig.output.rows_by_symbol.items()
    }
    for symbol in SYMBOLS:
        check_ledger(symbol, lost[symbol], rig.output.gaps, HOUR, HOUR + 100 * S, S)


def test_rows_that_the_log_had_no_room_for_are_counted_neither_as_captured_nor_as_in_sync() -> None:
    rig = Rig()
    rig.sync()
    rig.update("BTC/USDT")
    for second in range(12):
        rig.output.full = second >= 6
        rig.update("ETH/USDT")
        rig.wait(1)
    rig.stop()
    tallies, kept = rig.recorder.tallies, rig.output.all_rows
    assert tallies.captured_ticks == len(kept) // len(SYMBOLS) > 0
    for index, symbol in enumerate(SYMBOLS):
        mine = [row for row in kept if row["symbol"] == symbol]
        assert tallies.synced[index] == sum(bool(row["synced"]) for row in mine) > 0
        assert tallies.stale[index] == sum(bool(row["stale"]) for row in mine)


def test_a_segment_ends_at_its_boundary_and_at_the_hour() -> None:
    rig = Rig(opened_ns=HOUR - 90 * S - 1)
    rig.sync()
    for _ in range(300):
        rig.wait(0.5)
    rig.stop()
    starts = [((seal.log_start_ns or 0) - HOUR) // S for seal in rig.output.seals]
    assert starts == [-90, -60, 0]


def test_a_venue_that_has_not_answered_yet_has_unsynced_rows() -> None:
    rig = Rig()
    rig.recorder._books = [None, None]  # as before attach
    rig.wait(1)
    rig.stop()
    assert not any(row["synced"] for row in rig.output.all_rows)
    rig.check(HOUR + 2 * S)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.floats(0.01, 1.2)),
        st.tuples(st.just("wait"), st.floats(0.01, 1.2)),
        st.tuples(st.just("update"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("snapshot"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("snapshot"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("lose"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("garble"), st.sampled_from(SYMBOLS)),
        st.tuples(st.just("disconnect"), st.none()),
        st.tuples(st.just("stall"), st.floats(1, 200)),
        st.tuples(st.just("step"), st.floats(-100, 100)),
        st.tuples(st.just("full"), st.booleans()),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(
    operations=OPERATIONS,
    interval_ns=st.sampled_from([100 * NS_PER_MS, S, 7 * S]),
    opened_s=st.floats(-120, 120),
    start_s=st.floats(-60, 60),
    length_s=st.none() | st.integers(1, 300),
)
def test_every_grid_time_is_a_synced_row_or_in_a_gap_and_never_both(
    operations: list[tuple[str, object]], interval_ns: int, opened_s: float, start_s: float, length_s: int | None
) -> None:
    opened_ns = HOUR + round(opened_s * S)
    start_ns = opened_ns + round(start_s * S)
    end_ns = None if length_s is None else start_ns + length_s * S
    rig = Rig(start_ns=start_ns, end_ns=end_ns, interval_ns=interval_ns, opened_ns=opened_ns)
    for kind, value in operations:
        if kind == "wait" or kind == "stall":
            rig.wait(float(value))  # type: ignore[arg-type]
        elif kind == "step":
            rig.clock.step_wall(float(value))  # type: ignore[arg-type]
        elif kind == "update":
            rig.update(str(value))
        elif kind == "lose":
            rig.update(str(value), lost=True)
        elif kind == "snapshot":
            rig.snapshot(str(value))
        elif kind == "garble":
            rig.garble(str(value))
        elif kind == "disconnect":
            rig.disconnect()
        else:
            rig.output.full = bool(value)
    rig.stop()
    rig.check(end_ns if end_ns is not None else max(rig.recorder._over_ns, start_ns))
    assert GapCause.UNEXPLAINED not in {gap.cause for gap in rig.output.gaps}
