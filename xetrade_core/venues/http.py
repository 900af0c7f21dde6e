"""A small REST client for public reads: within the venue's budget, with bounded time and retries.

Only reads: it repeats a call that failed, which is never right for an order.
"""

from __future__ import annotations

import asyncio
import random
from types import TracebackType
from typing import Self

import aiohttp

from xetrade_core.clock import Clock
from xetrade_core.errors import RateLimited, VenueUnavailable
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.budget import Priority, WeightBudget
from xetrade_core.venues.venue import RestRequest

_UNSTATED_PAUSE_S = 60.0  # after a 429 or 418 without a Retry-After: the window of the usual budget
_BODY_SHOWN = 200


class VenueRefused(VenueUnavailable):
    """The venue understood the request and said no (a 4xx): trying again as it is will not help."""


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
        used_weight_header: str | None = None,
    ) -> None:
        self.base_url = base_url
        self.budget = budget
        self._clock = clock
        self._rng = rng
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._backoff = backoff or Backoff(base_s=0.2, cap_s=5.0)
        self._used_weight_header = used_weight_header
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(
        self, request: RestRequest, priority: Priority = Priority.START, *, attempts: int | None = None
    ) -> bytes:
        """The body of a 200 reply.

        Raises RateLimited, VenueRefused (other 4xx; not repeated) or VenueUnavailable (5xx, timeouts, network) once
        `attempts` are used up. A 429 or 418 stops every caller of the budget until its Retry-After has passed.
        """
        attempts = attempts or self._attempts
        for attempt in range(attempts):
            await self.budget.acquire(request.weight, priority)
            try:
                return await self._get_once(request)
            except VenueRefused:
                raise
            except VenueUnavailable as error:
                if attempt + 1 == attempts:
                    raise
                if not isinstance(error, RateLimited):  # those wait in the budget
                    await self._clock.sleep(self._backoff.delay_s(attempt, self._rng))
        raise AssertionError("unreachable: attempts is at least 1")

    async def _get_once(self, request: RestRequest) -> bytes:
        url = self.base_url + request.path
        if self._session is None:
            # The budget bounds how many calls are in flight; aiohttp's own limit of 100 would make them wait unseen.
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        try:
            async with self._session.request(request.method, url, params=request.params) as reply:
                body = await reply.read()
                self._observe(reply)
                self._raise_for(reply, url, body)
                return body
        except TimeoutError as error:
            raise VenueUnavailable(f"{url} did not answer within {self._timeout_s:g} s") from error
        except aiohttp.ClientError as error:
            raise VenueUnavailable(f"{url} cannot be reached: {error or type(error).__name__}") from error

    def _observe(self, reply: aiohttp.ClientResponse) -> None:
        if self._used_weight_header and (used := reply.headers.get(self._used_weight_header, "")).isdigit():
            self.budget.observe(int(used))

    def _raise_for(self, reply: aiohttp.ClientResponse, url: str, body: bytes) -> None:
        if reply.status == 200:
            return
        said = body[:_BODY_SHOWN].decode("utf-8", "replace").strip()
        if reply.status in (418, 429):
            seconds = _retry_after_s(reply.headers.get("Retry-After"))
            self.budget.pause(seconds)
            raise RateLimited(f"{url} answered {reply.status}: no calls for {seconds:g} s ({said})", seconds)
        if 400 <= reply.status < 500:
            raise VenueRefused(f"{url} refused with {reply.status}: {said}")
        raise VenueUnavailable(f"{url} answered {reply.status}: {said}")


def _retry_after_s(header: str | None) -> float:
    """Seconds of a Retry-After header; the pause for an unstated or unreadable one is a whole window."""
    try:
        seconds = float(header or "")
    except ValueError:
        return _UNSTATED_PAUSE_S
    return seconds if 0 <= seconds < 7 * 86400 else _UNSTATED_PAUSE_S


async def gather_bodies(client: RestClient, requests: tuple[RestRequest, ...]) -> list[bytes]:
    """The bodies of several reads, all or none."""
    return list(await asyncio.gather(*(client.get(request) for request in requests)))
