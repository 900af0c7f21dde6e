"""Who is recording: the sessions of a spool that live, and those that died with something left.

A session's lock is held by its process and by nothing else, so a pid that was used again fools nobody. Looking takes
the lock of a dead session for an instant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from xetrade_core.capture.spool import SessionDir, SessionLock, SessionPlan, sessions
from xetrade_core.errors import SessionError


def is_alive(session: SessionDir) -> bool:
    """Whether a process holds the session: one that records, seals or uploads, or a recovery of it."""
    lock = SessionLock(session.path)
    if not lock.acquire():
        return True
    lock.release()
    return False


def live_venues(spool_dir: Path, now_ns: int, wanted: Mapping[str, Sequence[str]]) -> set[str]:
    """Those of the `wanted` (symbols by venue) of which living sessions record every universal symbol at `now_ns`: a
    session that waits for the next hour does not count yet. What is written otherwise cannot be told from what sessions
    record, so there it is enough that the venue is recorded.
    """
    recorded: set[tuple[str, str]] = set()
    for plan in [_plan(session) for session in sessions(spool_dir) if is_alive(session)]:
        if plan is not None and plan.start_ns <= now_ns and (plan.end_ns is None or now_ns < plan.end_ns):
            recorded |= {(venue, symbol) for venue, symbols in plan.venues.items() for symbol in symbols}
    return {
        venue
        for venue in {venue for venue, _ in recorded}.intersection(wanted)
        if recorded.issuperset((venue, symbol) for symbol in wanted[venue] if "/" in symbol)
    }


def _plan(session: SessionDir) -> SessionPlan | None:
    """None where a recovery has just removed the session."""
    try:
        return session.plan()
    except SessionError:
        return None


def orphans(spool_dir: Path) -> list[SessionDir]:
    """Sessions whose process is gone and that left rows, gaps or files which are not in the lake. Only looks."""
    return [session for session in sessions(spool_dir) if has_leftovers(session) and not is_alive(session)]


def has_leftovers(session: SessionDir) -> bool:
    """Whether anything of the session is not in the lake yet."""
    return bool(session.logs() or session.waiting() or session.gap_log.exists() or session.raw_files())
