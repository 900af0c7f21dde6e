"""Serves a recording as a live venue: its frames, byte for byte, at their own pace or a multiple of it.

The book is kept up to date beside the stream, so that a client may connect at any moment: its snapshot call is
answered from the book as of then, and the truth endpoint knows every recorded id. Before the recording's first
snapshot the book is that snapshot, whose id lies ahead of the stream: clients wait for the stream to reach it, as
they do on a live venue.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.simvenue.config import RecordingConfig
from xetrade_core.simvenue.dialects.base import Dialect, Recorded
from xetrade_core.simvenue.hub import Hub
from xetrade_core.simvenue.market import Flush, Market
from xetrade_core.simvenue.venue import Publication

Line = tuple[int, bytes]


class _Control(msgspec.Struct):
    """A control line of our own raw recordings; `rest` names the symbol of the snapshot that follows."""

    xetrade: str
    symbol: str | None = None


def read_lines(path: Path) -> Iterator[Line]:
    """(receive ns, frame) of `<ns> <frame>` lines, and of cryptofeed's `<unix seconds>: <frame>`; gzip, zstd or plain.

    Raises ConfigError for a file that cannot be read.
    """
    try:
        with _open(path) as stream:
            for line in stream:
                head, _, frame = line.rstrip(b"\n").partition(b" ")
                if head.isdigit():
                    yield int(head), frame
                elif head.endswith(b":") and head[:1].isdigit():
                    yield round(float(head[:-1]) * NS_PER_S), frame
    except (OSError, EOFError) as error:
        raise ConfigError(f"cannot read the recording {path}: {error}") from None


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".zst":
        import zstandard

        stream: IO[bytes] = zstandard.open(path, "rb")
        return stream
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
                self._symbol = control.symbol
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
        if recorded.kind != "rest":
            flush = Flush(recorded.previous_id, recorded.first_id, recorded.last_id, ())
            self._hub.play(recorded.kind, Publication(market, now_ns, flush, ()), recorded.payload, venue_ns)

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
