"""How ccxt's requests reach the wire: on our connections and our budget, once each, with as little beside it as can be.

ccxt knows what to ask (paths, signatures) and what a reply means (its errors). Its own way between the two serves
proxies, copies and logs requests with the key in them, and counts repetitions, a seventh of what an order takes; of
that nothing is used here.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from yarl import URL

from xetrade_core.venues.transport import Transport, current_call


class CcxtRequests:
    """Takes the place of `fetch2` of one exchange object of ccxt's, by which all of its requests go.

    ccxt states a cost for each endpoint, in units of its `rateLimit` milliseconds; that share of time is the weight,
    unless the call under way states its own.
    """

    def __init__(self, exchange: Any, transport: Transport) -> None:
        import ccxt  # as late as where the exchange is made: it costs a second

        self._exchange = exchange
        self._transport = transport
        self._errors = ccxt
        budget = transport.budget
        self._unit = exchange.rateLimit / 1000 * budget.rule.limit / budget.rule.window_s

    async def ask(self, path: str, api: Any, method: str, params: Any, config: Any) -> Any:
        """One request as ccxt signs it, and the reply: JSON, or else its text. Raises ccxt's errors and RateLimited.

        What has waited for the budget while its client was closed (the rest of a list whose other part failed) is not
        sent any more: it would open connections that nobody closes.
        """
        exchange, weight = self._exchange, current_call().weight
        if weight is None:
            cost = exchange.calculate_rate_limiter_cost(api, method, path, params, config)
            weight = max(1, round(cost * self._unit))
        await self._transport.acquire(weight)
        if exchange.closed_by_user:
            raise self._errors.ExchangeClosedByUser(f"{exchange.id} was closed before it was asked")
        signed = exchange.sign(path, api, method, params.copy())  # some classes add to what they are given
        url, method, body = signed["url"], signed["method"], signed["body"]
        headers = exchange.prepare_request_headers(signed["headers"])
        reply, text = await self._reply(method, url, headers, body)
        exchange.last_http_response = text  # where a class looks for what its parser has dropped
        parsed = exchange.parse_json(text)
        told = _joined(reply.headers)
        exchange.handle_errors(reply.status, reply.reason, url, method, told, text, parsed, headers, body)
        exchange.handle_http_status_code(reply.status, reply.reason, url, method, text)
        return text if parsed is None else parsed

    async def _reply(
        self, method: str, url: str, headers: dict[str, str], body: str | None
    ) -> tuple[aiohttp.ClientResponse, str]:
        """The reply, and its text. `Transport` has read it to its end, and bounds the whole with one timer for all; of
        ccxt's there would be three for each request. Raises ccxt's errors.
        """
        transport, data = self._transport, body.encode() if body else None
        try:
            reply = await transport.session.request(
                method, URL(url, encoded=True), data=data, headers=headers, timeout=transport.connecting
            )
            return reply, (await reply.text(errors="replace")).strip()
        except TimeoutError as error:
            raise self._errors.RequestTimeout(self._named(method, url)) from error
        except aiohttp.ClientConnectionError as error:
            raise self._errors.ExchangeNotAvailable(self._named(method, url)) from error
        except aiohttp.ClientError as error:
            raise self._errors.ExchangeError(self._named(method, url)) from error

    def _named(self, method: str, url: str) -> str:
        return f"{self._exchange.id} {method} {url}"


def _joined(headers: Any) -> dict[str, str]:
    """The headers of a reply; one that comes several times is one, with a comma between."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
