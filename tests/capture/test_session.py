"""A session from end to end, with real books of generated markets, real threads and a lake in a directory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol, segment_rows
from tests.capture.ledger_check import check_ledger
from tests.capture.market import MarketFeed
from tests.support.hours import ClockNearTheHour
from xetrade_core.capture.session import CaptureConfig, CaptureReport, CaptureSession
from xetrade_core.capture.spool import SessionDir
from xetrade_core.capture.status import read_status
from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import ConfigError, SessionError, UnknownSymbol, VenueUnavailable
from xetrade_core.feeds.feed import Feed
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.book_events import GapCause

SYMBOLS = ("BTC/USDT", "ETH/USDT")
TENTH = 100 * NS_PER_MS


class Rig:
    """One session's surroundings."""

    def __init__(self, tmp_path: Path) -> None:
        self.clock = ClockNearTheHour(1200)  # a gap that crosses the hour is written for each of the two
        self.store: ObjectStore = open_store(tmp_path / "lake")
        self.spool = tmp_path / "spool"
        self.feeds: dict[str, MarketFeed] = {}
        self.refusals: dict[str, list[Exception]] = {}

    def config(self, **changes: object) -> CaptureConfig:
        values: dict[str, object] = {
            "venues": {"binance": SYMBOLS},
            "spool_dir": self.spool,
            "interval_s": 0.1,
            "depth": 10,
            "reserve_bytes": 1 << 16,
            "session_id": "s1",
            "disk_alarm_bytes": 0,
        }
        return CaptureConfig(**{**values, **changes})  # type: ignore[arg-type]

    def session(self, **changes: object) -> CaptureSession:
        return CaptureSession(self.config(**changes), self.store, self.open, clock=self.clock, rng=random.Random(1))

    async def open(self, venue: str, symbols: tuple[str, ...]) -> Feed:
        refusals = self.refusals.get(venue, [])
        if refusals:
            raise refusals.pop(0)
        self.feeds[venue] = MarketFeed(symbols, self.clock, random.Random(2), venue=venue)
        return self.feeds[venue]

    async def start(self, session: CaptureSession) -> asyncio.Task[CaptureReport]:
        """Returns when the session samples."""
        running = asyncio.create_task(session.run())
        while session.state == "starting" and not running.done():
            await asyncio.sleep(0.01)
        return running

    async def run_for(
        self, session: CaptureSession, seconds: float, meanwhile: Callable[[], None] = lambda: None
    ) -> CaptureReport:
        running = await self.start(session)
        await asyncio.sleep(seconds / 2)
        meanwhile()
        await asyncio.sleep(seconds / 2)
        session.request_stop()
        return await running

    def check(self, report: CaptureReport, end_ns: int | None = None) -> None:
        """Rows and gaps in the lake keep the ledger's promise."""
        rows = rows_by_symbol(self.store)
        for one in report.symbols:
            mine = rows[one.venue, one.symbol]
            window_end = end_ns or max(mine) + TENTH
            gaps = [gap for gap in gap_records(self.store) if gap.exchange == one.venue]
            check_ledger(one.symbol, mine, gaps, report.status.start_ns, window_end, TENTH)
            assert one.captured == len(mine)
            assert one.synced == sum(mine.values())


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_what_was_sampled_is_in_the_lake_when_the_session_ends(rig: Rig) -> None:
    report = await rig.run_for(rig.session(), 1.5)
    rig.check(report)
    (row, other) = report.symbols
    assert row.synced >= 12
    assert (row.gaps, other.gaps, report.left_in_spool) == (0, 0, 0)
    assert report.status.bytes_per_snapshot
    assert row.latency_p50_ms is not None
    assert report.reason == "stopped on request"


