"""Bounds on how long a call may take: one timer of the event loop for all calls that are given equally long.

As they are given equally long, those that began first end first, so a queue is all the order there is. A timer for each
call (`asyncio.timeout`) goes into a heap and out again, which compares timers in Python: with hundreds of calls under
way that is a twentieth of what an order takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType


class TimeBound:
    """`with bound():` raises TimeoutError where it is left later than `seconds` after it was entered.

    The task is cancelled at that moment, as by `asyncio.timeout`; a cancellation from elsewhere stays one.
    """

    __slots__ = ("_loop", "_timer", "_under_way", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: deque[Bounded] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> Bounded:
        """A bound for one call, which begins where it is entered. Needs a running task."""
        return Bounded(self)

    def begin(self, call: Bounded, loop: asyncio.AbstractEventLoop) -> None:
        """A call begins now."""
        if loop is not self._loop:  # the loop of before has ended, and its timer with it
            self._loop, self._timer = loop, None
            self._under_way.clear()
        self._under_way.append(call)
        if self._timer is None:
            self._timer = loop.call_at(call.ends, self._look, loop)

    def forget(self) -> None:
        """Let go of the calls that are over, from the oldest on."""
        while self._under_way and self._under_way[0].over:
            self._under_way.popleft()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        self.forget()
        while self._under_way and self._under_way[0].ends <= now:
            self._under_way.popleft().expire()
            self.forget()
        if self._under_way:
            self._timer = loop.call_at(self._under_way[0].ends, self._look, loop)


class Bounded:
    """One call within a `TimeBound`."""

    __slots__ = ("_bound", "_cancelling", "_expired", "_task", "ends", "over")
    _task: asyncio.Task[object]

    def __init__(self, bound: TimeBound) -> None:
        self._bound = bound
        self._expired = False
        self._cancelling = 0
        self.over = False
        self.ends = 0.0  # by the loop's clock

    def __enter__(self) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        if task is None:
            raise RuntimeError("only a task can be bounded in time")
        self._task, self._cancelling = task, task.cancelling()
        self.ends = loop.time() + self._bound.seconds
        self._bound.begin(self, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over = True
        self._bound.forget()
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Its time is up."""
        self._expired = True
        self._task.cancel()
