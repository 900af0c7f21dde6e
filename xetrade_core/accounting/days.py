"""The profit of a venue's day out of the fills in the lake: streamed, in memory that does not grow; from the first on,
or from what the day before was opened with, where that is kept (`openings`).

Marks at the end of a day are the last that a snapshot of positions has recorded on it (`day_marks`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from xetrade_core.accounting.day_marks import SnapshotMarks
from xetrade_core.accounting.export import totals
from xetrade_core.accounting.openings import Files, files_of, keep_opening, made_of, open_book
from xetrade_core.clock import NS_PER_S
from xetrade_core.errors import LakeError
from xetrade_core.lake.day_tables import write_day
from xetrade_core.lake.layout import NS_PER_DAY, day_start
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import PLACES, PNL_DAILY
from xetrade_core.lake.trades import count_fills, read_fills_of, read_payments, traded_days
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.decimals import plain
from xetrade_core.model.orders import ZERO
from xetrade_core.positions.book import PositionBook
from xetrade_core.positions.daily import DayResult, Event, Marks, daily
from xetrade_core.positions.numbers import exact_sum
from xetrade_core.positions.payout import Payout


@dataclass(frozen=True, slots=True)
class DayProfit:
    """The rows of a venue's day as they are in the lake, and how many the schema refused. `fills_read` is how many
    fills of the day the lake has, `funding_read` what its funding payments come to, by currency. `marked_ns` is of
    when the mark of each symbol that is open is, and `until_ns` the end of the day, or now while it runs."""

    venue: str
    day_ns: int
    rows: tuple[DayResult, ...]
    rejected: int
    changed: bool
    fills_read: int
    funding_read: dict[str, Decimal]
    marked_ns: dict[str, int]
    until_ns: int

    @property
    def funding(self) -> dict[str, Decimal]:
        """What the rows were paid, by settlement currency."""
        settles = {row.settle for row in self.rows if row.funding}
        return {settle: exact_sum(row.funding for row in self.rows if row.settle == settle) for settle in settles}

    def unexplained_funding(self, settle: str) -> bool:
        """Whether the rows' funding in a currency is not what the payments come to.

        A payment that strategies share is rounded for each of them, to the last of 18 places.
        """
        apart = exact_sum((self.funding.get(settle, ZERO), self.funding_read.get(settle, ZERO).copy_negate()))
        return apart.copy_abs() > len(self.rows) * Decimal((0, (1,), -PLACES))

    @property
    def fills(self) -> int:
        """How many fills the rows count."""
        return sum(row.fills for row in self.rows)

    @property
    def nets(self) -> dict[str, Decimal]:
        """The net by settlement currency, of currencies of which every row's is known."""
        unknown = {row.settle for row in self.rows if row.net is None}
        settles = {row.settle for row in self.rows} - unknown
        return {settle: exact_sum(row.net or ZERO for row in self.rows if row.settle == settle) for settle in settles}

    @property
    def unmarked(self) -> tuple[str, ...]:
        """Symbols of open positions that have no mark of the day, so that what they made is not known."""
        return tuple(sorted({row.holder.symbol for row in self.rows if row.quantity and row.mark is None}))

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Fees (and fundings, as negative ones) that no net has, as nothing tells what their currency is worth."""
        found: dict[str, list[Decimal]] = {}
        for row in self.rows:
            for currency, fee in row.unvalued.items():
                found.setdefault(currency, []).append(fee)
        return tuple(f"{plain(exact_sum(fees))} {currency}" for currency, fees in sorted(found.items()))

    @property
    def mark_ages_s(self) -> dict[str, float]:
        """How long before the day's end, or before now, the mark of each open symbol was, the oldest first."""
        ages = {symbol: max(self.until_ns - at_ns, 0) / NS_PER_S for symbol, at_ns in self.marked_ns.items()}
        return dict(sorted(ages.items(), key=lambda one: (-one[1], one[0])))

    def marked_early(self, within_s: float) -> tuple[str, ...]:
        """Open symbols whose mark is older than that, each with its age in words, the oldest first."""
        return tuple(f"{symbol}: {_words(age_s)}" for symbol, age_s in self.mark_ages_s.items() if age_s > within_s)


