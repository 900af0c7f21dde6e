"""Real feeds, simulated venues, a capture, and everything that can go wrong on the way between them.

What the lake holds is then laid beside what the venue knows: each synced row equals the true book at its sequence, and
each grid time that has no such row lies in a gap with the right cause.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol, segment_rows
from tests.capture.ledger_check import check_ledger, latest
from tests.feeds.harness import quick
from tests.support.sim import AsyncSim, Sim, sim_process
from xetrade_core.capture.session import CaptureConfig, CaptureReport, CaptureSession, feed_opener
from xetrade_core.clock import NS_PER_MS, NS_PER_S, SystemClock
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.book_events import GapCause
from xetrade_core.simvenue.faults import EVENT_KINDS, GARBLINGS, KINDS, ORDER_KINDS, VARIANTS

VENUES = {
    "binance": ("BTC/USDT", "ETH/USDT"),
    "binanceusdm": ("BTC/USDT:USDT",),
    "okx": ("BTC/USDT", "BTC/USDT:USDT"),
}
SCENARIO = "seed = 5\n" + "".join(f"[venues.{venue}]\nsymbols = {list(names)}\n" for venue, names in VENUES.items())
DEPTH = 20
TENTH = 100 * NS_PER_MS
C = GapCause


@dataclass(frozen=True)
class Case:
    """A fault on one venue, and the causes it may have in the ledger; none: the books stay in sync.

    `trigger` is a second fault, without which the first one would not be met.
    """

    venue: str
    fault: dict[str, Any]
    causes: set[GapCause]
    trigger: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.fault} on {self.venue}"


def _rest(venue: str, kind: str, **fields: Any) -> Case:
    """Binance's books need REST to come back after a lost message."""
    return Case(venue, {"kind": kind, "path": "/depth", **fields}, {C.SEQUENCE}, {"kind": "lost"})


FRAMES = [
    Case("binance", {"kind": "lost"}, {C.SEQUENCE}),
    Case("binanceusdm", {"kind": "doubled", "count": 3}, set()),
    Case("okx", {"kind": "reordered"}, {C.SEQUENCE}),
    Case("binance", {"kind": "delayed", "delay_s": 0.4}, set()),
    Case("binanceusdm", {"kind": "garbled", "variant": "truncated"}, {C.MALFORMED, C.SEQUENCE}),
    Case("okx", {"kind": "garbled", "variant": "not_json"}, {C.SEQUENCE, C.MALFORMED}),
    Case("binanceusdm", {"kind": "garbled", "variant": "binary"}, {C.SEQUENCE, C.MALFORMED}),
    Case("okx", {"kind": "garbled", "variant": "wrong_types"}, {C.SEQUENCE, C.MALFORMED}),
    Case("binance", {"kind": "garbled", "variant": "zero_price"}, {C.MALFORMED}),
    Case("binanceusdm", {"kind": "garbled", "variant": "negative_size"}, {C.MALFORMED}),
    Case("okx", {"kind": "garbled", "variant": "nan"}, {C.MALFORMED}),
    Case("binanceusdm", {"kind": "garbled", "variant": "crossed"}, {C.CROSSED}),
    Case("binance", {"kind": "garbled", "variant": "unknown_symbol"}, {C.SEQUENCE}),
    Case("okx", {"kind": "stall", "variant": "resume", "for_": 0.4}, set()),
    Case("binance", {"kind": "stall", "variant": "drop", "for_": 0.4}, {C.SEQUENCE}),
]
CALLS_AND_CONNECTIONS = [
    Case("binanceusdm", {"kind": "disconnect", "variant": "close"}, {C.DISCONNECT}),
    Case("okx", {"kind": "disconnect", "variant": "abort"}, {C.DISCONNECT}),
    Case("binance", {"kind": "half_open"}, {C.STALLED}),
    Case("okx", {"kind": "refuse", "for_": 0.6}, {C.DISCONNECT}, {"kind": "disconnect"}),
    _rest("binance", "rest_delay", delay_s=0.3),
    _rest("binanceusdm", "rest_error", count=2, variant="after"),
    _rest("binance", "rest_error", variant="before"),
    _rest("binance", "rest_dropped"),
    _rest("binance", "rest_empty"),
    _rest("binanceusdm", "rest_garbled"),
    _rest("binance", "rest_stale", age_s=2.0),
    _rest("binanceusdm", "rate_limit", retry_after_s=1),
    Case("okx", {"kind": "clock", "offset_s": 30.0, "for_": 0.6}, set()),
]
RENUMBERED = [
    Case("binanceusdm", {"kind": "sequence_reset"}, {C.SEQUENCE}),
    Case("okx", {"kind": "sequence_reset"}, set()),  # one message leads from the old numbers to the new ones
    Case("binance", {"kind": "maintenance", "for_": 0.6}, {C.DISCONNECT}),
]
CASES = FRAMES + CALLS_AND_CONNECTIONS + RENUMBERED


