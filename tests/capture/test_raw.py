"""Raw frames: the recordings' format, safe against odd frames, torn files and a disk that cannot keep up."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from xetrade_core.capture import raw as raw_module
from xetrade_core.capture.config import HOUR_NS
from xetrade_core.capture.raw import RawFrames
from xetrade_core.feeds.recording import read_lines

HOUR = 472_222 * HOUR_NS


def recorder(tmp_path: Path) -> RawFrames:
    for name in ("raw", "ready"):
        (tmp_path / name).mkdir(exist_ok=True)
    return RawFrames(tmp_path / "raw", tmp_path / "ready", "binance", "s1", {"venue": "binance"})


def lines(tmp_path: Path) -> list[bytes]:
    files = sorted((tmp_path / "ready").rglob("*.zst"), key=lambda path: path.name)
    return [line for path in files for block in read_lines(path) for line in block if b'"session"' not in line]


def test_frames_come_back_in_order_with_their_times(tmp_path: Path) -> None:
    raw = recorder(tmp_path)
    raw.frame(HOUR + 1, b'{"a":1}', "ws")
    raw.frame(HOUR + 2, '{"b":2}', "ws")
    raw.frame(HOUR + 3, memoryview(b'{"lastUpdateId":7}'), "rest:BTC/USDT")
    raw.control(HOUR + 4, "tick", {})
    raw.close()
    assert lines(tmp_path) == [
        b'%d {"a":1}' % (HOUR + 1),
        b'%d {"b":2}' % (HOUR + 2),
        b'%d {"xetrade":"rest","symbol":"BTC/USDT"}' % (HOUR + 3),
        b'%d {"lastUpdateId":7}' % (HOUR + 3),
        b'%d {"xetrade":"tick"}' % (HOUR + 4),
    ]


def test_no_frame_can_break_the_format_or_pass_for_a_control_line(tmp_path: Path) -> None:
    raw = recorder(tmp_path)
    raw.frame(HOUR + 1, b'{"a":\n1,\r\n"b":2}', "ws")
    raw.frame(HOUR + 2, b'{"xetrade":"stop"}', "ws")
    raw.close()
    assert lines(tmp_path) == [b'%d {"a": 1,  "b":2}' % (HOUR + 1), b'%d  {"xetrade":"stop"}' % (HOUR + 2)]


def test_each_hour_is_a_file_that_says_what_it_is_of(tmp_path: Path) -> None:
    raw = recorder(tmp_path)
    raw.frame(HOUR - 1, b"{}", "ws")
    raw.frame(HOUR, b"{}", "ws")
    raw.close()
    keys = sorted(path.relative_to(tmp_path / "ready").as_posix() for path in (tmp_path / "ready").rglob("*.zst"))
    assert keys == [
        f"raw_frames/venue=binance/date=2023-11-14/hour=21/{HOUR - 1}-{HOUR - 1}-s1.zst",
        f"raw_frames/venue=binance/date=2023-11-14/hour=22/{HOUR}-{HOUR}-s1.zst",
    ]
    for path in (tmp_path / "ready").rglob("*.zst"):
        assert b'{"xetrade":"session","venue":"binance"}' in next(read_lines(path))[0]


def test_a_file_torn_anywhere_gives_whole_lines_only(tmp_path: Path) -> None:
    raw = recorder(tmp_path)
    rng = random.Random(1)
    frames = [b'{"n":%d,"x":"%b"}' % (n, rng.randbytes(100).hex().encode()) for n in range(50)]
    for n, frame in enumerate(frames):
        raw._write_chunk([b"%d %b\n" % (HOUR + n, frame)])  # each a zstd frame, as about once a second
    raw.close()
    (path,) = (
        (tmp_path / "raw").glob("*.zst")
        if list((tmp_path / "raw").glob("*.zst"))
        else (tmp_path / "ready").rglob("*.zst")
    )
    whole = path.read_bytes()
    wanted = [b"%d %b" % (HOUR + n, frame) for n, frame in enumerate(frames)]
    seen = set()
    for length in range(0, len(whole), 37):
        (tmp_path / "torn").write_bytes(whole[:length])
        found = [line for block in read_lines(tmp_path / "torn") for line in block][1:]
        assert found == wanted[: len(found)]
        seen.add(len(found))
    assert len(seen) > 40


def test_what_the_disk_cannot_take_is_left_out_and_the_place_is_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_module, "_PENDING_LIMIT", 30)
    raw = recorder(tmp_path)
    for n in range(5):
        raw.frame(HOUR + n, b"{}", "ws")
    with raw._lock:
        raw._lock.notify_all()
    while raw._pending:
        pass
    raw.frame(HOUR + 9, b"{}", "ws")
    raw.close()
    assert lines(tmp_path) == [
        b"%d {}" % HOUR,
        b"%d {}" % (HOUR + 1),
        b'%d {"xetrade":"dropped","frames":3}' % (HOUR + 9),
        b"%d {}" % (HOUR + 9),
    ]


def test_a_disk_that_fails_costs_no_frame_that_was_written_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = recorder(tmp_path)
    raw.frame(HOUR, b'{"a":1}', "ws")
    while sum(path.stat().st_size for path in (tmp_path / "raw").glob("*.zst")) == 0:
        with raw._lock:
            raw._lock.notify_all()
    real, failing = os.write, threading.Event()

    def write(file: int, data: bytes) -> int:
        if failing.is_set():
            raise OSError(28, "No space left on device")
        failing.set()
        return real(file, data[:10])

    monkeypatch.setattr(raw_module.os, "write", write)
    raw.frame(HOUR + 1, b'{"b":2}', "ws")
    raw.close()
    assert lines(tmp_path) == [b'%d {"a":1}' % HOUR]
    assert list((tmp_path / "raw").iterdir()) == [], "or the end of the session would remove it"
