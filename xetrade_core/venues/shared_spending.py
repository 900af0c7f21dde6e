"""A budget's spending, shared by all processes of a machine through one small file.

Every `take` is one short transaction: lock, read a page, decide, write it back, unlock; about twenty microseconds. The
lock is the kernel's (`flock`), so a process that is killed leaves none, and a page is written whole or not at all.

Nothing here makes a caller wait for another process: a lock that is taken is tried again a millisecond later. When the
file cannot be used at all (a full disk, a directory that cannot be written, a stopped process that holds the lock for
seconds) the process goes on by its own count, and says so.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.venues.spending import OwnSpending
from xetrade_core.venues.spending_record import SIZE, Damaged, Record, unpack

_log = structlog.get_logger(__name__)
_BUSY_RETRY_NS = NS_PER_MS
_BUSY_LIMIT_S = 2.0  # a transaction takes microseconds: a lock held for longer belongs to a process that stands still
_SPINS = 20
_SETTLE_TRIES = 100  # half a millisecond apart, for what must not be lost: a pause, the venue's own count
_LEFT_ALONE_S = 8 * 86400.0  # longer than any pause is kept
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_T = TypeVar("_T")


class SharedSpending:
    """See Spending. `limit` is the venue's own, which a damaged file is taken to have spent."""

    def __init__(self, path: Path, window_s: float, limit: int, clock: Clock, *, boot: bytes | None = None) -> None:
        self.path = path
        self._window_ns = round(window_s * NS_PER_S)
        self._limit = limit
        self._clock = clock
        self._boot = (boot_id() if boot is None else boot)[:16].ljust(16, b"\0")
        self._file = -1
        self._own = OwnSpending(window_s, clock)  # what goes on when the file cannot be used
        self._owed: list[Callable[[Record], None]] = []
        self._busy_since_ns: int | None = None
        self._last_used = 0
        self._alone = False

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def take(self, weight: int, ceiling: int) -> int:
        """See Spending."""

        def decide(record: Record) -> int:
            now = self._clock.monotonic_ns()
            wait_ns = record.wait_ns(weight, ceiling, now)
            if wait_ns == 0:
                record.spend(weight, now)
            return wait_ns

        if own_ns := self._own.paused_ns():
            return own_ns
        try:
            if self._lock():
                return self._transact(decide)
        except OSError as error:
            return self._by_own_count(weight, ceiling, f"{error.strerror or error}")
        if self._busy_for_s() < _BUSY_LIMIT_S:
            return _BUSY_RETRY_NS
        return self._by_own_count(weight, ceiling, "another process holds its lock and does not move")

    def follow(self, used: int) -> None:
        """See Spending."""

        def count(record: Record) -> None:
            now = self._clock.monotonic_ns()
            if (unknown := used - record.used(now)) > 0:
                record.spend(unknown, now)

        self._own.follow(used)
        self._settle(count)

    def pause(self, ns: int) -> None:
        """See Spending."""
        until_ns = self._clock.monotonic_ns() + ns

        def write(record: Record) -> None:
            now = self._clock.monotonic_ns()
            record.pause(until_ns - now, now, self._clock.wall_ns())

        self._own.pause(ns)
        self._settle(write)

    def used(self) -> int:
        """See Spending. Reads without the lock: the checksum tells a page that is being written."""
        record = self._peek()
        if record is not None:
            self._last_used = record.used(self._clock.monotonic_ns())
        return max(self._last_used, self._own.used()) if record is None or self._alone else self._last_used

    def paused_ns(self) -> int:
        """See Spending."""
        record = self._peek()
        now = self._clock.monotonic_ns()
        return max(self._own.paused_ns(), 0 if record is None else record.paused_until_ns - now)

    # --- the file ---------------------------------------------------------------------------------------------------

    def _lock(self) -> bool:
        """Whether the lock was free; opens the file if it is not open, or was removed meanwhile."""
        for _ in range(_SPINS):
            if self._file < 0:
                self._open()
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.sched_yield()
                continue
            if os.fstat(self._file).st_nlink:
                self._busy_since_ns = None
                return True
            self._close()
        return False

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _close(self) -> None:
        file, self._file = self._file, -1
        os.close(file)

    def _transact(self, change: Callable[[Record], _T]) -> _T:
        """Let `change` change the record, under the lock that is held; then unlock."""
        try:
            record = self._read()
            for owed in self._owed:
                owed(record)
            answer = change(record)
            record.written_wall_ns = self._clock.wall_ns()
            os.pwrite(self._file, record.pack(), 0)
            self._owed.clear()
            if self._alone:
                self._alone = False
                _log.info("budget_shared_again", budget=self.path.name)
            return answer
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _read(self) -> Record:
        data = os.pread(self._file, SIZE, 0)
        if not data:
            return Record(self._boot, self._window_ns)
        now, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        try:
            return unpack(data, self._boot, self._window_ns, now, wall_ns)
        except Damaged as error:
            _log.warning(
                "budget_damaged", budget=self.path.name, error=str(error), waits_s=self._window_ns / NS_PER_S,
                note="what was spent is not known, so a whole window is taken to be",
            )  # fmt: skip
            record = Record(self._boot, self._window_ns)
            record.spend(self._limit, now)
            return record

    def _peek(self) -> Record | None:
        """The record without the lock, None where it cannot be read right now."""
        try:
            if self._file < 0:
                self._open()
            data = os.pread(self._file, SIZE, 0)
            if not data:
                return Record(self._boot, self._window_ns)
            return unpack(data, self._boot, self._window_ns, self._clock.monotonic_ns(), self._clock.wall_ns())
        except (OSError, Damaged):
            return None

    def _settle(self, change: Callable[[Record], None]) -> None:
        """Write what must not be lost: now, or with the next transaction that gets the lock."""
        try:
            for _ in range(_SETTLE_TRIES):
                if self._lock():
                    self._transact(change)
                    return
                time.sleep(0.0005)
        except OSError as error:
            self._say_alone(f"{error.strerror or error}")
        self._owed.append(change)

    def _busy_for_s(self) -> float:
        now = self._clock.monotonic_ns()
        if self._busy_since_ns is None:
            self._busy_since_ns = now
        return (now - self._busy_since_ns) / NS_PER_S

    def _by_own_count(self, weight: int, ceiling: int, why: str) -> int:
        if not self._alone:
            self._own.follow(self.used())  # a file that cannot be locked can mostly be read
        self._say_alone(why)
        wait_ns = self._own.take(weight, ceiling)
        if wait_ns == 0:  # told to the others once the file can be written again
            self._owed.append(lambda record: record.spend(weight, self._clock.monotonic_ns()))
        return wait_ns

    def _say_alone(self, why: str) -> None:
        if not self._alone:
            self._alone = True
            _log.warning("budget_not_shared", budget=self.path.name, error=why, note="this process counts by itself")


