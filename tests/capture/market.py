"""A little market in Binance's spot wire format, and a feed that plays it into real books, without a socket."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from xetrade_core.books.binance import BinanceSpotBooks
from xetrade_core.books.book_set import BookSet
from xetrade_core.clock import NS_PER_MS, Clock
from xetrade_core.errors import XETradeError
from xetrade_core.feeds.feed import FeedSink, FeedStatus
from xetrade_core.model.book_events import Gap, GapCause
from xetrade_core.model.instruments import Instrument, MarketType

LEVELS = 30


def instruments(symbols: Sequence[str], venue: str = "binance") -> list[Instrument]:
    """Spot instruments: BTC/USDT is BTCUSDT."""
    return [
        Instrument(venue, symbol, symbol.replace("/", ""), MarketType.SPOT, Decimal("0.01"), Decimal("0.001"))
        for symbol in symbols
    ]


class Market:
    """The true book of one symbol.

    Every update has the next sequence ids. Sizes change, prices stand: never crossed.
    """

    def __init__(self, symbol: str, rng: random.Random) -> None:
        self.venue_id = symbol.replace("/", "")
        self._rng = rng
        self.u = rng.randrange(1_000, 10_000)
        self.bids = {100 - n / 100: float(n + 1) for n in range(1, LEVELS)}
        self.asks = {100 + n / 100: float(n + 1) for n in range(1, LEVELS)}

    def snapshot(self) -> bytes:
        """A REST depth body at the current sequence."""
        return msgspec.json.encode(
            {
                "lastUpdateId": self.u,
                "bids": [[f"{p:.2f}", f"{s:.3f}"] for p, s in sorted(self.bids.items(), reverse=True)],
                "asks": [[f"{p:.2f}", f"{s:.3f}"] for p, s in sorted(self.asks.items())],
            }
        )

    def update(self, event_ns: int) -> bytes:
        """The next depthUpdate frame; the book has changed already when it is returned."""
        first = self.u + 1
        self.u += self._rng.randint(1, 3)
        changed = []
        for side in (self.bids, self.asks):
            price = self._rng.choice(list(side))
            side[price] = self._rng.randint(1, 9_999) / 1000
            changed.append([[f"{price:.2f}", f"{side[price]:.3f}"]])
        data = {"e": "depthUpdate", "E": event_ns // NS_PER_MS, "s": self.venue_id, "U": first, "u": self.u}
        return msgspec.json.encode(
            {"stream": f"{self.venue_id.lower()}@depth@100ms", "data": {**data, "b": changed[0], "a": changed[1]}}
        )


class MarketFeed:
    """A feed of generated markets.

    `lose_next` frames are left out, `fail` ends it with an error, `quiet` sends nothing.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        clock: Clock,
        rng: random.Random,
        *,
        venue: str = "binance",
        period_s: float = 0.02,
    ) -> None:
        self.venue = venue
        self.instruments = instruments(symbols, venue)
        self.books: BookSet = BinanceSpotBooks(self.instruments)
        self.markets = {symbol: Market(symbol, rng) for symbol in symbols}
        self.lose_next = 0
        self.fail: XETradeError | None = None
        self.quiet = False
        self._clock = clock
        self._period_s = period_s
        self._frames = self._resyncs = 0

    async def run(self, sink: FeedSink) -> None:
        """One update of each symbol every period; a snapshot wherever a book is out of sync."""
        while True:
            if self.fail is not None:
                raise self.fail
            for symbol in self.markets if not self.quiet else ():
                self._play(sink, symbol)
            await self._clock.sleep(self._period_s)
            await asyncio.sleep(0)

    def disconnect(self, sink: FeedSink) -> None:
        """All books are lost; they come back with the next update."""
        now_ns = self._clock.wall_ns()
        sink.lost(now_ns, tuple(self.markets), GapCause.DISCONNECT)
        sink.events(self.books.lose(tuple(self.markets), GapCause.DISCONNECT, now_ns))

    def status(self) -> FeedStatus:
        """Just enough of a status."""
        return FeedStatus(
            venue=self.venue,
            connections=1,
            connections_wanted=1,
            last_frame_age_s=0.0,
            frames=self._frames,
            reconnects=0,
            rotations=0,
            resyncs=self._resyncs,
            refused=0,
            handling_errors=0,
            queue_depth=0,
            dropped=0,
            unread_bytes=0,
            budget_used=0,
            budget_paused_s=0.0,
            symbols=(),
        )

    def _play(self, sink: FeedSink, symbol: str) -> None:
        market = self.markets[symbol]
        now_ns = self._clock.wall_ns()
        frame = market.update(now_ns)
        if self.lose_next > 0:
            self.lose_next -= 1
            return
        sink.frame(now_ns, frame, "ws")
        events = self.books.feed(frame, now_ns)
        sink.events(events)
        self._frames += 1
        if any(isinstance(event, Gap) for event in events):
            return  # a snapshot comes with the next period: the gap is seen by some samples
        if not self.books.sequencers[symbol].synced:
            now_ns = self._clock.wall_ns()
            body = market.snapshot()
            sink.frame(now_ns, body, f"rest:{symbol}")
            sink.events(self.books.snapshot(symbol, body, now_ns))
            self._resyncs += 1
