"""Many lines of one feed: what befalls one must not hold up the others, and what the venue tells one binds all."""

from __future__ import annotations

import asyncio
import json
import random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from xetrade_core.clock import SystemClock
from xetrade_core.feeds.address import FixedAddress
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.feeds.line import Line
from xetrade_core.feeds.okx import OkxDialect
from xetrade_core.feeds.resubscribe import Resubscribe
from xetrade_core.feeds.streaming import StreamingFeed
from xetrade_core.feeds.subscriptions import Subscriptions
from xetrade_core.venues.backoff import Backoff
from xetrade_core.venues.budget import WeightBudget
from xetrade_core.venues.registry import venue


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


class OtherEnd:
    """A line of one symbol whose venue never answers; `asked` are the requests that reached it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []
        self.venue_ids = {name: f"{name}-ID"}
        self.streaming = True
        self.subscriptions = Subscriptions(
            lambda text: self.asked.append(json.loads(text)["op"]),
            OkxDialect("books"),
            SystemClock(),
            interval_s=0,
            timeout_s=60.0,
        )


async def test_a_line_that_does_not_answer_holds_up_no_other_lines_resync() -> None:
    dead, other = OtherEnd("A"), OtherEnd("B")
    books = {line.name: SimpleNamespace(synced=False) for line in (dead, other)}
    options = FeedOptions(backoff=Backoff(0.01, 0.02), resync_timeout_s=0.1)
    feed = SimpleNamespace(options=options, lines=[dead, other], books=SimpleNamespace(sequencers=books))
    resync = Resubscribe(cast("StreamingFeed", feed), SystemClock(), random.Random(1))
    task = asyncio.create_task(resync.run())
    resync.want(cast("Line", dead), ["A"], fresh=False)
    await until(lambda: dead.asked)
    resync.want(cast("Line", other), ["B"], fresh=False)
    await until(lambda: other.asked)
    await asyncio.sleep(0.3)
    assert dead.asked == ["unsubscribe"], "one renewal at a time on a line, due again or not"
    dead.subscriptions.end()
    dead.subscriptions = OtherEnd("A").subscriptions
    await until(lambda: dead.subscriptions.requests == 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Owner:
    """A feed of lines without symbols."""

    def __init__(self) -> None:
        self.losses = 0

    def apply(self, *_: object) -> None: ...

    def streaming(self, line: Line) -> None: ...

    def lost(self, *_: object) -> None:
        self.losses += 1


@pytest.mark.parametrize("rotating", [False, True])
async def test_a_connection_refused_for_a_time_binds_all_lines_and_rotations(rotating: bool) -> None:
    """The first handshake is accepted where a line is to rotate; every later one is told to wait a minute."""
    handshakes = 0

    async def shake(request: web.Request) -> web.StreamResponse:
        nonlocal handshakes
        handshakes += 1
        if handshakes > 1 or not rotating:
            return web.Response(status=429, headers={"Retry-After": "60"})
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    app = web.Application()
    app.router.add_get("/ws", shake)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    clock, rules, owner = SystemClock(), venue("binance"), Owner()
    connects = WeightBudget(rules.websocket.connects, clock)
    options = FeedOptions(backoff=Backoff(0.01, 0.02), overlap_s=0.05)
    lines = [
        Line(
            name,
            rules,
            "",
            FixedAddress(f"ws://{host}:{port}/ws"),
            [],
            owner,
            OkxDialect("books"),
            options,
            connects,
            clock,
            rng,
        )
        for name, rng in (("A", random.Random(1)), ("B", random.Random(2)))
    ]
    first = asyncio.create_task(lines[0].run())
    tasks = [first]
    try:
        if rotating:
            await until(lambda: lines[0].streaming)
            lines[0].rotate_soon()
        await until(lambda: connects.paused_s() > 50)
        told = handshakes
        tasks.append(asyncio.create_task(lines[1].run()))
        lines[0].rotate_soon()
        await asyncio.sleep(0.4)
        assert handshakes == told == (2 if rotating else 1)
        assert connects.waiting >= 1, "the other line waits for its turn"
        assert lines[0].streaming is rotating, "the line that could not rotate keeps its connection"
        assert owner.losses == 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
