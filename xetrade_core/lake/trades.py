"""Fills and funding payments in the lake: written by venue and day, read again in order, a few thousand at a time
however many there are."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from xetrade_core.errors import CorruptFile, SchemaViolation
from xetrade_core.lake.day_tables import WrittenDay, days_of, read_day, write_day
from xetrade_core.lake.layout import day_key
from xetrade_core.lake.store import ObjectStore
from xetrade_core.lake.trade_schemas import FILLS, FUNDING_PAYMENTS, MONEY
from xetrade_core.model.accounts import FundingPayment
from xetrade_core.model.orders import Fill, Liquidity, Side

BATCH_ROWS = 16_384


class StoredFill(NamedTuple):
    """A fill with what an account of it needs: the strategy that traded, and what one unit of its amount is."""

    fill: Fill
    strategy: str
    contract_size: Decimal


def fill_table(rows: Sequence[StoredFill]) -> pa.Table:
    """Fills as rows of the dataset. Raises SchemaViolation where a number has more than 18 digits after the point."""
    fills = [row.fill for row in rows]
    times = [fill.exchange_ns or fill.received_ns for fill in fills]
    schema = FILLS.schema
    columns: dict[str, list[object]] = {
        "timestamp": list(times),
        "exchange": [fill.venue for fill in fills],
        "account": [fill.account for fill in fills],
        "symbol": [fill.symbol for fill in fills],
        "strategy": [row.strategy or None for row in rows],
        "trade_id": [fill.trade_id for fill in fills],
        "client_id": [fill.client_id for fill in fills],
        "venue_order_id": [fill.venue_order_id for fill in fills],
        "side": [fill.side.value for fill in fills],
        "price": [fill.price for fill in fills],
        "amount": [fill.amount for fill in fills],
        "fee": [fill.fee for fill in fills],
        "fee_currency": [fill.fee_currency for fill in fills],
        "liquidity": [None if fill.liquidity is None else fill.liquidity.value for fill in fills],
        "contract_size": [row.contract_size for row in rows],
        "received_timestamp": [fill.received_ns for fill in fills],
    }
    try:
        return pa.table({name: arrow_array(columns[name], schema.field(name).type) for name in schema.names})
    except pa.ArrowInvalid as error:
        raise SchemaViolation(f"fills cannot be kept: {' '.join(str(error).split())}") from error


def arrow_array(values: list[object], kind: pa.DataType) -> pa.Array:
    """Python values as a column of a dataset: labels from text, times from nanoseconds. Raises pa.ArrowInvalid."""
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, pa.int64()).cast(kind) if pa.types.is_timestamp(kind) else pa.array(values, kind)


def write_fills(store: ObjectStore, venue: str, day_ns: int, rows: Sequence[StoredFill]) -> WrittenDay:
    """The fills of a venue's day in place of those that are there. Raises what `write_day` does."""
    return write_day(store, FILLS, venue, day_ns, fill_table(rows))


def read_fills(
    store: ObjectStore, venue: str, from_ns: int | None = None, to_ns: int | None = None
) -> Iterator[StoredFill]:
    """The fills of a venue in the days that start in from_ns <= start < to_ns, in the order in which they are kept."""
    for day_ns in days_of(store, FILLS, venue):
        if (from_ns is None or day_ns >= from_ns) and (to_ns is None or day_ns < to_ns):
            yield from _read_file(store, day_key(FILLS.name, venue, day_ns))


def fills_beside(
    store: ObjectStore, venue: str, day_ns: int, known: Container[tuple[str, str, str, str]]
) -> list[StoredFill]:
    """The fills of a venue's day whose identity is not among those; nothing is built of the others."""
    table = read_day(store, FILLS, venue, day_ns)
    if table is None:
        return []
    names = (table.column(name).cast(pa.string()).to_pylist() for name in ("account", "symbol", "trade_id"))
    wanted = pa.array([(venue, *name) not in known for name in zip(*names, strict=True)], pa.bool_())
    return [row for batch in table.filter(wanted).to_batches() for row in _of_batch(batch)]


def read_fills_of(store: ObjectStore, venue: str, day_ns: int) -> Iterator[StoredFill]:
    """The fills of one day of a venue, in the order in which they are kept; none where there is no file."""
    key = day_key(FILLS.name, venue, day_ns)
    if store.stat(key) is not None:
        yield from _read_file(store, key)


