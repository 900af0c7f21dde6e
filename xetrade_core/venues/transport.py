"""What all calls of one process to one host of a venue share: its connections, its budget, what it said of limits.

The clients above (an unmodified ccxt, our own) bring the words; every request of theirs passes `Transport`, which sees
the status, the headers and the raw error code before any library has an opinion on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.telemetry import METRICS
from xetrade_core.venues.budget import Priority, WeightBudget
from xetrade_core.venues.venue import ErrorKind

LIMITED = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT})  # 418: Binance's ban
_LONGEST_PAUSE_S = 7 * 86400.0
_UNIX_TIME = 1e9  # a Retry-After as large as this is no delay but a moment, as MAX sends it
_UNIX_MILLIS = 1e12
_SHOWN = 60
_ERROR_BYTES = 16 * 1024  # an error fits; a longer body is an answer and is not searched for a code


class UnreadableReply(aiohttp.ClientPayloadError):
    """The venue answered 200 with a body that is empty, cut short or no JSON."""


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


@contextmanager
def asking(how: Asking) -> Iterator[None]:
    """Ask like that inside; tasks that are started inside do the same."""
    token = _asking.set(how)
    try:
        yield
    finally:
        _asking.reset(token)


@dataclass(slots=True)
class Call:
    """One read under way: what it costs and, once it was refused, what the venue said in its own words.

    `weight` is what each request of the call costs, None where the client knows better (ccxt's own table of costs).
    """

    weight: int | None = None
    status: int | None = None
    code: str | None = None
    retry_after_s: float | None = None


_call: ContextVar[Call | None] = ContextVar("xetrade_call", default=None)


def current_call() -> Call:
    """The call that this task is part of; a new one where there is none."""
    return _call.get() or Call()


@contextmanager
def calling(call: Call) -> Iterator[Call]:
    """Make `call` the current one; tasks that are started inside belong to it."""
    token = _call.set(call)
    try:
        yield call
    finally:
        _call.reset(token)


class Transport:
    """The connections to one host, without a limit of their own: the budget bounds what is in flight.

    aiohttp's default of 100 connections makes the rest wait unseen, behind a timeout that runs already.
    """

    def __init__(
        self,
        budget: WeightBudget,
        clock: Clock,
        *,
        used_weight_header: str | None = None,
        errors: Mapping[str, ErrorKind] | None = None,
        json_only: bool = True,
        name: str | None = None,
    ) -> None:
        """`errors` tells which raw codes mean that the venue's limit is reached. `json_only`: a 200 that is not JSON is
        an UnreadableReply; else its reader is the judge. `name` is the venue in whose metrics the budget is shown.
        """
        self.budget = budget
        self._clock = clock
        self._used_weight_header = used_weight_header
        self._errors = errors or {}
        self._json_only = json_only
        self._name = name
        self._session: aiohttp.ClientSession | None = None

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
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=0)
            self._session = aiohttp.ClientSession(connector=connector, middlewares=(self._watch,))
        return self._session

    async def acquire(self, weight: int, priority: Priority | None = None) -> None:
        """Wait until the budget allows a request of that weight, as this task asks. Raises RateLimited if that is not
        in time.
        """
        how = current_asking()
        chosen = how.priority if priority is None else priority
        if how.deadline_ns is None:
            await self.budget.acquire(weight, chosen)
        else:
            left_s = max(0, how.deadline_ns - self._clock.monotonic_ns()) / NS_PER_S
            await self.budget.acquire(weight, chosen, within_s=left_s)

    async def close(self) -> None:
        """Close the connections; a later use opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _watch(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        reply = await handler(request)
        if self._used_weight_header and (used := reply.headers.get(self._used_weight_header, "")).isdigit():
            self.budget.observe(int(used))
        body = await reply.read()
        if reply.status >= HTTPStatus.BAD_REQUEST or len(body) <= _ERROR_BYTES:
            self._note(reply, body)
        self._publish()
        if self._json_only and reply.status == HTTPStatus.OK and not _is_json(body):
            raise UnreadableReply(f"{len(body)} bytes that are not JSON: {body[:_SHOWN]!r}")
        return reply

    def _note(self, reply: aiohttp.ClientResponse, body: bytes) -> None:
        code, call = raw_code(body[:_ERROR_BYTES]), current_call()
        if code is not None or reply.status >= HTTPStatus.BAD_REQUEST:
            call.status, call.code = reply.status, code
        if reply.status in LIMITED or self._errors.get(code or "") is ErrorKind.RATE_LIMITED:
            call.retry_after_s = self._silent_s(reply.headers.get("Retry-After"))
            self.budget.pause(call.retry_after_s)

    def _publish(self) -> None:
        if self._name is not None:
            METRICS.budget_used.labels(self._name).set(self.budget.used())
            METRICS.budget_paused.labels(self._name).set(self.budget.paused_s())

    def _silent_s(self, retry_after: str | None) -> float:
        """How long to be silent; where it is not stated, until whatever was counted has left the window."""
        seconds = retry_after_s(retry_after, self._clock.wall_ns())
        return self.budget.rule.window_s if seconds is None else seconds


def retry_after_s(header: str | None, wall_ns: int) -> float | None:
    """Seconds that a Retry-After asks for: a delay, an HTTP date, or a Unix timestamp (MAX); None if it is neither."""
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text).timestamp()
        except (ValueError, TypeError):
            return None
        return _bounded(max(0.0, moment - wall_ns / NS_PER_S))
    if not math.isfinite(seconds):
        return None
    if seconds >= _UNIX_TIME:
        moment_ns = seconds * (NS_PER_MS if seconds >= _UNIX_MILLIS else NS_PER_S)
        seconds = max(0.0, (moment_ns - wall_ns) / NS_PER_S)
    return _bounded(seconds)


def _bounded(seconds: float) -> float | None:
    return seconds if 0 <= seconds < _LONGEST_PAUSE_S else None


def _is_json(body: bytes) -> bool:
    """Whether a body is whole JSON: ccxt takes one that was cut short for text, and makes an empty book of it."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


class _Fields(msgspec.Struct):
    code: Any = None  # Binance, OKX, KuCoin
    retCode: Any = None  # Bybit
    ret_code: Any = None
    error: Any = None  # Deribit, Derive, MAX: an object with a code
    data: Any = None  # OKX: rows with an sCode each


_fields = msgspec.json.Decoder(_Fields)
_FINE = frozenset({"0", "200", "200000"})  # what Binance, OKX, Bybit and KuCoin call success


def raw_code(body: bytes) -> str | None:
    """The venue's own error code in the body of a reply, as text; None where it reports success or nothing readable.

    Of OKX's two codes the one of the row says more, so it wins.
    """
    if not body.lstrip().startswith(b"{"):
        return None
    try:
        fields = _fields.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    rows = fields.data if isinstance(fields.data, list) else []
    inner = fields.error.get("code") if isinstance(fields.error, dict) else None
    candidates = [row.get("sCode") for row in rows if isinstance(row, dict)]
    for value in (*candidates, inner, fields.retCode, fields.ret_code, fields.code):
        if isinstance(value, (int, str)) and not isinstance(value, bool) and str(value) not in _FINE and str(value):
            return str(value)
    return None
