"""The simulated venues as a process, for what is measured against them, or on what they send."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xetrade_core.model.book_events import BookEvent, GapCause


@contextlib.contextmanager
def simulated(scenario: str) -> Iterator[dict[str, Any]]:
    """Run a scenario (TOML) until the block ends; where its venues listen, by venue."""
    with tempfile.TemporaryDirectory() as folder:
        written, ports = Path(folder, "scenario.toml"), Path(folder, "ports.json")
        written.write_text(scenario)
        command = [sys.executable, "-m", "xetrade_core.simvenue", "--config", str(written), "--port-file", str(ports)]
        sim = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not ports.exists():
                time.sleep(0.1)
                if sim.poll() is not None:
                    raise RuntimeError("the simulated venue did not start")
            venues: dict[str, Any] = json.loads(ports.read_text())["venues"]
            yield venues
        finally:
            sim.terminate()
            sim.wait()


class _Kept:
    """A sink that keeps the frames: receive time, frame, and where it came from."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, bytes, str]] = []

    def frame(self, received_ns: int, frame: bytes, source: str) -> None:
        self.frames.append((received_ns, frame, source))

    def events(self, events: tuple[BookEvent, ...]) -> None:
        """The books are built again where they are measured."""

    def lost(self, received_ns: int, symbols: tuple[str, ...], cause: GapCause) -> None:
        raise RuntimeError(f"{symbols} were lost: {cause.value}")


def frames_of(venue: str, symbols: tuple[str, ...], seconds: float) -> list[tuple[int, bytes, str]]:
    """What our own feed of a simulated venue receives in so many seconds, 20 messages a second and symbol."""
    from xetrade_core.clock import SystemClock
    from xetrade_core.feeds.factory import open_feed
    from xetrade_core.feeds.feed import FeedOptions

    kept = _Kept()

    async def receive(urls: dict[str, str]) -> None:
        options = FeedOptions(rest_url=urls["rest"], ws_url=urls["ws"])
        feed = await open_feed(venue, symbols, options, SystemClock(), random.Random(1))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await feed.run(kept)

    scenario = (
        f"seed = 3\n[venues.{venue}]\nsymbols = {list(symbols)}\nmode = 'levels'\ndepth = 500\n"
        "events_per_s = 100\nflush_ms = 50\nweight_limit = 0\n"
    )
    with simulated(scenario) as venues:
        asyncio.run(receive(venues[venue]))
    return kept.frames
