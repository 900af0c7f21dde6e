"""Calls that change nothing at a venue, and may therefore be made again.

Repeating a call is right for a read and a disaster for an order, so that what may be repeated is a type of its own:
`repeat` takes a `Read` and nothing else, and a `Read` is of an endpoint that answers.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import ConfigError, RateLimited, VenueRefused, VenueUnavailable
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.breaker import CircuitOpen

T = TypeVar("T")


class ReadEndpoint(StrEnum):
    """Classes of a venue's endpoints that answer and change nothing; each has its circuit breaker."""

    BOOK = "book"
    QUOTES = "quotes"
    MARKS = "marks"
    FUNDING = "funding"
    FUNDING_HISTORY = "funding_history"
    INSTRUMENTS = "instruments"
    TIME = "time"
    CONNECT = "connect"  # where a stream is to be had (KuCoin)


@dataclass(frozen=True, slots=True)
class Read(Generic[T]):
    """One read: `what` says it for a person ("order book of BTC/USDT"), `ask` makes the call."""

    endpoint: ReadEndpoint
    what: str
    ask: Callable[[], Awaitable[T]]

    def __post_init__(self) -> None:
        if not isinstance(self.endpoint, ReadEndpoint):
            raise TypeError(f"a {self.endpoint} call is no read: it may not be repeated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeating:
    """How often a read is tried, how long it waits in between, and by when it must be done."""

    attempts: int = 3
    deadline_s: float = 15.0
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=0.2, cap_s=5.0))

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigError.of("attempts", self.attempts, "at least 1")
        if self.deadline_s <= 0:
            raise ConfigError.of("deadline_s", self.deadline_s, "a number of seconds above 0")


async def repeat(read: Read[T], rules: Repeating, clock: Clock, rng: random.Random) -> T:
    """The answer of a read, tried again after what may pass: no answer, a server error, a limit that ends in time.

    A refusal is not tried again, nor is what a circuit breaker stopped. Raises the last error; a wait that would end
    after the deadline is not begun.
    """
    deadline_ns = clock.monotonic_ns() + round(rules.deadline_s * NS_PER_S)
    for attempt in range(rules.attempts):
        try:
            return await read.ask()
        except (VenueRefused, CircuitOpen):
            raise
        except VenueUnavailable as error:
            wait_s = rules.backoff.delay_s(attempt, rng)
            if isinstance(error, RateLimited):
                wait_s += error.retry_after_s
            late = clock.monotonic_ns() + round(wait_s * NS_PER_S) >= deadline_ns
            if late or attempt + 1 == rules.attempts:
                raise
        await clock.sleep(wait_s)
    raise AssertionError("unreachable: attempts is at least 1")
