"""The private streams of a desk's accounts: what the venues tell goes into the order store as it happens.

    async with open_desk(settings, clock, rng) as desk, follow_accounts(desk, rng) as streams:
        ...

A process that only places an order and ends needs none: its order is asked for. One that stays learns from a stream of
fills at once, and of what others do to its orders at all.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

from xetrade_core.assembly.accounts import AccountName, AccountPlan
from xetrade_core.assembly.dead_man import counting_down, switches
from xetrade_core.assembly.trading import TradingDesk
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import NotSupported
from xetrade_core.execution.dead_man import Fires
from xetrade_core.execution.streams import PrivateStream, Statement, open_stream, streamed_venues
from xetrade_core.model.accounts import Balance
from xetrade_core.model.orders import Fill, Order
from xetrade_core.trading.execution import OrderRef
from xetrade_core.trading.overview import number

#: gets whose account it is of, each statement, and the order of ours that it is about, as it stands then, if any
Heard = Callable[[AccountName, Statement, Order | None], Awaitable[object]]


def heard_row(name: AccountName, said: Statement, order: Order | None) -> dict[str, str | None]:
    """A statement for people. `ours`: the client id of the order in the store that it is about; None if it is not in
    there, which the order of another program is not. A balance is about none."""
    of = {"venue": name[0], "account": name[1]}
    if isinstance(said, Balance):
        told = {"currency": said.currency, "total": number(said.total), "free": number(said.free)}
        return {"at": _instant(said.received_ns), "kind": "balance", **of, **told}
    ours = None if order is None else order.client_id
    row: dict[str, str | None] = {
        "at": _instant(said.exchange_ns) if said.exchange_ns else None,
        "kind": "fill" if isinstance(said, Fill) else "order",
        **of,
        "pair": said.symbol,
        "client_id": ours or said.client_id,
        "order_id": said.venue_order_id,
    }
    if isinstance(said, Fill):
        told = {"side": said.side.value, "quantity": number(said.amount), "price": number(said.price)}
        row |= {**told, "fee": number(said.fee), "fee_currency": said.fee_currency, "trade_id": said.trade_id}
    else:
        told = {"status": said.status.value, "quantity": number(said.amount), "price": number(said.price)}
        row |= {**told, "filled": number(said.filled)}
    return {**row, "ours": ours}


def _instant(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / NS_PER_S, UTC).isoformat(timespec="milliseconds")


async def _nobody(name: AccountName, said: Statement, order: Order | None) -> None:
    """What hears unless somebody listens."""


@contextlib.asynccontextmanager
async def follow_accounts(
    desk: TradingDesk, rng: random.Random, heard: Heard = _nobody, *, silence_s: float | None = None
) -> AsyncIterator[tuple[PrivateStream, ...]]:
    """Follow every account of the desk on a venue whose stream can be followed; ends when left.

    The streams connect by themselves and again after every gap; `PrivateStream.live` waits for one. With `silence_s`
    the venues that can cancel what rests once this process has been silent for so long. Raises NotSupported if there is
    none to be followed, or no venue has such a switch, and ConfigError for a time that a venue does not take.
    """
    followed = [plan for plan in desk.plans.ready if plan.venue.id in streamed_venues()]
    if not followed:
        named = ", ".join(plan.venue.name for plan in desk.plans.ready)
        raise NotSupported(f"{named}: no private stream can be followed there, only on {', '.join(streamed_venues())}")
    watched = {} if silence_s is None else switches(desk, silence_s)
    async with contextlib.AsyncExitStack() as opened:
        if silence_s is not None:
            await opened.enter_async_context(counting_down(desk, silence_s))
        streams: list[PrivateStream] = []
        for plan in followed:
            switch = watched.get(plan.name)
            guard_s = silence_s if switch is not None and switch.fires is Fires.DISCONNECT else None
            streams.append(await opened.enter_async_context(_stream(desk, plan, rng, heard, guard_s)))
        yield tuple(streams)


def _stream(
    desk: TradingDesk, plan: AccountPlan, rng: random.Random, heard: Heard, guard_s: float | None
) -> PrivateStream:
    venue, account = plan.name

    async def tell(said: Statement) -> None:
        order = None if isinstance(said, Balance) else await desk.orders.observe(venue, account, said)
        await heard(plan.name, said, order)

    async def working() -> list[OrderRef]:
        return [OrderRef.of(order) for order in await desk.orders.open_orders(venue=venue, account=account)]

    return open_stream(
        venue,
        account,
        desk.clients[plan.name],
        tell,
        working,
        desk.clock,
        rng,
        testnet=plan.options.testnet,
        ws_url=plan.ws_url,
        guard_s=guard_s,
    )
