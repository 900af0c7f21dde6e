"""Orders: those that can trade as far as we know, those that rest at the venue, and what the venue says of each."""

from __future__ import annotations

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import UnknownOrder
from xetrade_core.model.order_events import Source
from xetrade_core.model.orders import Order, OrderReport, OrderState
from xetrade_core.trading.client_ids import is_ours
from xetrade_core.trading.execution import ExecutionError, OrderRef, if_listed
from xetrade_core.trading.reconciliation.comparison import order_difference
from xetrade_core.trading.reconciliation.differences import Kind, Outcome, Subject
from xetrade_core.trading.reconciliation.round import Round

_NOT_KNOWN = frozenset({OrderState.SUBMITTING, OrderState.UNKNOWN})
_RESTING = frozenset({OrderState.OPEN, OrderState.PARTIALLY_FILLED})


async def reconcile_orders(one: Round, symbol: str | None) -> tuple[int, set[str]]:
    """How many orders were compared, and the instruments that have any."""
    listed = await one.ask("open orders", lambda: one.execution.open_orders(symbol))
    if isinstance(listed, ExecutionError):
        return 0, set()
    working = one.store.working(venue=one.venue, account=one.account.account, symbol=symbol)
    ours = {order.client_id: order for order in working if order.sent}
    by_venue_id = {(order.intent.symbol, order.venue_order_id): order for order in ours.values()}
    resting: dict[str, OrderReport] = {}
    strangers: list[OrderReport] = []
    for report in listed:
        order = by_venue_id.get((report.symbol, report.venue_order_id or "")) or ours.get(report.client_id or "")
        if order is None:
            strangers.append(report)
        else:
            resting[order.client_id] = report
    for order in ours.values():
        await _compare(one, order, resting.get(order.client_id))
    for report in strangers:
        await _stranger(one, report)
    return len(ours) + len(strangers), {*(order.intent.symbol for order in ours.values()), *(r.symbol for r in listed)}


async def _compare(one: Round, order: Order, report: OrderReport | None) -> None:
    """One of ours: a difference counts once the venue, asked about it alone, says so too."""
    if report is not None and order_difference(order, report) is None:
        return
    if one.is_young(order.updated_ns):
        one.in_flight.add(order.client_id)
        return
    answer = await one.ask(f"order {order.client_id}", lambda: _find(one, order, rests=report is not None))
    if isinstance(answer, ExecutionError):
        return
    order = await one.service.status(order.client_id)  # it may have gone on meanwhile
    kind = order_difference(order, answer)
    if kind is None or one.is_young(order.updated_ns):
        return
    if answer is None:
        await _absent(one, order)
        return
    before = order
    if not one.plan.dry_run:
        order = await one.service.observe(one.venue, one.account.account, answer, Source.RECONCILIATION) or order
        if order_difference(order, answer) is not None:  # somebody may have written to it between the two
            await one.clock.sleep(one.plan.spacing_s)
            again = await one.ask(f"order {order.client_id}", lambda: one.execution.find(OrderRef.of(order)))
            if again is None or isinstance(again, ExecutionError):
                return  # the next reconciliation looks again
            answer, order = again, await one.service.status(order.client_id)
    await _told(one, kind, before, order, answer)


async def _find(one: Round, order: Order, *, rests: bool = False) -> OrderReport | None:
    """The venue's word on one of ours. It has none on an order of what it lists no more, unless that is among the open
    orders of the account (`rests`): then it cannot be asked."""
    answer = one.execution.find(OrderRef.of(order))
    return await (answer if rests else if_listed(answer))


async def _told(one: Round, kind: Kind, before: Order, after: Order, report: OrderReport) -> None:
    left = order_difference(after, report)
    repaired = left is None
    one.found(
        Subject.ORDER,
        kind,
        Outcome.REPAIRED if repaired else Outcome.HALTED,
        symbol=before.intent.symbol,
        name=before.client_id,
        here=_said(before.state.value, before.filled, before.amount),
        there=_said(report.status.value, report.filled, report.amount),
        note="" if repaired else "the venue's word contradicts what is recorded, and was not applied",
    )
    if not repaired:
        await one.halt(before.intent.symbol, f"order {before.client_id} is not what the venue says it is")


