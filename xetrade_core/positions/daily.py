"""A report by day out of a stream of fills and funding payments in the order of time; memory holds the positions alone.

A day's profit is the change of the running totals as they are reported, so that days add up to the whole to the last
digit. What a position is worth at the end of a day needs a mark of that day: without one nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import XETradeError
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import Fill, Side
from xetrade_core.positions.book import Holder, PositionBook
from xetrade_core.positions.numbers import of_quanta, quanta, reported, stream_context
from xetrade_core.positions.position import Position

NS_PER_DAY = 86_400 * NS_PER_S

Marks = Callable[[str, str, int], Decimal | None]
"""The mark of an instrument (venue, symbol) at the end of a day, by the day's start (ns); None where there is none."""
Event = tuple[Fill | FundingPayment, str]
"""A fill or a funding payment, and the strategy whose it is."""


class OutOfOrder(XETradeError):
    """Events must come in the order of their days."""


@dataclass(frozen=True, slots=True)
class DayResult:
    """One position's day (UTC, `day_ns` its start), in settlement currency `settle`; signs as in `Pnl`.

    `quantity` and `avg_entry` are as of its end, as is `unrealized`. `bought` and `sold` are quantities. `net` is
    realized - fees + funding + what `unrealized` has changed since the day before. `unvalued` are fees in currencies
    whose value is not known; they are in none of the others.
    """

    day_ns: int
    holder: Holder
    settle: str
    quantity: Decimal
    avg_entry: Decimal | None
    fills: int
    bought: Decimal
    sold: Decimal
    realized: Decimal
    fees: Decimal
    funding: Decimal
    unrealized: Decimal | None
    net: Decimal | None
    unvalued: dict[str, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class _Since:
    """What a holder had when the day began (in quanta), and what the day has done."""

    realized: int = 0
    fees: int = 0
    funding: int = 0
    unrealized: int | None = 0
    unvalued: dict[str, Decimal] = field(default_factory=dict)
    fills: int = 0
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    touched: bool = False


def day_of(event: Fill | FundingPayment) -> int:
    """The start of the UTC day that an event belongs to: by the venue's time where it says one."""
    at_ns = event.at_ns if isinstance(event, FundingPayment) else event.exchange_ns or event.received_ns
    return at_ns - at_ns % NS_PER_DAY


def daily(events: Iterable[Event], book: PositionBook, marks: Marks) -> Iterator[DayResult]:
    """A row for each day and holder that traded, was paid funding, or holds something at the day's end; by day, then
    by holder. `book` keeps the positions and may hold some already. Raises OutOfOrder.
    """
    since = {holder: _opening(book, holder, position) for holder, position in book.positions.items()}
    current: int | None = None
    for event, strategy in events:
        day_ns = day_of(event)
        if current is None:
            current = day_ns
        if day_ns != current:
            if day_ns < current:
                raise OutOfOrder(f"events must come by day: one of {day_ns} ns came after {current} ns")
            while current < day_ns:
                yield from _close(book, since, current, marks)
                current += NS_PER_DAY
        holder = Holder(event.venue, event.account, event.symbol, strategy)
        own = since.get(holder)
        if own is None:
            own = since[holder] = _Since()
        own.touched = True
        with localcontext(stream_context()):
            if isinstance(event, FundingPayment):
                book.fund(holder, event.amount)
            else:
                book.fill(event, strategy)
                own.fills += 1
                if event.side is Side.BUY:
                    own.bought += event.amount
                else:
                    own.sold += event.amount
    if current is not None:
        yield from _close(book, since, current, marks)


def _opening(book: PositionBook, holder: Holder, position: Position[Decimal]) -> _Since:
    """Where a day begins: the totals so far. What is unrealized then is not known yet."""
    totals = _Since(quanta(position.realized), quanta(position.fees), quanta(position.funding))
    totals.unrealized = 0 if not position.quantity else None
    totals.unvalued = dict(book.unvalued.get(holder, {}))
    return totals


def _close(book: PositionBook, since: dict[Holder, _Since], day_ns: int, marks: Marks) -> Iterator[DayResult]:
    """The rows of a day, and a fresh start for the next."""
    for holder in sorted(since):
        own, position = since[holder], book.positions[holder]
        if not (own.touched or position.quantity):
            continue
        after = _opening(book, holder, position)
        if position.quantity:
            mark = marks(holder.venue, holder.symbol, day_ns)
            with localcontext(stream_context()):
                after.unrealized = None if mark is None else quanta(position.unrealized(mark))
                entry = position.average_entry
        else:
            entry = None
        banked = (after.realized - own.realized) - (after.fees - own.fees) + (after.funding - own.funding)
        known = after.unrealized is not None and own.unrealized is not None
        yield DayResult(
            day_ns=day_ns,
            holder=holder,
            settle=position.payout.settle,
            quantity=reported(position.quantity),
            avg_entry=None if entry is None else reported(entry),
            fills=own.fills,
            bought=own.bought,
            sold=own.sold,
            realized=of_quanta(after.realized - own.realized),
            fees=of_quanta(after.fees - own.fees),
            funding=of_quanta(after.funding - own.funding),
            unrealized=None if after.unrealized is None else of_quanta(after.unrealized),
            net=of_quanta(banked + (after.unrealized or 0) - (own.unrealized or 0)) if known else None,
            unvalued={
                currency: fee - own.unvalued.get(currency, Decimal(0))
                for currency, fee in after.unvalued.items()
                if fee != own.unvalued.get(currency)
            },
        )
        since[holder] = after
