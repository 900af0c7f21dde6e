"""After the test: ask each venue what it has, and compare."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from xetrade_core.clock import Clock
from xetrade_core.model.orders import Order, OrderReport, OrderState, ReportStatus
from xetrade_core.trading.execution import ExecutionError, OrderRef, TradingAccount
from xetrade_core.trading.stress.report import Proof

T = TypeVar("T")

ATTEMPTS = 6
PAUSE_S = 0.5
AT_ONCE = 20
_ENDED_BY_VENUE = frozenset({OrderState.CANCELED, OrderState.FILLED})


async def prove(
    account: TradingAccount, symbols: Sequence[str], orders: Sequence[Order], since_ns: int, clock: Clock
) -> Proof:
    """What the venue says about `orders` of the account: all that the test made there, as they stand in the store.

    Orders that ended by the venue's own word are known to it; the others are each asked for. Whatever is open under
    our ids, and whatever was traded and is none of ours, is found as well.
    """
    ours = {order.client_id: order for order in orders}
    problems: list[str] = []
    still_open, doubled = await _resting(account, symbols, ours, problems, clock)
    doubled += await _strays(account, symbols, ours, since_ns, problems, clock)
    asked = [order for order in orders if order.state not in _ENDED_BY_VENUE or order.venue_order_id is None]
    lost, found = await _asked_for(account, asked, problems, clock)
    return Proof(
        venue=account.venue.id,
        account=account.account,
        asked=len(asked),
        open=tuple(still_open),
        lost=tuple(lost),
        doubled=tuple(doubled),
        found=tuple(found),
        unsettled=tuple(order.client_id for order in orders if order.state.working),
        problems=tuple(problems),
    )


async def _resting(
    account: TradingAccount, symbols: Sequence[str], ours: dict[str, Order], problems: list[str], clock: Clock
) -> tuple[list[str], list[str]]:
    still_open, doubled = list[str](), list[str]()
    for symbol in symbols:
        listed = await _repeated(clock, partial(account.execution.open_orders, symbol))
        if isinstance(listed, ExecutionError):
            problems.append(f"open orders of {symbol}: {listed}")
            continue
        for report in listed:
            order = ours.get(report.client_id or "")
            if order is not None:
                still_open.append(order.client_id)
                if order.venue_order_id not in (None, report.venue_order_id):
                    doubled.append(order.client_id)
    return still_open, doubled


async def _strays(
    account: TradingAccount,
    symbols: Sequence[str],
    ours: dict[str, Order],
    since_ns: int,
    problems: list[str],
    clock: Clock,
) -> list[str]:
    """Orders that have one of our ids and have traded, but are not ours by the venue's own id.

    Not every venue says our id with a trade: an order that traded and is none of those known is asked for.
    """
    known = {order.venue_order_id for order in ours.values()}
    found = list[str]()
    for symbol in symbols:
        fills = await _repeated(clock, partial(account.execution.fills_since, symbol, since_ns))
        if isinstance(fills, ExecutionError):
            problems.append(f"trades of {symbol}: {fills}")
            continue
        strange = {fill.venue_order_id: fill.client_id for fill in fills if fill.venue_order_id not in known}
        for order_id, client_id in strange.items():
            if client_id is None:
                ref = OrderRef(symbol, None, order_id)
                answer = await _repeated(clock, partial(account.execution.find, ref))
                client_id = answer.client_id if isinstance(answer, OrderReport) else None
            order = ours.get(client_id or "")
            if order is not None and order.venue_order_id is not None:
                found.append(order.client_id)
    return found


async def _asked_for(
    account: TradingAccount, orders: Sequence[Order], problems: list[str], clock: Clock
) -> tuple[list[str], list[str]]:
    """Those that the venue should have and has not, and those that it has and should not have."""
    lost, found = list[str](), list[str]()
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(order: Order) -> None:
        async with gate:
            answer = await _repeated(clock, lambda: account.execution.find(OrderRef.of(order)))
        if isinstance(answer, ExecutionError):
            problems.append(f"order {order.client_id}: {answer}")
        elif answer is None and order.venue_order_id is not None:
            lost.append(order.client_id)
        elif isinstance(answer, OrderReport) and _contradicts(order, answer):
            found.append(order.client_id)

    await asyncio.gather(*(ask(order) for order in orders))
    return sorted(lost), sorted(found)


def _contradicts(order: Order, report: OrderReport) -> bool:
    """Whether the venue took an order that is held for never taken."""
    never_taken = not order.state.working and order.venue_order_id is None
    return never_taken and report.status is not ReportStatus.REJECTED


async def _repeated(clock: Clock, ask: Callable[[], Awaitable[T]]) -> T | ExecutionError:
    """A read, which may be repeated: what it answers, or the error of the last attempt."""
    for attempt in range(1, ATTEMPTS):
        try:
            return await ask()
        except ExecutionError:
            await clock.sleep(PAUSE_S * attempt)
    try:
        return await ask()
    except ExecutionError as error:
        return error
