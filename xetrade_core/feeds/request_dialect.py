"""What venues have in common whose two requests differ by one word: subscribing and unsubscribing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from xetrade_core.feeds.subscriptions import Reply


class RequestDialect(ABC):
    """A `Dialect` that says nothing on a new connection, and writes both requests with `_request`."""

    opening: Sequence[bytes] = ()
    words: ClassVar[tuple[str, str]] = ("subscribe", "unsubscribe")

    def __init__(self, channel: str) -> None:
        """`channel` names the book subscription; see the venue's `WebsocketRules`."""
        self._channel = channel

    def subscribe(self, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """See Dialect."""
        return self._request(self.words[0], request_id, venue_ids)

    def unsubscribe(self, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """See Dialect."""
        return self._request(self.words[1], request_id, venue_ids)

    @abstractmethod
    def read(self, frame: bytes) -> Reply | None:
        """See Dialect."""

    @abstractmethod
    def book_id(self, frame: bytes) -> str | None:
        """See Dialect."""

    @abstractmethod
    def _request(self, op: str, request_id: int, venue_ids: Sequence[str]) -> bytes:
        """The request of that word."""
