"""Binance's REST weight: so much a minute, then 429, then a ban."""

from __future__ import annotations

MINUTE_MS = 60_000
_BAN_AFTER = 20  # calls ignored after a 429 until the address is banned (418)


class WeightMeter:
    """Request weight used in the running minute; a `limit` of 0 counts without refusing."""

    def __init__(self, limit: int) -> None:
        self.limit, self._minute, self.used, self._refused = limit, -1, 0, 0

    def take(self, weight: int, now_ms: int) -> int | None:
        """Count a call; gives the HTTP status to refuse it with, or None."""
        minute = now_ms // MINUTE_MS
        if minute != self._minute:
            self._minute, self.used, self._refused = minute, 0, 0
        self.used += weight
        if not self.limit or self.used <= self.limit:
            return None
        self._refused += 1
        return 418 if self._refused > _BAN_AFTER else 429
