"""The tables of settings that are not about trading: the lake's store, capture, venues, their calls, and telling.

Each field says what it is; docs/settings.md is generated from here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from xetrade_core.settings_base import Names, Section


def _url(schemes: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        scheme, found, rest = value.partition("://")
        if not found or not rest.strip("/") or scheme not in schemes:
            raise ValueError(f"a URL that begins with {' or '.join(f'{s}://' for s in schemes)}")
        return value.rstrip("/")

    return AfterValidator(check)


HttpUrl = Annotated[str, _url(("http", "https"))]
WebsocketUrl = Annotated[str, _url(("ws", "wss"))]


class S3Settings(Section):
    """The lake's object store, where the lake is `s3://bucket/prefix`."""

    endpoint_url: HttpUrl | None = Field(default=None, description="an S3 other than Amazon's own, e.g. a local one")
    region: str = Field(default="us-east-1", min_length=1, description="region of the bucket")
    access_key_id: SecretStr | None = Field(
        default=None, description="without it the usual AWS credential chain is asked"
    )
    secret_access_key: SecretStr | None = Field(default=None, description="goes with access_key_id")


class CaptureSettings(Section):
    """Defaults of `xetrade capture start` and of the Dagster job `capture_l2`."""

    interval_s: float = Field(default=1.0, ge=0.05, le=3600, description="seconds between two snapshots of a book")
    depth: int = Field(default=100, ge=1, le=5000, description="levels a side in each snapshot")
    segment_s: float = Field(default=60.0, ge=1, le=3600, description="seconds of snapshots in one segment file")
    staleness_s: float = Field(
        default=30.0, gt=0, le=86_400, description="seconds without an update after which a book is stale"
    )
    raw: bool = Field(default=False, description="also keep every frame as it came, to be replayed")


class VenueSettings(Section):
    """One venue, by its id: `[venues.binance]`, `XETRADE_VENUES__BINANCE__REST_URL`."""

    rest_url: HttpUrl | None = Field(default=None, description="another REST host, e.g. a simulated venue's")
    ws_url: WebsocketUrl | None = Field(default=None, description="another websocket host, e.g. a simulated venue's")
    feed: Literal["stream", "poll"] = Field(
        default="stream", description="`poll`: whole books over REST through ccxt, for any venue that ccxt knows"
    )
    poll_interval_s: float = Field(default=1.0, ge=0.05, le=3600, description="seconds between two polls of a book")
    symbols: Names = Field(default=(), description="what to capture when no pairs are named: `BTC/USDT,ETH/USDT`")
    staleness_s: float | None = Field(
        default=None, gt=0, le=86_400, description="overrides `capture.staleness_s` for this venue"
    )


class RateSettings(Section):
    """How much of the venues' rate limits is used, by all processes of this machine together."""

    headroom: float = Field(
        default=0.2, ge=0, lt=1, description="share of a venue's limit that is left; half of it is kept for cancels"
    )
    address: str = Field(
        default="default",
        min_length=1,
        description="name of the outgoing IP address: processes with the same name share one budget a venue",
    )


class ReadSettings(Section):
    """How reads of a venue outlive its bad moments."""

    attempts: int = Field(default=3, ge=1, le=20, description="how often a read is tried; an order never is again")
    deadline_s: float = Field(default=15.0, gt=0, le=600, description="seconds by which a read must have its answer")
    max_stale_s: float = Field(
        default=0.0,
        ge=0,
        le=86_400,
        description="oldest answer, in seconds, that stands in while a venue is down, marked as stale; 0: none does",
    )


class BreakerSettings(Section):
    """When calls to a part of a venue that keeps failing are stopped."""

    failures: int = Field(default=5, ge=1, le=1000, description="failures in a row that open a circuit")
    open_s: float = Field(default=5.0, gt=0, le=3600, description="seconds until it is tried again, at first")
    cap_s: float = Field(default=120.0, gt=0, le=86_400, description="and at most, after failed tries")


class AlertSettings(Section):
    """Where alarms go besides the log."""

    webhook_url: SecretStr | None = Field(default=None, description="each alarm is posted there as JSON")


class LogSettings(Section):
    """Logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="least level that is shown")
    format: Literal["console", "json"] = Field(default="console", description="for people, or one JSON object a line")


class MetricsSettings(Section):
    """Prometheus metrics over HTTP."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int | None = Field(default=None, ge=0, le=65_535, description="none: no endpoint; 0: any free port")


class PipelinesSettings(Section):
    """The Dagster deployment."""

    autostart: bool = Field(
        default=False, description="start all schedules and sensors by themselves; else turn them on in the UI"
    )
