"""Files of recorded frames: reading them, line by line, whatever their compression.

Two formats are read, told apart by their lines (see docs/adding-a-venue.md):

* ours and hftbacktest's: `<receive ns> <frame>`. A frame that begins with `{"xetrade":` is a note of the recorder:
  `{"xetrade":"rest","symbol":..}` says that the next line is the body of a REST snapshot of that symbol,
  `{"xetrade":"lost","symbols":[..],"cause":..}` that a connection was lost; other notes are handed on as they are;
* cryptofeed's websocket dumps: `<unix s>: <frame>`; their lines about connections and sent messages are passed over.

A body that begins with `{"lastUpdateId":` without such a note is a REST snapshot of the only symbol of its file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from xetrade_core.errors import CorruptFile
from xetrade_core.model.book_events import GapCause

_NOTE = b'{"xetrade":'
_REST = b'{"lastUpdateId":'
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GZIP_FORMAT = 31  # zlib's name for a gzip header and the largest window
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One frame as it came. `symbol` is set for the body of a REST snapshot, empty if the file does not say whose."""

    received_ns: int
    frame: bytes
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedLoss:
    """A connection was lost, and with it the books of these symbols."""

    received_ns: int
    symbols: tuple[str, ...]
    cause: GapCause


@dataclass(frozen=True, slots=True)
class RecordedNote:
    """Another note of the recorder: `kind` and the whole line's JSON."""

    received_ns: int
    kind: str
    body: bytes


Recorded = RecordedFrame | RecordedLoss | RecordedNote


class _Note(msgspec.Struct):
    xetrade: str
    symbol: str = ""
    symbols: tuple[str, ...] = ()
    cause: str = ""


_NOTE_DECODER = msgspec.json.Decoder(_Note)


def read_recordings(paths: Sequence[Path]) -> Iterator[Recorded]:
    """The records of the files, one file after the other. Raises CorruptFile at a broken line."""
    for path in paths:
        with _opened(path) as blocks:
            yield from _records(path, blocks)


def _records(path: Path, blocks: Iterator[bytes]) -> Iterator[Recorded]:
    rest_symbol: str | None = None
    for number, line in enumerate(_lines(path, blocks), 1):
        stamp, separator, frame = line.rstrip(b"\r").partition(b" ")
        try:
            received_ns = _nanoseconds(stamp)
        except ValueError:
            if b"<-" in line or not line.strip():
                continue  # cryptofeed: a connect, or a message sent
            raise CorruptFile(f"{path}:{number}: a line must begin with its receive time, not {stamp[:40]!r}") from None
        if not separator:
            raise CorruptFile(f"{path}:{number}: no frame follows the receive time")
        if frame.startswith(_NOTE):
            note = _note(path, number, frame)
            if note.xetrade == "rest":
                rest_symbol = note.symbol
            elif note.xetrade == "lost":
                yield RecordedLoss(received_ns, note.symbols, _cause(path, number, note.cause))
            else:
                yield RecordedNote(received_ns, note.xetrade, frame)
        elif rest_symbol is not None or frame.startswith(_REST):
            yield RecordedFrame(received_ns, frame, rest_symbol or "")
            rest_symbol = None
        else:
            yield RecordedFrame(received_ns, frame)


def _note(path: Path, number: int, frame: bytes) -> _Note:
    try:
        return _NOTE_DECODER.decode(frame)
    except msgspec.MsgspecError as error:
        raise CorruptFile(f"{path}:{number}: the recorder's note cannot be read: {error}") from None


def _cause(path: Path, number: int, text: str) -> GapCause:
    try:
        return GapCause(text)
    except ValueError:
        raise CorruptFile(f"{path}:{number}: {text!r} is no cause of a gap") from None


def _nanoseconds(stamp: bytes) -> int:
    """`1723161253937085768` or `1652459225.5300605:`."""
    if stamp.isdigit():
        return int(stamp)
    whole, dot, part = stamp.removesuffix(b":").partition(b".")
    if not stamp.endswith(b":") or not whole.isdigit() or (dot and not part.isdigit()):
        raise ValueError(stamp)
    return int(whole) * 1_000_000_000 + int(part.ljust(9, b"0")[:9] or b"0")


def _lines(path: Path, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines out of blocks; a torn end (the recorder was killed) ends the file after its last whole line."""
    rest = b""
    try:
        for block in blocks:
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield from lines
    except (OSError, ValueError, zlib.error) as error:
        raise CorruptFile(f"{path} cannot be read: {error}") from error
    if _whole(rest):
        yield rest


def _whole(line: bytes) -> bool:
    return line.rstrip().endswith((b"}", b"]", b"pong"))


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[bytes]]:
    """The file's bytes in blocks, unpacked if it is gzip or zstd."""
    with path.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic[:2] == _GZIP:
            yield _unzipped(raw)
        elif magic == _ZSTD:
            import zstandard

            with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader:
                yield _blocks(reader)
        else:
            yield _blocks(raw)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _unzipped(raw: IO[bytes]) -> Iterator[bytes]:
    """All members of a gzip file; unlike the gzip module it gives all there is of one that was cut off."""
    member = zlib.decompressobj(_GZIP_FORMAT)
    for block in _blocks(raw):
        while block:
            yield member.decompress(block)
            block = member.unused_data
            if member.eof:
                member = zlib.decompressobj(_GZIP_FORMAT)
