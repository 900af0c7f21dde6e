"""The uploader: one thread that moves what is in `ready/` to the lake and never gives up while the session lives.

A file leaves the spool only after the store has acknowledged it. Creates are conditional, so sending a file again
after a lost answer is harmless; if the lake holds *other* content under that name (which means that two writers share
a session id), the file goes up under a name of its own and an alarm says so. While the store is down, files just
wait.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from xetrade_core.capture.spool import SessionDir
from xetrade_core.errors import LakeConflict, LakeUnavailable
from xetrade_core.lake.store import ObjectStore
from xetrade_core.telemetry import METRICS, alarm, get_logger

_log = get_logger("capture.upload")
_RETRY_BASE_S = 0.5
_RETRY_CAP_S = 30.0
_RETRY_CAP_CLOSING_S = 2.0
_ALARM_AFTER_FAILURES = 5
_CONFLICT_NAMES = 100


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """What was sent, what waits, and the last error since the last success."""

    uploaded_files: int
    waiting_files: int
    waiting_bytes: int
    error: str | None


class Uploader:
    """Uploads a session's `ready/` in the background."""

    def __init__(self, directory: SessionDir, store: ObjectStore, rng: random.Random) -> None:
        self._directory = directory
        self._store = store
        self._rng = rng
        self._changed = threading.Condition()
        self._news = True
        self._closing = self._abandoned = False
        self._failures = 0
        self._error: str | None = None
        self._files = 0
        self._thread = threading.Thread(target=self._run, name=f"uploader-{directory.session_id}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def notify(self) -> None:
        """There are new files."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def close(self, grace_s: float) -> bool:
        """Go on until everything is sent, at most `grace_s` seconds; True if nothing is left. Blocks."""
        with self._changed:
            self._closing = self._news = True
            self._changed.notify_all()
        deadline_s = time.monotonic() + grace_s
        while self._thread.is_alive() and not self._abandoned and time.monotonic() < deadline_s:
            self._thread.join(0.05)
        self.abandon()
        return not self._directory.waiting()

    def abandon(self) -> None:
        """Try no more; what is left waits in the spool. Does not block."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def status(self) -> UploadStatus:
        """How it goes."""
        sizes = [size for path, _ in self._directory.waiting() if (size := _size(path)) is not None]
        METRICS.waiting.set(len(sizes))
        return UploadStatus(self._files, len(sizes), sum(sizes), self._error)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._news and not self._closing:
                    self._changed.wait()
                self._news = False
            sent_all = self._send_all()
            with self._changed:
                if self._abandoned or (self._closing and sent_all and not self._news):
                    return
                if not sent_all:
                    cap_s = _RETRY_CAP_CLOSING_S if self._closing else _RETRY_CAP_S
                    delay_s = self._rng.uniform(0, min(cap_s, _RETRY_BASE_S * 2 ** min(self._failures, 10)))
                    self._changed.wait_for(lambda: self._abandoned or self._news, delay_s)
                    self._news = True

    def _send_all(self) -> bool:
        for path, key in self._directory.waiting():
            if self._abandoned:
                return False
            try:
                upload(self._store, path, key)
            except Exception as error:
                self._failed(error)
                return False
            self._failures, self._error = 0, None
            self._files += 1
            METRICS.uploads.labels("ok").inc()
        return True

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._error = str(error)
        METRICS.uploads.labels("failed").inc()
        _log.warning("upload failed, the files wait in the spool", error=str(error), failures=self._failures)
        if self._failures == _ALARM_AFTER_FAILURES:
            alarm(
                "lake_unavailable",
                f"{self._store.uri} takes no uploads, files wait in {self._directory.ready}: {error}",
            )


def upload(store: ObjectStore, path: Path, key: str) -> str:
    """Send one file and remove it once the store has it; the key it has there. Raises what the store raises.

    Silent if the file is gone (another process sent it).
    """
    stem, dot, suffix = key.rpartition(".")
    for number in range(_CONFLICT_NAMES):
        name = key if number == 0 else f"{stem}.conflict{number}{dot}{suffix}"
        try:
            store.create(name, path)
        except LakeConflict:
            if number == 0:
                alarm(
                    "upload_conflict",
                    f"{store.uri} has other content under {key}: nothing was overwritten, a new name is used",
                )
            continue
        except (FileNotFoundError, LakeUnavailable):
            if path.exists():
                raise
            return name
        path.unlink(missing_ok=True)
        return name
    raise LakeConflict(
        f"{store.uri} has other content under {key} and {_CONFLICT_NAMES - 1} more names: look at it by hand"
    )


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