@pytest.fixture(scope="module")
def sim_of_faults() -> Iterator[Sim]:
    with sim_process(SCENARIO) as one:
        yield one


@pytest.fixture
def sim(sim_of_faults: Sim) -> Iterator[Sim]:
    yield sim_of_faults
    sim_of_faults.clear()


@dataclass
class Capture:
    """A session at work."""

    session: CaptureSession
    store: ObjectStore
    report: CaptureReport | None = None

    def synced(self) -> bool:
        return all(run.recorder.in_sync(symbol) for run in self.session.runs for symbol in run.recorder.plan.symbols)

    async def all_synced(self, within_s: float = 15.0) -> None:
        async with asyncio.timeout(within_s):
            while self.session.state != "running" or not self.synced():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def capturing(
    tmp_path: Path, sim: Sim, venues: Mapping[str, tuple[str, ...]] = VENUES, **changes: Any
) -> AsyncIterator[Capture]:
    """A capture of the venues; its report is there after the block."""
    clock, rng = SystemClock(), random.Random(4)
    options = {venue: quick(sim, venue, depth=DEPTH) for venue in venues}
    config = CaptureConfig(
        **{
            "venues": venues,
            "spool_dir": tmp_path / "spool",
            "interval_s": 0.1,
            "segment_s": 2.0,
            "depth": DEPTH,
            "reserve_bytes": 0,
            **changes,
        }
    )
    store = open_store(tmp_path / "lake")
    one = Capture(CaptureSession(config, store, feed_opener(options, clock, rng), clock=clock, rng=rng), store)
    running = asyncio.create_task(one.session.run())
    try:
        await one.all_synced()
        yield one
    finally:
        one.session.request_stop()
        one.report = await running


def check_promise(one: Capture) -> None:
    """The ledger's promise for every book."""
    assert one.report is not None
    rows, records = rows_by_symbol(one.store), gap_records(one.store)
    for (venue, symbol), mine in rows.items():
        gaps = [gap for gap in records if gap.exchange == venue]
        check_ledger(symbol, mine, gaps, one.report.status.start_ns, max(mine) + TENTH, TENTH)
    assert C.UNEXPLAINED not in {gap.cause for gap in records}


async def check_truth(rows: Sequence[dict[str, Any]], sim: Sim, most: int = 150) -> None:
    """Synced rows, or so many of them, equal the venue's true book at their sequence."""
    synced = {(row["exchange"], row["symbol"], row["sequence"]): row for row in rows if row["synced"]}
    assert len(synced) > 50
    for key in random.Random(1).sample(sorted(synced), min(most, len(synced))):
        row = synced[key]
        truth = await AsyncSim(sim).truth(*key[:2], sequence=key[2], depth=DEPTH)
        for side in ("bid", "ask"):
            mine = [list(level) for level in zip(row[f"{side}_price"], row[f"{side}_size"], strict=True)]
            assert len(mine) == DEPTH
            assert mine == truth[f"{side}s"], f"{key} at {row['timestamp']} is not the true book"


