"""Recorded files as a feed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.feeds.harness import Remembering
from tests.support.recordings import recording
from xetrade_core.clock import ManualClock
from xetrade_core.errors import ConfigError, CorruptFile, UnknownSymbol
from xetrade_core.feeds.recorded import RecordedFeed
from xetrade_core.model.book_events import GapCause

SNAPSHOT = b'{"lastUpdateId":10,"bids":[["100","1"]],"asks":[["101","1"]]}'


def update(first: int, last: int, symbol: str = "BTCUSDT") -> bytes:
    ids = b'"U":%d,"u":%d' % (first, last)
    return b'{"e":"depthUpdate","E":1,"s":"%b",%b,"b":[["100","%d"]],"a":[]}' % (symbol.encode(), ids, last)


LINES = [b"1000000000 " + update(9, 11), b"2000000000 " + SNAPSHOT, b"3000000000 " + update(12, 13)]


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("venue", "symbols", "names", "sequence"),
    [
        ("binance", ["BTC/USDT"], ["btcusdt_20240808.gz", "btcusdt_20240809.gz"], 50093696318),
        ("binanceusdm", ["BTC/USDT:USDT"], ["btcusdt_20240808.gz"], 5123135475514),
    ],
)
def test_the_recordings_play_to_their_end_without_a_gap(
    venue: str, symbols: list[str], names: list[str], sequence: int
) -> None:
    folder = {"binance": "binance-spot", "binanceusdm": "binance-usdm"}[venue]
    feed = RecordedFeed(venue, symbols, [recording(f"{folder}/{name}") for name in names], ManualClock())
    sink = Remembering()
    feed.play(sink)
    assert (sink.gaps, sink.refusals) == ([], [])
    assert [event.epoch for event in sink.syncs] == [1]
    assert feed.books.sequencers[symbols[0]].sequence == sequence
    assert sink.stamps == sorted(sink.stamps)


@pytest.mark.recordings
def test_a_cryptofeed_dump_plays_with_its_own_line_format() -> None:
    symbols = ["BTC/USDT", "UNI/USD:UNI", "BTC/USD:BTC-220527"]
    feed = RecordedFeed("okx", symbols, [recording("okx/OKX.ws.1.0.gz")], ManualClock())
    sink = Remembering()
    feed.play(sink)
    assert {event.symbol for event in sink.syncs} == set(symbols)
    assert sink.counts["Applied"] == 287
    assert sink.gaps == []


def test_control_lines_say_whose_a_snapshot_is_and_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    notes = [
        b'1 {"xetrade":"rest","symbol":"ETH/USDT"}',
        b"1 " + SNAPSHOT,
        b'2 {"xetrade":"lost","symbols":["ETH/USDT","LTC/USDT"],"cause":"stalled"}',
        b'3 {"xetrade":"tick"}',
    ]
    path.write_bytes(b"\n".join(notes) + b"\n")
    feed = RecordedFeed("binance", ["BTC/USDT", "ETH/USDT"], [path], ManualClock())
    sink = Remembering()
    feed.play(sink)
    assert [(gap.symbol, gap.cause, gap.last_sequence) for gap in sink.gaps] == [("ETH/USDT", GapCause.STALLED, 10)]
    assert sink.losses == [(("ETH/USDT",), GapCause.STALLED)]
    assert feed.status().frames == 1


@pytest.mark.parametrize(
    ("control", "cause"),
    [
        ([b'4 {"xetrade":"dropped","frames":3}'], GapCause.OVERFLOW),
        ([b'4 {"xetrade":"connect"}', b'4 {"xetrade":"connect"}'], GapCause.DISCONNECT),
        ([b'4 {"xetrade":"session","session_id":"b"}'], GapCause.DISCONNECT),
    ],
)
def test_where_the_recording_is_broken_off_every_book_is_lost(
    tmp_path: Path, control: list[bytes], cause: GapCause
) -> None:
    path = tmp_path / "frames"
    path.write_bytes(b"\n".join([b'0 {"xetrade":"session","session_id":"a"}', *LINES, *control]) + b"\n")
    sink = Remembering()
    RecordedFeed("binance", ["BTC/USDT"], [path], ManualClock()).play(sink)
    assert sink.losses == [(("BTC/USDT",), cause)]
    assert [(gap.cause, gap.last_sequence) for gap in sink.gaps] == [(cause, 13)]


def test_the_next_hours_file_of_the_same_session_loses_nothing(tmp_path: Path) -> None:
    header = b'0 {"xetrade":"session","session_id":"a"}'
    for name, lines in (("one", LINES[:2]), ("two", LINES[2:])):
        (tmp_path / name).write_bytes(b"\n".join([header, *lines]) + b"\n")
    sink = Remembering()
    RecordedFeed("binance", ["BTC/USDT"], [tmp_path / "one", tmp_path / "two"], ManualClock()).play(sink)
    assert (sink.gaps, len(sink.syncs)) == ([], 1)


def test_a_broken_line_ends_the_feed_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(LINES[0] + b"\nnonsense here\n")
    with pytest.raises(CorruptFile, match=r"frames:2: a line must be its receive time and a frame"):
        RecordedFeed("binance", ["BTC/USDT"], [path], ManualClock()).play(Remembering())


def test_a_snapshot_that_could_be_anyones_is_refused_with_two_symbols(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    feed = RecordedFeed("binance", ["BTC/USDT", "ETH/USDT"], [path], ManualClock())
    with pytest.raises(ConfigError, match="one symbol only"):
        feed.play(Remembering())


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 2.0), (4.0, 0.5)])
async def test_at_a_pace_it_keeps_the_distances_of_the_frames_and_stamps_them_anew(
    tmp_path: Path, speed: float, seconds: float
) -> None:
    path = tmp_path / "frames"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    clock = ManualClock(wall_ns=7_000_000_000)
    sink = Remembering()
    await RecordedFeed("binance", ["BTC/USDT"], [path], clock, speed=speed).run(sink)
    assert sink.stamps[0] == 7_000_000_000
    assert sink.stamps[-1] - sink.stamps[0] == seconds * 1e9


async def test_without_a_pace_it_keeps_the_recorded_times(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    sink = Remembering()
    feed = RecordedFeed("binance", ["BTC/USDT"], [path], ManualClock())
    await feed.run(sink)
    assert sink.stamps == [1_000_000_000, 2_000_000_000, 3_000_000_000]
    assert feed.books.sequencers["BTC/USDT"].sequence == 13
    assert feed.status().frames == 3


def test_a_symbol_of_another_market_is_refused() -> None:
    with pytest.raises(UnknownSymbol, match=r"its symbols look like BTC/USDT:USDT"):
        RecordedFeed("binanceusdm", ["BTC/USDT"], [Path("frames")], ManualClock())
