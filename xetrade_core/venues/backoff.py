"""How long to wait before trying again: capped exponential backoff with full jitter.

Full jitter (a uniform draw from nothing to the cap) spreads the clients of a venue that came back over time, where
plain doubling would bring all of them at the same instant.
"""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits drawn from 0 to `base_s` * 2 ** attempt, never above `cap_s`."""

    base_s: float = 0.5
    cap_s: float = 30.0

    def delay_s(self, attempt: int, rng: random.Random) -> float:
        """Seconds to wait before the retry that follows `attempt` failures (0: the first failure)."""
        return rng.uniform(0, min(self.cap_s, self.base_s * 2.0 ** min(attempt, 32)))
