"""One symbol of a simulated venue: its book, numbering and history, and what changed since it last published."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from xetrade_core.simvenue.engine import MatchingEngine, Side, Trade
from xetrade_core.simvenue.levels import Levels, TruthLog
from xetrade_core.simvenue.listing import Listing, WireNumbers

_GAP_TABLE = 1024
_JUMP = 1_000_000


class Restart(Enum):
    """How a venue's numbering goes on after maintenance."""

    JUMP = "jump"  # ahead, with a hole that looks like a lost message (Binance)
    CHAINED = "chained"  # lower, while the first message names the old id as the one before it (OKX)
    ANEW = "anew"  # from 1, which is a snapshot (Bybit)


class Unit(Enum):
    """What a venue gives an id to."""

    NETTED = "netted"  # each change; a message carries the netted changes of its interval and spans their ids
    CHANGE = "change"  # each change, and every one is sent (KuCoin)
    MESSAGE = "message"  # each message (Bybit)


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a venue numbers: the first id, the largest step between two ids (1 = contiguous), what has one, restarts."""

    first_id: int
    largest_step: int = 1
    unit: Unit = Unit.NETTED
    restart: Restart = Restart.JUMP

    def steps(self, rng: random.Random) -> list[int]:
        """A cycle of steps; 1, 1, 1... for contiguous numbering."""
        if self.largest_step == 1:
            return [1]
        return [rng.randint(1, self.largest_step) for _ in range(_GAP_TABLE)]


@dataclass(frozen=True, slots=True)
class Flush:
    """The level changes of one publication interval: what a depth message carries.

    `changes` are (signed price, lots), netted, bids best first and then asks best first; or where every change is sent
    (`Unit.CHANGE`) as they came, the first with `first_id`. Without changes `last_id` equals `previous_id`.
    """

    previous_id: int
    first_id: int
    last_id: int
    changes: tuple[tuple[int, int], ...]


class Market:
    """Book, numbering and history of one symbol. All changes pass through `change` (or `replay` for recorded ids)."""

    def __init__(
        self, listing: Listing, numbering: Numbering, truth_changes: int, rng: random.Random, offset: int = 0
    ) -> None:
        self.listing = listing
        self.symbol = listing.instrument.symbol
        self.venue_id = listing.instrument.venue_id
        self.numbers = WireNumbers(listing)
        self.levels = Levels()
        self.engine = MatchingEngine(self.levels, self.change)
        self._first_id = self.sequence = numbering.first_id + offset
        self.published_id = self.sequence
        self._steps = numbering.steps(rng)
        self._step_at = 0
        self.truth = TruthLog(truth_changes, self.sequence, self.levels)
        self.trades: list[Trade] = []  # since the last flush
        self._numbering = numbering
        self.delivered = False
        """Whether it was a dated contract that has ended."""
        self.restarts = 0
        """How often the numbering was restarted."""
        self._pending: dict[int, int] = {}
        self._every: list[tuple[int, int]] | None = [] if numbering.unit is Unit.CHANGE else None
        self._pending_first: int | None = None
        self._trade_id = 0
        self.change_count = 0

    def change(self, signed_price: int, size: int) -> None:
        """Set a level to `size` lots under the venue's next id."""
        if self._numbering.unit is Unit.MESSAGE:
            self._set(self.published_id + 1, signed_price, size)
            return
        at = self._step_at
        steps = self._steps
        self._step_at = at + 1 if at + 1 < len(steps) else 0
        self._set(self.sequence + steps[at], signed_price, size)

    def replay(self, change_id: int, signed_price: int, size: int) -> None:
        """Set a level under an id that a recording gives."""
        self._set(change_id, signed_price, size)

    def _set(self, change_id: int, signed_price: int, size: int) -> None:
        self.truth.append(change_id, signed_price, size)
        self.levels.set(signed_price, size)
        self.sequence = change_id
        if self._every is None:
            self._pending[signed_price] = size
        else:
            self._every.append((signed_price, size))
        if self._pending_first is None:
            self._pending_first = change_id
        self.change_count += 1

    def hit(self, taker: Side, ticks: int, lots: int) -> None:
        """Note a trade that the cheap generator made up; the caller changes the level."""
        self._trade_id += 1
        self.trades.append(Trade(self._trade_id, 0, 0, ticks, lots, taker))

    def takeable(self, taker: Side, limit_ticks: int) -> int:
        """The lots that an order of that side would trade at once at `limit_ticks` or better."""
        levels = self.levels.asks(1 << 30) if taker is Side.BUY else self.levels.bids(1 << 30)
        return sum(lots for ticks, lots in levels if (limit_ticks - ticks) * taker.sign >= 0)

    def flush(self) -> Flush:
        """What has changed since the last flush."""
        previous, first = self.published_id, self._pending_first
        if self._every is None:
            changes = tuple(sorted(self._pending.items(), reverse=True))
            self._pending.clear()
        else:
            changes = tuple(self._every)
            self._every.clear()
        self._pending_first = None
        self.published_id = self.sequence
        return Flush(previous, previous if first is None else first, self.sequence, changes)

    def take_trades(self) -> list[Trade]:
        """The trades since the last call."""
        trades, self.trades = self.trades, []
        return trades

    def renumber(self) -> None:
        """Restart the numbering as the venue does in maintenance; the book stays."""
        restart = self._numbering.restart
        self.restarts += 1
        if restart is Restart.CHAINED:
            # Below every id ever used, so that ids stay unambiguous.
            self._first_id -= min(10_000_000, self._first_id // 2)
            self.sequence = self._first_id
            if self._pending_first is not None:
                self._pending_first = self.sequence
        else:
            self.sequence = self.sequence + _JUMP if restart is Restart.JUMP else 0
            self.flush()  # whoever follows needs a snapshot now, and that has it all
        self.truth.restart(self.sequence)
