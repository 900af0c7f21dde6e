"""Sagas as rows of text and numbers: the same on the command line, in JSON and in Dagster.

The result is what was got less what was paid for as much as was closed (hedged or traded back), in quote currency;
fees stand beside it, each in its own currency.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from xetrade_core.model.contracts import Contract
from xetrade_core.model.orders import ZERO, Fill, Order
from xetrade_core.trading.cross.legs import Leg
from xetrade_core.trading.cross.saga import CrossEvent, Plan, Role, Saga
from xetrade_core.trading.cross.states import CrossState
from xetrade_core.trading.cross.store import CrossStore, Residual
from xetrade_core.trading.cross.worth import valued
from xetrade_core.trading.overview import Row, instant, number, timed
from xetrade_core.trading.reader import OrderReader

_ENDS = {CrossState.FAILED: "traded nothing", CrossState.UNWOUND: "was traded back"}
#: digits of averages and results that were divided
_PLACES = Decimal("1e-8")


def saga_row(saga: Saga, orders: Iterable[Order] = ()) -> Row:
    """Where a saga stands, in base and quote currency; with its orders, at the prices that they traded at."""
    saga, request = valued(saga, list(orders)), saga.plan.request
    base, quote = Contract.currencies(saga.plan.first.symbol)
    return {
        "key": saga.key,
        "state": saga.state.value,
        "buy": request.buy.place,
        "sell": request.sell.place,
        "quantity": number(request.quantity),
        "first": saga.plan.first.venue,
        "filled": number(saga.base(Role.FIRST)),
        "hedged": number(saga.base(Role.HEDGE)),
        "unwound": number(saga.base(Role.UNWIND)),
        "unhedged": number(saga.position),
        "base": base,
        "result": number(_short(result(saga))),
        "quote": quote,
        "max_loss": number(request.max_loss),
        "strategy": request.strategy or None,
        "created": instant(saga.created_ns),
        "updated": instant(saga.updated_ns),
        "deadline": instant(saga.plan.deadline_ns),
        "reason": saga.reason or None,
    }


def result(saga: Saga) -> Decimal | None:
    """Got less paid for what was closed (quote currency); None while nothing is. What is unhedged is not in it."""
    filled, closed = saga.base(Role.FIRST), saga.base(Role.HEDGE) + saga.base(Role.UNWIND)
    if not closed or not filled:
        return None
    other = saga.value(Role.HEDGE) + saga.value(Role.UNWIND)
    return (other - saga.value(Role.FIRST) * closed / filled) * saga.plan.first.side.sign


def leg_rows(saga: Saga, orders: Iterable[Order] = ()) -> list[Row]:
    """What was done for each purpose: orders, quantity in base currency, average price."""
    saga = valued(saga, list(orders))
    rows: list[Row] = []
    for role in Role:
        sent, leg, base = saga.of(role), saga.leg(role), saga.base(role)
        if not sent and role is Role.UNWIND:
            continue
        rows.append(
            {
                "leg": role.value,
                "venue": leg.venue,
                "account": leg.account,
                "pair": leg.symbol,
                "side": saga.side(role).value,
                "orders": len(sent),
                "filled": number(base),
                "average_price": number(_short(saga.value(role) / base)) if base else None,
            }
        )
    return rows


def order_rows(saga: Saga, orders: Mapping[str, Order]) -> list[Row]:
    """Its orders, oldest first; amounts in their venue's unit."""
    rows: list[Row] = []
    for one in saga.attempts:
        order = orders.get(one.client_id)
        rows.append(
            {
                "leg": one.role.value,
                "client_id": one.client_id,
                "order_id": order.venue_order_id if order else None,
                "state": order.state.value if order else "not sent",
                "quantity": number(one.amount),
                "price": number(one.price),
                "filled": number(order.filled if order else one.filled),
                "average_price": number(_short(order.average_price)) if order else None,
                "reason": one.reason or (order.reason if order else None),
            }
        )
    return rows


def fill_rows(saga: Saga, fills: Iterable[Fill]) -> list[Row]:
    """Every trade, by its time at the venue; quantities in base currency."""
    roles = {one.client_id: one.role for one in saga.attempts}
    return [
        {
            "time": instant(fill.exchange_ns or fill.received_ns),
            "leg": (role := roles[fill.client_id or ""]).value,
            "venue": fill.venue,
            "side": fill.side.value,
            "quantity": number(saga.leg(role).base(fill.amount)),
            "price": number(fill.price),
            "fee": None if fill.fee is None else f"{number(fill.fee)} {fill.fee_currency}",
            "trade_id": fill.trade_id,
        }
        for fill in sorted(fills, key=lambda one: one.exchange_ns or one.received_ns)
    ]


