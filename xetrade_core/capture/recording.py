"""Recorded traffic of one venue, line by line, in the order it was received.

Three formats, told apart by a file's first line:
* `<receive ns> <frame>`: the recordings' own, and ours, in which control lines tell what happened to the recorder
  (see `raw`); a frame that begins with `{"lastUpdateId":` is the body of a REST snapshot;
* cryptofeed's: `<unix s>: <frame>`, with `wss://.. <-> <unix s>` for a connect and `wss://.. <- <unix s>: ..` for
  what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec

from xetrade_core.capture.raw import CONTROL, read_lines
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import CorruptFile

REST_BODY = b'{"lastUpdateId":'

Line = tuple[int, bytes]
"""Receive time in ns, and the frame."""

_CONNECT = b'{"xetrade":"connect"}'


class Control(msgspec.Struct, rename={"kind": "xetrade"}):
    """A control line; which fields it has depends on its kind."""

    kind: str
    symbols: tuple[str, ...] = ()
    symbol: str = ""
    cause: str = ""
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
    lines: int = 0
    unreadable_lines: int = 0
    first_ns: int | None = None
    last_ns: int = 0
    """Of all lines, those left out included."""

    def batches(self) -> Iterator[list[Line]]:
        """All lines in order, some thousands at a time. Raises CorruptFile."""
        for path in self.files:
            blocks = read_lines(path)
            first = next(blocks, None)
            if first is None:
                continue
            ours = first[0][20:].startswith(CONTROL)
            plain = first[0][:19].isdigit()
            for block in chain((first,), blocks):
                self.lines += len(block)
                yield self._plain(block, ours) if plain else self._cryptofeed(block)

    def _plain(self, block: list[bytes], ours: bool) -> list[Line]:
        wanted = block
        if self.skip_other_channels and not ours:
            wanted = [line for line in block if b"@depth" in line or b"@" not in line]
        parsed: list[Line] = []
        for line in wanted:
            stamp, _, frame = line.partition(b" ")
            try:
                parsed.append((int(stamp), frame))
            except ValueError:
                self.unreadable_lines += bool(line)
        self._note_span(block[0].partition(b" ")[0], block[-1].partition(b" ")[0])
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
                self.unreadable_lines += bool(line)
        if parsed:
            self._note_span(b"%d" % parsed[0][0], b"%d" % parsed[-1][0])
        return parsed

    def _note_span(self, first: bytes, last: bytes) -> None:
        if first.isdigit() and self.first_ns is None:
            self.first_ns = int(first)
        if last.isdigit():
            self.last_ns = max(self.last_ns, int(last))


def _nanoseconds(stamp: bytes) -> int:
    """`1652459225.5037491` -> ns, without the rounding of a float."""
    whole, _, fraction = stamp.strip().partition(b".")
    return int(whole) * NS_PER_S + int(fraction[:9].ljust(9, b"0") or b"0")


def is_control(frame: bytes) -> bool:
    """Whether the frame is a control line."""
    return frame.startswith(CONTROL)
