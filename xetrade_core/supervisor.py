"""Runs a few long-lived programs as one: starts them in order, restarts what dies, leaves no orphan.

Each child leads a process group of its own and its output comes out line by line under its name. SIGINT or SIGTERM
ends everything: TERM first, KILL after a grace. Two things hold even if the supervisor is killed with -9: the kernel
sends the children TERM (Linux, PR_SET_PDEATHSIG), and a guardian process, which notices that the supervisor's end of
its pipe has closed, ends everything. Descendants that left their group are found by an inherited environment variable.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xetrade_core.errors import XETradeError

#: set in every child, and so inherited by all that they start
MARK = "XETRADE_SUPERVISOR"
PR_SET_PDEATHSIG = 1


class ChildFailed(XETradeError):
    """A child did not become healthy in time, or cannot be started at all."""


@dataclass(frozen=True, slots=True)
class Child:
    """One program. `healthy` is polled until it first says True, and only then is the next child started."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    healthy: Callable[[], bool] = lambda: True
    healthy_within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits, in seconds: between restarts (doubling from first to last), and for an end."""

    first_backoff_s: float = 1.0
    last_backoff_s: float = 30.0
    settled_s: float = 60.0  # a child that lived so long starts over with the first backoff
    grace_s: float = 30.0  # between TERM and KILL: a running capture seals and uploads in it
    poll_s: float = 0.2


class Supervisor:
    """Runs `children` until told to stop. `tell` gets (child name, line) for everything that is printed or happens."""

    def __init__(
        self, children: Sequence[Child], tell: Callable[[str, str], None], patience: Patience | None = None
    ) -> None:
        self._children = tuple(children)
        self._tell = tell
        self._patience = patience or Patience()
        self._mark = uuid.uuid4().hex
        self._groups: list[int] = []
        self._stopping = asyncio.Event()
        self._guardian: subprocess.Popen[bytes] | None = None

    async def run(self) -> None:
        """Start all, keep them up, and return when stopped; raises ChildFailed if one never became healthy."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        self._guardian = start_guardian(self._mark, self._patience.grace_s)
        keepers: list[asyncio.Task[None]] = []
        try:
            for child in self._children:
                healthy = asyncio.Event()
                keepers.append(asyncio.create_task(self._keep(child, healthy)))
                await self._first_of(keepers, healthy.wait(), self._stopping.wait())
                if self._stopping.is_set():
                    return
            self._tell("up", "everything runs; Ctrl-C ends it")
            await self._first_of(keepers, self._stopping.wait())
        finally:
            self._stopping.set()
            await self._end(keepers)
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """End everything; `run` returns when it has."""
        if not self._stopping.is_set():
            self._tell("up", "stopping")
        self._stopping.set()

    @staticmethod
    async def _first_of(keepers: Sequence[asyncio.Task[None]], *events: Coroutine[Any, Any, object]) -> None:
        """Return when one of `events` has come; raise what ended a keeper, if one ended first."""
        waits = [asyncio.ensure_future(event) for event in events]
        try:
            await asyncio.wait([*waits, *keepers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for keeper in keepers:
            if keeper.done():
                keeper.result()

    async def _keep(self, child: Child, healthy: asyncio.Event) -> None:
        """Start `child` again and again; a death before it was ever healthy and out of time is an error."""
        backoff_s, deadline = self._patience.first_backoff_s, time.monotonic() + child.healthy_within_s
        while not self._stopping.is_set():
            began = time.monotonic()
            process = await self._start(child)
            watch = asyncio.create_task(self._watch_health(child, healthy, deadline))
            pump = asyncio.create_task(self._pump(child.name, process))
            exited = asyncio.create_task(process.wait())
            try:
                await asyncio.wait(
                    {exited, watch} if not healthy.is_set() else {exited}, return_when=asyncio.FIRST_COMPLETED
                )
                if watch.done() and not healthy.is_set():
                    raise ChildFailed(
                        f"{child.name} was not healthy within {child.healthy_within_s:g} s: see its lines above"
                    )
                code = await exited
                await pump
            finally:
                watch.cancel()
            if self._stopping.is_set():
                return
            if time.monotonic() - began >= self._patience.settled_s:
                backoff_s = self._patience.first_backoff_s
            self._tell(child.name, f"ended with exit code {code}; starts again in {backoff_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)
            backoff_s = min(backoff_s * 2, self._patience.last_backoff_s)

    async def _start(self, child: Child) -> asyncio.subprocess.Process:
        try:
            process = await asyncio.create_subprocess_exec(
                *child.command,
                env={**os.environ, **child.environment, MARK: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # one system call and no lock, so that threads do not matter
                limit=1 << 20,
            )
        except OSError as error:
            raise ChildFailed(f"{child.name} cannot be started: {error}") from None
        self._groups.append(process.pid)
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.write(b"%d\n" % process.pid)
            self._guardian.stdin.flush()
        return process

    async def _watch_health(self, child: Child, healthy: asyncio.Event, deadline: float) -> None:
        """Set `healthy` when the child first answers; return without when its time is over."""
        loop = asyncio.get_running_loop()
        while not healthy.is_set() and time.monotonic() < deadline:
            if await loop.run_in_executor(None, child.healthy):
                self._tell(child.name, "healthy")
                healthy.set()
                await asyncio.Event().wait()
            await asyncio.sleep(self._patience.poll_s)
        if healthy.is_set():
            await asyncio.Event().wait()

    async def _pump(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # a line longer than the limit: the rest of the output is not shown
            while line := await process.stdout.readline():
                self._tell(name, line.decode(errors="replace").rstrip("\n"))

    async def _end(self, keepers: Iterable[asyncio.Task[None]]) -> None:
        """TERM to every group, KILL to what is left after the grace; nothing of ours lives when this returns."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, end_all, self._mark, tuple(self._groups), self._patience.grace_s)
        await asyncio.gather(*keepers, return_exceptions=True)
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.wait(timeout=self._patience.grace_s)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """Ask the kernel to send this process TERM when its parent dies; nothing where the kernel cannot."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start_guardian(mark: str, grace_s: float) -> subprocess.Popen[bytes]:
    """A process that ends everything of ours once our end of its standard input closes, by us or by our death."""
    return subprocess.Popen(
        [sys.executable, "-m", "xetrade_core.supervisor", mark, str(grace_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )


def marked(mark: str) -> list[int]:
    """Processes that inherited `mark` (Linux; elsewhere only the groups are known)."""
    found: list[int] = []
    wanted = f"{MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
    return found


def end_all(mark: str, groups: Sequence[int], grace_s: float) -> None:
    """TERM, once, to everything of ours, then KILL to what still lives after `grace_s` seconds.

    On Linux that is every process with the mark; elsewhere the processes of the groups.
    """
    _signal(mark, groups, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and _lives(mark, groups):
        time.sleep(0.05)
    for _ in range(40):  # again, for what was forked in between
        if not _lives(mark, groups):
            return
        _signal(mark, groups, signal.SIGKILL)
        time.sleep(0.05)


def _signal(mark: str, groups: Sequence[int], number: signal.Signals) -> None:
    send, targets = (os.kill, marked(mark)) if sys.platform == "linux" else (os.killpg, groups)
    for target in targets:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(target, number)


def _lives(mark: str, groups: Sequence[int]) -> bool:
    if sys.platform == "linux":
        return bool(marked(mark))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, 0)
            return True
    return False


def guard(mark: str, grace_s: float) -> None:
    """Body of the guardian: read the groups until the end of standard input, then leave nothing behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups = [int(line) for line in sys.stdin]
    end_all(mark, groups, grace_s)


if __name__ == "__main__":
    guard(sys.argv[1], float(sys.argv[2]))
