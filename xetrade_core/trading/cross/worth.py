"""What the orders of a saga were worth, by the trades that their venues have told of so far."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from xetrade_core.model.orders import Order
from xetrade_core.trading.cross.saga import Attempt, Saga


def worth(saga: Saga, attempt: Attempt, order: Order) -> Decimal:
    """What an order paid or got (quote currency); at its limit where its venue has not told all of its trades."""
    told = order.fills_value if order.fills_amount == order.filled else order.filled * attempt.price
    return saga.leg(attempt.role).base(told)


def valued(saga: Saga, orders: Iterable[Order]) -> Saga:
    """The saga with the values that its orders have by now."""
    by_id = {order.client_id: order for order in orders}
    attempts = tuple(
        msgspec.structs.replace(one, value=worth(saga, one, by_id[one.client_id]))
        if one.filled and one.client_id in by_id
        else one
        for one in saga.attempts
    )
    return msgspec.structs.replace(saga, attempts=attempts)
