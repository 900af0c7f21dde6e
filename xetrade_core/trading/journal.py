"""The event store for an event loop: many callers at once, one commit for all that wait (group commit).

A thread of its own does the waiting for the disk. What arrives while it waits goes into the next transaction together,
so that two hundred callers cost a few syncs and not two hundred.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from xetrade_core.errors import StoreUnavailable
from xetrade_core.trading.store import OrderStore, Work

T = TypeVar("T")


class Journal(Protocol):
    """Where the order service writes."""

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Do `work` in a transaction and return its result once committed; what it raises is raised here.

        `durable`: on the disk when this returns; otherwise with the next durable write at the latest.
        """
        ...


class _Waiting(NamedTuple):
    work: Work[Any]
    durable: bool
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class GroupCommit:
    """A `Journal` over one store, with a thread. Close it to end the thread; the store stays open."""

    def __init__(self, store: OrderStore, *, batch: int = 256) -> None:
        """At most `batch` pieces of work share a transaction."""
        self._store = store
        self._batch = batch
        self._waiting: deque[_Waiting] = deque()
        self._calling: set[asyncio.AbstractEventLoop] = set()
        self._calls: queue.SimpleQueue[bool] = queue.SimpleQueue()  # whether more may come
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="xetrade-orders", daemon=True)
        self._thread.start()

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        """As `Journal.write`. A caller that is cancelled meanwhile has no effect on what is committed."""
        if self._closed:
            raise StoreUnavailable("the order store is closed")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(work, durable, future, loop))
        if loop not in self._calling:
            self._calling.add(loop)
            loop.call_soon(self._call, loop)
        return await future

    def _call(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wake the thread: once for all that one turn of a loop has asked for."""
        self._calling.discard(loop)
        self._calls.put(True)

    async def close(self) -> None:
        """Write what waits, then end the thread."""
        if not self._closed:
            self._closed = True
            self._calls.put(False)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        more = True
        while more:
            more = self._calls.get()
            while self._waiting:
                self._commit([self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch))])

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        results: Sequence[Any]
        try:
            durable = any(one.durable for one in batch)
            results = self._store.transact([one.work for one in batch], durable=durable)
        except BaseException as error:
            results = [error] * len(batch)
        for loop in {one.loop for one in batch}:
            done = [(one.future, result) for one, result in zip(batch, results, strict=True) if one.loop is loop]
            try:
                loop.call_soon_threadsafe(_deliver, done)
            except RuntimeError:
                continue  # that loop has ended: nobody waits any more


def _deliver(done: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in done:
        if future.cancelled():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
