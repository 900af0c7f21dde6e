"""Another process that reads a venue: `python -m tests.faults.venue_reader STATE VENUE URL SYMBOL`.

Prints `ready`, then for each line on standard input one line: `book` and its bid, or the error's class and message.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from xetrade_core.clock import SystemClock
from xetrade_core.errors import XETradeError
from xetrade_core.venues.budget import Sharing
from xetrade_core.venues.clients import ClientOptions, open_market_data
from xetrade_core.venues.reads import Repeating
from xetrade_core.venues.resilient import ReadRules


async def read_when_told(state: str, venue: str, url: str, symbol: str) -> None:
    options = ClientOptions(
        rest_url=url,
        sharing=Sharing(directory=Path(state)),
        reads=ReadRules(repeating=Repeating(attempts=1, deadline_s=2)),
    )
    data = open_market_data(venue, options, SystemClock(), random.Random(1))
    try:
        await data.book(symbol, 5)
        _say("ready")
        while await asyncio.to_thread(sys.stdin.readline):
            try:
                _say("book", (await data.book(symbol, 5)).bids[0][0])
            except XETradeError as error:
                _say(type(error).__name__, error)
    finally:
        await data.close()


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class Reader:
    """The process, from the test's side."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self) -> str:
        """Let it read once; its line."""
        assert self._process.stdin is not None
        self._process.stdin.write("read\n")
        self._process.stdin.flush()
        return self.line()

    def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def venue_reader(state: Path, venue: str, url: str, symbol: str) -> Iterator[Reader]:
    """Run the process until the block ends; it has read once when the block begins."""
    command = [sys.executable, "-m", "tests.faults.venue_reader", str(state), venue, url, symbol]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    try:
        reader = Reader(process)
        assert reader.line() == "ready"
        yield reader
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    asyncio.run(read_when_told(*sys.argv[1:5]))
