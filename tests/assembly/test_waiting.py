"""Waiting for a venue that cannot be asked: until the order's own expiry, and not for what waiting does not help."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from tests.trading.virtual import VirtualClock, run
from xetrade_core.assembly.waiting import until_asked
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import VenueRefused, VenueUnavailable
from xetrade_core.venues.backoff import Backoff

BACKOFF = Backoff(base_s=0.5, cap_s=4.0)


def asked(ask: Callable[[], Awaitable[str]], within_s: float | None) -> tuple[str | None, float]:
    """What came of it in a world of its own, and how many seconds went by."""
    clock = VirtualClock()
    began_ns = clock.wall_ns()

    async def program() -> tuple[str | None, float]:
        expires_ns = None if within_s is None else began_ns + round(within_s * NS_PER_S)
        answer = await until_asked(ask, expires_ns, clock, random.Random(1), BACKOFF)
        return answer, (clock.wall_ns() - began_ns) / NS_PER_S

    found, _ = run(program, clock)
    assert found is not None
    return found


def failing(times: int, error: Exception) -> Callable[[], Awaitable[str]]:
    left = [error] * times

    async def ask() -> str:
        if left:
            raise left.pop()
        return "listed"

    return ask


def test_a_venue_that_comes_back_in_time_is_waited_for() -> None:
    answer, took_s = asked(failing(5, VenueUnavailable("down")), 60)
    assert (answer, 0 < took_s < 30) == ("listed", True)


def test_at_the_expiry_it_is_over_and_the_reason_is_told() -> None:
    with pytest.raises(VenueUnavailable, match="down; so it was until the order's own expiry, and nothing was sent"):
        asked(failing(10**6, VenueUnavailable("down")), 20)


def test_a_question_that_hangs_ends_with_the_order() -> None:
    async def hangs() -> str:
        await asyncio.sleep(10**6)
        return "never"

    with pytest.raises(VenueUnavailable, match="no answer; so it was until"):
        asked(hangs, 20)


@pytest.mark.parametrize("error", [VenueUnavailable("down"), TimeoutError()], ids=["unavailable", "timeout"])
def test_without_an_expiry_it_is_now_or_never(error: Exception) -> None:
    with pytest.raises(type(error)):
        asked(failing(1, error), None)


def test_a_refusal_is_not_waited_for() -> None:
    with pytest.raises(VenueRefused):
        asked(failing(1, VenueRefused("no such path")), 60)
