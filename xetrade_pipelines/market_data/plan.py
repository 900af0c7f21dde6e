"""From a run's config and partition to the core's `CaptureConfig`: what is recorded, and over which window.

Pure: settings and the time are arguments. What the values mean is checked by `CaptureConfig` itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from xetrade_core.capture.config import CaptureConfig
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.settings import Settings
from xetrade_pipelines.market_data.config import CaptureRunConfig
from xetrade_pipelines.partitions import VenueHour

T = TypeVar("T")

#: an ad hoc recording begins so long after its launch, connected and in sync, so that `duration_s` is what it records
LEAD_NS = 3 * NS_PER_S


def plan_capture(
    run: CaptureRunConfig, hour: VenueHour | None, settings: Settings, spool_dir: Path, now_ns: int
) -> CaptureConfig:
    """The session that a run should hold. `hour` is the run's partition, None for an ad hoc run. Raises ConfigError."""
    start_ns, end_ns = window_of(run, hour, now_ns)
    if end_ns is not None and end_ns <= now_ns:
        raise ConfigError(
            f"the window {_text(start_ns)} to {_text(end_ns)} is over: the past cannot be recorded; replay a recording"
        )
    defaults = settings.capture
    venues = {venue: tuple(symbols) for venue, symbols in (run.venues or symbols_of(settings)).items()}
    if hour is not None:
        venues = {venue: symbols for venue, symbols in venues.items() if venue == hour.venue}
    if not venues:
        missing = hour.venue if hour else "<venue>"
        raise ConfigError(
            f"nothing to record: set venues.{missing}.symbols in the settings, or `venues` in the run config"
        )
    odd = [symbol for symbols in venues.values() for symbol in symbols if "/" not in symbol]
    if odd:
        raise ConfigError.of("venues", ", ".join(odd), "universal symbols such as BTC/USDT or BTC/USDT:USDT")
    return CaptureConfig(
        venues=venues,
        spool_dir=spool_dir,
        interval_s=_or(run.interval_s, defaults.interval_s),
        depth=_or(run.depth, defaults.depth),
        start_ns=start_ns,
        end_ns=end_ns,
        segment_s=_or(run.segment_s, max(defaults.segment_s, _or(run.interval_s, defaults.interval_s))),
        staleness_s=defaults.staleness_s,
        venue_staleness_s={venue: own for venue in venues if (own := settings.venue(venue).staleness_s) is not None},
        raw=_or(run.raw, defaults.raw),
    )


def symbols_of(settings: Settings) -> dict[str, tuple[str, ...]]:
    """What the settings record: symbols by venue id, without the venues that have none."""
    return {venue: one.symbols for venue, one in settings.venues.items() if one.symbols}


def window_of(run: CaptureRunConfig, hour: VenueHour | None, now_ns: int) -> tuple[int, int | None]:
    """[start, end) in nanoseconds: what the config says, else the partition's hour, else from soon until stopped."""
    start_ns = _instant_ns("start", run.start)
    if start_ns is None:
        start_ns = hour.start_ns if hour is not None else now_ns + LEAD_NS
    end_ns = _instant_ns("end", run.end)
    if run.duration_s is not None:
        if end_ns is not None:
            raise ConfigError("`duration_s` and `end` exclude each other: give one of them")
        if not run.duration_s > 0:
            raise ConfigError.of("duration_s", run.duration_s, "more than 0 seconds")
        end_ns = start_ns + round(run.duration_s * NS_PER_S)
    if end_ns is None and hour is not None:
        end_ns = hour.end_ns
    return start_ns, end_ns


def _instant_ns(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError.of(name, text, "a UTC time such as 2026-01-31T05:00:00Z") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    elapsed = moment - datetime.fromtimestamp(0, UTC)
    return (elapsed.days * 86_400 + elapsed.seconds) * NS_PER_S + elapsed.microseconds * 1000


def _text(ns: int) -> str:
    return datetime.fromtimestamp(ns / NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
