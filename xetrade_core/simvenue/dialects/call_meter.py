"""A venue's limit of calls in a window, for endpoints that are counted by themselves."""

from __future__ import annotations

from collections import deque


class CallMeter:
    """At most `limit` calls, or units of their weight, in any `window_ms`; 0 = unlimited."""

    def __init__(self, limit: int, window_ms: int) -> None:
        self._limit, self._window_ms = limit, window_ms
        self._calls: deque[int] = deque()

    def take(self, now_ms: int, weight: int = 1) -> int | None:
        """Count a call; None if it is allowed, else the whole seconds until one is."""
        if not self._limit:
            return None
        while self._calls and now_ms - self._calls[0] >= self._window_ms:
            self._calls.popleft()
        if len(self._calls) + weight <= self._limit:
            self._calls.extend([now_ms] * weight)
            return None
        return max(1, -(-(self._calls[0] + self._window_ms - now_ms) // 1000))
