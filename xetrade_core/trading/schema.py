"""The tables of the order store. Migrations (trading/migrations) build them; a test holds the two equal.

`events` is the truth and only ever grows: its `seq` has no holes, so two writers that did not take turns collide on it
and one of them tries again. `orders` and `holdings` are projections that `rebuild` makes anew from the events. `body`
holds the whole value as JSON; the columns beside it are what is searched by.

An order goes by the `seq` of its first event: what belongs to it then lies where the newest rows are. Client ids are
hashes; an index by them alone touches another page for every event of every order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

#: the newest step of trading/migrations
REVISION = "0004"
METADATA = MetaData()


class Exact(TypeDecorator[Decimal]):
    """A Decimal to the last digit: NUMERIC where the database has it, text in SQLite (whose numbers are floats)."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return str(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")

EVENTS = Table(
    "events",
    METADATA,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=False),
    Column("order_seq", BigInteger),  # of the order's first event; null: an operator's word that concerns no order
    Column("client_id", String(31)),
    Column("version", Integer),
    Column("kind", String(32), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("order_seq", "version", name="events_of_an_order"),
    # a process of before there were such numbers, which still runs while the store is migrated, must write no event
    CheckConstraint("(client_id IS NULL) = (order_seq IS NULL)", name="events_have_their_order"),
)

ORDERS = Table(
    "orders",
    METADATA,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=False),  # of its first event
    Column("client_id", String(31), nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", String(24), nullable=False),
    Column("unsettled", Boolean, nullable=False),
    Column("venue", String(64), nullable=False),
    Column("account", String(64), nullable=False),
    Column("symbol", String(64), nullable=False),
    Column("strategy", String(64), nullable=False),
    Column("venue_order_id", String(128)),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("client_id", name="orders_client_id"),
)
Index("orders_unsettled", ORDERS.c.unsettled, sqlite_where=text("unsettled"), postgresql_where=text("unsettled"))
Index("orders_by_venue_id", ORDERS.c.venue_order_id, ORDERS.c.venue, ORDERS.c.account)
Index("orders_by_update", ORDERS.c.updated_ns)

FILLS = Table(
    "fills",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("symbol", String(64), primary_key=True),
    Column("trade_id", String(128), primary_key=True),
    Column("client_id", String(31)),  # null: a trade of the account that no order of ours made
    Column("venue_order_id", String(128)),
    Column("side", String(4), nullable=False),
    Column("price", Exact, nullable=False),
    Column("amount", Exact, nullable=False),
    Column("fee", Exact),
    Column("fee_currency", String(32)),
    Column("liquidity", String(8)),
    Column("exchange_ns", BigInteger),
    Column("received_ns", BigInteger, nullable=False),
)
Index("fills_of_an_order", FILLS.c.client_id)
Index("fills_by_time", FILLS.c.received_ns)
_UNCLAIMED = text("client_id IS NULL")
Index("fills_unclaimed", FILLS.c.venue_order_id, sqlite_where=_UNCLAIMED, postgresql_where=_UNCLAIMED)

FUNDING_PAYMENTS = Table(
    "funding_payments",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("symbol", String(64), primary_key=True),
    Column("payment_id", String(128), primary_key=True),
    Column("amount", Exact, nullable=False),
    Column("currency", String(32), nullable=False),
    Column("rate", Exact),
    Column("mark", Exact),
    Column("at_ns", BigInteger, nullable=False),
)
Index("funding_payments_by_time", FUNDING_PAYMENTS.c.at_ns)

HOLDINGS = Table(
    "holdings",
    METADATA,
    Column("venue", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("symbol", String(64), primary_key=True),
    Column("strategy", String(64), primary_key=True),
    Column("amount", Exact, nullable=False),
    Column("body", Text, nullable=False),
)

CROSS_SAGAS = Table(
    "cross_sagas",
    METADATA,
    Column("key", String(200), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", String(24), nullable=False),
    Column("over", Boolean, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Column("driver", String(64)),  # whoever drives it, until then; null: nobody
    Column("driven_until_ns", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
Index("cross_sagas_by_time", CROSS_SAGAS.c.created_ns)

CROSS_EVENTS = Table(
    "cross_events",
    METADATA,
    Column("key", String(200), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("at_ns", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

CROSS_RESIDUALS = Table(
    "cross_residuals",
    METADATA,
    Column("key", String(200), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("currency", String(32), nullable=False),
    Column("amount", Exact, nullable=False),
    Column("venue", String(64), nullable=False),
    Column("account", String(64), nullable=False),
    Column("symbol", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_ns", BigInteger, nullable=False),
)
Index("cross_residuals_by_currency", CROSS_RESIDUALS.c.currency, CROSS_RESIDUALS.c.at_ns)
