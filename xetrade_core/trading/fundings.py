"""Funding payments in the order store: ledger events of their own, each once, whoever reports it and how often."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, fields

from sqlalchemy import Connection, func, insert, select, tuple_

from xetrade_core.model.accounts import FundingPayment
from xetrade_core.trading.holdings import NS_PER_DAY
from xetrade_core.trading.reader import OrderReader
from xetrade_core.trading.schema import FUNDING_PAYMENTS
from xetrade_core.trading.store import OrderStore

_KEY = tuple_(*(FUNDING_PAYMENTS.c[name] for name in ("venue", "account", "symbol", "payment_id")))
_NAMES = tuple(field.name for field in fields(FundingPayment))


def add_fundings(store: OrderStore, payments: Iterable[FundingPayment]) -> int:
    """Record what is not recorded yet; how many that were. Raises StoreUnavailable, and then none is."""
    wanted = {payment.identity: payment for payment in payments}
    new: list[FundingPayment] = []

    def work(connection: Connection) -> None:
        known = {tuple(row) for row in connection.execute(select(*_KEY.clauses).where(_KEY.in_(list(wanted))))}
        new.extend(payment for identity, payment in wanted.items() if identity not in known)
        if new:
            connection.execute(insert(FUNDING_PAYMENTS), [asdict(payment) for payment in new])

    if wanted:
        store.repair(work)
    return len(new)


def read_fundings(
    reader: OrderReader,
    *,
    venue: str | None = None,
    account: str | None = None,
    symbols: Collection[str] | None = None,
    from_ns: int | None = None,
    to_ns: int | None = None,
) -> list[FundingPayment]:
    """The payments with from_ns <= at_ns < to_ns, by time. Raises StoreUnavailable."""
    table = FUNDING_PAYMENTS.c
    query = select(FUNDING_PAYMENTS).order_by(table.at_ns, func.length(table.payment_id), table.payment_id)
    for column, value in ((table.venue, venue), (table.account, account)):
        if value is not None:
            query = query.where(column == value)
    if symbols is not None:
        query = query.where(table.symbol.in_(symbols))
    if from_ns is not None:
        query = query.where(table.at_ns >= from_ns)
    if to_ns is not None:
        query = query.where(table.at_ns < to_ns)
    with reader.reading() as connection:
        rows = connection.execute(query).all()
    return [FundingPayment(**{name: row._mapping[name] for name in _NAMES}) for row in rows]


def count_fundings(reader: OrderReader) -> int:
    """How many payments there are, so that a reader sees whether any has come."""
    with reader.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(FUNDING_PAYMENTS)).scalar() or 0)


def fundings_by_day(reader: OrderReader, venue: str, before_ns: int) -> dict[int, int]:
    """How many payments on a venue there are of each UTC day (its start)."""
    at_ns = FUNDING_PAYMENTS.c.at_ns
    day_ns = (at_ns - at_ns % NS_PER_DAY).label("day_ns")
    query = select(day_ns, func.count().label("many")).group_by(day_ns)
    with reader.reading() as connection:
        rows = connection.execute(query.where(FUNDING_PAYMENTS.c.venue == venue, at_ns < before_ns)).all()
    return {row.day_ns: row.many for row in rows}
