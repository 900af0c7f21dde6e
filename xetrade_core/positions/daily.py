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
from xetrade_core.model.orders import ZERO, Fill, Side
from xetrade_core.positions.book import Holder, PositionBook
from xetrade_core.positions.numbers import PLACES, of_quanta, quanta, stream_context
from xetrade_core.positions.position import Position

NS_PER_DAY = 86_400 * NS_PER_S
_CONTEXT = stream_context()

Marks = Callable[[str, str, int], Decimal | None]
"""The mark of an instrument (venue, symbol) at the end of a day, by the day's start (ns); None where there is none."""
Event = tuple[Fill | FundingPayment, str]
"""A fill with the strategy whose it is; or a funding payment, which is everybody's in the account who holds some."""


class OutOfOrder(XETradeError):
    """Events must come in the order of their days."""


@dataclass(frozen=True, slots=True)
class DayResult:
    """One position's day (UTC, `day_ns` its start), in settlement currency `settle`; signs as in `Pnl`.

    `quantity` and `avg_entry` are as of its end, as is `unrealized`. `bought` and `sold` are quantities. `net` is
    realized - fees + funding + unrealized - `unrealized_before`, that of the day before. `unvalued` are fees in
    currencies whose value is not known; they are in none of the others.
    """

    day_ns: int
    holder: Holder
    settle: str
    quantity: Decimal
    avg_entry: Decimal | None
    mark: Decimal | None
    fills: int
    bought: Decimal
    sold: Decimal
    realized: Decimal
    fees: Decimal
    funding: Decimal
    unrealized: Decimal | None
    unrealized_before: Decimal | None
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
    bought: Decimal = ZERO
    sold: Decimal = ZERO
    touched: bool = False


def day_of(event: Fill | FundingPayment) -> int:
    """The start of the UTC day that an event belongs to: by the venue's time where it says one."""
    at_ns = event.at_ns if isinstance(event, FundingPayment) else event.exchange_ns or event.received_ns
    return at_ns - at_ns % NS_PER_DAY


def daily(
    events: Iterable[Event],
    book: PositionBook,
    marks: Marks,
    places: int = PLACES,
    until_ns: int | None = None,
    from_ns: int | None = None,
) -> Iterator[DayResult]:
    """A row for each day and holder that traded, was paid funding, or holds something at the day's end; by day, then
    by holder. `book` keeps the positions and may hold some already. Results have `places` digits after the point.
    Days go on, without events too, up to `until_ns`; without it they end with the last event. They begin with the first
    event, or with the day of `from_ns`. Raises OutOfOrder.
    """
    days = _Days(book, marks, places)
    if from_ns is not None:
        yield from days.advance(from_ns)
    for event, strategy in events:
        day_ns = day_of(event)
        if day_ns != days.current:
            yield from days.advance(day_ns)
        days.take(event, strategy)
    if days.current is not None:
        yield from days.advance(max(days.current + NS_PER_DAY, until_ns or 0))


class _Days:
    """The running day: what each holder had when it began, and what it has done since. Totals are in quanta."""

    def __init__(self, book: PositionBook, marks: Marks, places: int) -> None:
        self.current: int | None = None
        self._book = book
        self._marks = marks
        self._places = places
        self._since = {holder: self._opening(holder, position) for holder, position in book.positions.items()}

    def advance(self, day_ns: int) -> Iterator[DayResult]:
        """Close every day before `day_ns`, which becomes the running one."""
        if self.current is None:
            self.current = day_ns
        if day_ns < self.current:
            raise OutOfOrder(f"events must come by day: one of {day_ns} ns came after {self.current} ns")
        while self.current < day_ns:
            yield from self._close(self.current)
            self.current += NS_PER_DAY

    def take(self, event: Fill | FundingPayment, strategy: str) -> None:
        """One event of the running day."""
        with localcontext(_CONTEXT):
            if isinstance(event, FundingPayment):
                for holder, part in self._book.shares(event):
                    self._touch(holder)
                    self._book.fund(holder, part, event.currency)
                return
            if not strategy and event.delivers:
                parts = self._book.delivered(event)
            else:
                parts = [(Holder(event.venue, event.account, event.symbol, strategy), event)]
            for owner, traded in parts:
                self._add(self._touch(owner), traded)
            self._book.fill(event, strategy)
            self._since[parts[0][0]].fills += 1  # one, whoever has a part of it

    def _add(self, own: _Since, fill: Fill) -> None:
        if fill.side is Side.BUY:
            own.bought += fill.amount
        else:
            own.sold += fill.amount

    def _touch(self, holder: Holder) -> _Since:
        own = self._since.get(holder)
        if own is None:
            own = self._since[holder] = _Since()
        own.touched = True
        return own

    def _opening(self, holder: Holder, position: Position[Decimal]) -> _Since:
        """The totals as they are. What is unrealized of something open is not known yet."""
        return _Since(
            realized=quanta(position.realized, self._places),
            fees=quanta(position.fees, self._places),
            funding=quanta(position.funding, self._places),
            unrealized=None if position.quantity else 0,
            unvalued=dict(self._book.unvalued.get(holder, {})),
        )

    def _close(self, day_ns: int) -> Iterator[DayResult]:
        """The rows of a day, and a fresh start for the next."""
        for holder in sorted(self._since):
            own, position = self._since[holder], self._book.positions[holder]
            if own.touched or position.quantity:
                mark = self._marks(holder.venue, holder.symbol, day_ns) if position.quantity else None
                after = self._opening(holder, position)
                if mark is not None:
                    with localcontext(_CONTEXT):
                        after.unrealized = quanta(position.unrealized(mark), self._places)
                yield self._row(day_ns, holder, own, after, mark)
                self._since[holder] = after

    def _row(self, day_ns: int, holder: Holder, own: _Since, after: _Since, mark: Decimal | None) -> DayResult:
        position, written = self._book.positions[holder], self._written
        with localcontext(_CONTEXT):
            entry = position.average_entry
        banked = (after.realized - own.realized) - (after.fees - own.fees) + (after.funding - own.funding)
        known = after.unrealized is not None and own.unrealized is not None
        return DayResult(
            day_ns=day_ns,
            holder=holder,
            settle=position.payout.settle,
            quantity=written(quanta(position.quantity, self._places)),
            avg_entry=None if entry is None else written(quanta(entry, self._places)),
            mark=mark,
            fills=own.fills,
            bought=own.bought,
            sold=own.sold,
            realized=written(after.realized - own.realized),
            fees=written(after.fees - own.fees),
            funding=written(after.funding - own.funding),
            unrealized=None if after.unrealized is None else written(after.unrealized),
            unrealized_before=None if own.unrealized is None else written(own.unrealized),
            net=written(banked + (after.unrealized or 0) - (own.unrealized or 0)) if known else None,
            unvalued={
                currency: fee - own.unvalued.get(currency, ZERO)
                for currency, fee in after.unvalued.items()
                if fee != own.unvalued.get(currency)
            },
        )

    def _written(self, count: int) -> Decimal:
        return of_quanta(count, self._places)
