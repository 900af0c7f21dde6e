"""A small REST client for public reads: within the venue's budget, with bounded time and retries.

Only reads: it repeats a call that failed, which is never right for an order.
"""

from __future__ import annotations

import random
from contextlib import nullcontext
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from xetrade_core.clock import Clock
from xetrade_core.errors import RateLimited, VenueRefused, VenueUnavailable
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.breaker import CircuitOpen
from xetrade_core.venues.breaker_board import BreakerBoard
from xetrade_core.venues.budget import Priority, Sharing, WeightBudget
from xetrade_core.venues.reads import ReadEndpoint
from xetrade_core.venues.transport import Call, HostRules, Transport, calling, current_asking
from xetrade_core.venues.venue import Endpoints, RestRequest, Venue

_BODY_SHOWN = 200
_JSON = {"Content-Type": "application/json"}


class RestClient:
    """Reads of one venue host. Open it with `async with`, or let the first call open it and `close` at the end."""

    def __init__(
        self,
        base_url: str,
        budget: WeightBudget,
        clock: Clock,
        rng: random.Random,
        *,
        timeout_s: float = 10.0,
        attempts: int = 4,
        backoff: Backoff | None = None,
        rules: HostRules | None = None,
        breakers: BreakerBoard | None = None,
    ) -> None:
        """`rules` says what the venue's replies mean; `breakers` stop calls of a kind that keep failing."""
        self.base_url = base_url
        self.budget = budget
        self._clock = clock
        self._rng = rng
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._backoff = backoff or Backoff(base_s=0.2, cap_s=5.0)
        self._transport = Transport(budget, clock, rules, json_only=False, within_s=timeout_s)
        self._breakers = breakers

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        await self._transport.close()

    async def get(
        self,
        request: RestRequest,
        priority: Priority | None = None,
        *,
        attempts: int | None = None,
        endpoint: ReadEndpoint = ReadEndpoint.INSTRUMENTS,
    ) -> bytes:
        """The body of a 200 reply. Without a `priority`, as this task asks (`Asking`).

        Raises RateLimited, VenueRefused (other 4xx; not repeated) or VenueUnavailable (5xx, timeouts, network) once
        `attempts` are used up, and CircuitOpen at once. A 429 or 418 stops every caller of the budget until its
        Retry-After has passed.
        """
        attempts = attempts or (1 if current_asking().repeated else self._attempts)
        for attempt in range(attempts):
            try:
                with nullcontext() if self._breakers is None else self._breakers.of(endpoint).watch():
                    await self._transport.acquire(request.weight, priority)
                    return await self._get_once(request)
            except (VenueRefused, CircuitOpen):
                raise
            except VenueUnavailable as error:
                if attempt + 1 == attempts:
                    raise
                if not isinstance(error, RateLimited):  # those wait in the budget
                    await self._clock.sleep(self._backoff.delay_s(attempt, self._rng))
        raise AssertionError("unreachable: attempts is at least 1")

    async def _get_once(self, request: RestRequest) -> bytes:
        url, call = self.base_url + request.path, Call()
        try:
            with calling(call):
                session = self._transport.session
                async with session.request(
                    request.method,
                    url,
                    params=request.params,
                    data=request.body or None,
                    headers=_JSON if request.body else None,
                    timeout=self._transport.connecting,
                ) as reply:
                    body = await reply.read()
            _raise_for(reply.status, call, url, body)
            return body
        except TimeoutError as error:
            raise VenueUnavailable(f"{url} did not answer within {self._timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise VenueUnavailable(f"{url} cannot be reached: {error or type(error).__name__}") from error


def _raise_for(status: int, call: Call, url: str, body: bytes) -> None:
    said = body[:_BODY_SHOWN].decode("utf-8", "replace").strip()
    if (seconds := call.retry_after_s) is not None:
        raise RateLimited(f"{url} answered {status}: no calls for {seconds:g} s ({said})", seconds)
    if status == HTTPStatus.OK:
        return
    if 400 <= status < 500:
        raise VenueRefused(f"{url} refused with {status}: {said}")
    raise VenueUnavailable(f"{url} answered {status}: {said}")


def rest_budget(venue: Venue, endpoints: Endpoints, sharing: Sharing, clock: Clock) -> WeightBudget:
    """The budget of a venue's public REST calls, by host and outgoing address."""
    return sharing.budget(venue.rest.budget, clock, (venue.id, urlsplit(endpoints.rest).netloc))
