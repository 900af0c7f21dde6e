"""Signed calls of MAX, each made once: within the budget, by the venue's clock, and what came of it told apart.

One budget for public and private calls, although the venue counts them apart: a 429 bans the address from both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec

from xetrade_core.clock import NS_PER_MS, NS_PER_S, Clock
from xetrade_core.errors import UnknownSymbol, XETradeError
from xetrade_core.execution.credentials import Credentials
from xetrade_core.execution.reading import Reading
from xetrade_core.execution.telling import told
from xetrade_core.telemetry import register_secrets
from xetrade_core.trading.execution import ErrorReply, NoReply, NotListed, NotSent
from xetrade_core.venues.budget import Priority
from xetrade_core.venues.clock_offset import measure_offset
from xetrade_core.venues.max_client import MaxMarketData
from xetrade_core.venues.max_signing import MaxKey, Nonces, Params, json_body, query, signed_headers, websocket_login
from xetrade_core.venues.transport import Asking, Call, asking, calling
from xetrade_core.venues.venue import ErrorKind

T = TypeVar("T")
Method = Literal["GET", "POST", "DELETE"]


class MaxCalls:
    """The calls of one key. Shares connections, budget and list of markets with a client of market data."""

    def __init__(
        self, client: MaxMarketData, credentials: Credentials, nonces: Nonces, clock: Clock, *, wait_s: float = 5.0
    ) -> None:
        """`wait_s`: so long a call waits for the budget before it is given up unsent."""
        self.rules = client.rules
        self._client = client
        self._key = MaxKey(credentials.api_key, credentials.secret)
        self._nonces = nonces
        self._clock = clock
        self._wait_ns = round(wait_s * NS_PER_S)
        self._clock_due = True
        self._offset_ms = 0
        self._setting_clock = asyncio.Lock()
        register_secrets(credentials)

    async def call(
        self, what: str, method: Method, path: str, params: Params, priority: Priority = Priority.ORDER
    ) -> Any:
        """The reply to one call, as JSON. Raises NotSent, ErrorReply or NoReply."""
        with self._asking(priority):
            await self.set_clock(what)
            with calling(Call(weight=1, single=True)) as call:
                try:
                    return await self._send(method, path, params, call)
                except (XETradeError, aiohttp.ClientError, TimeoutError, ValueError, msgspec.MsgspecError) as error:
                    found = told(error, call, f"{what} on {self.rules.id}")
        if isinstance(found, ErrorReply) and self.rules.errors.get(found.code or "") is ErrorKind.CLOCK:
            self._clock_due = True
        raise found from None

    async def rows(self, what: str, path: str, params: Params) -> list[Any]:
        """The reply to a read that answers a list. Raises NotSent, ErrorReply or NoReply."""
        reply = await self.call(what, "GET", path, params)
        if not isinstance(reply, list):
            raise NoReply(f"the {what} that {self.rules.id} answered are no list")
        return reply

    async def market(self, what: str, symbol: str) -> str:
        """The venue's id of a symbol, before a call about it. Raises NotSent."""
        return await self._before(what, lambda: self._client.market_id(symbol))

    async def symbols(self, what: str) -> dict[str, str]:
        """The universal symbol of each id that the venue lists. Raises NotSent."""
        return await self._before(what, self._client.symbols)

    async def set_clock(self, what: str) -> None:
        """Draw nonces by the venue's time: to the second, which is all that it tells. Raises NotSent."""
        async with self._setting_clock:
            if self._clock_due:
                asked = self._client.server_time_ns
                found = await self._before(what, lambda: measure_offset(asked, self._clock, samples=1))
                self._offset_ms = round(found.offset_s * 1000) if abs(found.offset_s) > found.uncertainty_s else 0
                self._clock_due = False

    @property
    def behind_ns(self) -> int:
        """See KnowsVenueTime."""
        return max(0, -self._offset_ms) * NS_PER_MS

    def login(self, filters: tuple[str, ...]) -> bytes:
        """The message that opens private channels. Draws a nonce."""
        return websocket_login(self._key, self._nonces.next(self._offset_ms), "1", filters)

    def reading(self, what: str) -> Reading:
        """Within it a reply is read: NoReply if it cannot be."""
        return Reading(what, self.rules.id)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _asking(self, priority: Priority) -> Any:
        return asking(Asking(priority=priority, deadline_ns=self._clock.monotonic_ns() + self._wait_ns))

    async def _before(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """What must be known before a call: what fails here leaves it unsent."""
        try:
            with self._asking(Priority.ORDER):
                return await ask()
        except UnknownSymbol as error:
            raise NotListed(f"{what} on {self.rules.id}: {error}") from None
        except XETradeError as error:
            raise NotSent(f"{what} on {self.rules.id}: {error}") from None

    async def _send(self, method: Method, path: str, params: Params, call: Call) -> Any:
        transport, reading = self._client.transport, method == "GET"
        await transport.acquire(1)
        nonce = self._nonces.next(self._offset_ms)  # after the wait: it is good for 30 s
        async with transport.session.request(
            method,
            self._client.base_url + path,
            params=query(params, nonce) if reading else None,
            data=None if reading else json_body(params, nonce),
            headers=signed_headers(self._key, path, params, nonce),
            timeout=self._client.transport.connecting,
            allow_redirects=False,  # an order is never sent to a second place
        ) as reply:
            body = await reply.read()
        if call.code is not None or not 200 <= reply.status < 300:
            raise ValueError(body.decode("utf-8", "replace"))  # the venue's words, for `told`
        return msgspec.json.decode(body)
