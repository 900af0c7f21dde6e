"""The way of every request to a venue: the budget before it, shared connections, an eye on the reply.

The clients above (an unmodified ccxt, our own) bring the words; every request of theirs passes `Transport`, which sees
the status, the headers and the raw error code before any library has an opinion on them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.telemetry import METRICS
from xetrade_core.time_bound import TimeBound
from xetrade_core.venues.budget import Priority, WeightBudget
from xetrade_core.venues.connections import pooled_session, release
from xetrade_core.venues.replies import is_json, raw_code, retry_after_s
from xetrade_core.venues.venue import ErrorKind, Venue
from xetrade_core.venues.waits import Wait, noted_waits

LIMITED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT})  # 418: Binance's ban
_REDIRECTS = frozenset({301, 302, 303, 307, 308})  # those that aiohttp follows
_SHOWN = 60
_PUBLISH_AFTER_S, _PUBLISH_AGAIN_S = 0.25, 5.0
_ERROR_BYTES = 16 * 1024  # an error fits; a longer body is an answer and is not searched for a code


class UnreadableReply(aiohttp.ClientPayloadError):
    """The venue answered 200 with a body that is empty, cut short or no JSON."""


class LostReply(aiohttp.ClientConnectionError):
    """The connection was lost after a request that may not be sent again: none of the kinds that aiohttp repeats.

    Or the venue answered with another address, where it may not be sent either, nor the key that is in it.
    """


@dataclass(frozen=True, slots=True)
class Asking:
    """How the calls of this task ask: with which priority, by when (monotonic ns), and whether their caller repeats
    them, so that no client below does it too.
    """

    priority: Priority = Priority.START
    deadline_ns: int | None = None
    repeated: bool = False


_asking: ContextVar[Asking] = ContextVar("xetrade_asking", default=Asking())  # noqa: B039 (immutable)


def current_asking() -> Asking:
    """How this task asks."""
    return _asking.get()


class asking:
    """`with asking(how):` ask like that inside; tasks that are started inside do the same.

    Each order enters this and `calling` twice; as generators they would cost four times as much.
    """

    __slots__ = ("_how", "_token")
    _token: Token[Asking]

    def __init__(self, how: Asking) -> None:
        self._how = how

    def __enter__(self) -> None:
        self._token = _asking.set(self._how)

    def __exit__(self, *error: object) -> None:
        _asking.reset(self._token)


@dataclass(slots=True)
class Call:
    """One call under way: what it costs and, once it was refused, what the venue said in its own words.

    `weight` is what each request of the call costs, None where the client knows better (ccxt's own table of costs).
    `requests` is how many were begun, `unsent` how many of them found no connection: those the venue never saw.
    `single`: it acts, so that nothing below may send it again (aiohttp does that with a GET, a PUT or a DELETE whose
    connection was lost) or to another address.
    """

    weight: int | None = None
    single: bool = False
    status: int | None = None
    code: str | None = None
    retry_after_s: float | None = None
    requests: int = 0
    unsent: int = 0


_call: ContextVar[Call | None] = ContextVar("xetrade_call", default=None)


def current_call() -> Call:
    """The call that this task is part of; a new one where there is none."""
    return _call.get() or Call()


class calling:
    """`with calling(call):` make it the current one; tasks that are started inside belong to it."""

    __slots__ = ("_call", "_token")
    _token: Token[Call | None]

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> Call:
        self._token = _call.set(self._call)
        return self._call

    def __exit__(self, *error: object) -> None:
        _call.reset(self._token)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """What a venue's replies mean before any client reads them.

    `used_weight_header` names the header that tells what the venue has counted. `errors` says which raw codes mean that
    its limit is reached. `bans` are HTTP statuses beside 429 and 418 that stop an address, each with the seconds that
    it is stopped for where the reply states none. `name` is the venue in whose metrics the budget is shown.
    """

    used_weight_header: str | None = None
    errors: Mapping[str, ErrorKind] = field(default_factory=dict)
    bans: Mapping[int, float] = field(default_factory=dict)
    name: str | None = None

    @classmethod
    def of(cls, venue: Venue) -> HostRules:
        """The rules of a venue of the registry."""
        rest = venue.rest
        return cls(used_weight_header=rest.used_weight_header, errors=venue.errors, bans=rest.bans, name=venue.id)


class Transport:
    """A client's way to one host: shared connections, the budget, and an eye on every reply."""

    def __init__(
        self,
        budget: WeightBudget,
        clock: Clock,
        rules: HostRules | None = None,
        *,
        json_only: bool = True,
        within_s: float = 10.0,
    ) -> None:
        """`json_only`: a 200 that is not JSON is an UnreadableReply; else its reader is the judge. `within_s`: so long
        may a request take, from the connection to the last byte of the reply; then it is a TimeoutError.
        """
        self.budget = budget
        self._clock = clock
        self._rules = rules or HostRules()
        self._json_only = json_only
        self.within_s = within_s
        self._in_time = TimeBound(within_s)
        #: what a request is to be given: the rest is bounded here. A connection that takes half of the time is none, so
        #: that it is certain that nothing was sent.
        self.connecting = aiohttp.ClientTimeout(total=None, sock_connect=within_s / 2)
        self._session: aiohttp.ClientSession | None = None
        self._publishing: asyncio.TimerHandle | None = None
        name = self._rules.name
        self._shown = None if name is None else (METRICS.budget_used.labels(name), METRICS.budget_paused.labels(name))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The shared connections, opened by the first use; needs a running loop."""
        if self._session is None or self._session.closed:
            self._session = pooled_session(self._watch)
        return self._session

    async def acquire(self, weight: int, priority: Priority | None = None) -> None:
        """Wait until the budget allows a request of that weight, as this task asks. Raises RateLimited if that is not
        in time.
        """
        how, noted = current_asking(), noted_waits()
        chosen = how.priority if priority is None else priority
        within_s = None
        if how.deadline_ns is not None:
            within_s = max(0, how.deadline_ns - self._clock.monotonic_ns()) / NS_PER_S
        if noted is None:
            await self.budget.acquire(weight, chosen, within_s=within_s)
            return
        began_ns = self._clock.wall_ns()
        try:
            await self.budget.acquire(weight, chosen, within_s=within_s)
        finally:
            noted.append(Wait(began_ns, self._clock.wall_ns()))

    async def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        session, self._session = self._session, None
        if self._publishing is not None:
            self._publishing.cancel()
            self._publish()
        if session is not None:
            await release(session)

    async def _watch(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        call = current_call()
        call.requests += 1
        try:
            with self._in_time():
                reply = await handler(request)
                body = await reply.read()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            call.unsent += 1
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            if call.single:
                raise LostReply(f"the connection was lost: {type(error).__name__}") from error
            raise
        if call.single and reply.status in _REDIRECTS:
            raise LostReply(f"it was to be sent to another address (status {reply.status})")
        header = self._rules.used_weight_header
        if header is not None and (used := reply.headers.get(header, "")).isdigit():
            self.budget.observe(int(used))
        if reply.status >= HTTPStatus.BAD_REQUEST or len(body) <= _ERROR_BYTES:
            self._note(reply, body)
        if self._shown is not None and self._publishing is None:
            self._publishing = asyncio.get_running_loop().call_later(_PUBLISH_AFTER_S, self._publish)
        if self._json_only and reply.status == HTTPStatus.OK and not is_json(body):
            raise UnreadableReply(f"{len(body)} bytes that are not JSON: {body[:_SHOWN]!r}")
        return reply

    def _note(self, reply: aiohttp.ClientResponse, body: bytes) -> None:
        code, call = raw_code(body[:_ERROR_BYTES]), current_call()
        if code is not None or reply.status >= HTTPStatus.BAD_REQUEST:
            call.status, call.code = reply.status, code
        limited = reply.status in LIMITED or self._rules.errors.get(code or "") is ErrorKind.RATE_LIMITED
        if limited or reply.status in self._rules.bans:
            call.retry_after_s = self._silent_s(reply)
            self.budget.pause(call.retry_after_s)

    def _silent_s(self, reply: aiohttp.ClientResponse) -> float:
        """How long to be silent; where it is not stated, until whatever was counted has left the window."""
        seconds = retry_after_s(reply.headers.get("Retry-After"), self._clock.wall_ns())
        return self._rules.bans.get(reply.status, self.budget.rule.window_s) if seconds is None else seconds

    def _publish(self) -> None:
        """Show what the budget has come to: once for all requests of a moment, and until nothing of it is spent."""
        self._publishing = None
        if self._shown is None:
            return
        used, paused = self._shown
        spent, paused_s = self.budget.used(), self.budget.paused_s()
        used.set(spent)
        paused.set(paused_s)
        if (spent or paused_s) and self._session is not None:
            self._publishing = asyncio.get_running_loop().call_later(_PUBLISH_AGAIN_S, self._publish)
