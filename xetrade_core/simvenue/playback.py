"""Serves a recording as a live venue: its frames, byte for byte, at their own pace or a multiple of it.

The book is kept up to date beside the stream, so that a client may connect at any moment: its snapshot call is
answered from the book as of then, and the truth endpoint knows every recorded id. Before the recording's first
snapshot the book is that snapshot, whose id lies ahead of the stream: clients wait for the stream to reach it, as
they do on a live venue.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import IO

import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue.config import RecordingConfig
from xetrade_core.simvenue.dialects.base import Dialect, Recorded
from xetrade_core.simvenue.hub import Hub
from xetrade_core.simvenue.market import Flush, Market
from xetrade_core.simvenue.venue import Publication

Line = tuple[int, bytes]
_VENUE_TIME = re.compile(rb'"ts":(\d{13})')


class _Control(msgspec.Struct):
    """A control line of our own raw recordings.

    `rest` names the symbol of the snapshot that follows, `group` the connections that the next frames are of.
    """

    xetrade: str
    symbol: str | None = None
    venue_id: str = ""
    group: str = ""


def read_lines(path: Path) -> Iterator[Line]:
    """(receive ns, frame) of `<ns> <frame>` lines, of cryptofeed's `<unix seconds>: <frame>`, and of a venue's own
    history: bare frames, by their own time. The file is gzip, zstd, zip or plain.

    A cryptofeed file `NAME.ws.N.gz` has its REST replies in `NAME.http.*.gz` beside it. Raises ConfigError for a file
    that cannot be read.
    """
    replies = [line for beside in _replies_of(path) for line in _read_replies(beside)]
    return merge(_read_frames(path), sorted(replies, key=itemgetter(0)), key=itemgetter(0))


def _replies_of(path: Path) -> list[Path]:
    name, kind, _ = path.name.partition(".ws.")
    return sorted(path.parent.glob(f"{name}.http.*")) if kind else []


def _read_replies(path: Path) -> Iterator[Line]:
    """`<url> -> <unix seconds>: <body>` lines that name an instrument, each behind a line that says which."""
    with _open(path) as stream:
        for line in stream:
            url, arrow, rest = line.rstrip(b"\n").partition(b" -> ")
            stamp, _, body = rest.partition(b": ")
            if arrow and b"symbol=" in url:
                at_ns = round(float(stamp) * NS_PER_S)
                yield at_ns, b'{"xetrade":"rest","venue_id":"%b"}' % url.rpartition(b"symbol=")[2]
                yield at_ns, body.partition(b" header: ")[0]


def _read_frames(path: Path) -> Iterator[Line]:
    try:
        with _open(path) as stream:
            for line in stream:
                head, _, frame = line.rstrip(b"\n").partition(b" ")
                if head.isdigit():
                    yield int(head), frame
                elif head.endswith(b":") and head[:1].isdigit():
                    yield round(float(head[:-1]) * NS_PER_S), frame
                elif (stamp := _VENUE_TIME.search(line)) and line.startswith(b"{"):
                    yield int(stamp[1]) * NS_PER_MS, line.rstrip(b"\n")
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"cannot read the recording {path}: {error}") from None


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".zst":
        import zstandard

        stream: IO[bytes] = zstandard.open(path, "rb")
        return stream
    if path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        return archive.open(archive.namelist()[0])
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.GzipFile(path))
    return path.open("rb")


class Player:
    """Plays one recording through a venue's hub."""

    def __init__(self, dialect: Dialect, hub: Hub, config: RecordingConfig) -> None:
        self._dialect, self._hub, self._config = dialect, hub, config
        self._path = Path(config.path)
        self._symbol: str | None = None  # named by the last control line
        self._start_ns: int | None = None
        self._first_ns = 0
        self._next: Line | None = None
        self._lines: Iterator[Line] = iter(())
        self._rewind()

    def _rewind(self) -> None:
        """Go to the start: every market becomes its first snapshot in the recording."""
        seeded: set[str] = set()
        for recorded in self._records(read_lines(self._path)):
            if recorded.snapshot and recorded.market.symbol not in seeded:
                self._replace(recorded)
                seeded.add(recorded.market.symbol)
                if len(seeded) == len(self._dialect.venue.markets):
                    break
        if not seeded:
            raise ConfigError(f"recording {self._path} has no snapshot of {', '.join(self._dialect.venue.markets)}")
        self._lines = read_lines(self._path)
        self._next = next(self._lines, None)
        self._first_ns = self._next[0] if self._next else 0
        self._start_ns = None

    def _records(self, lines: Iterator[Line]) -> Iterator[Recorded]:
        for _, frame in lines:
            recorded = self._read(frame)
            if recorded is not None:
                yield recorded

    def _read(self, frame: bytes) -> Recorded | None:
        if frame.startswith(b'{"xetrade":'):
            control = msgspec.json.decode(frame, type=_Control)
            if control.xetrade == "rest":
                named = self._dialect.venue.by_id.get(control.venue_id)
                self._symbol = control.symbol or (named.symbol if named else control.venue_id)
            elif control.xetrade == "group":
                self._dialect.recorded_group = control.group
            return None
        return self._dialect.read_recorded(frame, self._symbol)

    def turn(self, now_ns: int, venue_ns: int) -> None:
        """Send everything that is due by now."""
        if self._start_ns is None:
            self._start_ns = now_ns
        due_ns = self._first_ns + round((now_ns - self._start_ns) * self._config.speed)
        while self._next is not None and self._next[0] <= due_ns:
            recorded = self._read(self._next[1])
            if recorded is not None:
                self._play(recorded, now_ns, venue_ns)
            self._next = next(self._lines, None)
        if self._next is None and self._config.loop:
            for session in list(self._hub.sessions):
                session.close(1001, "the recording starts over")
            self._rewind()

    def _play(self, recorded: Recorded, now_ns: int, venue_ns: int) -> None:
        market = recorded.market
        if recorded.snapshot and recorded.last_id > market.sequence:
            self._replace(recorded)
        elif recorded.changes and recorded.last_id > market.sequence:
            for signed_price, lots in recorded.changes:
                market.replay(recorded.last_id, signed_price, lots)
            market.flush()
        if recorded.changes:
            self._dialect.venue.activities[market.symbol].published.append((now_ns, market.sequence))
        if recorded.kind == "rest":
            return
        flush = Flush(recorded.previous_id, recorded.first_id, recorded.last_id, tuple(recorded.changes))
        publication = Publication(market, now_ns, flush, ())
        if recorded.payload is None:
            self._hub.publish(publication, venue_ns)
        else:
            self._hub.play(recorded.kind, publication, recorded.payload, venue_ns)

    @staticmethod
    def _replace(recorded: Recorded) -> None:
        """The market becomes a snapshot."""
        market: Market = recorded.market
        market.levels.clear()
        for signed_price, lots in recorded.changes:
            if lots:
                market.levels.set(signed_price, lots)
        market.flush()
        market.sequence = market.published_id = recorded.last_id
        market.truth.restart(recorded.last_id)
