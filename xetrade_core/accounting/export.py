"""Trades and funding payments out of the order store into the lake, a venue and day at a time.

Made again, a day is the same to the byte. What the lake has and the order store has not, because it is another store
than before, stays where it is: nothing that was traded is ever taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from xetrade_core.lake.day_tables import days_of, read_day
from xetrade_core.lake.layout import NS_PER_DAY, day_start
from xetrade_core.lake.reference_schemas import INSTRUMENTS
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trades import StoredFill, fills_beside, read_payments, write_fills, write_payments
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.positions.numbers import exact_sum
from xetrade_core.symbols.parts import SymbolParts
from xetrade_core.trading.fundings import read_fundings
from xetrade_core.trading.reader import OrderReader


@dataclass(frozen=True, slots=True)
class ExportedFills:
    """What was brought into the lake. `unsized` are instruments whose contract size nothing tells: their fills are
    left out, and the day is not complete. `unclaimed` fills are of no order of ours, and no deliveries. `kept` is how
    many the lake alone knows, or knows the orders of."""

    venue: str
    day_ns: int
    rows: int
    rejected: int
    changed: bool
    unclaimed: int
    unsized: tuple[str, ...]
    kept: int = 0


def export_fills(
    reader: OrderReader, store: ObjectStore, venue: str, day_ns: int, sizes: Mapping[str, Decimal] | None = None
) -> ExportedFills:
    """The fills of a venue whose time at the venue is on the day. Raises StoreUnavailable, LakeError.

    `sizes` are what `known_sizes` has said before, for who exports many days.
    """
    start_ns = day_start(day_ns)
    sizes = known_sizes(reader, store, venue) if sizes is None else sizes
    rows, unsized = [], set()
    for fill, strategy in reader.traded(venue=venue, at_from_ns=start_ns, at_to_ns=start_ns + NS_PER_DAY):
        size = size_of(venue, fill.symbol, sizes)
        if size is None:
            unsized.add(fill.symbol)
        else:
            rows.append(StoredFill(fill, strategy, size))
    rows, kept = _with_kept(store, venue, start_ns, rows)
    written = write_fills(store, venue, start_ns, rows)
    return ExportedFills(
        venue,
        start_ns,
        written.rows,
        written.rejected,
        written.changed,
        sum(row.fill.client_id is None and not row.fill.delivers for row in rows),
        tuple(sorted(unsized)),
        kept,
    )


def _with_kept(store: ObjectStore, venue: str, day_ns: int, rows: list[StoredFill]) -> tuple[list[StoredFill], int]:
    """With what the lake has of the day and the order store has not, and how much that is: a fill, or whose it is."""
    by_identity = {row.fill.identity: row for row in rows}
    claimed = {identity for identity, row in by_identity.items() if row.fill.client_id is not None}
    kept = [
        row
        for row in fills_beside(store, venue, day_ns, claimed)
        if row.fill.client_id is not None or row.fill.identity not in by_identity
    ]
    if not kept:
        return rows, 0
    return sorted((by_identity | {row.fill.identity: row for row in kept}).values(), key=_in_order), len(kept)


def _in_order(row: StoredFill) -> tuple[int, int, int, str]:
    """As the order store gives them."""
    fill = row.fill
    return fill.exchange_ns or fill.received_ns, fill.received_ns, len(fill.trade_id), fill.trade_id


@dataclass(frozen=True, slots=True)
class ExportedPayments:
    """What was brought into the lake. `foreign` are symbols whose payments are not in their settlement currency, so
    that no profit can count them. `kept` is as of fills."""

    venue: str
    day_ns: int
    rows: int
    rejected: int
    changed: bool
    totals: dict[str, Decimal]
    foreign: tuple[str, ...]
    kept: int = 0


def export_payments(reader: OrderReader, store: ObjectStore, venue: str, day_ns: int) -> ExportedPayments:
    """The funding payments of a venue's day. Raises StoreUnavailable, LakeError."""
    start_ns = day_start(day_ns)
    rows = read_fundings(reader, venue=venue, from_ns=start_ns, to_ns=start_ns + NS_PER_DAY)
    known = {row.identity for row in rows}
    kept = [row for row in read_payments(store, venue, start_ns) if row.identity not in known]
    rows = sorted([*rows, *kept], key=lambda row: (row.at_ns, len(row.payment_id), row.payment_id)) if kept else rows
    foreign = {row.symbol for row in rows if SymbolParts.parse(row.symbol, venue).settle != row.currency}
    written = write_payments(store, venue, start_ns, rows)
    return ExportedPayments(
        venue,
        start_ns,
        written.rows,
        written.rejected,
        written.changed,
        totals(rows),
        tuple(sorted(foreign)),
        len(kept),
    )


def totals(payments: Sequence[FundingPayment]) -> dict[str, Decimal]:
    """What payments come to, by currency."""
    currencies = sorted({row.currency for row in payments})
    return {name: exact_sum(row.amount for row in payments if row.currency == name) for name in currencies}


def known_sizes(reader: OrderReader, store: ObjectStore, venue: str) -> dict[str, Decimal]:
    """What one unit of amount is, by symbol: as orders of ours say, else as the venue last listed it in the lake."""
    found: dict[str, Decimal] = {}
    for day_ns in days_of(store, INSTRUMENTS, venue)[-1:]:
        if (table := read_day(store, INSTRUMENTS, venue, day_ns)) is not None:
            symbols, listed = table.column("symbol").cast(pa.string()).to_pylist(), table["contract_size"].to_pylist()
            found = {symbol: Decimal(repr(size)) for symbol, size in zip(symbols, listed, strict=True) if size}
    return found | {symbol: terms.size for (of, symbol), terms in reader.terms().items() if of == venue}


def size_of(venue: str, symbol: str, sizes: Mapping[str, Decimal]) -> Decimal | None:
    """What one unit of its amount is: one coin on spot, else as is known."""
    return Decimal(1) if SymbolParts.parse(symbol, venue).settle is None else sizes.get(symbol)
