"""The one reader of recordings: three line formats, three packings, torn and damaged files."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from xetrade_core.errors import CorruptFile
from xetrade_core.feeds import recorded_text
from xetrade_core.feeds.recording import Recording, read_control, read_lines
from xetrade_core.model.book_events import GapCause

S = 1_000_000_000
LINES = [b'%d {"n":%d,"text":"%b"}' % (1723161255 * S + n, n, b"x" * (n % 70)) for n in range(200)]
TEXT = b"\n".join(LINES) + b"\n"
PACKINGS = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}
BOTH_PACKED = [gzip.compress, zstandard.compress]


def kept(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def lines_of(path: Path) -> list[bytes]:
    return [line for block in read_lines(path) for line in block]


def records(*paths: Path, strict: bool = True) -> list[tuple[int, bytes]]:
    return [line for batch in Recording(paths, strict=strict).batches() for line in batch]


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
@pytest.mark.parametrize("read_bytes", [1, 7, 1000, 1 << 20])
def test_a_file_is_read_whatever_its_compression_and_wherever_a_read_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes], read_bytes: int
) -> None:
    monkeypatch.setattr(recorded_text, "_READ_BYTES", read_bytes)
    path = kept(tmp_path / "f", pack(TEXT))
    assert lines_of(path) == LINES
    assert [received_ns for received_ns, _ in records(path)] == [1723161255 * S + n for n in range(200)]


@pytest.mark.parametrize("pack", BOTH_PACKED)
def test_parts_that_were_packed_one_by_one_are_one_file(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = kept(tmp_path / "f", b"".join(pack(line + b"\n") for line in LINES))
    assert lines_of(path) == LINES


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_a_file_cut_off_anywhere_gives_whole_lines_only(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    whole = b"".join(pack(b"\n".join(LINES[at : at + 10]) + b"\n") for at in range(0, 200, 10))
    counts = set()
    for length in range(0, len(whole), 29):
        found = lines_of(kept(tmp_path / "torn", whole[:length]))
        assert found == LINES[: len(found)]
        counts.add(len(found))
    assert len(counts) >= 20
    assert max(counts) >= 190


@pytest.mark.parametrize(
    ("end", "whole"), [(b'7 {"a":{"b":1}}', True), (b'7 {"a":{"b":1}', False), (b"7 pong", True), (b"7", False)]
)
def test_a_last_line_without_a_line_break_counts_if_its_frame_is_whole(tmp_path: Path, end: bytes, whole: bool) -> None:
    assert lines_of(kept(tmp_path / "f", TEXT + end)) == [*LINES, *[end] * whole]


def test_garbage_after_the_last_whole_part_is_a_torn_end(tmp_path: Path) -> None:
    """Where a disk lost its power."""
    packed = zstandard.compress(TEXT)
    for garbage in (bytes(500), packed[:6] + bytes(500)):
        assert lines_of(kept(tmp_path / "f", packed + garbage)) == LINES


@pytest.mark.parametrize("pack", BOTH_PACKED)
def test_a_file_that_is_damaged_before_its_end_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    part = pack(TEXT)
    damaged = bytearray(part)
    damaged[len(part) // 2 :] = bytes(len(part) - len(part) // 2)
    for content in (part + bytes(damaged) + part, bytes(damaged) + part):
        with pytest.raises(CorruptFile, match=r"f is damaged: "):
            lines_of(kept(tmp_path / "f", content))


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptFile, match=r"cannot read .*absent: No such file"):
        lines_of(tmp_path / "absent")


def test_a_line_that_is_none_is_counted_or_named_with_its_file_and_number(tmp_path: Path) -> None:
    broken = kept(tmp_path / "f", LINES[0] + b"\n\nnonsense here\n123\n" + LINES[1] + b"\n")
    lenient = Recording([broken])
    assert [line for batch in lenient.batches() for line in batch] == records(
        kept(tmp_path / "g", LINES[0] + b"\n" + LINES[1] + b"\n")
    )
    assert (lenient.lines, lenient.unreadable_lines) == (5, 2)
    with pytest.raises(CorruptFile, match=r"f:3: a line must be its receive time and a frame, .* not b'nonsense here'"):
        records(broken)
    with pytest.raises(CorruptFile, match=r"h:2: .* not b'123'"):
        records(kept(tmp_path / "h", LINES[0] + b"\n123\n"))


def test_the_number_of_a_broken_line_counts_from_the_start_of_its_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded_text, "_READ_BYTES", 100)
    whole = kept(tmp_path / "a", TEXT)
    with pytest.raises(CorruptFile, match=r"b:201: "):
        records(whole, kept(tmp_path / "b", TEXT + b"x y\n"))


def test_line_breaks_of_windows_and_empty_lines_are_no_part_of_a_frame(tmp_path: Path) -> None:
    path = kept(tmp_path / "f", b"\r\n" + b"\r\n".join(LINES[:3]) + b"\r\n\r\n")
    recording = Recording([path], strict=True)
    assert [frame for batch in recording.batches() for _, frame in batch] == [line[20:] for line in LINES[:3]]
    assert (recording.first_ns, recording.last_ns) == (1723161255 * S, 1723161255 * S + 2)


def test_trades_and_tickers_are_left_out_at_once_but_count_for_the_span(tmp_path: Path) -> None:
    frames = [b'{"stream":"btcusdt@trade"}', b'{"stream":"btcusdt@depth"}', b'{"lastUpdateId":7}', b'{"x":"@aggTrade"}']
    path = kept(tmp_path / "f", b"".join(b"%d %b\n" % (n, frame) for n, frame in enumerate(frames, 1)))
    recording = Recording([path])
    assert list(recording.batches()) == [[(2, frames[1]), (3, frames[2])]]
    assert (recording.lines, recording.first_ns, recording.last_ns) == (4, 1, 4)
    assert list(Recording([path], skip_other_channels=False).batches()) == [list(enumerate(frames, 1))]


def test_a_recording_of_ours_keeps_every_line(tmp_path: Path) -> None:
    path = kept(tmp_path / "f", b'1 {"xetrade":"session"}\n2 {"text":"some@where"}\n')
    assert records(path) == [(1, b'{"xetrade":"session"}'), (2, b'{"text":"some@where"}')]


def test_a_cryptofeed_dump_gives_its_frames_and_its_connects(tmp_path: Path) -> None:
    dump = [
        b"wss://ws.okx.com/public <-> 1652459225.5037491",
        b'wss://ws.okx.com/public <- 1652459225.6: {"op":"subscribe"}',
        b'1652459225.75: {"event":"subscribe"}',
        b'1652459226: {"arg":1}',
    ]
    for mode in (False, True):
        recording = Recording([kept(tmp_path / "f", b"\n".join(dump) + b"\n")], strict=mode)
        assert list(recording.batches()) == [
            [
                (1652459225503749100, b'{"xetrade":"connect"}'),
                (1652459225750000000, b'{"event":"subscribe"}'),
                (1652459226000000000, b'{"arg":1}'),
            ]
        ]
        assert (recording.first_ns, recording.last_ns) == (1652459225503749100, 1652459226000000000)


def test_files_of_different_formats_are_one_stream(tmp_path: Path) -> None:
    first = kept(tmp_path / "a", b"1652459225.5: {}\n")
    second = kept(tmp_path / "b", gzip.compress(b"1652459226000000000 {}\n"))
    empty = kept(tmp_path / "c", b"")
    assert records(first, empty, second) == [(1652459225500000000, b"{}"), (1652459226000000000, b"{}")]


def test_a_control_line_is_read_with_its_facts_or_refused() -> None:
    line = read_control(b'{"xetrade":"lost","symbols":["ETH/USDT"],"cause":"stalled","detail":null}')
    assert (line.kind, line.symbols, line.cause) == ("lost", ("ETH/USDT",), GapCause.STALLED)
    for broken in (b'{"xetrade":"lost","cause":"bored"}', b'{"xetrade":"lost"', b'{"xetrade":7}'):
        with pytest.raises(CorruptFile, match=r"control line b'.*' cannot be read: "):
            read_control(broken)
