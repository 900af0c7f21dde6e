"""A venue double, a store, and order services over them that come and go."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tests.trading.samples import SPOT, SYMBOL, D, venue
from tests.trading.venue_double import Fault, VenueDouble
from tests.trading.virtual import InlineJournal, VirtualClock, run
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.limits import RiskLimits
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.service import OrderService
from xetrade_core.trading.store import OrderStore
from xetrade_core.venues.venue import Capability, Uniqueness

T = TypeVar("T")
Program = Callable[[OrderService], Awaitable[T]]


class World:
    """One account on the double. `run` is one process' life: a store opened, a service, and what is done with it."""

    def __init__(
        self,
        path: Path,
        unique: Uniqueness = Uniqueness.OPEN_ORDERS,
        *offered: Capability,
        limits: RiskLimits | None = None,
        live: bool = False,
    ) -> None:
        self.path = path / "orders.db"
        self.clock = VirtualClock()
        self.double = VenueDouble(self.clock, unique)
        self.venue = venue(unique, *offered)
        self.limits = limits
        self.live = live
        self.policy = Policy()
        self.steps = 0

    def fail(self, what: str, *faults: Fault) -> None:
        """What goes wrong with the next calls of that kind."""
        self.double.faults[what].extend(faults)

    def run(self, program: Program[T], *, kill_at: int | None = None) -> T | None:
        """What the program returns, or None if it was killed; `steps` tells how many steps it took."""
        store = self.open()

        async def life() -> T:
            account = TradingAccount(self.venue, "main", self.double, {SYMBOL: SPOT}, self.live)
            service = OrderService(
                store, InlineJournal(store), [account], clock=self.clock, rng=random.Random(1), policy=self.policy
            )
            store.marks.set("binance", SYMBOL, D(50_000), self.clock.wall_ns())
            async with service:
                return await program(service)

        try:
            result, self.steps = run(life, self.clock, kill_at=kill_at)
        finally:
            store.close()
        return result

    def open(self) -> OrderStore:
        """The store, as a process that starts opens it."""
        return OrderStore(self.path, limits=self.limits, marks=Marks(), clock=self.clock)