def fee_rows(fills: Iterable[Fill]) -> list[Row]:
    """What was paid in fees, by venue and currency."""
    sums: dict[tuple[str, str], Decimal] = {}
    for fill in fills:
        if fill.fee is not None and fill.fee_currency is not None:
            name = (fill.venue, fill.fee_currency)
            sums[name] = sums.get(name, ZERO) + fill.fee
    return [{"venue": venue, "currency": currency, "fee": number(fee)} for (venue, currency), fee in sums.items()]


def history(events: Iterable[CrossEvent]) -> list[Row]:
    """What happened to a saga, entry by entry, with the milliseconds since the first."""
    return [{**at, "event": event.kind.value, "what": _what(event) or None} for event, at in timed(events)]


def plan_rows(plan: Plan) -> list[Row]:
    """Both legs as they would be traded, the first one first; quantities in base currency."""
    return [_planned("first", plan.first, plan.limit), _planned("hedge", plan.hedge, None)]


def plan_row(plan: Plan, key: str) -> dict[str, object]:
    """A plan, for JSON and for people."""
    base, quote = Contract.currencies(plan.first.symbol)
    return {
        "key": key,
        "quantity": number(plan.request.quantity),
        "base": base,
        "expected": number(_short(plan.expected)),
        "quote": quote,
        "max_loss": number(plan.request.max_loss),
        "within_s": plan.request.within_s,
        "why_first": plan.why_first,
        "not_checked": list(plan.not_checked),
    }


def residual_rows(residuals: Iterable[Residual]) -> list[Row]:
    """The ledger, entry by entry."""
    return [
        {
            "key": one.key,
            "time": instant(one.at_ns),
            "currency": one.currency,
            "amount": number(one.amount),
            "venue": one.venue,
            "account": one.account,
            "pair": one.symbol,
            "reason": one.reason,
        }
        for one in residuals
    ]


class SagaTold:
    """A saga with everything that the store has of it."""

    def __init__(self, reader: OrderReader, saga: Saga) -> None:
        self.saga = saga
        ids = {one.client_id for one in saga.attempts}
        self.orders = {order.client_id: order for order in reader.orders(ids)}
        self.fills = [fill for client_id in self.orders for fill in reader.fills(client_id=client_id)]
        sagas = CrossStore(reader)
        self.events = sagas.events(saga.key)
        self.residuals = sagas.residuals(saga.key)

    @property
    def row(self) -> Row:
        """Where it stands."""
        return saga_row(self.saga, self.orders.values())

    @property
    def problem(self) -> str | None:
        """Why it is not hedged whole; None if it is."""
        saga, key = self.saga, self.saga.key
        if saga.state is CrossState.DONE:
            return None
        why = f": {saga.reason}" if saga.reason else ""
        if not saga.state.over:
            return f"cross order {key} is {saga.state.value}, and goes on with the same key{why}"
        if saga.state is CrossState.RESIDUAL:
            return f"cross order {key} left {self.row['unhedged']} {self.row['base']} unhedged{why}"
        return f"cross order {key} is not hedged: it {_ENDS[saga.state]}{why}"

    @property
    def tables(self) -> dict[str, list[Row]]:
        """The rows of what it is made of: legs, orders, fills, fees, residuals and events."""
        return {
            "legs": leg_rows(self.saga, self.orders.values()),
            "orders": order_rows(self.saga, self.orders),
            "fills": fill_rows(self.saga, self.fills),
            "fees": fee_rows(self.fills),
            "residuals": residual_rows(self.residuals),
            "events": history(self.events),
        }

    def as_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        plan = plan_row(self.saga.plan, self.saga.key) | {"legs": plan_rows(self.saga.plan)}
        return {**self.row, **self.tables, "plan": plan}


def _planned(name: str, leg: Leg, limit: Decimal | None) -> Row:
    bound = f"{number(leg.price)}" if leg.price is not None else f"{number(leg.slippage_bps)} bps from the touch"
    return {
        "leg": name,
        "venue": leg.venue,
        "account": leg.account,
        "pair": leg.symbol,
        "side": leg.side.value,
        "bound": bound if limit is None else f"{number(limit)}",
        "depth": number(leg.depth),
        "average_price": number(_short(leg.average)),
    }


def _what(event: CrossEvent) -> str:
    """What an entry says beyond its kind."""
    parts: list[str] = []
    if (plan := event.plan) is not None:
        parts.append(f"{number(plan.request.quantity)}, {plan.why_first}")
    if (one := event.attempt) is not None:
        only = ", reduce-only" if one.reduce_only else ""
        parts.append(f"{number(one.amount)} at {number(one.price)}{only} (order {one.client_id})")
    if event.filled is not None:
        parts.append(f"filled {number(event.filled)}")
    if event.ended is not None:
        parts.append(event.ended.value)
    if event.residual:
        parts.append(f"{number(event.residual)} to the ledger")
    if event.reason:
        parts.append(event.reason)
    return ", ".join(parts)


def _short(value: Decimal | None) -> Decimal | None:
    """Rounded where a division has left more digits than mean anything."""
    return value if value is None or value == value.quantize(_PLACES) else value.quantize(_PLACES)
