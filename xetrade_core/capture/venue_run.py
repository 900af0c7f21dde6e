"""One venue within a session: its feed from opening to failure, and its recorder. What goes wrong here stays here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from xetrade_core.capture.instrument_json import instrument_rows
from xetrade_core.capture.opening import FeedOpener
from xetrade_core.capture.raw import RawFrames
from xetrade_core.capture.recorder import BookRecorder
from xetrade_core.capture.spool import SessionDir
from xetrade_core.clock import Clock
from xetrade_core.errors import SessionError, VenueUnavailable, XETradeError
from xetrade_core.feeds.feed import Feed
from xetrade_core.model.book_events import GapCause
from xetrade_core.model.instruments import Instrument
from xetrade_core.telemetry import get_logger

_log = get_logger("capture.venue")
_RETRY_BASE_S = 1.0
_RETRY_CAP_S = 60.0


class VenueRun:
    """`state` is opening, running or failed; `error` the last one. `header` opens each raw file."""

    def __init__(
        self,
        recorder: BookRecorder,
        raw: RawFrames | None,
        header: dict[str, object],
        *,
        directory: SessionDir,
        open_feed: FeedOpener,
        clock: Clock,
        rng: random.Random,
        on_failure: Callable[[VenueRun, Exception], None],
    ) -> None:
        self.recorder = recorder
        self.raw = raw
        self.venue = recorder.plan.venue
        self.feed: Feed | None = None
        self.state = "opening"
        self.error: Exception | None = None
        self._header = header
        self._directory = directory
        self._open_feed = open_feed
        self._clock = clock
        self._rng = rng
        self._on_failure = on_failure

    async def run(self, opening: Awaitable[Feed]) -> None:
        """Until cancelled, or until an error that no retry can heal.

        Then the books are lost and `on_failure` is told.
        """
        try:
            self.feed = await self._open(opening)
            await self._attach(self.feed)
            await self.feed.run(self.recorder)
            self._failed(SessionError(f"the feed of {self.venue} ended by itself"))
        except Exception as error:
            if not isinstance(error, XETradeError):
                _log.exception("feed failed", venue=self.venue)
            self._failed(error)

    async def _open(self, opening: Awaitable[Feed]) -> Feed:
        attempt = 0
        while True:
            try:
                return await opening
            except VenueUnavailable as error:
                self.error = error
                attempt += 1
                _log.warning("venue does not answer, trying again", venue=self.venue, error=str(error), attempt=attempt)
                ceiling_s = min(_RETRY_CAP_S, _RETRY_BASE_S * 2 ** min(attempt, 10))
                await self._clock.sleep(self._rng.uniform(0.1, ceiling_s))
                opening = self._open_feed(self.venue, self.recorder.plan.symbols)

    async def _attach(self, feed: Feed) -> None:
        instruments: tuple[Instrument, ...] = getattr(feed, "instruments", ())
        if instruments:
            await asyncio.to_thread(self._directory.keep_instruments, instruments)
        self._header["instruments"] = instrument_rows(instruments)
        self.recorder.attach(feed.books.sequencers, instruments)
        self.state, self.error = "running", None

    def _failed(self, error: Exception) -> None:
        self.state, self.error = "failed", error
        symbols = self.recorder.plan.symbols
        if self.feed is not None:
            now_ns = self._clock.wall_ns()
            self.recorder.lost(now_ns, symbols, GapCause.DISCONNECT, str(error))
            self.recorder.events(self.feed.books.lose(symbols, GapCause.DISCONNECT, now_ns), detail=str(error))
        self._on_failure(self, error)
