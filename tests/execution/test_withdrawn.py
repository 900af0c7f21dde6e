"""A queued order that somebody cancels before it was sent is told as one that never was on the venue."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.execution.test_dead_man import settings_of
from tests.execution.test_taking_up import WANTED
from tests.support.desk import all_ids
from tests.support.sim import Sim
from xetrade_core.assembly.trading import open_desk
from xetrade_core.clock import NS_PER_S, SystemClock
from xetrade_core.errors import OrderWithdrawn
from xetrade_core.model.orders import OrderState
from xetrade_core.trading.policy import Policy


async def test_an_order_that_is_cancelled_while_it_waits_is_not_told_as_placed(sim: Sim, tmp_path: Path) -> None:
    settings, clock, key = settings_of(sim, tmp_path, "binance"), SystemClock(), f"queued-{tmp_path.name}"
    async with open_desk(settings, clock, random.Random(1), policy=Policy(patience_s=1)) as desk:
        await desk.prepare([("binance", "BTC/USDT")])
        sim.begin(kind="rate_limit", venue="binance", path="/api/v3/order", status=429, retry_after_s=5, for_=60)
        queued = replace(WANTED, expires_ns=clock.wall_ns() + 60 * NS_PER_S)
        order = await desk.place(queued, key=key)
        assert order.state is OrderState.INTENT
        assert (await desk.orders.cancel(order.client_id)).state is OrderState.CANCELED
        with pytest.raises(OrderWithdrawn, match="was canceled before it was sent: nothing is on the venue"):
            await desk.place(queued, key=key)
    assert order.client_id not in all_ids(sim)
