"""A capture session's status as Prometheus metrics."""

from __future__ import annotations

from xetrade_core.capture.status import CaptureStatus, SymbolStatus, VenueStatus
from xetrade_core.telemetry import METRICS, Metrics


def publish(status: CaptureStatus, metrics: Metrics = METRICS) -> None:
    """Set all gauges of the session; called with every heartbeat."""
    for book in status.symbols:
        _publish_book(book, metrics)
    for venue in status.venues:
        _publish_venue(venue, metrics)
    metrics.disk_free.set(status.disk_free_bytes)


def _publish_book(book: SymbolStatus, metrics: Metrics) -> None:
    name = (book.venue, book.symbol)
    metrics.in_sync.labels(*name).set(book.in_sync)
    metrics.updates.labels(*name).set(book.updates)
    metrics.refused.labels(*name).set(book.refused)
    metrics.resyncs.labels(*name).set(book.resyncs)
    for cause, count in book.causes.items():
        metrics.gaps.labels(*name, cause).set(count)
    for kind in ("expected", "captured", "synced", "stale"):
        metrics.rows.labels(*name, kind).set(getattr(book, kind))
    for quantile, latency_ms in (
        ("0.5", book.latency_p50_ms),
        ("0.95", book.latency_p95_ms),
        ("0.99", book.latency_p99_ms),
    ):
        if latency_ms is not None:
            metrics.latency.labels(*name, quantile).set(latency_ms / 1000)


def _publish_venue(venue: VenueStatus, metrics: Metrics) -> None:
    metrics.connections.labels(venue.venue).set(venue.connections)
    metrics.reconnects.labels(venue.venue).set(venue.reconnects)
    metrics.unread.labels(venue.venue).set(venue.unread_bytes)
    if venue.frame_age_s is not None:
        metrics.frame_age.labels(venue.venue).set(venue.frame_age_s)
    for quantile, jitter_ms in (
        ("0.5", venue.jitter_p50_ms),
        ("0.99", venue.jitter_p99_ms),
        ("1", venue.jitter_max_ms),
    ):
        if jitter_ms is not None:
            metrics.jitter.labels(venue.venue, quantile).set(jitter_ms / 1000)
