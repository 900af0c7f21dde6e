"""A simulated venue without sockets: markets that move in steps of simulated time.

The same seed and the same steps give the same frames.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xetrade_core.clock import NS_PER_MS, NS_PER_S
from xetrade_core.errors import UnknownSymbol
from xetrade_core.simvenue.config import VenueConfig
from xetrade_core.simvenue.engine import Trade
from xetrade_core.simvenue.funding import FundingCurve, is_funded
from xetrade_core.simvenue.generator import LevelFlow, MarketFlow, OrderFlow
from xetrade_core.simvenue.instruments import listing
from xetrade_core.simvenue.market import Flush, Market, Numbering, Restart, Unit

_NUMBERING = {
    "binance": Numbering(50_000_000_000),
    "binanceusdm": Numbering(5_000_000_000_000, 120),
    "binancecoinm": Numbering(900_000_000_000, 120),
    "okx": Numbering(30_000_000_000, 9, restart=Restart.CHAINED),
    "bybit": Numbering(20_000_000, unit=Unit.MESSAGE, restart=Restart.ANEW),
    "kucoin": Numbering(14_000_000_000, unit=Unit.CHANGE),
    "kucoinfutures": Numbering(1_700_000_000_000, unit=Unit.CHANGE),
    "deribit": Numbering(60_000_000_000, 40),
    "max": Numbering(12_000_000),
    "derive": Numbering(600_000, unit=Unit.MESSAGE, restart=Restart.ANEW),
}
_KEPT_FLUSHES = 1_200  # two minutes at 100 ms: how old a stale snapshot can be


@dataclass(frozen=True, slots=True)
class Publication:
    """What one market publishes at the end of an interval: at simulated time `now_ns`."""

    market: Market
    now_ns: int
    flush: Flush
    trades: Sequence[Trade]


class Activity:
    """A market with what moves it, when it publishes next, and the ids it has published."""

    __slots__ = ("_carry", "_last_ns", "flow", "market", "published", "rate", "slot")

    def __init__(self, market: Market, flow: MarketFlow | None, rate: float, slot: int) -> None:
        self.market, self.flow, self.rate, self.slot = market, flow, rate, slot
        self._carry = 0.0
        self._last_ns: int | None = None
        self.published: deque[tuple[int, int]] = deque(maxlen=_KEPT_FLUSHES)

    def advance(self, now_ns: int) -> None:
        """Let the events of the time since the last call happen."""
        if self.flow is None:
            return
        # Time that was skipped (a suspended machine, a stepped clock) brings no burst of events.
        elapsed = 0 if self._last_ns is None else min(NS_PER_S, max(0, now_ns - self._last_ns))
        self._last_ns = now_ns
        due = self._carry + self.rate * elapsed / NS_PER_S
        self.flow.step(int(due))
        self._carry = due - int(due)

    def publish(self, now_ns: int) -> Publication:
        """Let the market catch up, and net what changed since the last publication."""
        self.advance(now_ns)
        flush = self.market.flush()
        self.published.append((now_ns, flush.last_id))
        return Publication(self.market, now_ns, flush, self.market.take_trades())

    def id_before(self, at_ns: int) -> int:
        """The last id published at or before a time, or the oldest one remembered."""
        for now_ns, last_id in reversed(self.published):
            if now_ns <= at_ns:
                return last_id
        return self.published[0][1] if self.published else self.market.sequence


class Venue:
    """All markets of one venue. `step` is the whole engine-level interface; nothing here knows of connections."""

    def __init__(self, venue: str, config: VenueConfig, seed: int, tick_ms: int) -> None:
        self.venue = venue
        self.config = config
        self.tick_ns = tick_ms * NS_PER_MS
        self.markets: dict[str, Market] = {}
        self.by_id: dict[str, Market] = {}
        self.activities: dict[str, Activity] = {}
        self.funding: dict[str, FundingCurve] = {}  # of the perpetuals
        self._slots = config.flush_ms // tick_ms
        self._by_slot: list[list[Activity]] = [[] for _ in range(self._slots)]
        self._ticks = 0
        self.maintenance = False
        for index, symbol in enumerate(config.symbol_names(venue)):
            self._list(symbol, index, random.Random(f"{seed}:{venue}:{symbol}"))
        for market in self.markets.values():
            if is_funded(market.listing):
                self.funding[market.symbol] = FundingCurve(venue, market.listing, config.funding, seed)

    def _list(self, symbol: str, index: int, rng: random.Random) -> None:
        config = self.config
        market = Market(
            listing(self.venue, symbol), _NUMBERING[self.venue], config.truth_changes, rng, offset=rng.randrange(10**9)
        )
        flow: MarketFlow | None = None
        if config.recording is None:
            flow = (OrderFlow if config.mode == "orders" else LevelFlow)(market, rng, config.depth)
            flow.seed()
            market.flush()
            market.take_trades()
            market.truth.restart(market.sequence)
        # Each market has its own slot within the interval, so that hundreds of them do not publish in one burst.
        activity = Activity(market, flow, config.events_per_s, index % self._slots)
        self.markets[symbol] = market
        self.by_id[market.venue_id] = market
        self.activities[symbol] = activity
        self._by_slot[activity.slot].append(activity)

    def market(self, symbol: str) -> Market:
        """The market of a universal symbol. Raises UnknownSymbol."""
        try:
            return self.markets[symbol]
        except KeyError:
            raise UnknownSymbol(symbol, self.venue, f"simulated are {', '.join(self.markets)}") from None

    def step(self, now_ns: int) -> Iterable[Publication]:
        """One tick: the publications of the markets whose turn it is."""
        slot = self._ticks % self._slots
        self._ticks += 1
        # Half an interval later the book moves without publishing: snapshots then fall between two depth messages, as
        # they really do.
        for activity in self._by_slot[slot - self._slots // 2] if self._slots > 1 else ():
            activity.advance(now_ns)
        return [activity.publish(now_ns) for activity in self._by_slot[slot]]

    def reset_sequences(self, symbol: str | None = None) -> list[Market]:
        """Renumber one market or all, as maintenance does."""
        chosen = list(self.markets.values()) if symbol is None else [self.market(symbol)]
        for market in chosen:
            market.renumber()
        return chosen


def restart_is_chained(venue: str) -> bool:
    """Whether a restarted numbering is linked to the old one, so that a follower has no gap."""
    return _NUMBERING[venue].restart is Restart.CHAINED