async def _absent(one: Round, order: Order) -> None:
    """The venue says that it has no such order. One "not found" proves nothing."""
    if order.state not in _RESTING | {OrderState.NEEDS_OPERATOR}:  # its own driver asks, and knows what follows
        after = order if one.plan.dry_run else await _followed(one, order)
        settled = after.state not in _NOT_KNOWN and order_difference(after, None) is None
        _missing(one, order, Outcome.REPAIRED if settled else Outcome.REPORTED, f"it is {after.state.value} now")
        return
    for _ in range(one.plan.looks - 1):
        await one.clock.sleep(one.plan.spacing_s)
        answer = await one.ask(f"order {order.client_id}", lambda: _find(one, order))
        if answer is not None:
            return  # told otherwise, or not told: the next reconciliation looks again
    if order.state is OrderState.NEEDS_OPERATOR:
        _missing(one, order, Outcome.REPORTED, "look it up on the venue; if it is not there: xetrade orders dismiss")
        return
    why = f"the venue acknowledged order {order.client_id}, and now has none such"
    if not one.plan.dry_run:
        await one.service.vanished(order.client_id, why)
    _missing(one, order, Outcome.HALTED, "look it up on the venue; if it is not there: xetrade orders dismiss")
    await one.halt(order.intent.symbol, why)


def _missing(one: Round, order: Order, outcome: Outcome, note: str) -> None:
    one.found(
        Subject.ORDER,
        Kind.MISSING_THERE,
        outcome,
        symbol=order.intent.symbol,
        name=order.client_id,
        here=_said(order.state.value, order.filled, order.amount),
        there="",
        note=note,
    )


async def _followed(one: Round, order: Order) -> Order:
    """The order once it is known what became of it, or as it stands when patience ends."""
    await one.service.follow(order.client_id)
    until_ns = one.clock.wall_ns() + round(one.plan.settle_s * NS_PER_S)
    while order.state in _NOT_KNOWN | {OrderState.PENDING_CANCEL} and one.clock.wall_ns() < until_ns:
        await one.clock.sleep(one.plan.spacing_s)
        order = await one.service.status(order.client_id)
    return order


async def _stranger(one: Round, report: OrderReport) -> None:
    """An order that rests at the venue and can not trade as far as we know."""
    ref = OrderRef(report.symbol, report.client_id, report.venue_order_id)
    order = _known(one, report)
    if order is not None and one.is_young(order.updated_ns):
        one.in_flight.add(order.client_id)
        return
    answer = await one.ask(f"order {report.venue_order_id}", lambda: one.execution.find(ref))
    if answer is None or isinstance(answer, ExecutionError):
        return
    if order is not None:
        await _compare(one, order, answer)
        return
    if _known(one, answer) is not None or one.is_young(answer.exchange_ns):
        return  # it was only now being placed
    lost = is_ours(report.client_id or "")
    one.found(
        Subject.ORDER,
        Kind.MISSING_HERE,
        Outcome.HALTED if lost else Outcome.EXTERNAL,
        symbol=report.symbol,
        name=report.venue_order_id or report.client_id or "",
        here="",
        there=_said(report.status.value, report.filled, report.amount),
        note="it has an id of ours: is this the right order store?" if lost else "placed by somebody else",
    )
    if lost:
        await one.halt(report.symbol, f"order {report.client_id} rests at the venue and is not in this order store")


def _known(one: Round, report: OrderReport) -> Order | None:
    if report.client_id is not None:
        try:
            found = one.store.order(report.client_id)
        except UnknownOrder:
            pass
        else:
            if (found.intent.venue, found.intent.account) == (one.venue, one.account.account):
                return found
    if report.venue_order_id is not None:
        try:
            return one.store.by_venue_id(one.venue, one.account.account, report.symbol, report.venue_order_id)
        except UnknownOrder:
            return None
    return None


def _said(state: str, filled: object, amount: object) -> str:
    parts = "" if amount is None else f", {filled if filled is not None else '?'} of {amount}"
    return f"{state.replace('_', ' ')}{parts}"