def check_replay(one: Capture, venues: Iterable[str], tmp_path: Path) -> None:
    """The raw frames of a capture give the same rows and the same ledger again, to the byte."""
    from xetrade_core.capture.replay import replay
    from xetrade_core.lake.compaction import compact_hour
    from xetrade_core.lake.layout import hours_between

    assert one.report is not None
    again = open_store(tmp_path / "again")
    for venue in venues:
        files = []
        for number, info in enumerate(one.store.list(f"raw_frames/venue={venue}/")):
            files.append(tmp_path / f"{venue}-{number}.zst")
            files[-1].write_bytes(one.store.read(info.key))
        replay(files, venue, [], again)
        for hour_ns in hours_between(one.report.status.start_ns, one.report.status.heartbeat_ns):
            compact_hour(one.store, venue, hour_ns, interval_ns=TENTH)
    for dataset in ("l2_snapshots/", "l2_gaps/"):
        live = {info.key: one.store.read(info.key) for info in one.store.list(dataset)}
        assert live == {info.key: again.read(info.key) for info in again.list(dataset)}
        assert len(live) >= 5


#: what goes wrong with accounts alone: tests/simvenue/test_order_faults.py
ABOUT_ORDERS = {*EVENT_KINDS, *ORDER_KINDS, "rest_late", "rest_no_id"}


def test_no_fault_that_the_simulation_knows_is_left_out() -> None:
    assert {case.fault["kind"] for case in CASES} == set(KINDS) - ABOUT_ORDERS
    for kind, variants in ((kind, found) for kind, found in VARIANTS.items() if kind not in ABOUT_ORDERS):
        assert {case.fault["variant"] for case in CASES if case.fault["kind"] == kind} == set(variants)
    assert set(VARIANTS["garbled"]) == set(GARBLINGS)


@dataclass(frozen=True)
class Span:
    """When a case was played."""

    case: Case
    begin_ns: int
    end_ns: int

    def covers(self, at_ns: int | None) -> bool:
        return at_ns is not None and self.begin_ns <= at_ns <= self.end_ns


async def play(one: Capture, sim: Sim, case: Case) -> Span:
    """Inject it, see that it hit, and wait until all the books are back."""
    begin_ns = one.session.clock.wall_ns()
    fault_id = await AsyncSim(sim).inject(venue=case.venue, **case.fault)
    if case.trigger is not None:
        await asyncio.sleep(0.05)
        await AsyncSim(sim).inject(venue=case.venue, **case.trigger)
    await asyncio.sleep(2.0 if case.fault["kind"] == "half_open" else 0.8)
    await one.all_synced()
    hits = await AsyncSim(sim).injected(case.fault["kind"])
    assert fault_id in {hit["fault_id"] for hit in hits}, f"{case} hit nothing"
    end_ns = one.session.clock.wall_ns()
    await asyncio.to_thread(sim.clear)
    await asyncio.sleep(0.2)
    return Span(case, begin_ns, end_ns)


def check_causes(one: Capture, spans: Sequence[Span]) -> None:
    """Each case is in the ledger of its venue with its causes, and of no other venue."""
    records = latest(gap_records(one.store))
    for span in spans:
        case = span.case
        found = [gap for gap in records if gap.exchange == case.venue and span.covers(gap.from_ns)]
        assert {gap.cause for gap in found} <= case.causes, f"{case}: {found}"
        assert bool(found) == bool(case.causes), f"{case}"
        elsewhere = [gap for gap in records if gap.exchange != case.venue and span.covers(gap.from_ns)]
        assert not elsewhere, f"{case} was felt by another venue: {elsewhere}"


