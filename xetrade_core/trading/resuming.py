"""What earlier processes left: the orders that nobody is at any more, and what the venue says of those that rest.

An order that was acknowledged rests until somebody hears of its end. Whoever placed it may be dead, so that a process
that starts asks: for the open orders of an account in one call, and alone for each that is not among them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Order, OrderState
from xetrade_core.trading.execution import ExecutionError, OrderRef, TradingAccount, if_listed
from xetrade_core.trading.service import OrderService

_QUIET = frozenset({OrderState.OPEN, OrderState.PARTIALLY_FILLED, OrderState.NEEDS_OPERATOR})
_EACH = 3  # so many instruments are asked about one by one: the whole account costs more on some venues


def rests(order: Order) -> bool:
    """Whether nobody is at it: it was acknowledged, or a person must look; what became of it, only the venue knows."""
    return order.state in _QUIET and not order.cancel_requested and not order.amending


def left_behind(orders: Iterable[Order], now_ns: int, untouched_ns: int) -> list[Order]:
    """Of orders that are not settled: those that something is to be done for and nobody has touched for so long.

    Not what is still to be sent: sending is for whoever asked for it, or an operator. What is past its own expiry is
    among them, as it only is to be ended.
    """
    return [
        one for one in orders if now_ns - one.updated_ns >= untouched_ns and not rests(one) and not _waits(one, now_ns)
    ]


def _waits(order: Order, now_ns: int) -> bool:
    expires_ns = order.intent.expires_ns
    return order.state is OrderState.INTENT and expires_ns is not None and now_ns < expires_ns


async def ask_about(
    service: OrderService, accounts: Mapping[tuple[str, str], TradingAccount], orders: Iterable[Order]
) -> dict[str, str]:
    """Record what the venues say now of those of the orders that rest, all accounts at once.

    Returns, by account or order, why one is not known better than before.
    """
    quiet: dict[tuple[str, str], list[Order]] = {}
    for order in filter(rests, orders):
        quiet.setdefault((order.intent.venue, order.intent.account), []).append(order)

    async def ask(name: tuple[str, str]) -> dict[str, str]:
        try:
            gone = await _ask_one(service, accounts[name], quiet[name])
        except ExecutionError as error:
            return {"/".join(name): f"its orders could not be asked for: {error}"}
        said = "the venue says that it has none such; `xetrade reconcile` asks again and concludes"
        return {f"order {order.client_id}": said for order in gone}

    return {key: text for told in await asyncio.gather(*map(ask, quiet)) for key, text in told.items()}


async def _ask_one(service: OrderService, account: TradingAccount, orders: Iterable[Order]) -> list[Order]:
    """Of one account; the orders of which the venue says that it has none such. One such answer proves nothing."""
    venue, name, execution = account.venue.id, account.account, account.execution
    asked = {order.client_id: order for order in orders}
    by_venue_id = {(order.intent.symbol, order.venue_order_id): order for order in asked.values()}
    symbols: list[str | None] = [*sorted({order.intent.symbol for order in asked.values()})]
    for symbol in symbols if len(symbols) <= _EACH else [None]:
        for report in await if_listed(execution.open_orders(symbol)) or ():
            order = asked.get(report.client_id or "") or by_venue_id.get((report.symbol, report.venue_order_id or ""))
            if order is not None and asked.pop(order.client_id, None) is not None:
                await service.observe(venue, name, report, Source.QUERY)
    gone: list[Order] = []
    for order in asked.values():
        found = await if_listed(execution.find(OrderRef.of(order)))
        if found is None:
            gone.append(order)
        else:
            await service.observe(venue, name, found, Source.QUERY)
    return gone
