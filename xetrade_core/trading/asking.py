"""What a caller asks of the order service, as intents, events and pieces of work, and what the outcome means."""

from __future__ import annotations

from decimal import Decimal

from xetrade_core.errors import (
    AmendRefused,
    InvalidOrder,
    OrderExpired,
    OrderOutcomeUnknown,
    OrderRejected,
    UnknownOrder,
    UnknownSymbol,
    XETradeError,
)
from xetrade_core.model.contracts import Contract
from xetrade_core.model.instruments import Instrument
from xetrade_core.model.order_events import EventKind, OrderEvent, Source
from xetrade_core.model.orders import Intent, Order, OrderState, TimeInForce
from xetrade_core.trading import beginning
from xetrade_core.trading.client_ids import client_order_id
from xetrade_core.trading.evidence import settled
from xetrade_core.trading.execution import TradingAccount
from xetrade_core.trading.marks import Marks
from xetrade_core.trading.requests import OrderRequest, Pricing, fit, to_intent
from xetrade_core.trading.risk import Denial
from xetrade_core.trading.transaction import Transaction
from xetrade_core.venues.venue import Capability, Support

_UNDECIDED = (OrderState.SUBMITTING, OrderState.UNKNOWN, OrderState.NEEDS_OPERATOR)


def pricing(marks: Marks, venue: str, symbol: str, now_ns: int) -> Pricing:
    """What an order in that instrument is valued by now."""
    return Pricing(mark=marks.price(venue, symbol, now_ns), rate=marks.rate(Contract.currencies(symbol)[1]))


def intent_for(
    request: OrderRequest, account: TradingAccount, marks: Marks, *, client_id: str, key: str, now_ns: int
) -> Intent | XETradeError:
    """The intent, or why there can be none: which only matters if the order does not exist yet."""
    try:
        instrument = _instrument(account, request.symbol)
        _require_offered(request, account)
        return to_intent(
            request,
            instrument,
            pricing(marks, request.venue, request.symbol, now_ns),
            client_id=client_id,
            key=key,
            now_ns=now_ns,
            live=account.live,
        )
    except XETradeError as error:
        return error


def amendment_for(
    order: Order,
    account: TradingAccount,
    marks: Marks,
    *,
    amount: Decimal | None,
    price: Decimal | None,
    now_ns: int,
) -> OrderEvent:
    """The change as an event: on the grid, within bounds, with the successor's id where the order is replaced."""
    intent = order.intent
    request = OrderRequest(
        venue=intent.venue,
        account=intent.account,
        symbol=intent.symbol,
        side=intent.side,
        type=intent.type,
        amount=order.amount if amount is None else amount,
        price=order.price if price is None else price,
        reduce_only=intent.reduce_only,
    )
    fitted = fit(request, _instrument(account, intent.symbol), pricing(marks, intent.venue, intent.symbol, now_ns))
    if fitted[:2] == (order.amount, order.price):
        raise InvalidOrder("amendment", "without a change", "give another quantity or another price")
    if fitted[0] <= order.filled:
        raise InvalidOrder("quantity", fitted[0], f"more than the {order.filled:f} that are filled")
    native = account.venue.capabilities.get(Capability.AMEND) is Support.NATIVE
    successor = None if native else client_order_id(order.client_id, "replace", order.version)
    return OrderEvent(
        kind=EventKind.AMEND_REQUESTED,
        at_ns=now_ns,
        amount=fitted[0],
        price=fitted[1],
        reserve_price=fitted[2],
        successor=successor,
    )


def placed(order: Order) -> Order:
    """The order, or the error that tells why it is not on the venue."""
    if order.state is OrderState.DENIED:
        raise beginning.denial_error(order)
    if order.state is OrderState.REJECTED:
        raise OrderRejected(order.client_id, order.code, order.reason)
    if order.state is OrderState.EXPIRED and not order.sent:
        raise OrderExpired(order.client_id, order.reason)
    if order.state in _UNDECIDED:
        raise OrderOutcomeUnknown(order.client_id, order.reason)
    return order


def request_cancel(transaction: Transaction, client_id: str, now_ns: int) -> Order:
    """Commit that a cancel is wanted, of a replacement under way too; nothing if it has ended. Raises UnknownOrder.

    What has taken an order's place is meant by its name, as it is where a venue changes orders in place; returns the
    order that is cancelled.
    """
    order = known(transaction, client_id)
    while order.successor is not None and (successor := transaction.order(order.successor)) is not None:
        order = successor
    if order.successor is not None and order.amending:
        end = settled(order, EventKind.AMEND_REFUSED, now_ns, Source.SERVICE, reason="a cancel was asked for")
        order = transaction.append(order.client_id, end).order
    if not order.state.working:
        return order
    return transaction.append(order.client_id, OrderEvent(kind=EventKind.CANCEL_REQUESTED, at_ns=now_ns)).order


def request_amendment(
    transaction: Transaction, client_id: str, event: OrderEvent, *, venue_reduces: bool
) -> Order | Denial:
    """Commit that a change is wanted, if risk allows the order as it would be. Raises UnknownOrder, AmendRefused."""
    order = known(transaction, client_id)
    if order.amending or order.cancel_requested or order.state not in (OrderState.OPEN, OrderState.PARTIALLY_FILLED):
        raise AmendRefused(client_id, None, _why_fixed(order))
    denial = transaction.check_amendment(order, event, venue_reduces=venue_reduces)
    if denial is not None:
        return denial
    order = transaction.append(client_id, event).order
    if event.successor is not None:
        order = transaction.append(client_id, OrderEvent(kind=EventKind.CANCEL_REQUESTED, at_ns=event.at_ns)).order
    return order


def _why_fixed(order: Order) -> str:
    """Why an order cannot be changed. Of one that was replaced not what took its place is: a total quantity of the one
    counts what had filled, of the other it does not."""
    if order.successor is not None and not order.amending:
        return f"it was replaced by {order.successor}, which is what can be changed, for what was left of it"
    state = "being changed" if order.amending else order.state.value
    return f"it is {state}: only an order that rests can be changed"


def known(transaction: Transaction, client_id: str) -> Order:
    order = transaction.order(client_id)
    if order is None:
        raise UnknownOrder(client_id)
    return order


def is_decided(order: Order) -> bool:
    """Whether what became of a placement is known (or only a person can tell)."""
    return order.state not in (OrderState.INTENT, OrderState.SUBMITTING, OrderState.UNKNOWN)


def is_cancel_over(order: Order) -> bool:
    """Whether a cancel has come to its end, or only a person can tell."""
    return not order.state.working or not order.cancel_requested or order.state is OrderState.NEEDS_OPERATOR


def _instrument(account: TradingAccount, symbol: str) -> Instrument:
    """The instrument, or UnknownSymbol."""
    instrument = account.instruments.get(symbol)
    if instrument is None:
        raise UnknownSymbol(symbol, account.venue.id)
    return instrument


def _require_offered(request: OrderRequest, account: TradingAccount) -> None:
    """Raises InvalidOrder if the venue has no such thing. Reduce-only needs no word of the venue's: risk knows it."""
    offered = account.venue.capabilities
    if request.post_only and offered and Capability.POST_ONLY not in offered:
        raise InvalidOrder("post_only", True, f"{account.venue.id} has no post-only orders")
    stays, times = request.time_in_force, account.venue.times_in_force
    if stays not in times:
        allowed = ", ".join(one.value for one in TimeInForce if one in times)
        raise InvalidOrder("time_in_force", stays.value, f"{allowed} on {account.venue.id}")
