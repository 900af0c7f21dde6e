"""Recorded traffic of one venue, line by line, in the order it was received: the one reader of recordings.

A file is gzip, zstd, zip or plain, and of one of these formats, told apart by its first line:
* `<receive ns> <frame>`, as hftbacktest writes them; a frame that begins with `{"lastUpdateId":` is the body of a REST
  snapshot;
* ours, the same with control lines: a frame that begins with `{"xetrade":` tells what happened to the recorder (see
  `xetrade_core.capture.raw`, which writes them);
* cryptofeed's: `<unix s>: <frame>`, with `wss://.. <-> <unix s>` for a connect and `wss://.. <- <unix s>: ..` for
  what was sent; its REST replies are a file beside it, `<url> -> <unix s>: <body>`, and are put where their time is;
* a venue's own history (Bybit): bare frames, which carry the venue's time alone: it stands for the receive time.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import CorruptFile
from xetrade_core.model.book_events import GapCause

CONTROL = b'{"xetrade":'
REST_BODY = b'{"lastUpdateId":'

Line = tuple[int, bytes]
"""Receive time in ns, and the frame."""

_CONNECT = b'{"xetrade":"connect"}'
_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_REPLY = b"http"
_REPLY_ID = re.compile(rb"[?&](?:symbol|instId)=([^& ]+)")
_VENUE_TIME = re.compile(rb'"ts":(\d{13})')
_READ_BYTES, _PACKED_READ_BYTES = 4 << 20, 512 << 10


class Control(msgspec.Struct, rename={"kind": "xetrade"}):
    """A control line; which fields it has depends on its kind."""

    kind: str
    symbols: tuple[str, ...] = ()
    symbol: str = ""
    venue_id: str = ""
    group: str = ""
    cause: GapCause = GapCause.UNEXPLAINED
    to: int = 0
    detail: str | None = None
    instruments: list[dict[str, str]] = []
    session_id: str = ""
    venue: str = ""
    interval_ns: int = 0
    depth: int = 0
    staleness_ns: int = 0
    opened_ns: int = 0
    start_ns: int = 0
    end_ns: int | None = None


_CONTROL_DECODER = msgspec.json.Decoder(Control)


def is_control(frame: bytes) -> bool:
    """Whether the frame is a control line."""
    return frame.startswith(CONTROL)


def read_control(frame: bytes) -> Control:
    """A frame that begins with `{"xetrade":`. Raises CorruptFile."""
    try:
        return _CONTROL_DECODER.decode(frame)
    except msgspec.DecodeError as error:
        raise CorruptFile(f"control line {frame[:80]!r} cannot be read: {error}") from None


@dataclass(slots=True)
class Recording:
    """Several files as one stream. `unreadable_lines` grows while it is read."""

    files: Sequence[Path]
    skip_other_channels: bool = True
    """Leave out frames of Binance streams other than depth at once: most of a recording may be trades and tickers."""
    strict: bool = False
    """Raise CorruptFile at a line that is none, instead of counting it in `unreadable_lines` and going on."""
    lines: int = 0
    unreadable_lines: int = 0
    first_ns: int | None = None
    last_ns: int = 0
    """Of all lines, those left out included."""
    _path: Path = field(default=Path(), init=False)
    _block_at: int = field(default=0, init=False)
    """How many lines of the file came before the block at hand."""

    def batches(self) -> Iterator[list[Line]]:
        """All lines in order, some thousands at a time. Raises CorruptFile."""
        bodies = deque(sorted(self._bodies(), key=lambda line: line[0]))
        for path in self.files:
            for batch in self._batches_of(path):
                yield _merged(batch, bodies) if bodies else batch
        if bodies:
            self._note_span(b"", b"", list(bodies))
            yield list(bodies)

    def _batches_of(self, path: Path) -> Iterator[list[Line]]:
        self._path = path
        blocks = read_lines(path)
        first = next(blocks, None)
        if first is None:
            return
        line = next(filter(None, first), b"")
        stamp, _, frame = line.partition(b" ")
        if line.startswith(_REPLY):
            return  # read before: see _bodies
        self._block_at = 0
        for block in chain((first,), blocks):
            self.lines += len(block)
            if stamp.isdigit():
                yield self._plain(block, is_control(frame))
            else:
                yield self._bare(block) if line.startswith(b"{") else self._cryptofeed(block)
            self._block_at += len(block)

    def _bodies(self) -> Iterator[Line]:
        """The REST replies about single instruments, of files of their own, each behind a control line."""
        for path in self.files:
            for block in read_lines(path):
                if not next(filter(None, block), b"").startswith(_REPLY):
                    break
                self.lines += len(block)
                for line in block:
                    url, arrow, rest = line.partition(b" -> ")
                    stamp, _, body = rest.partition(b": ")
                    if arrow and (name := _REPLY_ID.search(url)):
                        received_ns = _nanoseconds(stamp)
                        yield received_ns, b'{"xetrade":"rest","venue_id":"%b"}' % name[1]
                        yield received_ns, body.partition(b" header: ")[0]

    def _bare(self, block: list[bytes]) -> list[Line]:
        parsed: list[Line] = []
        for line in block:
            stamp = _VENUE_TIME.search(line)
            if stamp is None:
                self._unreadable(line, block)
            else:
                parsed.append((int(stamp[1]) * NS_PER_MS, line))
        self._note_span(b"", b"", parsed)
        return parsed

    def _plain(self, block: list[bytes], ours: bool) -> list[Line]:
        wanted = block
        if self.skip_other_channels and not ours:
            wanted = [line for line in block if b"@depth" in line or b"@" not in line]
        parsed: list[Line] = []
        for line in wanted:
            stamp, _, frame = line.partition(b" ")
            try:
                received_ns = int(stamp)
            except ValueError:
                self._unreadable(line, block)
                continue
            if frame:
                parsed.append((received_ns, frame))
            else:
                self._unreadable(line, block)
        self._note_span(block[0].partition(b" ")[0], block[-1].partition(b" ")[0], parsed)
        return parsed

    def _cryptofeed(self, block: list[bytes]) -> list[Line]:
        parsed: list[Line] = []
        for line in block:
            try:
                if line.startswith((b"wss://", b"ws://")):
                    _, arrow, rest = line.partition(b" <-> ")
                    if arrow:
                        parsed.append((_nanoseconds(rest), _CONNECT))
                    continue
                stamp, _, frame = line.partition(b": ")
                parsed.append((_nanoseconds(stamp), frame))
            except ValueError:
                self._unreadable(line, block)
        self._note_span(b"", b"", parsed)
        return parsed

    def _unreadable(self, line: bytes, block: list[bytes]) -> None:
        if not line.strip():
            return
        if self.strict:
            number = self._block_at + 1 + next(at for at, one in enumerate(block) if one is line)
            raise CorruptFile(
                f"{self._path}:{number}: a line must be its receive time and a frame, "
                f"like '1723161255030314667 {{..}}', not {line[:40]!r}"
            )
        self.unreadable_lines += 1

    def _note_span(self, first: bytes, last: bytes, parsed: list[Line]) -> None:
        """`first` and `last`: receive times of a block's ends, where they are numbers."""
        if self.first_ns is None and (first.isdigit() or parsed):
            self.first_ns = int(first) if first.isdigit() else parsed[0][0]
        self.last_ns = max(self.last_ns, int(last) if last.isdigit() else 0, parsed[-1][0] if parsed else 0)


