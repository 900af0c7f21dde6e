"""Orders, their histories and what risk has of them as rows of text and numbers: the same on the command line, in JSON
and in Dagster. Amounts are decimal text, times ISO 8601 UTC; None is what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol, TypeVar

from xetrade_core.clock import NS_PER_S
from xetrade_core.model.decimals import plain
from xetrade_core.model.order_events import ControlEvent, EventKind, OrderEvent
from xetrade_core.model.orders import Order, OrderReport
from xetrade_core.trading.limits import Limits, Scope, ScopeKind
from xetrade_core.trading.risk import RiskBook
from xetrade_core.trading.sweep import CancelAllReport

Row = dict[str, str | int | bool | None]


def order_row(order: Order) -> Row:
    """Where an order stands."""
    intent = order.intent
    return {
        "client_id": order.client_id,
        "order_id": order.venue_order_id,
        "state": order.state.value,
        "venue": intent.venue,
        "account": intent.account,
        "pair": intent.symbol,
        "side": intent.side.value,
        "type": intent.type.value,
        "quantity": number(order.amount),
        "unit": intent.unit,
        "price": number(order.price),
        "filled": number(order.filled),
        "average_price": number(order.average_price),
        "time_in_force": intent.time_in_force.value,
        "post_only": intent.post_only,
        "reduce_only": intent.reduce_only,
        "strategy": intent.strategy or None,
        "live": intent.live,
        "created": instant(intent.created_ns),
        "updated": instant(order.updated_ns),
        "expires": instant(intent.expires_ns),
        "replaces": intent.replaces,
        "replaced_by": None if order.amending else order.successor,
        "code": order.code,
        "reason": order.reason,
    }


def report_row(report: OrderReport, venue: str) -> Row:
    """What a venue says of an order that is not in the store."""
    return {
        "order_id": report.venue_order_id,
        "client_id": report.client_id,
        "state": report.status.value,
        "venue": venue,
        "pair": report.symbol,
        "quantity": number(report.amount),
        "price": number(report.price),
        "filled": number(report.filled),
    }


def timeline(events: Iterable[OrderEvent]) -> list[Row]:
    """What happened to an order, entry by entry, with the milliseconds since the first."""
    rows: list[Row] = []
    successor: str | None = None
    for event, at in timed(events):
        successor = event.successor or successor
        replaced = event.kind is EventKind.AMENDED and successor is not None
        rows.append(
            {
                **at,
                "event": event.kind.value if event.legal else f"{event.kind.value} (contradicts its state)",
                "source": event.source.value,
                "what": f"{successor} takes its place" if replaced else _what(event) or None,
            }
        )
    return rows


class _At(Protocol):
    @property
    def at_ns(self) -> int: ...


A = TypeVar("A", bound=_At)


def timed(entries: Iterable[A]) -> Iterator[tuple[A, Row]]:
    """Each entry of a history with its time, and the milliseconds since the first."""
    began_ns: int | None = None
    for entry in entries:
        began_ns = entry.at_ns if began_ns is None else began_ns
        yield entry, {"time": instant(entry.at_ns), "after_ms": round((entry.at_ns - began_ns) / 1e6)}


def _what(event: OrderEvent) -> str:
    """What an entry says beyond its kind."""
    parts: list[str] = []
    if (intent := event.intent) is not None:
        price = "" if intent.price is None else f" at {number(intent.price)}"
        parts.append(f"{intent.side} {number(intent.amount)} {intent.symbol}{price}, {intent.type}")
    if (fill := event.fill) is not None:
        fee = "" if fill.fee is None else f", fee {number(fill.fee)} {fill.fee_currency}"
        parts.append(f"{number(fill.amount)} at {number(fill.price)} (trade {fill.trade_id}{fee})")
    if event.venue_order_id is not None:
        parts.append(f"order {event.venue_order_id}")
    if event.filled:
        parts.append(f"filled {number(event.filled)}")
    for name, value in (("quantity", event.amount), ("price", event.price)):
        if value is not None and intent is None:
            parts.append(f"{name} {number(value)}")
    if event.successor is not None:
        parts.append(f"replaced by {event.successor}")
    if event.reason is not None:
        parts.append(event.reason + (f" (code {event.code})" if event.code else ""))
    return ", ".join(parts)


def cancel_all_row(report: CancelAllReport) -> Row:
    """What came of cancelling everything of one account."""
    return {
        "venue": report.venue,
        "account": report.account,
        "ours": len(report.ours),
        "in_doubt": sum(order.state.working for order in report.ours),
        "others": report.others,
        "still_open": None if report.still_open is None else len(report.still_open),
        "verified": report.clean,
        "errors": "; ".join(report.errors) or None,
    }


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit of one scope: what is used of it now, and what is allowed (None: it is not limited)."""

    scope: str
    limit: str
    used: str
    allowed: str | None


