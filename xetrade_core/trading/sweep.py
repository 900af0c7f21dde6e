"""Cancel everything of an account: what the store knows of, and what it does not. The kill switch's hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from xetrade_core.errors import XETradeError
from xetrade_core.model.orders import Order, OrderReport
from xetrade_core.time_bound import TimeBound
from xetrade_core.trading.desk import Desk, called
from xetrade_core.trading.execution import Execution, OrderRef, TradingAccount
from xetrade_core.venues.venue import Capability, Venue

if TYPE_CHECKING:
    from xetrade_core.trading.service import OrderService

T = TypeVar("T")
Call = Callable[[Awaitable[Any]], Awaitable[Any]]

#: how long the cancels wait to know what there is that is not ours
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class CancelAllReport:
    """What came of cancelling everything of one account.

    `ours` are the orders of the store as they stand now; `others` how many of somebody else's were cancelled, None if
    the venue's own call did it and what was open before could not be told in time; `still_open` what the venue says is
    open after it, None if it could not be asked; `errors` what went wrong.
    """

    venue: str
    account: str
    ours: tuple[Order, ...]
    others: int | None
    still_open: tuple[OrderReport, ...] | None
    errors: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether the venue itself says that nothing is open, and none of ours is in doubt."""
        return self.still_open == () and not any(order.state.working for order in self.ours)


async def cancel_everything(
    service: OrderService, desk: Desk, account: TradingAccount, symbol: str | None
) -> CancelAllReport:
    """Cancel ours, each followed to its end, and the rest by the venue's own call or one by one; then verify."""
    venue, errors = account.venue, list[str]()
    known = await service.open_orders(venue=venue.id, account=account.account, symbol=symbol)
    at_once = Capability.CANCEL_ALL in venue.capabilities
    before = await _seen(desk.call, account.execution, symbol) if at_once else ()
    if at_once:
        swept = await desk.call(account.execution.cancel_all(symbol))
        if isinstance(swept, Exception):
            errors.append(f"cancel all: {swept}")
    results = await asyncio.gather(*(service.cancel(order.client_id) for order in known), return_exceptions=True)
    errors += [str(one) for one in results if isinstance(one, XETradeError)]
    for one in results:
        if isinstance(one, BaseException) and not isinstance(one, XETradeError):
            raise one
    mine = {order.client_id for order in known}
    ended = {one.client_id for one in results if isinstance(one, Order) and not one.state.working}
    # ours as well where the store took no cancel (its disk is full), or the order's driver waits for it
    listed = await _cancel_listed(desk.call, account.execution, symbol, lambda one: one.client_id not in ended, errors)
    left = await desk.call(account.execution.open_orders(symbol))
    if isinstance(left, Exception):
        errors.append(f"open orders: {left}")
    ours = [await service.status(order.client_id) for order in known]
    still_open = None if isinstance(left, Exception) else left
    others = _ended(before, listed, still_open, lambda one: one.client_id not in mine)
    return CancelAllReport(venue.id, account.account, tuple(ours), others, still_open, tuple(errors))


async def cancel_unrecorded(
    venue: Venue, account: str, execution: Execution, call_timeout_s: float, wanted: Callable[[str], bool] | None
) -> CancelAllReport:
    """Cancel everything of an account by the venue's word alone, where no store can say what is ours; then verify.

    `wanted`: only orders of these universal symbols.
    """
    errors, in_time = list[str](), TimeBound(call_timeout_s)

    async def call(awaitable: Awaitable[T]) -> T | Exception:
        return await called(awaitable, in_time)

    def chosen(one: OrderReport) -> bool:
        return wanted is None or wanted(one.symbol)

    at_once = wanted is None and Capability.CANCEL_ALL in venue.capabilities
    before = await _seen(call, execution, None) if at_once else ()
    if at_once:
        swept = await call(execution.cancel_all(None))
        if isinstance(swept, Exception):
            errors.append(f"cancel all: {swept}")
    cancelled = await _cancel_listed(call, execution, None, chosen, errors)
    left = await call(execution.open_orders(None))
    if isinstance(left, Exception):
        errors.append(f"open orders: {left}")
    still_open = None if isinstance(left, Exception) else tuple(filter(chosen, left))
    others = _ended(before, cancelled, still_open, lambda _: True)
    return CancelAllReport(venue.id, account, (), others, still_open, tuple(errors))


async def _seen(call: Call, execution: Execution, symbol: str | None) -> tuple[OrderReport, ...] | None:
    """What the venue says is open before its own call ends it all, which does not tell what it has ended; None if it
    does not say so soon: cancelling does not wait for that."""
    try:
        async with asyncio.timeout(LOOK_S):
            found = await call(execution.open_orders(symbol))
    except TimeoutError:
        return None
    return None if isinstance(found, Exception) else found


def _ended(
    before: Iterable[OrderReport] | None,
    cancelled: Iterable[OrderReport],
    still_open: Iterable[OrderReport] | None,
    others: Callable[[OrderReport], bool],
) -> int | None:
    """How many of somebody else's are gone: those seen before and those cancelled one by one, less what is open."""
    if before is None:
        return None
    ids = {one.venue_order_id for one in (*before, *cancelled) if others(one)}
    return len(ids - {one.venue_order_id for one in still_open or ()})


async def _cancel_listed(
    call: Call, execution: Execution, symbol: str | None, chosen: Callable[[OrderReport], bool], errors: list[str]
) -> list[OrderReport]:
    """Cancel those that rest on the venue and are chosen, one by one; those whose cancel it took."""
    found = await call(execution.open_orders(symbol))
    if isinstance(found, Exception):
        return []
    cancelled = list[OrderReport]()
    for report in filter(chosen, found):
        ref = OrderRef(report.symbol, report.client_id, report.venue_order_id)
        answer = await call(execution.cancel(ref))
        if isinstance(answer, Exception):
            errors.append(f"order {report.venue_order_id}: {answer}")
        else:
            cancelled.append(report)
    return cancelled
