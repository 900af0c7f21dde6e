"""After a stress test: a venue that does not answer at once is asked again, and named if it never does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from xetrade_core.clock import NS_PER_S, ManualClock
from xetrade_core.trading.execution import NoReply, TradingAccount
from xetrade_core.trading.stress.proof import ATTEMPTS, prove


class Silent:
    """A venue that answers nothing `fails` times, and then that nothing is open and nothing was traded."""

    def __init__(self, fails: int) -> None:
        self.asked, self._fails = 0, fails

    async def open_orders(self, symbol: str) -> tuple[Any, ...]:
        self.asked += 1
        if self.asked <= self._fails:
            raise NoReply("nothing came")
        return ()

    async def fills_since(self, symbol: str, since_ns: int) -> tuple[Any, ...]:
        return ()


@pytest.mark.parametrize(
    ("fails", "problems", "waited_s"),
    [(0, (), 0.0), (2, (), 1.5), (ATTEMPTS, ("open orders of BTC/USDT: nothing came",), 7.5)],
)
async def test_what_is_not_answered_is_asked_again_later_each_time_and_then_named(
    fails: int, problems: tuple[str, ...], waited_s: float
) -> None:
    venue, clock = Silent(fails), ManualClock()
    account = SimpleNamespace(venue=SimpleNamespace(id="binance"), account="main", execution=venue)
    began_ns = clock.monotonic_ns()
    proof = await prove(cast("TradingAccount", account), ["BTC/USDT"], [], 0, clock)
    assert (proof.problems, venue.asked) == (problems, min(fails + 1, ATTEMPTS))
    assert clock.monotonic_ns() - began_ns == round(waited_s * NS_PER_S)