def spending_path(directory: Path, parts: tuple[str, ...], window_s: float) -> Path:
    """The file of a budget in a directory: its parts (venue, host, address, account) and its window in its name."""
    name = "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", part) or "-" for part in parts)
    return directory / f"{name}_{window_s:g}s.budget"


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget as it stands in its file: weight spent in the window, seconds of silence left."""

    name: str
    used: int
    paused_s: float


def read_budgets(directory: Path, clock: Clock) -> list[BudgetState]:
    """Every budget in a directory that can be read, by name."""
    found = []
    for path in sorted(directory.glob("*.budget")):
        try:
            record = unpack(path.read_bytes(), boot_id(), None, clock.monotonic_ns(), clock.wall_ns())
        except (OSError, Damaged):
            continue
        now = clock.monotonic_ns()
        found.append(BudgetState(path.stem, record.used(now), max(0, record.paused_until_ns - now) / NS_PER_S))
    return found


def remove_forgotten(directory: Path, now_s: float) -> None:
    """Remove the budgets that nobody has touched for longer than any pause lasts, such as of simulated venues."""
    try:
        for path in directory.glob("*.budget"):
            if now_s - path.stat().st_mtime > _LEFT_ALONE_S:
                path.unlink(missing_ok=True)
    except OSError:  # not there yet, or being removed by another process
        return


def boot_id() -> bytes:
    """Which run of the machine this is, as far as the system tells; 16 bytes."""
    try:
        return bytes.fromhex(_BOOT_ID.read_text().strip().replace("-", ""))
    except (OSError, ValueError):
        return b"unknown"
