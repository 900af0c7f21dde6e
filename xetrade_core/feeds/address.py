"""Where to connect to: a URL that is known, or one that the venue must be asked for before each connect."""

from __future__ import annotations

import itertools
from typing import Protocol
from urllib.parse import urlsplit

from xetrade_core.venues.budget import Priority
from xetrade_core.venues.http import RestClient
from xetrade_core.venues.reads import ReadEndpoint
from xetrade_core.venues.venue import ConnectTicket


class Address(Protocol):
    """Asked for before each connect."""

    async def url(self) -> str:
        """The exact URL to connect to; raises VenueUnavailable or RateLimited if the venue does not tell it."""
        ...


class FixedAddress:
    """Always the same."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def url(self) -> str:
        """See Address."""
        return self._url


class AskedAddress:
    """Told by the venue over REST, each time anew: with its token it is good for one connection and some hours.

    A simulated venue tells an address of its own, so the REST URL alone is to be configured. `ws_url` puts another
    scheme and host in the place of the told ones (a proxy), and keeps their path and token.
    """

    def __init__(self, ticket: ConnectTicket, client: RestClient, ws_url: str | None) -> None:
        self._ticket, self._client = ticket, client
        self._moved = None if ws_url is None else urlsplit(ws_url)
        self._ids = itertools.count(1)

    async def url(self) -> str:
        """See Address."""
        body = await self._client.get(self._ticket.request, Priority.RESYNC, attempts=1, endpoint=ReadEndpoint.CONNECT)
        url = self._ticket.url(body, str(next(self._ids)))
        if self._moved is None:
            return url
        return urlsplit(url)._replace(scheme=self._moved.scheme, netloc=self._moved.netloc).geturl()
