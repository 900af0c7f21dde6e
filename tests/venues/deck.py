"""Acceptance cards: what every venue of the registry must show, against its simulated double.

A card is a coroutine that is given one venue. It is played for all venues at once, since it mostly waits: eleven feeds
side by side take as long as the slowest. Each venue is still a test of its own, so that a failure names it, and
`pytest tests/venues -k bybit` plays for that venue alone. (Workers of the suite get whole cards: tests/conftest.py.)

    @card(3, "a doubled frame changes nothing")
    async def test_a_doubled_frame_changes_nothing(sim: Sim, venue: str) -> None: ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from tests.feeds.harness import VENUES
from tests.support.sim import Sim

Play = Callable[[Sim, str], Awaitable[None]]
CARDS: dict[int, str] = {}


def card(number: int, title: str, venues: Sequence[str] = VENUES) -> Callable[[Play], Callable[..., None]]:
    """Make a test of every venue out of one coroutine. `title` is what the card shows, once for each number."""
    if CARDS.setdefault(number, title) != title:
        raise AssertionError(f"card {number} is {CARDS[number]!r} already")

    def deal(play: Play) -> Callable[..., None]:
        outcomes: dict[str, BaseException | None] = {}

        @pytest.mark.parametrize("venue", venues)
        def test(sim: Sim, venue: str, request: pytest.FixtureRequest) -> None:
            if venue not in outcomes:
                outcomes.update(asyncio.run(_play(play, sim, _chosen(request, venue))))
            error = outcomes.pop(venue)
            if error is not None:
                raise error

        test.__name__ = test.__qualname__ = play.__name__
        test.__doc__ = f"Card {number}: {title}."
        test.__module__ = play.__module__
        return test

    return deal


def _chosen(request: pytest.FixtureRequest, venue: str) -> list[str]:
    """The venues for which this card is to be played in this session: a selection leaves some out."""
    me = request.node.nodeid.partition("[")[0]
    wanted = [
        item.callspec.params["venue"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.nodeid.partition("[")[0] == me
    ]
    return wanted if venue in wanted else [venue]


async def _play(play: Play, sim: Sim, venues: Sequence[str]) -> dict[str, BaseException | None]:
    results = await asyncio.gather(*(play(sim, venue) for venue in venues), return_exceptions=True)
    return dict(zip(venues, results, strict=True))