def limit_uses(risk: RiskBook, now_ns: int) -> list[LimitUse]:
    """What is used of every limit; for the portfolio also of what is not limited."""
    return [use for scope, limits in _limited(risk) for use in _uses(risk, scope, limits, now_ns)]


def _limited(risk: RiskBook) -> Iterator[tuple[Scope, Limits]]:
    """Every scope with limits, `*` as those scopes that it holds for; the portfolio always."""
    by_scope: Mapping[Scope, Limits] = risk.limits.by_scope
    portfolio = Scope(ScopeKind.PORTFOLIO, "")
    yield portfolio, by_scope.get(portfolio, Limits())
    for scope, limits in sorted(by_scope.items()):
        if scope.key == "*":
            used = sorted(one for one in risk.scopes() if one.kind is scope.kind and one not in by_scope)
            yield from ((one, limits) for one in used)
        elif scope != portfolio:
            yield scope, limits


def _uses(risk: RiskBook, scope: Scope, limits: Limits, now_ns: int) -> Iterator[LimitUse]:
    usage = risk.usage(scope)
    used: dict[str, Decimal | int | None] = {
        "max_open_orders": usage.orders,
        "max_open_notional": usage.notional,
        "max_position": max(abs(usage.held + usage.buys), abs(usage.held - usage.sells)),
        "max_exposure": usage.exposure,
        "max_daily_loss": max(-risk.day_result(scope, now_ns), Decimal(0)),
    }
    for one in fields(limits):
        allowed = getattr(limits, one.name)
        shown = scope.kind is ScopeKind.PORTFOLIO and one.name in used and one.name != "max_position"
        if allowed is None and not shown:
            continue
        if one.name == "order_rate":
            since_ns = now_ns - round(allowed.window_s * NS_PER_S)
            sent = sum(at_ns >= since_ns for at_ns in usage.sent_ns)
            yield LimitUse(str(scope), one.name, str(sent), f"{allowed.limit} in {allowed.window_s:g} s")
        else:
            value = used.get(one.name)  # a limit of one order has nothing in use
            yield LimitUse(str(scope), one.name, number(value) or "-", number(allowed))


def state_row(event: ControlEvent) -> Row:
    """The trading state of a scope, by whom and why."""
    return {
        "scope": " ".join(filter(None, (event.venue, event.symbol))) or "everything",
        "state": event.state.value if event.state is not None else None,
        "since": instant(event.at_ns),
        "by": event.by,
        "reason": event.reason or None,
    }


def arm_rows(risk: RiskBook, now_ns: int) -> list[Row]:
    """What is armed, with what is used of it; expired armings are said to be."""
    return [
        {
            "venue": venue,
            "account": account or None,
            "used": number(arm.used),
            "cap": number(arm.record.notional_cap),
            "expires": instant(arm.record.expires_ns),
            "armed": arm.record.expires_ns is None or now_ns < arm.record.expires_ns,
            "by": arm.record.by,
            "reason": arm.record.reason or None,
        }
        for (venue, account), arm in sorted(risk.arms().items())
    ]


def number(value: Decimal | int | None) -> str | None:
    """A number in digits, without an exponent or trailing zeros."""
    if value is None:
        return None
    return plain(Decimal(value))


def instant(ns: int | None) -> str | None:
    """Nanoseconds as ISO 8601 UTC, to the millisecond."""
    if ns is None:
        return None
    at = datetime.fromtimestamp(ns // NS_PER_S, tz=UTC).replace(microsecond=ns % NS_PER_S // 1000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