def write_payments(store: ObjectStore, venue: str, day_ns: int, rows: Sequence[FundingPayment]) -> WrittenDay:
    """The funding payments of a venue's day in place of those that are there. Raises what `write_day` does."""
    schema = FUNDING_PAYMENTS.schema
    columns: dict[str, list[object]] = {
        "timestamp": [row.at_ns for row in rows],
        "exchange": [row.venue for row in rows],
        **{name: [getattr(row, name) for row in rows] for name in schema.names[2:]},
    }
    try:
        table = pa.table({name: arrow_array(columns[name], schema.field(name).type) for name in schema.names})
    except pa.ArrowInvalid as error:
        raise SchemaViolation(f"funding payments cannot be kept: {' '.join(str(error).split())}") from error
    return write_day(store, FUNDING_PAYMENTS, venue, day_ns, table)


def read_payments(store: ObjectStore, venue: str, day_ns: int) -> list[FundingPayment]:
    """The funding payments of a venue's day, by time; none where there is no file."""
    table = read_day(store, FUNDING_PAYMENTS, venue, day_ns)
    if table is None:
        return []
    columns = [_plain(table.column(name).combine_chunks()) for name in FUNDING_PAYMENTS.schema.names]
    found = []
    for at_ns, venue_id, account, symbol, payment_id, amount, currency, rate, mark in zip(*columns, strict=True):
        found.append(FundingPayment(venue_id, account, symbol, payment_id, amount, currency, at_ns, rate, mark))
    return found


def traded_days(store: ObjectStore, venue: str) -> list[int]:
    """The starts of the days that have fills or funding payments of a venue, the oldest first."""
    return sorted({*days_of(store, FILLS, venue), *days_of(store, FUNDING_PAYMENTS, venue)})


def count_fills(store: ObjectStore, venue: str, day_ns: int) -> int:
    """How many fills of a venue's day are in the lake, by the file's own footer; none where there is no file."""
    return _count(store, day_key(FILLS.name, venue, day_ns))


def count_claimed(store: ObjectStore, venue: str, day_ns: int) -> int:
    """How many of them are of orders of ours; see `count_fills`."""
    key = day_key(FILLS.name, venue, day_ns)
    if store.stat(key) is None:
        return 0
    with store.open(key) as source:
        return sum(
            len(column) - column.null_count
            for batch in pq.ParquetFile(source).iter_batches(BATCH_ROWS, columns=["client_id"])
            for column in batch.columns
        )


def count_payments(store: ObjectStore, venue: str, day_ns: int) -> int:
    """How many funding payments of a venue's day are in the lake; see `count_fills`."""
    return _count(store, day_key(FUNDING_PAYMENTS.name, venue, day_ns))


def _count(store: ObjectStore, key: str) -> int:
    if store.stat(key) is None:
        return 0
    with store.open(key) as source:
        return int(pq.ParquetFile(source).metadata.num_rows)


def _read_file(store: ObjectStore, key: str) -> Iterator[StoredFill]:
    with store.open(key) as source:
        try:
            for batch in pq.ParquetFile(source).iter_batches(BATCH_ROWS, columns=FILLS.schema.names):
                yield from _of_batch(batch)
        except pa.ArrowInvalid as error:
            raise CorruptFile(f"{store.uri}/{key} is no readable Parquet file: {error}") from error


def _of_batch(batch: pa.RecordBatch) -> Iterable[StoredFill]:
    sides = {side.value: side for side in Side}
    liquidities: dict[str | None, Liquidity | None] = {one.value: one for one in Liquidity}
    columns = [_plain(batch.column(name)) for name in FILLS.schema.names]
    for (
        at_ns, venue, account, symbol, strategy, trade_id, client_id, venue_order_id, side, price, amount, fee,
        fee_currency, liquidity, size, received_ns,
    ) in zip(*columns, strict=True):  # fmt: skip
        fill = Fill(
            venue=venue,
            account=account,
            symbol=symbol,
            trade_id=trade_id,
            side=sides[side],
            price=price,
            amount=amount,
            received_ns=received_ns,
            exchange_ns=at_ns,
            venue_order_id=venue_order_id,
            client_id=client_id,
            fee=fee,
            fee_currency=fee_currency,
            liquidity=liquidities.get(liquidity),
        )
        yield StoredFill(fill, strategy or "", size)


def _plain(column: pa.Array) -> list[object]:
    """A column as Python values: times as nanoseconds, labels as text, money as Decimal."""
    if pa.types.is_timestamp(column.type):
        return list(column.cast(pa.int64()).to_pylist())
    return list(column.cast(pa.string()).to_pylist() if column.type != MONEY else column.to_pylist())
