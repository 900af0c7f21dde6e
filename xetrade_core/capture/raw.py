"""Raw frames, in the recordings' line format `<receive ns> <frame>`, compressed.

`xetrade_core.feeds.recording` reads them back. A file is a sequence of zstd frames, each whole and synced within about
a second, so a crash loses at most the last second and the rest can be read. What happened to the recorder itself, and
must happen again in a replay, is a control line: a frame that begins with `{"xetrade":`. Kinds: `session` (what was
asked), `tick` (the timer took the due samples), `skip` (samples left out), `lost`, `rest` (the next line is a REST body
of that symbol), `group` (the lines that follow are of that group's connections), `instruments`, `dropped` (frames are
missing from the recording), `stop`.

Line breaks within a frame become spaces: JSON means the same by both. No venue's frame can pass for a control line:
one that begins like it gets a space in front.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec
import zstandard

from xetrade_core.capture.config import HOUR_NS
from xetrade_core.capture.spool import sync_directory
from xetrade_core.feeds.recording import CONTROL
from xetrade_core.lake.layout import hour_path
from xetrade_core.telemetry import METRICS, alarm

RAW_DATASET = "raw_frames"

_FLUSH_S = 0.5
_PENDING_LIMIT = 64 << 20


class RawFrames:
    """The raw recording of one venue: `frame` and `control` only append to memory, a thread compresses and syncs.

    One file an hour. When `_PENDING_LIMIT` bytes wait (the disk cannot keep up), frames are left out, a `dropped`
    line marks the place, and an alarm says so: rows are not affected.
    """

    def __init__(self, directory: Path, ready: Path, venue: str, session_id: str, header: Mapping[str, object]) -> None:
        self._directory, self._ready, self._venue, self._session_id = directory, ready, venue, session_id
        self._header = header
        self._lock = threading.Condition()
        self._lines: list[bytes] = []
        self._pending = 0
        self._dropped = 0
        self._group = ("", 0)  # of the last frame, and its hour
        self._closing = False
        self._compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
        self._file: int | None = None
        self._path: Path | None = None
        self._hour = -1
        self._first_ns = self._last_ns = 0
        self._thread = threading.Thread(target=self._run, name=f"raw-{venue}-{session_id}", daemon=True)
        self._thread.start()

    def frame(self, received_ns: int, frame: bytes | str | memoryview, source: str) -> None:
        """See RawControl."""
        if type(frame) is not bytes:
            frame = frame.encode() if isinstance(frame, str) else bytes(frame)
        if frame.startswith(CONTROL):
            frame = b" " + frame
        if b"\n" in frame or b"\r" in frame:
            frame = frame.replace(b"\n", b" ").replace(b"\r", b" ")
        if source != "ws":
            self._tell_source(received_ns, *source.split(":", 1))
        self._append(b"%d %b\n" % (received_ns, frame))

    def _tell_source(self, received_ns: int, kind: str, name: str) -> None:
        if kind == "rest":
            self.control(received_ns, "rest", {"symbol": name})
        elif (name, received_ns // HOUR_NS) != self._group:  # each hour's file can be read alone
            self._group = (name, received_ns // HOUR_NS)
            self.control(received_ns, "group", {"group": name})

    def control(self, wall_ns: int, kind: str, facts: Mapping[str, object]) -> None:
        """See RawControl."""
        self._append(b"%d %b\n" % (wall_ns, msgspec.json.encode({"xetrade": kind, **facts})))

    def close(self) -> None:
        """Write what is pending and hand the file over for upload. Blocks."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._thread.join()

    def _append(self, line: bytes) -> None:
        with self._lock:
            if self._pending > _PENDING_LIMIT:
                self._dropped += 1
                self._group = ("", 0)
                return
            if self._dropped:
                line = line[: line.index(b" ") + 1] + b'{"xetrade":"dropped","frames":%d}\n' % self._dropped + line
                self._dropped = 0
            self._lines.append(line)
            self._pending += len(line)

    def _run(self) -> None:
        alarmed = False
        while True:
            with self._lock:
                if not self._closing:
                    self._lock.wait(_FLUSH_S)
                lines, self._lines = self._lines, []
                closing, dropped = self._closing, self._dropped
                self._pending = 0
            if dropped and not alarmed:
                alarmed = True
                METRICS.dropped.labels("raw").inc(dropped)
                alarm("raw_overflow", "the disk cannot keep up with raw frames: some are missing from the recording")
            try:
                self._write(lines)
                if closing:
                    self._hand_over()
                    return
            except OSError as error:
                alarm("raw_failed", f"raw frames are no longer recorded: {error}")
                self._discard()
                return

    def _write(self, lines: list[bytes]) -> None:
        start = 0
        for at, line in enumerate(lines):
            hour = int(line[: line.index(b" ")]) // HOUR_NS
            if hour > self._hour:
                self._write_chunk(lines[start:at])
                self._hand_over()
                start, self._hour = at, hour
        self._write_chunk(lines[start:])

    def _write_chunk(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if self._file is None:
            self._first_ns = self._last_ns = int(lines[0][: lines[0].index(b" ")])
            self._path = self._directory / f"{self._venue}-{self._first_ns}.zst"
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            header = {"xetrade": "session", **self._header}
            lines = [b"%d %b\n" % (self._first_ns, msgspec.json.encode(header)), *lines]
        data = self._compressor.compress(b"".join(lines))
        length = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, length)
            raise
        self._last_ns = int(lines[-1][: lines[-1].index(b" ")])

    def _hand_over(self) -> None:
        if self._file is None or self._path is None:
            return
        os.close(self._file)
        self._file = None
        hand_over(self._path, self._ready, self._venue, self._session_id, self._first_ns, self._last_ns)

    def _discard(self) -> None:
        """Recording has ended; what is on disk goes to the lake. Frames that still come are not kept."""
        with self._lock:
            self._lines, self._pending = [], _PENDING_LIMIT + 1
        with contextlib.suppress(OSError):  # then it stays where it is, for recovery
            self._hand_over()


def hand_over(path: Path, ready: Path, venue: str, session_id: str, first_ns: int, last_ns: int) -> None:
    """Move a finished raw file to where the uploader finds it."""
    name = f"{first_ns}-{max(last_ns, first_ns)}-{session_id}{path.suffix}"
    target = ready / RAW_DATASET / f"venue={venue}" / hour_path(first_ns) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(path, target)
    sync_directory(target.parent)