@pytest.mark.slow
@pytest.mark.parametrize("cases", [FRAMES, CALLS_AND_CONNECTIONS], ids=["frames", "calls and connections"])
async def test_every_fault_alone_is_found_and_named(tmp_path: Path, sim: Sim, cases: list[Case]) -> None:
    async with capturing(tmp_path, sim) as one:
        spans = [await play(one, sim, case) for case in cases]
    check_promise(one)
    check_causes(one, spans)
    rows = segment_rows(one.store)
    await check_truth(rows, sim)
    for span in (span for span in spans if span.case.fault["kind"] == "clock"):
        mine = [row for row in rows if row["exchange"] == span.case.venue and span.covers(row["timestamp"])]
        skewed = [row for row in mine if row["exchange_timestamp"] - row["received_timestamp"] > 29 * NS_PER_S]
        assert len(skewed) > 5, "a wrong clock of the venue shows as what it is"
        assert all(row["synced"] for row in mine), "and refuses nothing"


@pytest.mark.slow
async def test_renumbering_is_found_and_named(tmp_path: Path, sim: Sim) -> None:
    async with capturing(tmp_path, sim) as one:
        spans = [await play(one, sim, case) for case in RENUMBERED]
        await asyncio.sleep(1.5)
    check_promise(one)
    check_causes(one, spans)
    rows = segment_rows(one.store)
    for symbol in VENUES["okx"]:
        mine = sorted(
            (row["timestamp"], row["sequence"])
            for row in rows
            if row["symbol"] == symbol and row["sequence"] and row["exchange"] == "okx"
        )
        assert mine[-1][1] < mine[0][1], "the books go on by the new, lower numbers"
    # The venue knows its books by their new numbers only.
    await check_truth([row for row in rows if row["timestamp"] > spans[-1].end_ns], sim)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_faults_mixed_at_random(tmp_path: Path, sim: Sim, seed: int) -> None:
    rng = random.Random(seed)
    async with capturing(tmp_path, sim) as one:
        for _ in range(25):
            case = rng.choice(FRAMES + CALLS_AND_CONNECTIONS)
            await AsyncSim(sim).inject(venue=rng.choice(list(VENUES)), **case.fault)
            await asyncio.sleep(rng.uniform(0.05, 0.5))
        sim.clear()
        await one.all_synced()
        await asyncio.sleep(0.5)
    check_promise(one)
    assert len(gap_records(one.store)) > 10
    await check_truth(segment_rows(one.store), sim)


@pytest.mark.slow
async def test_maintenance_of_one_venue_is_its_own_gap(tmp_path: Path, sim: Sim) -> None:
    async with capturing(tmp_path, sim) as one:
        begin_ns = one.session.clock.wall_ns()
        fault = await AsyncSim(sim).inject(kind="maintenance", venue="binance")
        await asyncio.sleep(1.0)
        await asyncio.to_thread(sim.clear, fault)
        await one.all_synced()
        await asyncio.sleep(0.3)
    check_promise(one)
    felt = {(gap.exchange, gap.cause) for gap in gap_records(one.store) if gap.from_ns > begin_ns}
    assert felt == {("binance", C.DISCONNECT)}
    rows = [row for row in segment_rows(one.store) if row["exchange"] == "binance" and row["synced"]]
    assert max(row["timestamp"] for row in rows) > begin_ns + NS_PER_S


@pytest.mark.slow
async def test_a_raw_capture_of_all_venues_replays_to_the_same_bytes(tmp_path: Path, sim: Sim) -> None:
    async with capturing(tmp_path, sim, raw=True) as one:
        for venue in VENUES:
            await AsyncSim(sim).inject(kind="lost", venue=venue)
        await asyncio.sleep(1.0)
        await AsyncSim(sim).inject(kind="disconnect", venue="okx")
        await AsyncSim(sim).inject(kind="garbled", venue="binance")
        await asyncio.sleep(1.0)
        await one.all_synced()
    check_promise(one)
    check_replay(one, VENUES, tmp_path)
