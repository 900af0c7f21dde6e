"""Replay: recordings of any format through the live recorder; the same bytes each time."""

from __future__ import annotations

import asyncio
import gzip
import random
from pathlib import Path

import pytest

from tests.capture.lake_rows import gap_records, rows_by_symbol, segment_rows
from tests.capture.ledger_check import check_ledger
from tests.capture.market import Market
from tests.capture.test_session import SYMBOLS, TENTH, Rig
from tests.support.recordings import recording
from xetrade_core.capture.config import HOUR_NS
from xetrade_core.capture.replay import replay
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError, CorruptFile
from xetrade_core.feeds.recording import read_lines
from xetrade_core.lake.compaction import compact_hour
from xetrade_core.lake.hourly import hour_records
from xetrade_core.lake.layout import hours_between
from xetrade_core.lake.store import ObjectStore, open_store
from xetrade_core.model.book_events import GapCause

S = NS_PER_S
T0 = 1_700_000_000 * S + 123


def files_of(store: ObjectStore, prefix: str) -> dict[str, bytes]:
    return {info.key: store.read(info.key) for info in store.list(prefix)}


def write_recording(path: Path, *, lose: int | None = None, seconds: int = 60) -> tuple[int, int]:
    """A recording of one market, ten updates a second; `lose` leaves out that update. Gives first and last time."""
    market = Market("BTC/USDT", random.Random(4))
    lines = []
    for number in range(seconds * 10):
        now_ns = T0 + number * S // 10
        if number in (5, 300):
            lines.append(b"%d %b" % (now_ns, market.snapshot()))
        frame = market.update(now_ns + 50)
        if number != lose:
            lines.append(b"%d %b" % (now_ns + 50, frame))
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    return T0 + 50, T0 + (seconds * 10 - 1) * S // 10 + 50


def test_the_same_recording_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    write_recording(tmp_path / "r.gz")
    lakes = [open_store(tmp_path / name) for name in ("a", "b")]
    for lake in lakes:
        replay([tmp_path / "r.gz"], "binance", ["BTC/USDT"], lake)
    first, second = (files_of(lake, "") for lake in lakes)
    assert first == second
    assert any("l2_snapshots/" in key for key in first)
    replay([tmp_path / "r.gz"], "binance", ["BTC/USDT"], lakes[0])
    again = files_of(lakes[0], "l2_snapshots/") | files_of(lakes[0], "l2_gaps/")
    assert again == files_of(lakes[1], "l2_snapshots/") | files_of(lakes[1], "l2_gaps/"), "again into the same lake"