def _words(age_s: float) -> str:
    """`2 h 5 min`, `12 min`, `40 s`."""
    hours, minutes = divmod(int(age_s) // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{age_s:.0f} s"


class _Sizes:
    """Contract sizes as the fills say them, while they are read."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Decimal] = {}

    def payout(self, venue: str, symbol: str) -> Payout:
        """Raises LakeError for what was paid funding, but has no fill that tells."""
        if (venue, symbol) not in self.known:
            raise LakeError(
                f"{symbol} on {venue} was paid funding and has no fill before: bring its fills in first, and the "
                "venue's instruments where no order of ours tells what a contract is"
            )
        return Payout.of_symbol(symbol, self.known[venue, symbol])


def results(
    store: ObjectStore,
    venue: str,
    marks: Marks,
    to_ns: int | None = None,
    sizes: _Sizes | None = None,
    *,
    opened: tuple[int, PositionBook] | None = None,
    passing: tuple[int, Callable[[PositionBook], None]] | None = None,
    days: Sequence[int] | None = None,
) -> Iterator[DayResult]:
    """Every day's results of a venue, from its first fill in the lake to the day before `to_ns` (None: to the last).

    `opened`: begin with that day instead, and the positions that it began with. `passing`: what is told the positions
    before the first event of that day or a later one. `days`: those that the lake has, where they were listed before.
    """
    sizes = sizes or _Sizes()
    from_ns, book = opened or (None, PositionBook(sizes.payout))
    pass_ns, told = passing or (None, None)

    def fills(day_ns: int) -> Iterator[Event]:
        for row in read_fills_of(store, venue, day_ns):
            sizes.known[row.fill.venue, row.fill.symbol] = row.contract_size
            yield row.fill, row.strategy

    def events() -> Iterator[Event]:
        nonlocal told
        for day_ns in traded_days(store, venue) if days is None else days:
            if told is not None and pass_ns is not None and day_ns >= pass_ns:
                told(book)
                told = None
            if (from_ns is None or day_ns >= from_ns) and (to_ns is None or day_ns < to_ns):
                payments: list[Event] = [(payment, "") for payment in read_payments(store, venue, day_ns)]
                yield from heapq.merge(fills(day_ns), payments, key=_time) if payments else fills(day_ns)
        if told is not None:
            told(book)

    yield from daily(events(), book, marks, PLACES, to_ns, from_ns)


def _time(event: Event) -> int:
    """When it was at the venue; of the same time, merging takes fills first."""
    one = event[0]
    return one.at_ns if isinstance(one, FundingPayment) else one.exchange_ns or one.received_ns


def account_day(
    store: ObjectStore, venue: str, day_ns: int, now_ns: int | None = None, files: Files | None = None
) -> DayProfit:
    """Make and keep the results of a venue's day, which runs still if `now_ns` is in it. Raises LakeError.

    `files` are what `files_of` has said before, for who accounts for many days: listing them takes longer than a day.
    """
    files = files_of(store, venue) if files is None else files
    start_ns, sizes = day_start(day_ns), _Sizes()
    marks = SnapshotMarks(store, (start_ns - NS_PER_DAY, start_ns))
    made = made_of(files, start_ns)

    def keep(book: PositionBook) -> None:
        keep_opening(store, venue, start_ns, made, book, sizes.known)

    # The day before, too: what its end was worth is the beginning of this one.
    begun, book = start_ns - NS_PER_DAY, PositionBook(sizes.payout)
    held = open_book(store, venue, begun, made_of(files, begun), book, sizes.payout, sizes.known)
    found = results(
        store,
        venue,
        marks,
        start_ns + NS_PER_DAY,
        sizes,
        opened=(begun, book) if held else None,
        passing=(start_ns, keep),
        days=sorted({of_ns for of_ns, _ in files}),
    )
    rows = tuple(row for row in found if row.day_ns == start_ns)
    open_symbols = {row.holder.symbol for row in rows if row.quantity}
    taken = {symbol: marks.of(venue, symbol, start_ns) for symbol in open_symbols}
    marked_ns = {symbol: mark.at_ns for symbol, mark in taken.items() if mark is not None}
    written = write_day(store, PNL_DAILY, venue, start_ns, _table(rows, sizes, marked_ns))
    paid = totals(read_payments(store, venue, start_ns))
    read = count_fills(store, venue, start_ns)
    until_ns = min(start_ns + NS_PER_DAY, start_ns + NS_PER_DAY if now_ns is None else now_ns)
    return DayProfit(venue, start_ns, rows, written.rejected, written.changed, read, paid, marked_ns, until_ns)


def _table(rows: tuple[DayResult, ...], sizes: _Sizes, marked_ns: dict[str, int]) -> pa.Table:
    records = [
        {
            "timestamp": row.day_ns,
            "exchange": row.holder.venue,
            "account": row.holder.account,
            "symbol": row.holder.symbol,
            "strategy": row.holder.strategy or None,
            "settle": row.settle,
            "contract_size": sizes.known[row.holder.venue, row.holder.symbol],
            "mark_timestamp": None if row.mark is None else marked_ns[row.holder.symbol],
            "fees_apart": ", ".join(f"{name} {plain(fee)}" for name, fee in sorted(row.unvalued.items())) or None,
        }
        | {name: getattr(row, name) for name in _SAME}
        for row in rows
    ]
    return day_table(PNL_DAILY.schema, records)


_SAME = (
    "quantity", "avg_entry", "mark", "fills", "bought", "sold", "realized", "fees", "funding", "unrealized",
    "unrealized_before", "net",
)  # fmt: skip


def day_table(schema: pa.Schema, records: list[dict[str, object]]) -> pa.Table:
    """Rows of plain values as a table: times are nanoseconds, labels are texts."""
    columns = {}
    for one in schema:
        values = [record[one.name] for record in records]
        if pa.types.is_timestamp(one.type):
            columns[one.name] = pa.array(values, pa.int64()).cast(one.type)
        elif pa.types.is_dictionary(one.type):
            columns[one.name] = pa.array(values, pa.string()).dictionary_encode()
        else:
            columns[one.name] = pa.array(values, one.type)
    return pa.table(columns)
