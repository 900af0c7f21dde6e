"""A saga that this process has claimed: what is written to it, and the orders that it has in the store."""

from __future__ import annotations

import asyncio

from xetrade_core.errors import UnknownOrder
from xetrade_core.model.orders import Order
from xetrade_core.trading.cross.lease import Lease
from xetrade_core.trading.cross.means import Means
from xetrade_core.trading.cross.saga import Attempt, CrossEvent, Saga


class Claimed:
    """The saga as this process has last written or read it; `name` is the claim's."""

    def __init__(self, means: Means, saga: Saga, name: str) -> None:
        self.means = means
        self.saga = saga
        self.name = name
        self.lease = Lease(means, saga.key, name)

    @property
    def now_ns(self) -> int:
        """Wall time."""
        return self.means.clock.wall_ns()

    async def append(self, event: CrossEvent) -> None:
        """Commit one more entry. Raises CrossBusy if another has taken the saga, StoreUnavailable."""
        self.saga = await asyncio.to_thread(self.means.sagas.append, self.saga, event, self.name)

    async def pause(self) -> None:
        """Give the market a moment."""
        await self.means.clock.sleep(self.means.rules.pause_s)

    async def orders(self) -> dict[str, Order]:
        """Those of its orders that were made, by client id."""
        ids = [one.client_id for one in self.saga.attempts]
        if not ids:
            return {}
        found = await asyncio.to_thread(self.means.store.orders, ids)
        return {order.client_id: order for order in found}

    async def order(self, attempt: Attempt) -> Order | None:
        """The order as the store has it; None if it was never made."""
        try:
            return await self.means.orders.status(attempt.client_id)
        except UnknownOrder:
            return None
