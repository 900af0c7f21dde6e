"""From what a venue says to events of an order: pieces of work for the event store."""

from __future__ import annotations

from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import Order, OrderReport, ReportStatus
from xetrade_core.trading.outcome import Classified, Outcome
from xetrade_core.trading.transaction import Transaction

_KINDS = {
    ReportStatus.OPEN: EventKind.ACCEPTED,
    ReportStatus.FILLED: EventKind.FILLED,
    ReportStatus.CANCELED: EventKind.CANCELED,
    ReportStatus.EXPIRED: EventKind.EXPIRED,
    ReportStatus.REJECTED: EventKind.REJECTED,
}


def record_report(transaction: Transaction, client_id: str, report: OrderReport, source: Source, now_ns: int) -> Order:
    """The order after the venue's statement about it; one that shows a change that was asked for settles that, too."""
    order = transaction.order(client_id)
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
    return transaction.append(client_id, event).order


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
