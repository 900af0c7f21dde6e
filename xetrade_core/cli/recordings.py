"""The recordings of one spool, as the command line shows and stops them: what they last told, and whether they live."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from xetrade_core.errors import SessionError

if TYPE_CHECKING:
    from xetrade_core.capture.spool import SessionDir
    from xetrade_core.capture.status import CaptureStatus


def known_recordings(spool: Path) -> list[tuple[CaptureStatus, bool]]:
    """Every session that has told its status, oldest first, and whether its process lives."""
    from xetrade_core.capture.presence import is_alive
    from xetrade_core.capture.spool import sessions

    found = [(one, is_alive(directory)) for directory in sessions(spool) if (one := _read(directory)) is not None]
    return sorted(found, key=lambda item: item[0].started_ns)


def _read(directory: SessionDir) -> CaptureStatus | None:
    import msgspec

    from xetrade_core.capture.status import read_status

    with contextlib.suppress(OSError, msgspec.DecodeError):
        return read_status(directory.status_file.read_bytes())
    return None


def known_recording(spool: Path, session_id: str) -> tuple[CaptureStatus, bool]:
    """The one of that id, else the newest whose id begins so. Raises SessionError."""
    found = known_recordings(spool)
    exact = [item for item in found if item[0].session_id == session_id]
    fitting = exact or [item for item in found if item[0].session_id.startswith(session_id)]
    if not fitting:
        known = ", ".join(one.session_id for one, _ in found) or "none"
        raise SessionError(f"no session {session_id!r} in {spool}: there are {known}")
    return fitting[-1]


def stop_and_wait(spool: Path, one: CaptureStatus, wait_s: float) -> CaptureStatus:
    """Tell it to stop and wait for its last word; its data does not depend on it. Raises SessionError."""
    try:
        os.kill(one.pid, signal.SIGTERM)
    except ProcessLookupError:  # it has ended by itself in this very moment
        return known_recording(spool, one.session_id)[0]
    except PermissionError:
        raise SessionError(
            f"session {one.session_id} is another user's (process {one.pid}): stop it as that user"
        ) from None
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        ended, alive = known_recording(spool, one.session_id)
        if not alive:
            return ended
        time.sleep(0.1)
    raise SessionError(f"session {one.session_id} was told to stop but still runs after {wait_s:g} s: see its log")


def summary(one: CaptureStatus, alive: bool) -> tuple[object, ...]:
    """One row: id, state, books, expected, captured, synced, gaps, files that wait."""
    books = one.symbols
    totals = [sum(getattr(book, name) for book in books) for name in ("expected", "captured", "synced", "gaps")]
    return one.session_id, state_of(one, alive), len(books), *totals, one.spool_files


def state_of(one: CaptureStatus, alive: bool) -> str:
    """What it last told, or that it died."""
    return one.state if alive or one.state in ("finished", "failed") else "dead: run `xetrade recover`"


def verdict(one: CaptureStatus, alive: bool) -> str:
    """Its state and its alarms in one line."""
    alarms = f"; alarms: {'; '.join(one.alarms)}" if one.alarms else ""
    return f"{state_of(one, alive)}{alarms}"
