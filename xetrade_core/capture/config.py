"""What one capture session is asked to do, checked before anything is opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import ConfigError
from xetrade_core.lake.store import is_key
from xetrade_core.model.instruments import symbol_slug

HOUR_NS = 3600 * NS_PER_S
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureConfig:
    """One session: the books of `venues` (venue id -> universal symbols), sampled every `interval_s` over a window.

    The window is [start_ns, end_ns) in UTC nanoseconds; None means "from now" and "until stopped". A session connects
    at once and samples only inside its window. Raises ConfigError if a field is not valid.
    """

    venues: Mapping[str, tuple[str, ...]]
    spool_dir: Path
    interval_s: float = 1.0
    depth: int = 100
    start_ns: int | None = None
    end_ns: int | None = None
    segment_s: float = 60.0
    staleness_s: float = 30.0
    raw: bool = False
    session_id: str = ""
    """Unique name of the session, also the writer id in object names; made up if empty."""
    venue_staleness_s: Mapping[str, float] = field(default_factory=dict)
    """Overrides `staleness_s` for some venues."""
    upload_grace_s: float = 30.0
    """How long a stopping session goes on trying to upload before it leaves the rest in the spool."""
    disk_alarm_bytes: int = 1 << 30
    """Alarm when the spool's disk has less than this free."""
    reserve_bytes: int = 16 << 20
    """Disk space held back, so that a session on a full disk can still seal what it has."""

    def __post_init__(self) -> None:
        interval_ms = self.interval_s * 1000
        if not 1 <= interval_ms <= 3_600_000 or abs(interval_ms - round(interval_ms)) > 1e-6:
            raise ConfigError.of(
                "interval_s", self.interval_s, "a whole number of milliseconds, from 0.001 to 3600 seconds"
            )
        if not 1 <= self.depth <= 5000:
            raise ConfigError.of("depth", self.depth, "1 to 5000 levels a side")
        if not self.interval_s <= self.segment_s <= 3600:
            raise ConfigError.of("segment_s", self.segment_s, "at least interval_s and at most 3600 seconds")
        for name, limit_s in {"staleness_s": self.staleness_s, **self.venue_staleness_s}.items():
            if not limit_s > 0:
                raise ConfigError.of(name, limit_s, "more than 0 seconds")
        if self.session_id and not _SESSION_ID.fullmatch(self.session_id):
            raise ConfigError.of("session_id", self.session_id, "letters, digits, '_', '.', '-', at most 100")
        if self.start_ns is not None and self.end_ns is not None and self.end_ns <= self.start_ns:
            raise ConfigError.of("end_ns", self.end_ns, f"after start_ns = {self.start_ns}")
        self._check_symbols()

    def _check_symbols(self) -> None:
        if not self.venues:
            raise ConfigError.of("venues", dict(self.venues), "at least one venue with at least one symbol")
        for venue, symbols in self.venues.items():
            if not symbols:
                raise ConfigError.of(f"venues[{venue}]", symbols, "at least one symbol")
            twice = sorted({symbol for symbol in symbols if symbols.count(symbol) > 1})
            if twice:
                raise ConfigError.of(f"venues[{venue}]", ", ".join(twice), "each symbol once")
            unnamed = [symbol for symbol in symbols if not is_key(symbol_slug(symbol))]
            if unnamed:  # recorded, they would keep their hours from being compacted
                allowed = "letters, digits and . _ = + - beside / and :, of which the lake can make a name"
                raise ConfigError.of(f"venues[{venue}]", ", ".join(unnamed), allowed)

    @property
    def interval_ns(self) -> int:
        """Distance of two grid times."""
        return round(self.interval_s * 1000) * NS_PER_MS

    @property
    def segment_ns(self) -> int:
        """Distance of two segment boundaries."""
        return round(self.segment_s * NS_PER_S)

    def staleness_ns(self, venue: str) -> int:
        """Age of the last applied update from which a book of `venue` is stale."""
        return round(self.venue_staleness_s.get(venue, self.staleness_s) * NS_PER_S)
