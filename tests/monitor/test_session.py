"""A session on simulated venues, end to end: orders of a desk, fundings, lost answers and lost streams. When it is
over, the monitor, the reconciliation and the venue's own ledger say the same, to the last digit.

The venue's books are written apart from ours, and round each booking to eight digits, as venues do: so each profit that
our fills realize, rounded likewise, is a booking of the venue's, and their sum is what it booked.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import ROUND_HALF_EVEN
from decimal import Decimal as D
from fractions import Fraction as F
from pathlib import Path
from typing import Any

import pytest

from tests.support.sim import Sim, sim_process
from xetrade_core.assembly.accounting import collect_fundings
from xetrade_core.assembly.following import follow_accounts
from xetrade_core.assembly.reconciling import reconcile_desk
from xetrade_core.assembly.trading import TradingDesk, open_desk
from xetrade_core.assembly.watching import OpenWatch, open_watch
from xetrade_core.clock import SystemClock
from xetrade_core.errors import OrderOutcomeUnknown
from xetrade_core.model.orders import OrderType, Side
from xetrade_core.monitor.ledger import Selection
from xetrade_core.monitor.pace import Pace
from xetrade_core.monitor.view import PositionView
from xetrade_core.positions.numbers import reported
from xetrade_core.positions.payout import Payout
from xetrade_core.positions.position import exact
from xetrade_core.settings import Settings
from xetrade_core.trading.reconciliation.plan import ReconcilePlan
from xetrade_core.trading.requests import OrderRequest

SYMBOLS = {"binanceusdm": "BTC/USDT:USDT", "binancecoinm": "BTC/USD:BTC"}
UNIT = {"binanceusdm": D("0.01"), "binancecoinm": D(7)}
ORDERS = {"binanceusdm": "/fapi/v1/order", "binancecoinm": "/dapi/v1/order"}
EIGHT = D("0.00000001")
SCENARIO = "seed = 12\n" + "".join(
    f"[venues.{venue}]\nsymbols = ['{symbol}']\nweight_limit = 0\n[venues.{venue}.accounts.main]\n"
    for venue, symbol in SYMBOLS.items()
)


@pytest.fixture(scope="module")
def sim() -> Iterator[Sim]:
    with sim_process(SCENARIO) as running:
        yield running


@asynccontextmanager
async def session(settings: Settings) -> AsyncIterator[tuple[TradingDesk, OpenWatch]]:
    """A desk whose accounts are followed for the store, and beside it a monitor that follows them for itself."""
    clock, rng, pace = SystemClock(), random.Random(1), Pace(interval_s=0.2)
    async with (
        open_desk(settings, clock, rng) as desk,
        follow_accounts(desk, rng) as streams,
        open_watch(settings, desk.store, Selection(), pace, clock, rng) as watch,
    ):
        for stream in (*streams, *watch.streams):
            await stream.live(20)
        yield desk, watch


async def trade(sim: Sim, desk: TradingDesk, venue: str) -> None:
    """Orders that make the position grow, shrink and turn, while answers and streams are lost; three fundings."""
    rng = random.Random(venue)
    for turn in range(12):
        if turn % 4 == 1:
            sim.inject(venue=venue, kind="disconnect", variant="abort")
        if turn % 4 == 2:
            sim.begin(venue=venue, kind="rest_dropped", path=ORDERS[venue], count=1)
        request = OrderRequest(
            venue=venue, account="main", symbol=SYMBOLS[venue], side=rng.choice(list(Side)), type=OrderType.MARKET,
            amount=UNIT[venue] * rng.randint(1, 4), strategy="maker",
        )  # fmt: skip
        with suppress(OrderOutcomeUnknown):  # the service goes on asking
            await desk.place(request, key=f"session-{venue}", index=turn)
        if turn % 4 == 3:
            await asyncio.to_thread(sim.pay_funding, venue, SYMBOLS[venue], rng.choice(["0.001", "-0.0007"]))
    await desk.orders.settled()


async def last_look(watch: OpenWatch, sim: Sim, venue: str) -> PositionView:
    """The position as the monitor shows it, once it has everything that the venue has booked."""
    journal = sim.account(venue)["journal"]
    fundings = sum(entry["kind"] == "funding" for entry in journal)
    async with asyncio.timeout(20):
        async for update in watch.updates(asyncio.Event()):
            [row] = update.positions
            [there] = sim.account(venue)["positions"]
            paid = len(watch.ledger._paid)
            if row.quantity == D(there["quantity"]) and paid == fundings and not update.ahead:
                return row
    raise AssertionError("unreachable")


def booked(sim: Sim, venue: str, kind: str) -> D:
    return sum((D(one["amount"]) for one in sim.account(venue)["journal"] if one["kind"] == kind), D(0))


@pytest.mark.parametrize("venue", list(SYMBOLS))
async def test_monitor_reconciliation_and_the_venues_ledger_agree_to_the_last_digit(
    sim: Sim, tmp_path: Path, venue: str
) -> None:
    where: Any = {venue: {"rest_url": sim.url(venue).rest, "ws_url": sim.url(venue).ws}}
    settings = Settings(venues=where, trading={"store": str(tmp_path / "orders.db")})  # type: ignore[arg-type]
    async with session(settings) as (desk, watch):
        await trade(sim, desk, venue)
        collected = await asyncio.to_thread(collect_fundings, settings, SystemClock())
        assert (collected.problems, sum(collected.done)) == ({}, 3)
        await asyncio.sleep(0.3)  # what is younger is under way, and compared with nothing
        compared = await reconcile_desk(desk, ReconcilePlan(grace_s=0.2, spacing_s=0.2))
        row = await last_look(watch, sim, venue)
        fills = [fill for fill, _ in desk.store.traded(venue=venue)]
    assert sim.injected("disconnect")
    assert sim.injected("rest_dropped")
    assert compared.clean, compared.rows()
    [report] = compared.accounts
    assert (report.differences, report.positions, report.fills) == ((), 1, len(fills))

    [there] = sim.account(venue)["positions"]
    assert (row.quantity, row.entry) == (D(there["quantity"]), row.entry)
    assert row.entry is not None
    assert row.entry.quantize(EIGHT) == D(there["entry"]).quantize(EIGHT)
    assert row.fees == -booked(sim, venue, "fee")
    assert row.funding == booked(sim, venue, "funding")

    position = exact(Payout.of_symbol(SYMBOLS[venue], D(1) if venue == "binanceusdm" else D(100)))
    profits = []
    for fill in fills:
        signed = F(fill.amount) * (1 if fill.side is Side.BUY else -1)
        profits.append(position.fill(signed, F(fill.price), F(fill.fee or 0), fill.fee_currency or ""))
    assert sum((reported(one).quantize(EIGHT, ROUND_HALF_EVEN) for one in profits), D(0)) == booked(sim, venue, "pnl")
    assert row.realized == reported(position.realized)
    assert row.net == reported(F(row.realized) - F(row.fees) + F(row.funding) + F(row.unrealized or 0))
