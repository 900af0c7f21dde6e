"""An order from its events: pure, so that the store, a rebuild and a test sum up the same events to the same order."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import ZERO, Order, OrderState
from xetrade_core.trading.transitions import SURPRISES, next_state


class Verdict(StrEnum):
    """What an event does to an order."""

    CHANGED = "changed"
    SURPRISING = "surprising"  # changed, and a person must hear of it
    UNCHANGED = "unchanged"  # legal and nothing new: not recorded
    ILLEGAL = "illegal"  # recorded and alarmed, not applied
    ILLEGAL_AGAIN = "illegal_again"  # the same contradiction as before: not recorded again


class Step(NamedTuple):
    """The order after an event, the event as it is to be recorded, and what it did."""

    order: Order
    event: OrderEvent
    verdict: Verdict


def apply(order: Order | None, event: OrderEvent) -> Step:
    """What `event` makes of `order` (None: there is none yet; then it must be INTENDED, else ValueError)."""
    if order is None:
        if event.kind is not EventKind.INTENDED or event.intent is None:
            raise ValueError(f"the first event of an order is intended, not {event.kind}")
        return Step(_begin(event), event, Verdict.CHANGED)
    trigger = trigger_of(order, event)
    state = next_state(order.state, trigger)
    if state is None:
        return _contradicted(order, event, trigger)
    after = _moved(order, event, trigger, state)
    if after is None:
        return Step(order, event, Verdict.UNCHANGED)
    surprising = (order.state, trigger) in SURPRISES or (after.filled > after.amount >= order.filled)
    return Step(after, event, Verdict.SURPRISING if surprising else Verdict.CHANGED)


def replay(order: Order | None, event: OrderEvent) -> Order:
    """As `apply` for an event that was recorded: its verdict was passed then."""
    if order is not None and not event.legal:
        return _contradicted(order, event, trigger_of(order, event)).order
    return apply(order, event).order


def trigger_of(order: Order, event: OrderEvent) -> EventKind:
    """The row of the table that an event stands for: what the venue says of the amount decides between some."""
    kind, amount = event.kind, max(order.amount, order.next_amount or ZERO)  # while it is amended, it may be either
    filled = max(order.filled, event.filled or ZERO)
    if _settles(order, event):
        settled = event.amount if kind is EventKind.AMENDED and event.amount is not None else order.amount
        if order.state is OrderState.FILLED and kind is EventKind.AMENDED and filled < settled:
            return EventKind.REOPENED
        return EventKind.FILLED if filled >= settled and order.state is not OrderState.CANCELED else kind
    if kind is EventKind.FILL and event.fill is not None:
        done = max(filled, order.fills_amount + event.fill.amount) >= amount
        return EventKind.FILLED if done else EventKind.PARTLY_FILLED
    if kind in (EventKind.ACCEPTED, EventKind.PARTLY_FILLED) and filled:
        return EventKind.FILLED if filled >= amount else EventKind.PARTLY_FILLED
    if kind in (EventKind.CANCELED, EventKind.EXPIRED):
        final = order.filled if event.filled is None else event.filled
        return EventKind.FILLED if final >= amount else kind
    if kind is EventKind.CANCEL_REFUSED and filled:
        return EventKind.CANCEL_REFUSED_PARTLY
    if kind is EventKind.INTENDED_AGAIN and order.sent:
        return EventKind.INTENDED  # the venue may know the id: it is never used for another order
    return kind


def _begin(event: OrderEvent) -> Order:
    intent = event.intent
    assert intent is not None
    return Order(
        intent=intent,
        state=OrderState.INTENT,
        version=1,
        amount=intent.amount,
        price=intent.price,
        reserve_price=intent.reserve_price,
        updated_ns=event.at_ns,
    )


def _contradicted(order: Order, event: OrderEvent, trigger: EventKind) -> Step:
    mark = f"{order.state.value}+{trigger.value}"
    if mark in order.illegal and event.fill is None and event.legal:
        return Step(order, event, Verdict.ILLEGAL_AGAIN)
    illegal = order.illegal if mark in order.illegal else (*order.illegal, mark)
    after = msgspec.structs.replace(order, version=order.version + 1, illegal=illegal, updated_ns=event.at_ns)
    return Step(after, msgspec.structs.replace(event, legal=False), Verdict.ILLEGAL)


def _moved(order: Order, event: OrderEvent, trigger: EventKind, state: OrderState) -> Order | None:
    """The order after a legal event; None if the event says nothing new."""
    changes = _facts(order, event, trigger)
    if state is not order.state:
        changes["state"] = state
    if trigger in (EventKind.CANCEL_REFUSED, EventKind.CANCEL_REFUSED_PARTLY) and order.cancel_requested:
        changes["cancel_requested"] = False
    if event.kind is not EventKind.FILL and ("state" in changes or event.kind is EventKind.AMEND_REFUSED):
        changes |= _why(order, event)
    if not changes:
        return None
    return msgspec.structs.replace(order, **changes, version=order.version + 1, updated_ns=event.at_ns)


def _settles(order: Order, event: OrderEvent) -> bool:
    """Whether the event says what the order's terms are: the end of an amendment that is under way, or the venue's word
    that it has other terms than we believed (it was changed after all, or by somebody else).
    """
    if event.kind is EventKind.AMENDED and event.source is not Source.SERVICE and event.amount is not None:
        return True
    return order.amending and event.kind in (EventKind.AMENDED, EventKind.AMEND_REFUSED)


def _facts(order: Order, event: OrderEvent, trigger: EventKind) -> dict[str, Any]:
    """What the event adds to what is known, the state apart."""
    kind, found = event.kind, dict[str, Any]()
    if event.venue_order_id is not None and order.venue_order_id is None:
        found["venue_order_id"] = event.venue_order_id
    filled = _filled(order, event, trigger)
    if event.fill is not None:
        found["fills_amount"] = order.fills_amount + event.fill.amount
        found["fills_value"] = order.fills_value + event.fill.amount * event.fill.price
        filled = max(filled, found["fills_amount"])
    if filled > order.filled:
        found["filled"] = filled
    if kind is EventKind.SUBMITTED:
        found |= {"sent": order.sent + 1, "sent_ns": event.at_ns}
    if kind is EventKind.UNSENT and trigger is kind:
        found["sent"] = order.sent - 1
    if kind is EventKind.INTENDED_AGAIN and event.intent is not None:
        intent = event.intent
        found |= {"intent": intent, "amount": intent.amount, "price": intent.price, "cancel_requested": False}
        found["reserve_price"] = intent.reserve_price
    if kind is EventKind.CANCEL_REQUESTED and not order.cancel_requested:
        found["cancel_requested"] = True
    if kind is EventKind.AMEND_REQUESTED:
        found |= {"next_amount": event.amount, "next_price": event.price, "next_reserve_price": event.reserve_price}
        found["successor"] = event.successor
    settled = {"next_amount": None, "next_price": None, "next_reserve_price": None}
    if kind is EventKind.AMENDED and _settles(order, event):
        found |= settled | {"amount": event.amount, "price": event.price, "reserve_price": event.reserve_price}
    if kind is EventKind.AMEND_REFUSED and order.amending:
        found |= settled | {"successor": None}
    return found


def _filled(order: Order, event: OrderEvent, trigger: EventKind) -> Decimal:
    """The cumulative amount that the event states or implies, never less than before."""
    implied = order.amount if event.kind is EventKind.FILLED and trigger is EventKind.FILLED else ZERO
    return max(order.filled, event.filled if event.filled is not None else implied)


def _why(order: Order, event: OrderEvent) -> dict[str, Any]:
    """Code and reason of the latest change; cleared when a change gives none."""
    fresh = {"code": event.code, "reason": event.reason}
    return {name: value for name, value in fresh.items() if value != getattr(order, name)}
