"""The text of recorded files in pieces of whole lines, whatever packs them: gzip, zstd, zip or nothing."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

from xetrade_core.errors import CorruptFile

_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_READ_BYTES = 512 << 10  # small enough to stay in the cache while it is parsed


def read_blocks(path: Path) -> Iterator[bytes]:
    """The text of a file, some thousands of lines at a time; what a crash tore at its end is left out.

    Raises CorruptFile if the file is damaged elsewhere, or cannot be opened.
    """
    rest = b""
    try:
        with open(path, "rb") as file:
            for chunk in _chunks(file, path):
                end = chunk.rfind(b"\n") + 1
                if end:
                    yield rest + chunk[:end]
                    rest = chunk[end:]
                else:
                    rest += chunk
    except OSError as error:
        raise CorruptFile(f"cannot read {path}: {error.strerror or error}") from None
    if _is_whole(rest):
        yield rest


def read_lines(path: Path) -> Iterator[list[bytes]]:
    """As `read_blocks`, in lines."""
    return map(lines_of, read_blocks(path))


def lines_of(text: bytes) -> list[bytes]:
    """The lines of a text that is not empty, without their ends."""
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    if lines[0].endswith(b"\r"):
        lines = [line.removesuffix(b"\r") for line in lines]
    return lines


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
        while data or (data := file.read(_READ_BYTES)):
            yield part.decompress(data)
            rest = b""
            if part.eof:
                rest, part, whole = part.unused_data, new_part(), True
            data = rest
    except (zlib.error, zstandard.ZstdError) as error:
        if not (magic and whole) or magic in data[1:] + file.read():
            raise CorruptFile(f"{path} is damaged: {error}") from None
