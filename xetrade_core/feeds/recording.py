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
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import CorruptFile
from xetrade_core.feeds.recorded_text import lines_of, read_blocks, read_lines
from xetrade_core.model.book_events import GapCause

CONTROL = b'{"xetrade":'
REST_BODY = b'{"lastUpdateId":'

Line = tuple[int, bytes]
"""Receive time in ns, and the frame."""

Taker = Callable[[bytes, int, bool], int]
"""Given lines, the index where one begins, and whether those of other channels are left out: takes as many as it likes
and answers the index of the first that it leaves."""

_CONNECT = b'{"xetrade":"connect"}'
_REPLY = b"http"
_REPLY_ID = re.compile(rb"[?&](?:symbol|instId)=([^& ]+)")
_VENUE_TIME = re.compile(rb'"ts":(\d{13})')
_OFFER_AFTER = 1024  # lines at most that a taker is not offered after it has taken none


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

    def batches(self, taker: Taker | None = None) -> Iterator[list[Line]]:
        """All lines in order, some thousands at a time. Raises CorruptFile.

        A `taker` is offered plain lines first and may take as many as it likes, as they stand in the file; what it
        leaves comes out here. It must tell by `took` what it did. Not with `strict`.
        """
        bodies = deque(sorted(self._bodies(), key=lambda line: line[0]))
        for path in self.files:
            for batch in self._batches_of(path, None if bodies else taker):
                yield _merged(batch, bodies) if bodies else batch
        if bodies:
            self._note_span(b"", b"", list(bodies))
            yield list(bodies)

    def took(self, lines: int, newest_ns: int) -> None:
        """A taker has taken so many lines, the newest of them received then."""
        self.lines += lines
        self.last_ns = max(self.last_ns, newest_ns)

    def _batches_of(self, path: Path, taker: Taker | None) -> Iterator[list[Line]]:
        self._path = path
        blocks = read_blocks(path)
        first = next(blocks, None)
        if first is None:
            return
        line = next(filter(None, lines_of(first)), b"")
        stamp, _, frame = line.partition(b" ")
        if line.startswith(_REPLY):
            return  # read before: see _bodies
        self._block_at = 0
        for text in chain((first,), blocks):
            if taker is not None and stamp.isdigit() and text[-1:] == b"\n" and _stamp(text).isdigit():
                yield from self._offered(text, is_control(frame), taker)
                continue
            block = lines_of(text)
            self.lines += len(block)
            if stamp.isdigit():
                yield self._plain(block, is_control(frame))
            else:
                yield self._bare(block) if line.startswith(b"{") else self._cryptofeed(block)
            self._block_at += len(block)

    def _offered(self, text: bytes, ours: bool, taker: Taker) -> Iterator[list[Line]]:
        """What `taker` leaves of the lines of `text`: one at a time while it takes, and more the longer it does not."""
        self._note_span(_stamp(text), _stamp(text[text.rfind(b"\n", 0, -1) + 1 :]), [])
        at, some = 0, 1
        while at < len(text):
            after = taker(text, at, self.skip_other_channels and not ours)
            some = 1 if after > at else min(2 * some, _OFFER_AFTER)
            at = end = after
            for _ in range(some):
                end = text.find(b"\n", end) + 1 or len(text)
            if at < end:
                block = lines_of(text[at:end])
                self.lines += len(block)
                yield self._wanted(block, ours)
            at = end

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
        parsed = self._wanted(block, ours)
        self._note_span(_stamp(block[0]), _stamp(block[-1]), parsed)
        return parsed

    def _wanted(self, block: list[bytes], ours: bool) -> list[Line]:
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
        if parsed:
            self.last_ns = max(self.last_ns, max(received_ns for received_ns, _ in parsed))
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


def _stamp(text: bytes) -> bytes:
    """The first line's receive time, where it has one."""
    return text.partition(b" ")[0]


def _nanoseconds(stamp: bytes) -> int:
    """`1652459225.5037491` -> ns, without the rounding of a float."""
    whole, _, fraction = stamp.strip().partition(b".")
    return int(whole) * NS_PER_S + int(fraction[:9].ljust(9, b"0") or b"0")
