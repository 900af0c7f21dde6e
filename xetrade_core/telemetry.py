"""Logs, metrics and alarms: what a running XETrade tells about itself.

Logs go to standard error through structlog, as lines for people or as JSON, and never contain a secret: the redaction
processor replaces every known secret value and everything that is stored under a secret's name, tracebacks included.
All Prometheus metrics are named here, in `Metrics`, and nowhere else. `alarm()` is for what a person must act on.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from pydantic import SecretStr
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

REDACTED = "(secret)"
#: a key of such a name never shows its value
SECRET_NAME = re.compile(r"secret|password|passphrase|api_?key|access_key|authorization|webhook_url|(^|_)token$", re.I)
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_secrets: set[str] = set()
_alarm_sinks: list[Callable[[dict[str, Any]], None]] = []


class Metrics:
    """Every metric of XETrade. `registry` is what the HTTP endpoint serves; tests make their own.

    What a session counts for itself (its status) is published as gauges, by `xetrade_core.exposition`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        book, venue = ("venue", "symbol"), ("venue",)
        # of each book, since its session began
        self.in_sync = Gauge("xetrade_book_in_sync", "1 while the book is in sync", book, registry=registry)
        self.updates = Gauge("xetrade_book_updates", "Messages applied", book, registry=registry)
        self.refused = Gauge("xetrade_book_refused", "Messages refused", book, registry=registry)
        self.resyncs = Gauge("xetrade_book_resyncs", "Snapshots joined", book, registry=registry)
        self.gaps = Gauge("xetrade_book_gaps", "Gaps by cause", (*book, "cause"), registry=registry)
        self.rows = Gauge("xetrade_book_rows", "expected, captured, synced, stale", (*book, "rows"), registry=registry)
        self.latency = Gauge(
            "xetrade_book_latency_seconds", "Receive time less event time", (*book, "quantile"), registry=registry
        )
        # of each venue's feed
        self.connections = Gauge("xetrade_feed_connections", "Connections open", venue, registry=registry)
        self.reconnects = Gauge("xetrade_feed_reconnects", "Connections opened anew", venue, registry=registry)
        self.frame_age = Gauge("xetrade_feed_frame_age_seconds", "Age of the last frame", venue, registry=registry)
        self.unread = Gauge("xetrade_feed_unread_bytes", "Bytes waiting in the kernel", venue, registry=registry)
        self.jitter = Gauge(
            "xetrade_sampling_jitter_seconds", "How late samples were taken", ("venue", "quantile"), registry=registry
        )
        # of the calls to each venue
        part = (*venue, "endpoint")
        self.reads = Counter("xetrade_reads", "Reads of a venue by outcome", (*part, "outcome"), registry=registry)
        self.breaker = Gauge(
            "xetrade_breaker_state", "1 for the state that a breaker is in", (*part, "state"), registry=registry
        )
        self.breaker_changes = Counter(
            "xetrade_breaker_changes", "Changes of a breaker to a state", (*part, "state"), registry=registry
        )
        self.budget_used = Gauge("xetrade_budget_used", "Weight spent in the window, by all", venue, registry=registry)
        self.budget_paused = Gauge(
            "xetrade_budget_paused_seconds", "Until a venue may be called again", venue, registry=registry
        )
        # of the spool, the queues and the lake
        self.queue = Gauge("xetrade_queue_length", "Entries waiting in a bounded queue", ("queue",), registry=registry)
        self.dropped = Counter(
            "xetrade_queue_dropped", "Entries dropped by a full queue", ("queue",), registry=registry
        )
        self.wal_sync = Histogram(
            "xetrade_wal_sync_seconds",
            "Time to write and fsync a batch",
            buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
            registry=registry,
        )
        self.uploads = Counter("xetrade_uploads", "Segments sent to the lake", ("outcome",), registry=registry)
        self.waiting = Gauge("xetrade_spool_files", "Files waiting for the lake", registry=registry)
        self.disk_free = Gauge("xetrade_spool_free_bytes", "Free space of the spool's disk", registry=registry)
        self.alarms = Counter("xetrade_alarms", "Alarms raised", ("alarm",), registry=registry)


METRICS = Metrics(CollectorRegistry(auto_describe=True))


def register_secrets(secrets: Iterable[str | SecretStr]) -> None:
    """From now on these values never appear in a log line or an alarm."""
    values = (secret.get_secret_value() if isinstance(secret, SecretStr) else secret for secret in secrets)
    _secrets.update(value for value in values if value)


def redact_text(text: str) -> str:
    """The text with every known secret value replaced; longer secrets first, as one may contain another."""
    for secret in sorted(_secrets, key=len, reverse=True):
        text = text.replace(secret, REDACTED)
    return text


def redact(value: Any, name: str = "") -> Any:
    """`value` without secrets: by known value, by type, and by the name it is stored under; containers are copied."""
    if isinstance(value, SecretStr) or (value and SECRET_NAME.search(name)):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes):
        return redact_text(value.decode(errors="replace"))
    if isinstance(value, Mapping):
        return {redact(key): redact(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact_text(repr(value))


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The last processor before rendering: everything that will be shown passes here."""
    hidden = {"_record", "_from_structlog"}
    return {key: value if key in hidden else redact(value, key) for key, value in event.items()}


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment, so that a live table can let lines pass above itself."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    style: Literal["console", "json"] = "console",
    secrets: Iterable[str | SecretStr] = (),
) -> None:
    """Send structlog's and the standard library's logs to standard error, redacted; safe to call again."""
    register_secrets(secrets)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(default=str)
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact_event, renderer],
    )
    handler = _Stderr()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.WARNING))  # libraries speak only when something is wrong
    logging.getLogger("xetrade").setLevel(LEVELS[level])
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger named `xetrade.<name>`: `log.info("segment sealed", rows=120)`."""
    logger: FilteringBoundLogger = structlog.get_logger(f"xetrade.{name}")
    return logger


def alarm(kind: str, message: str, **facts: Any) -> None:
    """Tell a person: `kind` is a short stable name (`disk_full`), `message` one line that says what to do.

    Logged as an error, counted in `xetrade_alarms_total`, and handed to every sink; a failing sink is logged.
    """
    METRICS.alarms.labels(kind).inc()
    log = get_logger("alarm")
    log.error(message, alarm=kind, **facts)
    body = {"alarm": kind, "message": redact_text(message), "facts": redact(facts)}
    for sink in tuple(_alarm_sinks):
        try:
            sink(body)
        except Exception as error:  # an alarm must not become a second failure
            log.warning("alarm not delivered", alarm_sink=type(sink).__name__, error=type(error).__name__)


def add_alarm_sink(sink: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    """Call `sink` with every alarm from now on; returns what removes it again."""
    _alarm_sinks.append(sink)
    return lambda: _alarm_sinks.remove(sink)


def serve_metrics(port: int, host: str = "127.0.0.1", metrics: Metrics = METRICS) -> tuple[int, Callable[[], None]]:
    """Serve `metrics` at http://host:port/metrics from a thread; returns the real port and what stops it."""
    from prometheus_client import start_http_server

    server, thread = start_http_server(port, addr=host, registry=metrics.registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)

    return int(server.server_port), stop