def _merged(batch: list[Line], bodies: deque[Line]) -> list[Line]:
    """The batch with the bodies that were received before its end, each at its time."""
    merged: list[Line] = []
    for line in batch:
        while bodies and bodies[0][0] <= line[0]:
            merged.append(bodies.popleft())
        merged.append(line)
    return merged


def _nanoseconds(stamp: bytes) -> int:
    """`1652459225.5037491` -> ns, without the rounding of a float."""
    whole, _, fraction = stamp.strip().partition(b".")
    return int(whole) * NS_PER_S + int(fraction[:9].ljust(9, b"0") or b"0")


def read_lines(path: Path) -> Iterator[list[bytes]]:
    """The lines of a recording (gzip, zstd or plain), some thousands at a time; what a crash tore at its end is left
    out.

    Raises CorruptFile if the file is damaged elsewhere, or cannot be opened.
    """
    rest = b""
    try:
        with open(path, "rb") as file:
            for chunk in _chunks(file, path):
                lines = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
                rest = lines.pop()
                if lines:
                    if lines[0].endswith(b"\r"):
                        lines = [line.removesuffix(b"\r") for line in lines]
                    yield lines
    except OSError as error:
        raise CorruptFile(f"cannot read {path}: {error.strerror or error}") from None
    if _is_whole(rest):
        yield [rest]


def _is_whole(line: bytes) -> bool:
    """Whether a last line that no line break ends is all there: its frame is JSON, or a pong."""
    frame = line if line.startswith(b"{") else line.partition(b" ")[2].strip()
    if frame == b"pong":
        return True
    try:
        msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return False
    return True


def _chunks(file: BinaryIO, path: Path) -> Iterator[bytes]:
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == _GZIP:
        yield from _unpacked(file, path, lambda: zlib.decompressobj(wbits=31))
    elif magic == _ZIP:
        yield from _members(path)
    elif magic == _ZSTD:
        yield from _unpacked(file, path, lambda: zstandard.ZstdDecompressor().decompressobj(), _ZSTD)
    else:
        while chunk := file.read(_READ_BYTES):
            yield chunk


def _members(path: Path) -> Iterator[bytes]:
    """The files of a zip, one after the other."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    while chunk := member.read(_READ_BYTES):
                        yield chunk
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CorruptFile(f"{path} is damaged: {error}") from None


def _unpacked(file: BinaryIO, path: Path, new_part: Callable[[], Any], magic: bytes = b"") -> Iterator[bytes]:
    """All gzip members or zstd frames of a file, one after the other; of one that was cut off, all there is.

    With `magic`, which begins each part, garbage after the last whole part is a torn end too: a disk that lost its
    power may leave it. Garbage with a part behind it is damage.
    """
    part, data, whole = new_part(), b"", False
    try:
        while data or (data := file.read(_PACKED_READ_BYTES)):
            yield part.decompress(data)
            rest = b""
            if part.eof:
                rest, part, whole = part.unused_data, new_part(), True
            data = rest
    except (zlib.error, zstandard.ZstdError) as error:
        if not (magic and whole) or magic in data[1:] + file.read():
            raise CorruptFile(f"{path} is damaged: {error}") from None
