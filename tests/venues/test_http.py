"""The REST client: what each answer becomes, what is tried again, and how long it is silent after a 429."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.errors import RateLimited, VenueRefused, VenueUnavailable
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.http import RestClient
from xetrade_core.venues.transport import HostRules
from xetrade_core.venues.venue import RateRule, RestRequest

TIME = RestRequest("/time", (("symbol", "BTCUSDT"),), weight=7)


class Answers:
    """A server that gives one prepared answer after the other."""

    def __init__(self) -> None:
        self.url = ""
        self.prepared: list[tuple[int, dict[str, str]]] = []
        self.queries: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.queries.append(request.query_string)
        status, headers = self.prepared.pop(0) if self.prepared else (200, {})
        return web.Response(status=status, text="said so" if status != 200 else "[1]", headers=headers)


@pytest.fixture
async def answers() -> AsyncIterator[Answers]:
    server = Answers()
    app = web.Application()
    app.router.add_get("/time", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


def client_of(url: str, **changes: Any) -> tuple[RestClient, ManualClock]:
    clock = ManualClock()
    budget = WeightBudget(RateRule(1000, 60), clock, headroom=0.0)
    return RestClient(url, budget, clock, random.Random(3), **changes), clock


async def test_a_good_answer_is_its_body_and_costs_its_weight(answers: Answers) -> None:
    client, _ = client_of(answers.url)
    async with client:
        assert await client.get(TIME) == b"[1]"
    assert answers.queries == ["symbol=BTCUSDT"]
    assert client.budget.used() == 7


@pytest.mark.parametrize("status", [429, 418])
async def test_a_limit_stops_until_retry_after_and_then_goes_on(answers: Answers, status: int) -> None:
    answers.prepared = [(status, {"Retry-After": "30"})]
    client, clock = client_of(answers.url)
    async with client:
        assert await client.get(TIME) == b"[1]"
    assert clock.monotonic_ns() == 30 * NS_PER_S


async def test_a_limit_that_stays_is_raised_with_its_time(answers: Answers) -> None:
    answers.prepared = [(429, {"Retry-After": "30"})] * 2
    client, _ = client_of(answers.url)
    async with client:
        with pytest.raises(RateLimited, match=r"answered 429: no calls for 30 s \(said so\)") as caught:
            await client.get(TIME, attempts=2)
    assert caught.value.retry_after_s == 30
    assert client.budget.paused_s() == 30


@pytest.mark.parametrize("header", [{}, {"Retry-After": "soon"}, {"Retry-After": "-4"}, {"Retry-After": "1e99"}])
async def test_a_limit_without_a_readable_time_is_silent_for_a_minute(answers: Answers, header: dict[str, str]) -> None:
    answers.prepared = [(429, header)]
    client, _ = client_of(answers.url)
    async with client:
        with pytest.raises(RateLimited):
            await client.get(TIME, attempts=1)
    assert client.budget.paused_s() == 60


async def test_server_errors_are_tried_again_with_jitter_up_to_the_cap(answers: Answers) -> None:
    answers.prepared = [(500, {}), (503, {}), (502, {})]
    client, clock = client_of(answers.url, backoff=Backoff(base_s=1.0, cap_s=2.0))
    async with client:
        assert await client.get(TIME) == b"[1]"
    assert len(answers.queries) == 4
    assert 0 < clock.monotonic_ns() <= (1 + 2 + 2) * NS_PER_S
    answers.prepared = [(500, {})] * 4
    async with client:
        with pytest.raises(VenueUnavailable, match=r"/time answered 500: said so"):
            await client.get(TIME)


async def test_a_refusal_is_not_tried_again(answers: Answers) -> None:
    answers.prepared = [(400, {})]
    client, _ = client_of(answers.url)
    async with client:
        with pytest.raises(VenueRefused, match=r"refused with 400: said so"):
            await client.get(TIME)
    assert len(answers.queries) == 1


async def test_nobody_there_is_unavailable() -> None:
    client, _ = client_of("http://127.0.0.1:9", attempts=2)
    async with client:
        with pytest.raises(VenueUnavailable, match=r"http://127\.0\.0\.1:9/time cannot be reached"):
            await client.get(TIME)


async def test_the_venues_count_of_the_budget_is_read_from_its_header(answers: Answers) -> None:
    answers.prepared = [(200, {"X-Used": "650"})]
    client, _ = client_of(answers.url, rules=HostRules(used_weight_header="X-Used"))
    async with client:
        await client.get(TIME)
    assert client.budget.used() == 650
