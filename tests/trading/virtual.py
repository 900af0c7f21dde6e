"""A world without waiting, in which everything can be stopped at any await: an event loop whose time jumps, and a kill.

Nothing here is random: the same program takes the same steps in the same order, so that each of them can be the last.
"""

from __future__ import annotations

import asyncio
import heapq
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, ClassVar, TypeVar

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import StoreUnavailable
from xetrade_core.trading.store import OrderStore, Work

T = TypeVar("T")
START_NS = 1_700_000_000 * NS_PER_S


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything can run, then jumps to the next timer. Executors run at once."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__()

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        timers: Any = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count -= 1
        if not self._ready and timers:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, timers[0]._when)
        super()._run_once()  # type: ignore[misc]

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class VirtualClock:
    """The clock of a world: wall time goes on from one loop to the next."""

    def __init__(self) -> None:
        self._origin_ns = START_NS

    def wall_ns(self) -> int:
        try:
            elapsed_s = asyncio.get_running_loop().time()
        except RuntimeError:
            elapsed_s = 0.0
        return self._origin_ns + round(elapsed_s * NS_PER_S)

    def monotonic_ns(self) -> int:
        return self.wall_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def continue_after_s(self, seconds: float) -> None:
        """Nothing happens for a while."""
        self._origin_ns += round(seconds * NS_PER_S)

    def continue_after(self, loop: VirtualLoop, pause_s: float) -> None:
        """A later loop begins `pause_s` after this one ended."""
        self.continue_after_s(loop.now_s + pause_s)


class InlineJournal:
    """A journal whose commit happens between two awaits, without a thread: one can be stopped before and after it."""

    #: how many writes go well before one does not, in turn
    away_after: ClassVar[list[int]] = []

    def __init__(self, store: OrderStore) -> None:
        self._store = store

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        await asyncio.sleep(0)
        if self.away_after:
            self.away_after[0] -= 1
            if self.away_after[0] < 0:
                del self.away_after[0]
                raise StoreUnavailable("the order store does not answer: it is being moved")
        if is_buried(asyncio.current_task()):
            raise asyncio.CancelledError  # the process is dead: what still runs only lets go of its frames
        [result] = self._store.transact([work], durable=False)  # nobody cuts the power here
        await asyncio.sleep(0)
        if isinstance(result, BaseException):
            raise result
        return result  # type: ignore[no-any-return]


_BURIED: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()


def is_buried(task: asyncio.Task[Any] | None) -> bool:
    """Whether what runs only lets go of its frames, after a kill."""
    return task in _BURIED


class Kill:
    """Counts the steps of all tasks and freezes the world at the `at`-th: as after kill -9, nothing runs any more."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.steps = 0
        self._buried = False
        self.struck = asyncio.get_running_loop().create_future()

    async def bury(self) -> None:
        """Take the frames of what was killed apart, in a world where nothing they do has any effect."""
        self._buried = True
        dead = asyncio.all_tasks() - {asyncio.current_task()}
        _BURIED.update(dead)
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)

    def frozen(self) -> bool:
        """Count one step; whether the world has ended by now."""
        if self._buried or self.struck.done():
            return not self._buried
        self.steps += 1
        if self.steps == self.at:
            self.struck.set_result(None)
        return self.struck.done()

    def factory(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """A task factory: every task's steps are counted."""
        return asyncio.Task(_Stepped(coroutine, self, loop), loop=loop, **options)


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that asks before each step whether the world still goes on."""

    def __init__(self, inner: Coroutine[Any, Any, Any], kill: Kill, loop: asyncio.AbstractEventLoop) -> None:
        self._inner, self._kill, self._loop = inner, kill, loop

    def _for_ever(self) -> Any:
        future = self._loop.create_future()
        future._asyncio_future_blocking = True
        return future

    def send(self, value: Any) -> Any:
        return self._for_ever() if self._kill.frozen() else self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        return self._for_ever() if self._kill.frozen() else self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Any:
        return self._inner.__await__()


def run(
    program: Callable[[], Coroutine[Any, Any, T]],
    clock: VirtualClock,
    *,
    kill_at: int | None = None,
    pause_s: float = 1.0,
) -> tuple[T | None, int]:
    """Run a program in a world of its own; its result (None if it was killed first) and the steps it took."""
    loop = VirtualLoop()

    async def main() -> tuple[T | None, int]:
        kill = Kill(kill_at)
        loop.set_task_factory(kill.factory)
        task = loop.create_task(program())
        await asyncio.wait({task, kill.struck}, return_when=asyncio.FIRST_COMPLETED)
        if kill.struck.done():
            await kill.bury()
            return None, kill.steps
        return task.result(), kill.steps

    try:
        outcome = loop.run_until_complete(main())
    finally:
        clock.continue_after(loop, pause_s)
        loop.close()
    return outcome
