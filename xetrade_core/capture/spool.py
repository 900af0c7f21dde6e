"""The spool: one directory a session, and the files in it.

    <spool>/<session>/lock           held with flock while the session (or its recovery) lives
                      config.json    what the session was asked to do, written once, durable
                      session.json   config, pid, heartbeat and status, replaced every second
                      reserve        disk space held back for sealing on a full disk
                      <venue>-<segment start ns>.wal, gaps.wal
                      instruments-<venue>.json   what the venue says of them, for the segments' metadata
                      raw/           frames being recorded
                      ready/<key>    waiting for the lake, under the very key it will have there

A session directory appears by rename with its lock already held, so nobody ever takes a starting session for an orphan.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from xetrade_core.capture.instrument_json import instrument_rows, instruments_of
from xetrade_core.errors import ConfigError, SessionError
from xetrade_core.model.instruments import Instrument

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_TEMPORARY = ".part"


class SessionPlan(msgspec.Struct, frozen=True):
    """What `recover` needs to know of a session that is gone. Times are UTC nanoseconds."""

    session_id: str
    venues: dict[str, tuple[str, ...]]
    interval_ns: int
    depth: int
    start_ns: int
    """First moment of the window: grid times from here on belong to the session."""
    end_ns: int | None
    opened_ns: int
    """When the session began."""


@dataclass(frozen=True, slots=True)
class SessionDir:
    """Paths of one session's directory."""

    path: Path

    @property
    def session_id(self) -> str:
        return self.path.name

    @property
    def status_file(self) -> Path:
        return self.path / "session.json"

    @property
    def plan_file(self) -> Path:
        return self.path / "config.json"

    @property
    def gap_log(self) -> Path:
        return self.path / "gaps.wal"

    @property
    def reserve_file(self) -> Path:
        return self.path / "reserve"

    @property
    def recovered_mark(self) -> Path:
        """There when everything in the logs is in `ready/`."""
        return self.path / "recovered"

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def ready(self) -> Path:
        return self.path / "ready"

    def wal(self, venue: str, segment_start_ns: int) -> Path:
        """The log of one venue's segment."""
        return self.path / f"{venue}-{segment_start_ns}.wal"

    def keep_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Remember what is known of a venue's instruments, for the metadata of its segments. Raises OSError."""
        for venue in {one.venue for one in instruments}:
            write_durably(self.path / f"instruments-{venue}.json", msgspec.json.encode(instrument_rows(instruments)))

    def instruments(self, venue: str) -> list[Instrument]:
        """What is remembered; empty if nothing is."""
        try:
            return instruments_of(msgspec.json.decode((self.path / f"instruments-{venue}.json").read_bytes()))
        except (OSError, msgspec.DecodeError):
            return []

    def logs(self) -> list[tuple[Path, str, int]]:
        """Every log there is, with its venue and the start of its segment, in order."""
        found = []
        for path in self.path.glob("*-*.wal"):
            venue, _, start = path.stem.rpartition("-")
            found.append((path, venue, int(start)))
        return sorted(found, key=lambda log: (log[1], log[2]))

    def raw_files(self) -> list[Path]:
        """Files of raw frames that were not handed over for upload."""
        return sorted(self.raw.glob("*-*.zst"))

    def waiting(self) -> list[tuple[Path, str]]:
        """Every file that waits for the lake, with its key, oldest segment first."""
        if not self.ready.is_dir():
            return []
        files = [path for path in self.ready.rglob("*") if path.is_file() and path.suffix != _TEMPORARY]
        return sorted(
            ((path, path.relative_to(self.ready).as_posix()) for path in files), key=lambda item: item[0].name
        )

    def plan(self) -> SessionPlan:
        """What the session was asked to do. Raises SessionError."""
        try:
            return msgspec.json.decode(self.plan_file.read_bytes(), type=SessionPlan)
        except (OSError, msgspec.DecodeError) as error:
            raise SessionError(f"cannot read {self.plan_file}: {error}") from None


class SessionLock:
    """An exclusive lock on a session directory, free again when its process ends in whatever way."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._file: int | None = None

    def acquire(self) -> bool:
        """True if the directory is ours now; False if another process has it or it is gone."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_ino != os.stat(self._path).st_ino:
                raise BlockingIOError  # removed and made anew between open and lock
        except (BlockingIOError, FileNotFoundError):
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Give the directory free."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def require_spool(spool_dir: Path) -> None:
    """Raise ConfigError if no session can be made there: better said before a venue is asked for anything."""
    try:
        spool_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=spool_dir):
            pass
    except OSError as error:
        raise _unwritable(spool_dir, error) from None


def _unwritable(spool_dir: Path, error: OSError) -> ConfigError:
    return ConfigError.of("spool", str(spool_dir), f"a directory that can be written ({error.strerror})")


def create_session(spool_dir: Path, plan: SessionPlan) -> tuple[SessionDir, SessionLock]:
    """Make the directory of a new session, locked.

    Raises SessionError if it exists, ConfigError if it cannot be made.
    """
    final = spool_dir / plan.session_id
    hidden = spool_dir / f".{plan.session_id}.{os.getpid()}"
    try:
        hidden.mkdir(parents=True)
        lock = SessionLock(hidden)
        lock.acquire()
        for name in ("ready", "raw"):
            (hidden / name).mkdir()
        write_durably(hidden / "config.json", msgspec.json.encode(plan))
        if final.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(final))
        os.rename(hidden, final)
    except OSError as error:
        shutil.rmtree(hidden, ignore_errors=True)
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise SessionError(
                f"session {plan.session_id!r} exists already in {spool_dir}: choose another session id"
            ) from None
        raise _unwritable(spool_dir, error) from None
    lock._path = final / "lock"
    sync_directory(spool_dir)
    return SessionDir(final), lock


def sessions(spool_dir: Path) -> Iterator[SessionDir]:
    """Every session of the spool, live or not, by name."""
    if spool_dir.is_dir():
        for path in sorted(spool_dir.iterdir()):
            if not path.name.startswith(".") and (path / "config.json").is_file():
                yield SessionDir(path)


def write_durably(path: Path, content: bytes) -> None:
    """Write a new or replaced file so that it is there whole after a power cut, or not at all. Raises OSError."""
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file so that a reader sees the old or the new content whole; not durable. Raises OSError."""
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def sync_directory(path: Path) -> None:
    """Make names in the directory durable."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class Reserve:
    """Disk space taken at the start and given back when the disk is full, so that what was sampled can be sealed."""

    def __init__(self, path: Path, size: int) -> None:
        """Raises OSError if the disk has no room for it."""
        self._path = path
        with open(path, "wb") as file:
            if size:
                os.posix_fallocate(file.fileno(), 0, size)

    def release(self) -> bool:
        """True if there was space to give back."""
        try:
            held = self._path.stat().st_size > 0
            self._path.unlink()
        except FileNotFoundError:
            return False
        return held
