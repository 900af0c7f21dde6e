"""How long callers wait: one sleeping task for all of them.

Each caller waits equally long, so those whose time is up first stand first; and a task that is started and cancelled
for each wait costs more than most of what is waited for.
"""

from __future__ import annotations

import asyncio
from collections import deque

from xetrade_core.clock import NS_PER_S, Clock


class Patience:
    """Ends waits that have gone on for `seconds`."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._patience_ns = round(seconds * NS_PER_S)
        self._waits: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._waiting = 0
        self._sleeper: asyncio.Task[None] | None = None

    async def wait(self, future: asyncio.Future[None]) -> None:
        """Return once the future is done; if its time is up first, it is done then."""
        while self._waits and self._waits[0][1].done():
            self._waits.popleft()
        self._waits.append((self._clock.monotonic_ns() + self._patience_ns, future))
        if self._sleeper is None or self._sleeper.done():
            self._sleeper = asyncio.get_running_loop().create_task(self._sleep(), name="patience")
        self._waiting += 1
        try:
            await future
        finally:
            self._waiting -= 1
            if not self._waiting and self._sleeper is not None:
                self._sleeper.cancel()
                self._sleeper = None

    async def _sleep(self) -> None:
        while self._waits:
            ends_ns, future = self._waits[0]
            left_ns = ends_ns - self._clock.monotonic_ns()
            if left_ns > 0 and not future.done():
                await self._clock.sleep(left_ns / NS_PER_S)
            else:
                self._waits.popleft()
                if not future.done():
                    future.set_result(None)
