"""Many lines of one feed: what befalls one must not hold up the others, and what the venue tells one binds all."""

from __future__ import annotations

import asyncio
import json
import random
from types import SimpleNamespace
from typing import Any, cast

from xetrade_core.clock import SystemClock
from xetrade_core.feeds.feed import FeedOptions
from xetrade_core.feeds.line import Line
from xetrade_core.feeds.okx import OkxDialect
from xetrade_core.feeds.resubscribe import Resubscribe
from xetrade_core.feeds.streaming import StreamingFeed
from xetrade_core.feeds.subscriptions import Subscriptions
from xetrade_core.venues.backoff import Backoff


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
