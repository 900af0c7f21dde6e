"""The first commit of an order: looked up, checked against risk and reserved, in one transaction, before the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from xetrade_core.errors import Halted, IntentConflict, NotArmed, RiskDenied, XETradeError
from xetrade_core.model.order_events import EventKind, OrderEvent
from xetrade_core.model.orders import Intent, Order, OrderState
from xetrade_core.trading.requests import OrderRequest, Rounding
from xetrade_core.trading.risk import Denial
from xetrade_core.trading.transaction import Transaction
from xetrade_core.venues.venue import Capability, Venue

if TYPE_CHECKING:
    from xetrade_core.trading.desk import Desk

_ASKED, _ALLOWED = " would be ", ", allowed is "
_SAME = ("venue", "account", "symbol", "side", "type", "amount", "price", "time_in_force", "post_only", "reduce_only")
_FITTED = ("amount", "price")  # what rounding may change


class Begun(NamedTuple):
    """The order, whether we are to send it, and why risk denied it if it did."""

    order: Order
    to_send: bool
    denial: Denial | None = None


async def begin(
    desk: Desk, intent: Intent | XETradeError, client_id: str | None = None, request: OrderRequest | None = None
) -> Begun:
    """Commit an intent and that it is about to be sent; or find the order that was made of it before.

    An intent that could not be made of the request (it is the error) is only an error if there is no such order yet: a
    market that is halted now does not hide what was placed. Raises that error, IntentConflict, StoreUnavailable.
    """
    now_ns = desk.clock.wall_ns()
    name = client_id if not isinstance(intent, Intent) else intent.client_id
    assert name is not None
    reduces = False
    if isinstance(intent, Intent):
        reduces = holds_exits(desk.account(intent.venue, intent.account).venue, intent.symbol)

    def work(transaction: Transaction) -> Begun:
        existing = transaction.order(name)
        if isinstance(intent, XETradeError):
            if existing is None:
                raise intent
            if request is not None:
                fitted = request.rounding is Rounding.FIT
                _require_same(existing.intent, request, [name for name in _SAME if not (fitted and name in _FITTED)])
            return Begun(existing, False)
        kind = EventKind.INTENDED
        if existing is not None:
            if not _may_begin_again(existing):
                _require_same(existing.intent, intent)
                return Begun(existing, False)
            kind = EventKind.INTENDED_AGAIN
        denial = transaction.risk.check(intent, now_ns, venue_reduces=reduces)
        transaction.append(name, OrderEvent(kind=kind, at_ns=now_ns, intent=intent))
        if denial is None:
            step = transaction.append(name, OrderEvent(kind=EventKind.SUBMITTED, at_ns=now_ns))
            return Begun(step.order, True)
        return Begun(transaction.append(name, denied_event(denial, now_ns)).order, False, denial)

    return await desk.journal.write(work)


def holds_exits(venue: Venue, symbol: str) -> bool:
    """Whether the venue itself holds a reduce-only order to the position. On spot none does: there is no position."""
    return Capability.REDUCE_ONLY in venue.capabilities and ":" in symbol


def denied_event(denial: Denial, now_ns: int) -> OrderEvent:
    """A denial as an entry of the order's history."""
    reason = f"{denial.limit}{_ASKED}{denial.asked}{_ALLOWED}{denial.allowed}"
    return OrderEvent(kind=EventKind.DENIED, at_ns=now_ns, code=denial.error.__name__, reason=reason)


def denial_error(order: Order) -> RiskDenied:
    """The error of an order that was denied, from its history's entry."""
    limit, _, rest = (order.reason or "").partition(_ASKED)
    asked, _, allowed = rest.partition(_ALLOWED)
    kinds = {kind.__name__: kind for kind in (Halted, NotArmed)}
    return kinds.get(order.code or "", RiskDenied)(order.client_id, limit, asked, allowed)


def _may_begin_again(order: Order) -> bool:
    """Whether it ended here without ever having reached the venue: asked for anew, it is another try of the same."""
    return order.sent == 0 and order.state in (OrderState.DENIED, OrderState.EXPIRED)


def _require_same(before: Intent, now: Intent | OrderRequest, names: Iterable[str] = _SAME) -> None:
    """Raises IntentConflict if a key is used for two different orders."""
    for name in names:
        if getattr(before, name) != getattr(now, name):
            raise IntentConflict(before.client_id, name, getattr(before, name), getattr(now, name))