def test_a_recording_without_control_lines_is_sampled_over_its_whole_span(tmp_path: Path) -> None:
    first_ns, last_ns = write_recording(tmp_path / "r.gz")
    lake = open_store(tmp_path / "lake")
    report = replay([tmp_path / "r.gz"], "binance", ["BTC/USDT"], lake, compact=False)
    rows = rows_by_symbol(lake)["binance", "BTC/USDT"]
    assert sorted(rows) == list(range((first_ns // S + 1) * S, last_ns, S))
    check_ledger("BTC/USDT", rows, gap_records(lake), first_ns, last_ns, S)
    assert report.rows == len(rows) == 59
    assert [gap.cause for gap in report.gaps] == [GapCause.STARTUP]


def test_a_lost_frame_is_one_gap_with_its_ids_and_unsynced_rows_until_the_next_snapshot(tmp_path: Path) -> None:
    first_ns, last_ns = write_recording(tmp_path / "r.gz", lose=100)
    lake = open_store(tmp_path / "lake")
    report = replay([tmp_path / "r.gz"], "binance", ["BTC/USDT"], lake, compact=False)
    (gap,) = [gap for gap in report.gaps if gap.cause is not GapCause.STARTUP]
    assert (gap.cause, gap.from_ns) == (GapCause.SEQUENCE, T0 + 101 * S // 10 + 51)
    assert gap.to_ns == T0 + 300 * S // 10 + 1
    assert gap.to_sequence is not None
    assert gap.from_sequence is not None
    assert 2 <= gap.to_sequence - gap.from_sequence <= 4
    rows = rows_by_symbol(lake)["binance", "BTC/USDT"]
    unsynced = [tick for tick, synced in rows.items() if not synced]
    assert len(unsynced) == 20
    check_ledger("BTC/USDT", rows, gap_records(lake), first_ns, last_ns, S)


def test_several_files_are_one_stream(tmp_path: Path) -> None:
    write_recording(tmp_path / "r.gz")
    lines = gzip.decompress((tmp_path / "r.gz").read_bytes()).splitlines(keepends=True)
    (tmp_path / "1.gz").write_bytes(gzip.compress(b"".join(lines[:250])))
    (tmp_path / "2.txt").write_bytes(b"".join(lines[250:]))
    whole, parts = open_store(tmp_path / "whole"), open_store(tmp_path / "parts")
    replay([tmp_path / "r.gz"], "binance", ["BTC/USDT"], whole)
    replay([tmp_path / "1.gz", tmp_path / "2.txt"], "binance", ["BTC/USDT"], parts)
    assert files_of(whole, "") == files_of(parts, "")


def raw_files(rig: Rig, tmp_path: Path) -> list[Path]:
    """What the lake has of raw recordings, in order, as local files."""
    files = []
    for info in rig.store.list("raw_frames/"):
        files.append(tmp_path / Path(info.key).name)
        files[-1].write_bytes(rig.store.read(info.key))
    return files


async def test_a_raw_recording_replays_to_the_very_bytes_of_its_live_capture(tmp_path: Path) -> None:
    """With a lost message, a disconnect and an idle end; compared after compaction."""
    rig = Rig(tmp_path)
    session = rig.session(raw=True)
    running = await rig.start(session)
    await asyncio.sleep(0.5)
    rig.feeds["binance"].lose_next = 2
    await asyncio.sleep(0.4)
    rig.feeds["binance"].disconnect(session.runs[0].recorder)
    await asyncio.sleep(0.4)
    rig.feeds["binance"].quiet = True
    await asyncio.sleep(0.4)
    session.request_stop()
    report = await running
    assert report.left_in_spool == 0
    assert len(segment_rows(rig.store)) > 20
    recorded = raw_files(rig, tmp_path)  # two, if an hour ended meanwhile
    replayed = open_store(tmp_path / "replayed")
    again = replay(recorded, "binance", [], replayed)
    for hour_ns in hours_between(report.status.start_ns, report.status.heartbeat_ns):
        compact_hour(rig.store, "binance", hour_ns)  # at what its segments say
        assert {one.interval_s for one in hour_records(rig.store, "binance", hour_ns)} == {0.1}
    for dataset in ("l2_snapshots/", "l2_gaps/"):
        assert files_of(rig.store, dataset) == files_of(replayed, dataset) != {}
    causes = {gap.cause for gap in again.gaps}
    assert causes == {GapCause.STARTUP, GapCause.SEQUENCE, GapCause.DISCONNECT}
    assert len(again.symbols) == len(SYMBOLS)


async def test_recordings_of_two_sessions_in_a_row_replay_to_the_bytes_of_both(tmp_path: Path) -> None:
    """The second has a window, another depth and a lost message; between them nobody recorded."""
    rig = Rig(tmp_path)
    first = await rig.run_for(rig.session(raw=True), 0.8)
    start_ns = (rig.clock.wall_ns() // TENTH + 5) * TENTH
    second = rig.session(raw=True, session_id="s2", depth=5, start_ns=start_ns, end_ns=start_ns + 8 * TENTH)
    running = await rig.start(second)
    await asyncio.sleep(0.6)
    rig.feeds["binance"].lose_next = 2
    report = await running
    replayed = open_store(tmp_path / "replayed")
    again = replay(raw_files(rig, tmp_path), "binance", [], replayed)
    assert [(row.symbol, row.captured, row.synced) for row in again.symbols] == [
        (row.symbol, row.captured, row.synced) for one in (first, report) for row in one.symbols
    ]
    for hour_ns in hours_between(first.status.start_ns, report.status.heartbeat_ns):
        compact_hour(rig.store, "binance", hour_ns)
    for dataset in ("l2_snapshots/", "l2_gaps/"):
        assert files_of(rig.store, dataset) == files_of(replayed, dataset) != {}
    assert {gap.gap_id.partition("-")[0] for gap in again.gaps} == {"s1", "s2"}


async def test_a_session_that_died_before_the_next_one_is_down_from_its_last_line_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    end_ns = rig.clock.wall_ns() + 3600 * S
    await rig.run_for(rig.session(raw=True, end_ns=end_ns), 0.8)
    await rig.run_for(rig.session(raw=True, session_id="s2"), 0.4)
    died, after = raw_files(rig, tmp_path)
    lines = [line for block in read_lines(died) for line in block]
    died.write_bytes(b"\n".join(lines[: len(lines) * 2 // 3]) + b"\n")
    last_ns = int(lines[len(lines) * 2 // 3 - 1].partition(b" ")[0])
    report = replay([died, after], "binance", [], open_store(tmp_path / "replayed"))
    down = [gap for gap in report.gaps if gap.cause is GapCause.RECORDER_DOWN and gap.symbol == SYMBOLS[0]]
    assert down[0].from_ns == last_ns // TENTH * TENTH + TENTH
    assert down[-1].to_ns == end_ns
    assert [row.symbol for row in report.symbols] == [*SYMBOLS, *SYMBOLS]
    assert all(row.synced for row in report.symbols)


def test_the_file_of_a_sessions_later_hour_says_nothing_of_the_hours_before(tmp_path: Path) -> None:
    hour_ns = (T0 // HOUR_NS + 1) * HOUR_NS
    market = Market("BTC/USDT", random.Random(4))
    facts = b'"venue":"binance","symbols":["BTC/USDT"],"interval_ns":%d,"depth":5,"staleness_ns":%d' % (S, 30 * S)
    start = b'"session_id":"s1","opened_ns":%d,"start_ns":%d,"end_ns":null' % (T0, T0)
    lines = [b'%d {"xetrade":"session",%b,%b}' % (hour_ns + 7, start, facts)]
    lines += [b"%d %b" % (hour_ns + 8, market.snapshot()), b"%d %b" % (hour_ns + 9, market.update(hour_ns))]
    lines += [b'%d {"xetrade":"tick"}' % (hour_ns + 3 * S)]
    (tmp_path / "later").write_bytes(b"\n".join(lines) + b"\n")
    lake = open_store(tmp_path / "lake")
    report = replay([tmp_path / "later"], "binance", [], lake)
    assert {key.partition("/date=")[2][:18] for key in report.segments} == {"2023-11-14/hour=23"}
    assert [(one.hour_ns, [row.rows for row in one.symbols]) for one in report.compactions] == [(hour_ns, [4])]
    assert report.compactions[0].complete


def test_the_okx_recording_of_cryptofeed_is_read_with_its_checksums(tmp_path: Path) -> None:
    path = recording("okx/OKX.ws.1.0.gz")
    symbols = ["BTC/USD:BTC-220527", "UNI/USD:UNI", "BTC/USDT"]
    lake = open_store(tmp_path / "lake")
    report = replay([path], "okx", symbols, lake, interval_s=0.5)
    assert (report.updates, report.synced, report.rows) == (287, 63, 69)
    assert {gap.cause for gap in report.gaps} == {GapCause.STARTUP}
    assert sum(row.refused for row in report.symbols) == 0
    assert all(compaction.complete for compaction in report.compactions)


def test_a_torn_recording_is_replayed_up_to_where_it_is_torn(tmp_path: Path) -> None:
    write_recording(tmp_path / "r.gz")
    torn = tmp_path / "torn.gz"
    torn.write_bytes((tmp_path / "r.gz").read_bytes()[:-2000])
    lines = [line for block in read_lines(torn) for line in block]
    whole = [line for block in read_lines(tmp_path / "r.gz") for line in block]
    assert 100 < len(lines) < len(whole)
    assert lines == whole[: len(lines)]
    report = replay([torn], "binance", ["BTC/USDT"], open_store(tmp_path / "lake"))
    assert report.updates > 100
    assert sum(row.refused for row in report.symbols) == 0


def test_what_cannot_be_replayed_is_one_clear_line(tmp_path: Path) -> None:
    lake = open_store(tmp_path / "lake")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(CorruptFile, match=r"nothing to replay in .*empty"):
        replay([tmp_path / "empty"], "binance", ["BTC/USDT"], lake)
    with pytest.raises(CorruptFile, match=r"cannot read .*absent"):
        replay([tmp_path / "absent"], "binance", ["BTC/USDT"], lake)
    write_recording(tmp_path / "r.gz")
    with pytest.raises(ConfigError, match="at least one symbol"):
        replay([tmp_path / "r.gz"], "binance", [], lake)
    with pytest.raises(ConfigError, match="whose REST snapshots"):
        replay([tmp_path / "r.gz"], "binance", ["BTC/USDT", "ETH/USDT"], lake)
    with pytest.raises(ConfigError, match="whole number of milliseconds"):
        replay([tmp_path / "r.gz"], "binance", ["BTC/USDT"], lake, interval_s=0.0001)
