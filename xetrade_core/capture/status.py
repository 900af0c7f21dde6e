"""What a session tells about itself: `session.json` while it lives, and the report at its end."""

from __future__ import annotations

import msgspec

from xetrade_core.model.book_events import GapCause

UNCOUNTED_CAUSES = frozenset({GapCause.STARTUP, GapCause.STOPPED})
"""Every session has these; `gaps` counts the others."""


class SymbolStatus(msgspec.Struct, frozen=True):
    """One book. `expected`, `captured`, `synced`, `stale` count grid times of the window so far (in a report: of all
    of it).

    Latencies are receive time less the venue's event time, in milliseconds, over the newest 1,024 samples with news;
    None where the venue gives no time.
    """

    venue: str
    symbol: str
    in_sync: bool
    expected: int
    captured: int
    synced: int
    stale: int
    gaps: int
    resyncs: int
    refused: int
    updates: int
    causes: dict[str, int]
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None


class VenueStatus(msgspec.Struct, frozen=True):
    """One venue's feed. `state` is opening, running, failed or ended."""

    venue: str
    state: str
    error: str | None
    connections: int
    connections_wanted: int
    reconnects: int
    frame_age_s: float | None
    unread_bytes: int
    jitter_p50_ms: float | None
    jitter_p99_ms: float | None
    jitter_max_ms: float | None


class CaptureStatus(msgspec.Struct, frozen=True):
    """One session at one moment. Times are UTC nanoseconds; `state` is starting, running, sealing, uploading,
    finished or failed.

    `bytes_per_snapshot` is the size of the segments over their rows; `durable_lag_ms` the longest time from a sample to
    its being safe on disk.
    """

    session_id: str
    pid: int
    state: str
    started_ns: int
    heartbeat_ns: int
    start_ns: int
    end_ns: int | None
    interval_s: float
    depth: int
    symbols: list[SymbolStatus]
    venues: list[VenueStatus]
    bytes_per_snapshot: float | None
    durable_lag_ms: float
    queued_rows: int
    segments: int
    segment_bytes: int
    uploaded_files: int
    spool_files: int
    spool_bytes: int
    upload_error: str | None
    disk_free_bytes: int
    alarms: list[str]


class CaptureReport(msgspec.Struct, frozen=True):
    """How a session ended.

    `reason` is for a person; `left_in_spool` files could not be uploaded and wait for `recover`.
    """

    status: CaptureStatus
    reason: str
    left_in_spool: int

    @property
    def session_id(self) -> str:
        return self.status.session_id

    @property
    def symbols(self) -> list[SymbolStatus]:
        return self.status.symbols


def read_status(content: bytes) -> CaptureStatus:
    """The content of a `session.json`. Raises msgspec.DecodeError."""
    return msgspec.json.decode(content, type=CaptureStatus)
