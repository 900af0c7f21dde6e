"""How soon a symbol may be resynced again: at once after a quiet while, later and later when it keeps failing."""

from __future__ import annotations

import random

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.venues.backoff import Backoff

_FORGET_S = 60.0


class ResyncPacing:
    """Attempts per symbol; an attempt more than a minute after the last counts as a first one."""

    def __init__(self, backoff: Backoff, clock: Clock, rng: random.Random) -> None:
        self._backoff = backoff
        self._clock = clock
        self._rng = rng
        self._attempts: dict[str, tuple[int, int]] = {}

    def delay_s(self, symbol: str) -> float:
        """Seconds to wait before this attempt; counts it."""
        now = self._clock.monotonic_ns()
        count, last_ns = self._attempts.get(symbol, (0, now))
        if now - last_ns > _FORGET_S * NS_PER_S:
            count = 0
        self._attempts[symbol] = (count + 1, now)
        return 0.0 if count == 0 else self._backoff.delay_s(count - 1, self._rng)

    def forget(self, symbol: str) -> None:
        """The next attempt is a first one: its connection is new."""
        self._attempts.pop(symbol, None)