async def test_a_window_is_recorded_exactly(rig: Rig) -> None:
    start_ns = (rig.clock.wall_ns() // NS_PER_S + 2) * NS_PER_S
    end_ns = start_ns + NS_PER_S
    report = await rig.session(start_ns=start_ns, end_ns=end_ns).run()
    rig.check(report, end_ns)
    expected = [start_ns + n * TENTH for n in range(10)]
    rows = rows_by_symbol(rig.store)
    assert all(sorted(rows["binance", symbol]) == expected for symbol in SYMBOLS)
    assert all(all(rows["binance", symbol].values()) for symbol in SYMBOLS), "connected before the window began"
    assert report.reason == "the window is over"
    assert [row.expected for row in report.symbols] == [10, 10]


async def test_rows_equal_the_true_books_at_their_sequence(rig: Rig) -> None:
    truth: dict[tuple[str, int], tuple[dict[float, float], dict[float, float]]] = {}
    session = rig.session()

    def watch() -> None:
        feed = rig.feeds["binance"]
        for symbol, market in feed.markets.items():
            original = market.update

            def update(event_ns: int, original=original, market=market, symbol=symbol) -> bytes:  # type: ignore[no-untyped-def]
                frame: bytes = original(event_ns)
                truth[symbol, market.u] = (dict(market.bids), dict(market.asks))
                return frame

            market.update = update  # type: ignore[method-assign]

    await rig.run_for(session, 1.5, watch)
    compared = 0
    for row in segment_rows(rig.store):
        if (row["symbol"], row["sequence"]) in truth:
            bids, asks = truth[row["symbol"], row["sequence"]]
            assert dict(zip(row["bid_price"], row["bid_size"], strict=True)) == dict(
                sorted(bids.items(), reverse=True)[:10]
            )
            assert dict(zip(row["ask_price"], row["ask_size"], strict=True)) == dict(sorted(asks.items())[:10])
            compared += 1
    assert compared >= 10


async def test_a_lost_message_is_found_and_explained(rig: Rig) -> None:
    def lose() -> None:
        rig.feeds["binance"].lose_next = 2  # one of each symbol

    report = await rig.run_for(rig.session(), 1.2, lose)
    rig.check(report)
    assert [row.causes for row in report.symbols] == [{"startup": 1, "sequence": 1}] * 2
    assert [row.gaps for row in report.symbols] == [1, 1]


async def test_one_venues_death_leaves_the_others_alone(rig: Rig) -> None:
    session = rig.session(venues={"binance": SYMBOLS, "okx": ("BTC/USDT",)})

    def kill() -> None:
        rig.feeds["okx"].fail = VenueUnavailable("okx is gone for good")

    report = await rig.run_for(session, 2.0, kill)
    rig.check(report)
    rows = rows_by_symbol(rig.store)
    assert not rows["okx", "BTC/USDT"][max(rows["okx", "BTC/USDT"])]
    assert rows["binance", "BTC/USDT"][max(rows["binance", "BTC/USDT"])]
    last = [gap for gap in gap_records(rig.store) if gap.exchange == "okx" and gap.cause is GapCause.DISCONNECT]
    assert last[-1].detail == "okx is gone for good"
    assert {venue.venue: venue.state for venue in report.status.venues} == {"binance": "running", "okx": "failed"}


async def test_when_every_venue_has_died_the_session_ends_with_the_error_and_what_it_had(rig: Rig) -> None:
    session = rig.session()
    running = await rig.start(session)
    await asyncio.sleep(0.8)
    rig.feeds["binance"].fail = VenueUnavailable("binance is gone for good")
    with pytest.raises(VenueUnavailable, match="gone for good"):
        await running
    assert session.report is not None
    rig.check(session.report)


async def test_a_venue_that_does_not_answer_at_first_is_tried_again_and_its_rows_say_so(rig: Rig) -> None:
    rig.refusals["okx"] = [VenueUnavailable("okx does not answer")]
    session = rig.session(venues={"binance": SYMBOLS, "okx": ("BTC/USDT",)})
    report = await rig.run_for(session, 4.5)
    rig.check(report)
    rows = rows_by_symbol(rig.store)["okx", "BTC/USDT"]
    assert not rows[min(rows)]
    assert rows[max(rows)]


async def test_what_was_asked_for_wrongly_is_refused_before_anything_is_recorded(rig: Rig) -> None:
    rig.refusals["binance"] = [UnknownSymbol("NO/SUCH", "binance")]
    with pytest.raises(UnknownSymbol):
        await rig.session().run()
    assert not rig.spool.exists()
    with pytest.raises(SessionError, match="ended"):
        await rig.session(end_ns=NS_PER_S).run()


async def test_a_spool_that_cannot_be_written_is_one_clear_line(rig: Rig) -> None:
    rig.spool.write_text("a file, not a directory")
    with pytest.raises(ConfigError, match=r"spool = .* is not valid: a directory that can be written"):
        await rig.session().run()


async def test_the_status_file_tells_how_it_goes(rig: Rig) -> None:
    session = rig.session()
    running = await rig.start(session)
    file = SessionDir(rig.spool / "s1").status_file
    while not file.exists() or read_status(file.read_bytes()).symbols[0].captured < 5:
        await asyncio.sleep(0.05)
    status = read_status(file.read_bytes())
    assert (status.state, status.session_id, status.venues[0].state) == ("running", "s1", "running")
    assert status.symbols[0].in_sync
    assert 0 <= rig.clock.wall_ns() - status.heartbeat_ns < 3 * NS_PER_S
    session.request_stop()
    await running
    assert read_status(file.read_bytes()).state == "finished"


async def test_two_sessions_in_the_same_hour_overwrite_nothing(rig: Rig) -> None:
    first = await rig.run_for(rig.session(session_id="a"), 0.6)
    before = {info.key: info.etag for info in rig.store.list("")}
    second = await rig.run_for(rig.session(session_id="b"), 0.6)
    after = {info.key: info.etag for info in rig.store.list("")}
    assert {key: after[key] for key in before} == before
    assert sum(row.captured for row in (*first.symbols, *second.symbols)) == len(segment_rows(rig.store))


async def test_a_session_id_is_used_once(rig: Rig) -> None:
    await rig.run_for(rig.session(), 0.3)
    with pytest.raises(SessionError, match="exists already"):
        await rig.session().run()


async def test_cancelling_seals_and_uploads(rig: Rig) -> None:
    session = rig.session()
    running = await rig.start(session)
    await asyncio.sleep(0.8)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert session.report is not None
    rig.check(session.report)
    assert session.report.left_in_spool == 0


async def test_instruments_are_in_the_files_metadata(rig: Rig) -> None:
    from xetrade_core.lake.compaction import compact_hour
    from xetrade_core.lake.layout import hour_start

    report = await rig.run_for(rig.session(), 0.6)
    compact_hour(rig.store, "binance", hour_start(report.status.start_ns))
    import pyarrow.parquet as pq

    (key,) = [info.key for info in rig.store.list("l2_snapshots/") if "BTC-USDT" in info.key]
    with rig.store.open(key) as file:
        schema = pq.read_schema(file)
    assert schema.field("bid_price").metadata[b"price_tick"] == b"0.01"
