"""One account's private stream: connected, kept alive, read, and made whole over REST after every gap.

A connection is subscribed first and asked about afterwards: what happens meanwhile waits in its queue, so that nothing
falls between the two. The queue is bounded: one that is full ends the connection, and what did not fit is asked for
like the rest of the gap. Asked are the open orders, each order that was believed to work and is not among them, the
trades since a little before the last word, and the balances. Whoever is told sorts out what was told twice: fills have
their ids, and a report, like a balance, is a statement of how things stand.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable
from xetrade_core.execution.streams.trades_due import TradesDue
from xetrade_core.execution.streams.words import (
    GuardedWords,
    Statement,
    StreamOver,
    StreamRefused,
    StreamWords,
    TradeToAskFor,
)
from xetrade_core.feeds.connection import Connection
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.model.accounts import Balance
from xetrade_core.model.book_events import GapCause
from xetrade_core.trading.execution import Execution, ExecutionError, NotListed, OrderRef, by_either_clock, if_listed
from xetrade_core.venues.backoff import Backoff

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_GREETING_S = 10.0
_PARTING_S = 3.0
_OVERLAP_NS = 10 * NS_PER_S  # so much before the last word trades are asked for again
_FIRST_NS = 600 * NS_PER_S  # and before the first connection
_STEADY_NS = 30 * NS_PER_S  # one that ends sooner counts as failed: each is followed by all the questions of a gap

Arrived = tuple[int, bytes]  # a frame, and when it was received: a backlog is heard later than that
Tell = Callable[[Statement], Awaitable[object]]
Working = Callable[[], Awaitable[Iterable[OrderRef]]]


class _Parting(Exception):
    """The stream is to be closed."""


class StreamState(StrEnum):
    """Where a stream stands."""

    CONNECTING = "connecting"
    CATCHING_UP = "catching_up"
    LIVE = "live"
    STOPPED = "stopped"


class PrivateStream:
    """Tells an account's orders and trades as its venue does, until it is closed. Use as an async context manager."""

    def __init__(
        self,
        words: StreamWords,
        execution: Execution,
        tell: Tell,
        working: Working,
        clock: Clock,
        rng: random.Random,
        *,
        name: str,
        testnet: bool = False,
        ws_url: str | None = None,
        guard_s: float | None = None,
        symbols: Iterable[str] = (),
        options: FeedOptions | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """`tell` gets each statement, one at a time; `working` gives the orders that are believed to work at a venue.

        `ws_url` takes the place of scheme and host. `name` is the account, for people. `guard_s`: the venue cancels
        what rests so long after this is lost, not after it is closed; only for `GuardedWords`. The trades of `symbols`
        are asked for at every connect, whether or not orders in them are believed to work.
        """
        self.name = name
        self.state = StreamState.CONNECTING
        self.connects = self.told = self.unreadable = 0
        self.problem: str | None = None  # why the last connection ended or could not be made
        self._words, self._execution, self._tell, self._working = words, execution, tell, working
        self._clock, self._rng = clock, rng
        self._options, self._backoff = options or FeedOptions(), backoff or Backoff()
        self._ws_url = ws_url
        self._base = self._moved(words.addresses.testnet if testnet else words.addresses.live)
        self._guard_s = guard_s if isinstance(words, GuardedWords) else None
        self._closing = asyncio.Event()
        self._heard_ns = clock.wall_ns() - _FIRST_NS
        self._symbols = set(symbols)
        self._live = asyncio.Event()
        self._live_ns = 0  # when it last became so
        self._telling = asyncio.Lock()
        self._trades_due = TradesDue(execution, clock, self._pass_on)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> PrivateStream:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def live(self, within_s: float) -> None:
        """Wait until it is connected and caught up. Raises VenueUnavailable if that is not in time."""
        try:
            async with asyncio.timeout(within_s):
                await self._live.wait()
        except TimeoutError:
            raise VenueUnavailable(
                f"the private stream of {self.name} is not live after {within_s:g} s: {self.problem or self.state}"
            ) from None

    async def close(self) -> None:
        """End it. Where the venue watches over it, that is switched off first: orders stay."""
        task, self._task = self._task, None
        if task is not None:
            self._closing.set()
            if self._guard_s is not None and self.state in (StreamState.CATCHING_UP, StreamState.LIVE):
                await asyncio.wait({task}, timeout=_PARTING_S)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._set(StreamState.STOPPED)

    def _set(self, state: StreamState) -> None:
        self.state = state
        (self._live.set if state is StreamState.LIVE else self._live.clear)()

    async def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            connects = self.connects
            self._set(StreamState.CONNECTING)
            try:
                await self._connection()
            except StreamOver as error:
                self.problem = str(error)
            except Exception as error:  # whatever it was, a stream that ended in silence would be worse
                self.problem = str(error) or type(error).__name__
                _log.warning("private_stream_failed", account=self.name, error=self.problem)
            if self.connects > connects and self._clock.monotonic_ns() - self._live_ns >= _STEADY_NS:
                failures = 0
            if self._closing.is_set():
                return
            await self._clock.sleep(self._backoff.delay_s(failures, self._rng))
            failures += 1

    async def _connection(self) -> None:
        """One connection from its opening to its end."""
        frames: asyncio.Queue[Arrived] = asyncio.Queue(self._options.held_frames_limit)
        told = await self._words.prepare()
        try:
            connection = await Connection.open(
                self._moved(told) if "://" in told else self._base + told,
                lambda connection, frame: self._take(frames, connection, frame),
                self._clock,
                self._options,
                self._words.rules,
            )
        except VenueUnavailable:
            # Its words name the whole address, and what is added to that is a key.
            raise VenueUnavailable(f"{self._base} cannot be connected to") from None
        try:
            welcome = (None,) if self._words.rules.welcome else ()
            early = await self._say(connection, frames, (*welcome, *self._words.greeting()))
            if self._guard_s is not None and isinstance(self._words, GuardedWords):
                early += await self._say(connection, frames, await self._words.guard(self._guard_s))
            self._set(StreamState.CATCHING_UP)
            await self._catch_up()
            self.connects += 1
            self.problem = None
            self._set(StreamState.LIVE)
            self._live_ns = self._clock.monotonic_ns()
            for arrived in early:
                await self._hear(*arrived)
            await self._keep(connection, frames)
        except _Parting:
            if self._guard_s is not None and isinstance(self._words, GuardedWords):
                for arrived in await self._say(connection, frames, self._words.unguard()):
                    await self._hear(*arrived)
        finally:
            connection.close()

    def _moved(self, address: str) -> str:
        """An address on the host that was set in place of the venue's, if one was."""
        if self._ws_url is None:
            return address
        host = urlsplit(self._ws_url)
        return urlsplit(address)._replace(scheme=host.scheme, netloc=host.netloc).geturl()

    def _take(self, frames: asyncio.Queue[Arrived], connection: Connection, frame: bytes) -> None:
        """Queue a frame; one too many ends the connection, and nothing that comes after it is heard."""
        if connection.closed.done():
            return
        if frames.full():
            _log.warning("private_stream_overrun", account=self.name, frames=frames.qsize())
            connection.close(GapCause.OVERFLOW)
            return
        frames.put_nowait((self._clock.wall_ns(), frame))

    async def _keep(self, connection: Connection, frames: asyncio.Queue[Arrived]) -> None:
        """Hear, renew and ask for trades until one of them ends the connection, or it is to be closed, by raising."""
        parts = (self._renew(), self._trades_due.run(), self._pump(connection, frames), self._until_closed())
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _say(
        self, connection: Connection, frames: asyncio.Queue[Arrived], messages: Sequence[bytes | None]
    ) -> list[Arrived]:
        """Send messages, each answered before the next; gives the frames that came between the answers.

        None sends nothing: the venue speaks first.
        """
        early: list[Arrived] = []
        try:
            async with asyncio.timeout(_GREETING_S):
                for message in messages:
                    if message is not None:
                        connection.send(message)
                    while not self._words.greeted((arrived := await self._next(connection, frames))[1]):
                        early.append(arrived)
        except TimeoutError:
            raise VenueUnavailable(f"{self._base} does not answer the subscription") from None
        except ValueError as error:
            raise StreamRefused(f"{self._base} answers the subscription with what cannot be read: {error}") from None
        return early

    async def _pump(self, connection: Connection, frames: asyncio.Queue[Arrived]) -> None:
        """Hear until the connection ends."""
        while True:
            await self._hear(*await self._next(connection, frames))

    async def _next(self, connection: Connection, frames: asyncio.Queue[Arrived]) -> Arrived:
        """The next frame. Raises VenueUnavailable once the connection has ended and everything was heard."""
        if not frames.empty():
            return frames.get_nowait()
        getting = asyncio.ensure_future(frames.get())
        either: list[asyncio.Future[Any]] = [getting, connection.closed]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                return getting.result()
        finally:
            getting.cancel()
        raise VenueUnavailable(f"the private stream of {self.name} ended ({connection.closed.result().value})")

    async def _hear(self, received_ns: int, frame: bytes) -> None:
        try:
            said = self._words.read(frame)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # Nobody knows what it was: only asking tells.
            self.unreadable += 1
            raise VenueUnavailable(f"the private stream of {self.name} cannot be read: {error}") from None
        for one in said:
            if isinstance(one, TradeToAskFor):
                self._trades_due.add(one)
            else:
                await self._pass_on(one)
        self._heard_ns = received_ns

    async def _pass_on(self, said: Statement) -> None:
        async with self._telling:
            self.told += 1
            if not isinstance(said, Balance):
                self._symbols.add(said.symbol)
            await self._tell(said)

    async def _until_closed(self) -> None:
        await self._closing.wait()
        raise _Parting

    async def _renew(self) -> None:
        every_s = self._words.renew_every_s
        while every_s is not None:
            await self._clock.sleep(every_s)
            try:
                await self._words.renew()
            except ExecutionError as error:
                raise StreamOver(f"the private stream of {self.name} cannot be kept: {error}") from None

    async def _catch_up(self) -> None:
        """Ask for whatever may have happened while nobody listened."""
        since_ns, asked_ns = by_either_clock(self._execution, self._heard_ns - _OVERLAP_NS), self._clock.wall_ns()
        believed = list(await self._working())
        try:
            open_now = await self._execution.open_orders(None)
            for report in open_now:
                await self._pass_on(report)
            there = {name for report in open_now for name in (report.client_id, report.venue_order_id) if name}
            for ref in believed:
                if ref.client_id not in there and ref.venue_order_id not in there:
                    found = await self._if_listed(ref.symbol, self._execution.find(ref))
                    if found is not None:
                        await self._pass_on(found)
            for symbol in sorted({ref.symbol for ref in believed} | self._symbols):
                fills = await self._if_listed(symbol, self._execution.fills_since(symbol, since_ns))
                for fill in fills or ():
                    await self._pass_on(fill)
            for balance in await self._execution.balances():
                await self._pass_on(balance)
        except ExecutionError as error:
            raise VenueUnavailable(f"the gap of the stream of {self.name} cannot be closed: {error}") from None
        self._heard_ns = asked_ns  # what traded while it was asked was not in every answer

    async def _if_listed(self, symbol: str, asked: Awaitable[T]) -> T | None:
        """An answer about an instrument; None, and a word in the log, where the venue lists it no more."""

        def say(_: NotListed) -> None:
            _log.warning("not_asked_as_it_is_not_listed", account=self.name, symbol=symbol)

        return await if_listed(asked, say)
