"""Subscribing on one connection: paced requests, acknowledgements, refusals of single instruments, retries."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueUnavailable

_log = structlog.get_logger(__name__)
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """A control message of the venue. `venue_ids` are those it names, empty where it speaks of the whole request.

    `error` is None for an acknowledgement, of an unsubscription if `unsubscribed`. `transient`: the error is about now,
    not about the instrument. `whole`: it names all that was taken of the request, so what it does not name is refused.
    `closing`: the venue announces that it will close this connection. `answer`: what the venue wants to hear back.
    `welcome`: it is ready to be asked.
    """

    request_id: int | None = None
    venue_ids: tuple[str, ...] = ()
    error: str | None = None
    unsubscribed: bool = False
    transient: bool = False
    whole: bool = False
    closing: bool = False
    answer: bytes | None = None
    welcome: bool = False


class Dialect(Protocol):
    """The venue's words for subscribing."""

    opening: Sequence[bytes]
    """What is said first on a new connection."""

    def subscribe(self, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """The request that starts these books."""
        ...

    def unsubscribe(self, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """The request that ends them."""
        ...

    def read(self, frame: bytes) -> Reply | None:
        """A control message, or None if the frame is something else; must be quick on book messages and never raise."""
        ...

    def book_id(self, frame: bytes) -> str | None:
        """The venue id of the instrument that a book message is about, if it is one."""
        ...


@dataclass(slots=True)
class _Request:
    waiting: set[str]
    unsubscribes: bool = False
    failed: str | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Subscriptions:
    """The subscriptions of one connection: the `confirmed`, and the `refused` by the venue's word for it."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        dialect: Dialect,
        clock: Clock,
        *,
        interval_s: float,
        timeout_s: float,
        batch: int = 50,
        welcome: bool = False,
    ) -> None:
        """`interval_s` lies between two requests and `batch` instruments go into one (the venue's limits); an
        acknowledgement is awaited for `timeout_s`, and so is the venue's `welcome` before the first request.
        """
        self._send = send
        self._dialect = dialect
        self._clock = clock
        self._interval_ns = round(interval_s * NS_PER_S)
        self._next_send_ns = 0
        self._timeout_s = timeout_s
        self._batch = batch
        self._ids = itertools.count(1)
        self._open: dict[int, _Request] = {}
        self._turn = asyncio.Lock()
        self._ended = False
        self._ready = asyncio.Event()
        if not welcome:
            self._ready.set()
        self.requests = 0
        self.confirmed: set[str] = set()
        self.refused: dict[str, str] = {}

    async def add(self, venue_ids: Iterable[str]) -> None:
        """Subscribe all; return when each is confirmed or refused. Raises VenueUnavailable when no answer comes."""
        missing = list(venue_ids)
        for _ in range(_ATTEMPTS):
            for batch in _batches(missing, self._batch):
                failed = await self._request(self._dialect.subscribe, batch)
                if failed and len(batch) > 1:
                    # The whole request was refused for one of its instruments: ask for each alone.
                    for venue_id in batch:
                        await self._request(self._dialect.subscribe, [venue_id])
            missing = [each for each in missing if each not in self.confirmed and each not in self.refused]
            if not missing:
                return
        raise VenueUnavailable(f"no answer to the subscription of {', '.join(missing[:5])} in {_ATTEMPTS} attempts")

    async def renew(self, venue_ids: Sequence[str]) -> None:
        """Unsubscribe and subscribe again, for a fresh snapshot on the same connection."""
        await self._request(self._dialect.unsubscribe, venue_ids)
        self.confirmed.difference_update(venue_ids)
        await self.add(venue_ids)

    def end(self) -> None:
        """The connection is closed: whoever waits for an answer on it gets VenueUnavailable at once."""
        self._ended = True
        self._ready.set()
        for request in self._open.values():
            request.done.set()

    def on_reply(self, reply: Reply) -> None:
        """Book an acknowledgement or an error to the request it belongs to."""
        if reply.welcome:
            self._ready.set()
            return
        request = self._find(reply)
        if request is None:
            if reply.error is not None:
                _log.warning("unexpected_error_reply", error=reply.error)
            return
        named = reply.venue_ids or reply.whole
        about = request.waiting.intersection(reply.venue_ids) if named else set(request.waiting)
        if reply.error is None:
            self.confirmed |= about
            if reply.whole:
                self._refuse_unnamed(request, request.waiting - about)
                about = set(request.waiting)
        elif reply.transient:
            _log.warning("subscription_put_off", error=reply.error)  # still missing: the next attempt asks again
            about = set(request.waiting)
        elif len(about) != 1:
            request.failed = reply.error
            about = set(request.waiting)
        else:
            (refused,) = about
            self.refused[refused] = reply.error
            _log.error("subscription_refused", instrument=refused, error=reply.error)
        request.waiting -= about
        if not request.waiting:
            request.done.set()

    def _refuse_unnamed(self, request: _Request, missing: set[str]) -> None:
        if missing and not request.unsubscribes:
            self.refused.update(dict.fromkeys(missing, "not among the channels that the venue says it sends"))
            _log.error("subscription_refused", instruments=sorted(missing))

    def _find(self, reply: Reply) -> _Request | None:
        if reply.request_id is not None:
            return self._open.get(reply.request_id)
        for request in self._open.values():
            # A late answer to an unsubscription is not the answer to the subscription that came after it.
            of_kind = reply.error is not None or reply.unsubscribed is request.unsubscribes
            if of_kind and (not reply.venue_ids or request.waiting.intersection(reply.venue_ids)):
                return request
        return None

    async def _request(self, build: Callable[[int, Sequence[str]], bytes], venue_ids: Sequence[str]) -> str | None:
        """Send one request and wait for its answer; the venue's error if it refused the whole of it.

        Raises VenueUnavailable when the connection closes before the answer.
        """
        async with self._turn:
            await self._welcomed()
            await self._clock.sleep(max(0, self._next_send_ns - self._clock.monotonic_ns()) / NS_PER_S)
            self._require_open()
            self._next_send_ns = self._clock.monotonic_ns() + self._interval_ns
            request_id = next(self._ids)
            request = self._open[request_id] = _Request(set(venue_ids), build == self._dialect.unsubscribe)
            self.requests += 1
            self._send(build(request_id, venue_ids))
            try:
                async with asyncio.timeout(self._timeout_s):
                    await request.done.wait()
            except TimeoutError:
                _log.warning("subscription_unanswered", instruments=len(request.waiting), waited_s=self._timeout_s)
            finally:
                del self._open[request_id]
            self._require_open()
        return request.failed

    async def _welcomed(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise VenueUnavailable(f"the venue did not say within {self._timeout_s:g} s that it is ready") from None

    def _require_open(self) -> None:
        if self._ended:
            raise VenueUnavailable("the connection closed before the venue answered on it")


def _batches(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
