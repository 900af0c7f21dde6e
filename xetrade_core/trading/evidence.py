"""From what a venue says to events of an order: pieces of work for the event store."""

from __future__ import annotations

from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import Order, OrderReport, ReportStatus
from xetrade_core.trading.outcome import Classified, Outcome
from xetrade_core.trading.requests import reserve_at
from xetrade_core.trading.transaction import Transaction
from xetrade_core.trading.transitions import next_state

_KINDS = {
    ReportStatus.OPEN: EventKind.ACCEPTED,
    ReportStatus.FILLED: EventKind.FILLED,
    ReportStatus.CANCELED: EventKind.CANCELED,
    ReportStatus.EXPIRED: EventKind.EXPIRED,
    ReportStatus.REJECTED: EventKind.REJECTED,
}


def record_report(transaction: Transaction, client_id: str, report: OrderReport, source: Source, now_ns: int) -> Order:
    """The order after the venue's statement about it; one that shows a change that was asked for settles that, too.

    An answer to a question (not an event of the stream, which may be late) that shows other terms than we believe is
    taken for what they are: a change that was refused once may have been made by its repetition.
    """
    order = transaction.order(client_id)
    told = None if order is None else _other_terms(order, report, source, now_ns)
    if order is not None and told is not None and next_state(order.state, EventKind.AMENDED) is not None:
        order, told = transaction.append(client_id, told).order, None
    if order is not None and order.amending and order.successor is None and shows_amendment(order, report):
        transaction.append(client_id, settled(order, EventKind.AMENDED, now_ns, source))
    event = OrderEvent(
        kind=_KINDS[report.status],
        at_ns=now_ns,
        source=source,
        venue_order_id=report.venue_order_id,
        filled=report.filled,
        exchange_ns=report.exchange_ns,
        code=report.code,
        reason=report.reason,
    )
    order = transaction.append(client_id, event).order
    if told is not None and next_state(order.state, EventKind.AMENDED) is not None:
        order = transaction.append(client_id, told).order
    return order


def _other_terms(order: Order, report: OrderReport, source: Source, now_ns: int) -> OrderEvent | None:
    """The event of terms that the venue has and we did not ask for, as far as is known; None where there are none."""
    if source is Source.STREAM or order.amending:
        return None
    amount = order.amount if report.amount is None else report.amount
    price = order.price if order.price is None or report.price is None else report.price
    if (amount, price) == (order.amount, order.price):
        return None
    return OrderEvent(
        kind=EventKind.AMENDED,
        at_ns=now_ns,
        source=source,
        amount=amount,
        price=price,
        reserve_price=reserve_at(order.intent, price) if price is not None else order.reserve_price,
    )


def record_placement(transaction: Transaction, client_id: str, found: Classified, now_ns: int) -> Order:
    """The order after what came of sending it."""
    if found.outcome is Outcome.TAKEN and found.report is not None:
        return record_report(transaction, client_id, found.report, Source.REPLY, now_ns)
    kinds = {Outcome.REFUSED: EventKind.REJECTED, Outcome.UNSENT: EventKind.UNSENT}
    event = OrderEvent(
        kind=kinds.get(found.outcome, EventKind.AMBIGUOUS),
        at_ns=now_ns,
        source=Source.REPLY,
        code=found.code,
        reason=found.reason,
    )
    return transaction.append(client_id, event).order


def shows_amendment(order: Order, report: OrderReport) -> bool:
    """Whether the venue has the amount and price that an amendment under way asks for."""
    return (report.amount, report.price) == (order.next_amount, order.next_price)


def settled(
    order: Order, kind: EventKind, now_ns: int, source: Source, code: str | None = None, reason: str | None = None
) -> OrderEvent:
    """The end of an amendment: AMENDED (in place, or by a successor, which leaves this as it is) or AMEND_REFUSED."""
    in_place = kind is EventKind.AMENDED and order.successor is None
    return OrderEvent(
        kind=kind,
        at_ns=now_ns,
        source=source,
        amount=order.next_amount if in_place else order.amount,
        price=order.next_price if in_place else order.price,
        reserve_price=order.next_reserve_price if in_place else order.reserve_price,
        code=code,
        reason=reason,
    )
