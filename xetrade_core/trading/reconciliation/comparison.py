"""What differs between the store and a venue: pure, from values alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

from xetrade_core.model.decimals import plain
from xetrade_core.model.orders import ZERO, Fill, Order, OrderReport, OrderState, ReportStatus, Side
from xetrade_core.trading.reconciliation.differences import Kind

#: venues round what a trade costs to so much; each trade may be off by it
ROUNDING = Decimal("0.00000001")
_RESTING = frozenset({OrderState.OPEN, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL})
_ENDED = {
    ReportStatus.FILLED: frozenset({OrderState.FILLED}),
    ReportStatus.CANCELED: frozenset({OrderState.CANCELED, OrderState.EXPIRED}),
    ReportStatus.EXPIRED: frozenset({OrderState.CANCELED, OrderState.EXPIRED}),
    ReportStatus.REJECTED: frozenset({OrderState.REJECTED}),
}


def order_difference(order: Order, report: OrderReport | None) -> Kind | None:
    """How an order that was sent differs from the venue's word on it (None: the venue has no such order)."""
    if report is None:
        return Kind.MISSING_THERE if order.state.working else None
    if report.status is ReportStatus.OPEN:
        if order.state not in _RESTING:
            return Kind.STATE
    elif order.state not in _ENDED[report.status] and not _ended_full(order, report):
        return Kind.STATE
    if report.filled is not None and report.filled != order.filled:
        return Kind.QUANTITY
    if report.status is ReportStatus.OPEN and not order.amending:
        other_price = None not in (report.price, order.price) and report.price != order.price
        if other_price or report.amount not in (None, order.amount):
            return Kind.QUANTITY
    return None


def _ended_full(order: Order, report: OrderReport) -> bool:
    """Cancelled with nothing left is filled here."""
    return order.state is OrderState.FILLED and report.filled is not None and report.filled >= order.amount


class FillDifference(NamedTuple):
    """One trade that differs: as the store has it, and as the venue has it, by the store's name for it; `told`: by the
    venue's own."""

    kind: Kind
    here: Fill | None
    there: Fill | None
    told: Fill | None = None


def fill_differences(here: Iterable[Fill], there: Iterable[Fill]) -> Iterator[FillDifference]:
    """Trades by their identity: those of one side alone, and those that are not the same on both."""
    ours = {fill.identity: fill for fill in here}
    theirs: dict[tuple[str, str, str, str], tuple[Fill, Fill]] = {}
    for told in there:
        stated = _named(told, ours.get(told.identity), theirs.get(told.identity, (None, None))[0])
        theirs[stated.identity] = stated, told
    for identity, (stated, told) in theirs.items():
        kept = ours.get(identity)
        if kept is None:
            yield FillDifference(Kind.MISSING_HERE, None, stated, told)
        elif (kept.side, kept.price, kept.amount) != (stated.side, stated.price, stated.amount):
            yield FillDifference(Kind.QUANTITY, kept, stated, told)
        elif stated.fee is not None and (kept.fee, kept.fee_currency) != (stated.fee, stated.fee_currency):
            yield FillDifference(Kind.FEE, kept, stated, told)
    for identity, kept in ours.items():
        if identity not in theirs:
            yield FillDifference(Kind.MISSING_THERE, kept, None)


def _named(told: Fill, *same: Fill | None) -> Fill:
    """A trade of the venue's as the store names it beside those of the same id: see `Fill.told_apart`."""
    facing = any(one is not None and told.faces(one.side, one.venue_order_id) for one in same)
    return told.told_apart() if facing else told


def positions_of(fills: Iterable[Fill]) -> dict[str, Decimal]:
    """What trades have made of each instrument: signed amounts."""
    found: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        found[fill.symbol] += fill.amount * fill.side.sign
    return dict(found)


def balances_of(fills: Iterable[Fill]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """What spot trades have made of each currency, fees included, and how far the venue's rounding may be from it."""
    moved: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    slack: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        base, _, quote = fill.symbol.partition("/")
        moved[base] += fill.amount * fill.side.sign
        moved[quote] -= fill.amount * fill.price * fill.side.sign
        if fill.fee is not None and fill.fee_currency is not None:
            moved[fill.fee_currency] -= fill.fee
            slack[fill.fee_currency] += ROUNDING
        slack[quote] += ROUNDING
    return dict(moved), dict(slack)


class Gap(NamedTuple):
    """An amount that is not what it should be; `expected` is None where nothing says what it should be."""

    name: str
    expected: Decimal | None
    stated: Decimal
    moved: Decimal


def gaps(
    stated: Mapping[str, Decimal],
    moved: Mapping[str, Decimal],
    opening: Mapping[str, Decimal],
    slack: Mapping[str, Decimal],
) -> list[Gap]:
    """Amounts that are not opening + moved; what a venue leaves out is zero. An amount without an opening is a gap
    unless trades alone explain it."""
    found = []
    for name in sorted({*stated, *moved, *opening}):
        there, change = stated.get(name, ZERO), moved.get(name, ZERO)
        start = opening.get(name)
        if abs(there - change - (start or ZERO)) > slack.get(name, ZERO):
            found.append(Gap(name, None if start is None else start + change, there, change))
    return found


def described(fill: Fill) -> str:
    """A trade in words."""
    verb = "buy" if fill.side is Side.BUY else "sell"
    fee = "" if fill.fee is None else f", fee {plain(fill.fee)} {fill.fee_currency}"
    return f"{verb} {plain(fill.amount)} at {plain(fill.price)}{fee}"
