"""A process that places an order also goes on with what one that is gone left in doubt in that account."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

import pytest

from tests.execution.test_dead_man import settings_of
from tests.support.sim import Sim
from xetrade_core.assembly.trading import open_desk
from xetrade_core.clock import SystemClock
from xetrade_core.errors import OrderOutcomeUnknown
from xetrade_core.model.orders import OrderState, Side
from xetrade_core.trading.policy import Policy
from xetrade_core.trading.requests import OrderRequest

WANTED = OrderRequest(
    venue="binance", account="main", symbol="BTC/USDT", side=Side.BUY, amount=Decimal("0.001"), price=Decimal(50_000)
)


async def test_an_order_in_doubt_is_known_once_the_next_one_was_placed(sim: Sim, tmp_path: Path) -> None:
    settings, clock, rng = settings_of(sim, tmp_path, "binance"), SystemClock(), random.Random(1)
    soon = Policy(call_timeout_s=5, patience_s=2.2)  # longer than what the next takes for the time of one that lives
    async with open_desk(settings, clock, rng, policy=soon) as desk:
        await desk.prepare([("binance", "BTC/USDT")])
        sim.begin(kind="rest_dropped", venue="binance", path="/api/v3/order", for_=60)
        with pytest.raises(OrderOutcomeUnknown) as left:
            await desk.place(WANTED, key=f"left-{tmp_path.name}")
    sim.clear()
    async with open_desk(settings, clock, rng, policy=Policy(call_timeout_s=0.5, grace_s=1.6)) as desk:
        assert (await desk.orders.status(left.value.client_id)).state is OrderState.UNKNOWN
        placed = await desk.place(WANTED, key=f"next-{tmp_path.name}")
        await desk.orders.settled()
        assert (await desk.orders.status(left.value.client_id)).state is OrderState.OPEN
        assert placed.state is OrderState.OPEN
        for order in await desk.orders.open_orders():
            await desk.orders.cancel(order.client_id)
