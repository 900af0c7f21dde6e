"""Waiting for a venue that cannot be asked yet, for an order that may wait itself."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from xetrade_core.clock import NS_PER_S, Clock
from xetrade_core.errors import VenueRefused, VenueUnavailable
from xetrade_core.venues.backoff import Backoff

T = TypeVar("T")


async def until_asked(
    ask: Callable[[], Awaitable[T]], expires_ns: int | None, clock: Clock, rng: random.Random, backoff: Backoff
) -> T:
    """What `ask` answers, tried again with backoff until `expires_ns`; None: at once or never.

    Raises what `ask` does, VenueUnavailable only at the end; VenueRefused at once, as waiting does not help it.
    """
    failures, problem = 0, VenueUnavailable("no answer")
    while True:
        left_s = None if expires_ns is None else (expires_ns - clock.wall_ns()) / NS_PER_S
        if left_s is not None and left_s <= 0:
            raise VenueUnavailable(f"{problem}; so it was until the order's own expiry, and nothing was sent")
        try:
            async with asyncio.timeout(left_s):
                return await ask()
        except TimeoutError:
            if left_s is None:
                raise
            continue
        except VenueRefused:
            raise
        except VenueUnavailable as error:
            if left_s is None:
                raise
            problem = error
        await clock.sleep(min(left_s, backoff.delay_s(failures, rng)))
        failures += 1
