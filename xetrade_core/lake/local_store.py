"""The lake in a local directory: temporary file, fsync, link or rename into place, fsync of the directory.

Temporary files live in `<root>/.tmp`, on the same file system and outside every dataset, so a crash leaves nothing
that a reader could take for data; what is older than an hour is swept away when a store first writes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from xetrade_core.errors import LakeConflict, LakeError, LakeUnavailable, ObjectNotFound, StorageFull
from xetrade_core.lake.store import ObjectInfo, Source, check_key

_TEMP = ".tmp"
_STALE_TEMP_S = 3600.0
_PLACE_ATTEMPTS = 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class LocalStore:
    """An `ObjectStore` below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()
        self._ready = False

    def __repr__(self) -> str:
        return f"LocalStore({str(self._root)!r})"

    @property
    def uri(self) -> str:
        return str(self._root)

    @property
    def root(self) -> Path:
        """The directory, for readers that can use plain files."""
        return self._root

    def create(self, key: str, source: Source) -> None:
        target = self._path(key)
        with self._errors("write", key), self._temporary(source) as temporary:
            try:
                _into_place(os.link, temporary, target)  # unlike rename it never overwrites
            except FileExistsError:
                if not _same_content(temporary, target):
                    raise LakeConflict(f"{self.uri}/{key} exists with other content; nothing was overwritten") from None

    def replace(self, key: str, source: Source, *, if_match: str | None = None) -> None:
        target = self._path(key)
        with self._errors("write", key), self._temporary(source) as temporary, self._lock():
            if if_match is not None:
                found = self.stat(key)
                if found is None or found.etag != if_match:
                    if found is not None and _same_content(temporary, target):
                        return
                    raise LakeConflict(f"{self.uri}/{key} was changed by another writer; nothing was overwritten")
            _into_place(os.replace, temporary, target)

    def read(self, key: str) -> bytes:
        with self._errors("read", key):
            return self._path(key).read_bytes()

    def open(self, key: str) -> BinaryIO:
        """An Arrow file, not a Python one: its reading threads then never need the interpreter, not even at its end."""
        with self._errors("read", key):
            return cast("BinaryIO", pa.OSFile(str(self._path(key)), "rb"))

    def stat(self, key: str) -> ObjectInfo | None:
        path = self._path(key)
        with self._errors("read", key):
            try:
                return _info(key, path.stat())
            except FileNotFoundError:
                return None
            except NotADirectoryError:
                self._require_root()
                return None

    def exists(self, key: str) -> bool:
        return self.stat(key) is not None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder, _, _ = prefix.rpartition("/")
        with self._errors("list", prefix):
            yield from sorted(
                (info for info in self._walk(self._root / folder) if info.key.startswith(prefix)),
                key=lambda info: info.key,
            )

    def folders(self, prefix: str) -> Iterator[str]:
        with self._errors("list", prefix):
            try:
                yield from sorted(entry.name for entry in os.scandir(self._root / prefix) if entry.is_dir())
            except FileNotFoundError:
                return
            except NotADirectoryError:
                self._require_root()

    def delete(self, key: str) -> None:
        with self._errors("delete", key):
            path = self._path(key)
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return
            with contextlib.suppress(FileNotFoundError):  # another process has emptied the directory and taken it away
                _sync_directory(path.parent)
            with contextlib.suppress(OSError):  # an hour that is done leaves no empty directories; a filled one stays
                for parent in path.parents:
                    if parent in (self._root, self._root / _TEMP):  # a living store counts on its temporary directory
                        break
                    parent.rmdir()

    def check_writable(self) -> None:
        probe = f"{_TEMP}/probe-{secrets.token_hex(8)}"
        try:
            self.create(probe, b"a")
            try:
                self.create(probe, b"b")
            except LakeConflict:
                return
            raise LakeError(
                f"{self.uri} overwrites existing files: its file system has no atomic link(2); choose another lake root"
            )
        finally:
            with contextlib.suppress(LakeError):
                self.delete(probe)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    def _require_root(self) -> None:
        """Something on the way to a key is a file. Where that is the root, this is no lake, and not an empty one."""
        there = next(one for one in (self._root, *self._root.parents) if os.path.lexists(one))
        if not there.is_dir():
            raise LakeError(f"{self.uri} is no lake, as {there} is a file: give a directory or s3://bucket/prefix")

    def _walk(self, folder: Path) -> Iterator[ObjectInfo]:
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return
        except NotADirectoryError:
            self._require_root()
            return
        for entry in entries:
            if entry.name == _TEMP and folder == self._root:
                continue
            if entry.is_dir():
                yield from self._walk(Path(entry.path))
            else:
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    yield _info(os.path.relpath(entry.path, self._root).replace(os.sep, "/"), entry.stat())

    @contextlib.contextmanager
    def _temporary(self, source: Source) -> Iterator[Path]:
        """`source` as a synced file in the temporary directory; gone afterwards, whatever happens."""
        folder = self._root / _TEMP
        if not self._ready or not folder.is_dir():
            _make_directories(folder)
            _sweep(folder)
            self._ready = True
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            with path.open("xb") as file:
                if isinstance(source, bytes):
                    file.write(source)
                else:
                    with source.open("rb") as original:
                        shutil.copyfileobj(original, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            with contextlib.suppress(OSError):
                path.unlink()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One replacement at a time among all processes of this machine: compare and swap must not interleave."""
        with (self._root / _TEMP / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _errors(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if verb == "read" and isinstance(error, FileNotFoundError):
                raise ObjectNotFound(f"cannot read {self.uri}/{key}: it does not exist") from error
            what = f"cannot {verb} {self.uri}/{key}: {error.strerror or error}"
            if error.errno in _FULL:
                raise StorageFull(f"{what}; free space on the lake's disk") from error
            if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS):
                raise LakeError(f"{what}; the lake needs a file system with hard links") from error
            raise LakeUnavailable(what) from error


def _info(key: str, status: os.stat_result) -> ObjectInfo:
    # Replacing makes a new inode, so the three together change with every write; content is never changed in place.
    return ObjectInfo(key, status.st_size, f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}")


def _into_place(operation: Callable[[Path, Path], None], temporary: Path, target: Path) -> None:
    """Link or rename to `target` durably. Another process that deletes the last file of a directory takes the
    directory too: make it again.
    """
    for _ in range(_PLACE_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            _make_directories(target.parent)
            operation(temporary, target)
            _sync_directory(target.parent)
            return
    operation(temporary, target)


def _make_directories(folder: Path) -> None:
    """Make `folder` and its missing parents durably: each new name is synced in the directory that holds it."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
        _sync_directory(one.parent)


def _sync_directory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Remove temporary files that a crash left behind; a live writer's are seconds old."""
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            if entry.name != "lock" and time.time() - entry.stat().st_mtime > _STALE_TEMP_S:
                os.unlink(entry.path)


def _same_content(left: Path, right: Path) -> bool:
    with left.open("rb") as one, right.open("rb") as other:
        if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
            return False
        while block := one.read(1 << 20):
            if block != other.read(len(block)):
                return False
        return True
