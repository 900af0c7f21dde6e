"""From a session's parts to its status."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xetrade_core.capture.recorder import BookRecorder
from xetrade_core.capture.sampler import grid_at_or_after
from xetrade_core.capture.status import UNCOUNTED_CAUSES, CaptureStatus, SymbolStatus, VenueStatus
from xetrade_core.feeds.feed import FeedStatus

if TYPE_CHECKING:
    from xetrade_core.capture.session import CaptureSession
    from xetrade_core.capture.venue_run import VenueRun

_OVER = frozenset({"finished", "failed"})


def capture_status(session: CaptureSession, feeds: Sequence[FeedStatus | None]) -> CaptureStatus:
    """The session at this moment; `feeds` are its feeds' own statuses. May be called from any thread."""
    plan, directory, journal, uploader = session.plan, session.directory, session.journal, session.uploader
    assert plan is not None
    assert directory is not None
    assert journal is not None
    assert uploader is not None
    written, sent = journal.status(), uploader.status()
    now_ns = session.clock.wall_ns()
    return CaptureStatus(
        session_id=plan.session_id,
        pid=os.getpid(),
        state=session.state,
        started_ns=plan.opened_ns,
        heartbeat_ns=now_ns,
        start_ns=plan.start_ns,
        end_ns=plan.end_ns,
        interval_s=session.config.interval_s,
        depth=plan.depth,
        symbols=[row for run in session.runs for row in symbol_rows(run.recorder, session.state in _OVER)],
        venues=[_venue_row(run, feed) for run, feed in zip(session.runs, feeds, strict=True)],
        bytes_per_snapshot=written.segment_bytes / written.segment_rows if written.segment_rows else None,
        durable_lag_ms=written.lag_ms,
        queued_rows=written.queued_rows,
        segments=written.segments,
        segment_bytes=written.segment_bytes,
        uploaded_files=sent.uploaded_files,
        spool_files=sent.waiting_files,
        spool_bytes=sent.waiting_bytes,
        upload_error=sent.error,
        disk_free_bytes=shutil.disk_usage(session.config.spool_dir).free,
        alarms=list(session.alarms),
    )


def symbol_rows(recorder: BookRecorder, over: bool) -> list[SymbolStatus]:
    """One row a symbol; `over`: count what the whole window expects, not only what was due so far."""
    plan, sampler, tallies = recorder.plan, recorder.sampler, recorder.tallies
    first_ns = grid_at_or_after(plan.start_ns, plan.interval_ns)
    until_ns = sampler.last_ns + plan.interval_ns
    if over and plan.end_ns is not None:
        until_ns = grid_at_or_after(plan.end_ns, plan.interval_ns)
    expected = max(0, (until_ns - first_ns) // plan.interval_ns)
    rows = []
    latencies = tallies.latency_quantiles()
    for index, symbol in enumerate(plan.symbols):
        causes = dict(recorder.ledger.causes.get(symbol, {}))
        latency = latencies[index] or (None, None, None)
        rows.append(
            SymbolStatus(
                venue=plan.venue,
                symbol=symbol,
                in_sync=recorder.in_sync(symbol),
                expected=expected,
                captured=tallies.captured_ticks,
                synced=tallies.synced[index],
                stale=tallies.stale[index],
                gaps=sum(count for cause, count in causes.items() if cause not in UNCOUNTED_CAUSES),
                resyncs=tallies.resyncs[index],
                refused=tallies.refused[index],
                updates=tallies.updates[index],
                causes={cause.value: count for cause, count in causes.items() if count},
                latency_p50_ms=latency[0],
                latency_p95_ms=latency[1],
                latency_p99_ms=latency[2],
            )
        )
    return rows


def _venue_row(run: VenueRun, feed: FeedStatus | None) -> VenueStatus:
    jitter = run.recorder.sampler.jitter()
    return VenueStatus(
        venue=run.venue,
        state=run.state,
        error=None if run.error is None else str(run.error),
        connections=feed.connections if feed else 0,
        connections_wanted=feed.connections_wanted if feed else 0,
        reconnects=feed.reconnects if feed else 0,
        frame_age_s=feed.last_frame_age_s if feed else None,
        unread_bytes=feed.unread_bytes if feed else 0,
        jitter_p50_ms=jitter.p50_ms if jitter else None,
        jitter_p99_ms=jitter.p99_ms if jitter else None,
        jitter_max_ms=jitter.max_ms if jitter else None,
    )
