"""Events, orders, fills, holdings; the database itself keeps events from being changed or removed."""

import sqlalchemy as sa
from alembic import op

from xetrade_core.trading.schema import Exact

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_SQLITE_GUARD = (
    "CREATE TRIGGER events_{0} BEFORE {1} ON events BEGIN SELECT RAISE(ABORT, 'events are only ever appended'); END"
)
_POSTGRES_GUARD = """
CREATE FUNCTION events_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'events are only ever appended'; END $$
"""


def upgrade() -> None:
    sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "events",
        sa.Column("seq", sequence, primary_key=True, autoincrement=False),
        sa.Column("client_id", sa.String(31)),
        sa.Column("version", sa.Integer),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("client_id", "version", name="events_of_an_order"),
    )
    op.create_table(
        "orders",
        sa.Column("client_id", sa.String(31), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("unsettled", sa.Boolean, nullable=False),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("symbol", sa.String(64), nullable=False),
        sa.Column("strategy", sa.String(64), nullable=False),
        sa.Column("venue_order_id", sa.String(128)),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("updated_ns", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    only = sa.text("unsettled")
    op.create_index("orders_unsettled", "orders", ["unsettled"], sqlite_where=only, postgresql_where=only)
    op.create_index("orders_by_venue_id", "orders", ["venue_order_id", "venue", "account"])
    op.create_index("orders_by_update", "orders", ["updated_ns"])
    op.create_table(
        "fills",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(64), primary_key=True),
        sa.Column("trade_id", sa.String(128), primary_key=True),
        sa.Column("client_id", sa.String(31)),
        sa.Column("venue_order_id", sa.String(128)),
        sa.Column("side", sa.String(4), nullable=False),
        sa.Column("price", Exact, nullable=False),
        sa.Column("amount", Exact, nullable=False),
        sa.Column("fee", Exact),
        sa.Column("fee_currency", sa.String(32)),
        sa.Column("liquidity", sa.String(8)),
        sa.Column("exchange_ns", sa.BigInteger),
        sa.Column("received_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("fills_of_an_order", "fills", ["client_id"])
    op.create_index("fills_by_time", "fills", ["received_ns"])
    free = sa.text("client_id IS NULL")
    op.create_index("fills_unclaimed", "fills", ["venue_order_id"], sqlite_where=free, postgresql_where=free)
    op.create_table(
        "holdings",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(64), primary_key=True),
        sa.Column("strategy", sa.String(64), primary_key=True),
        sa.Column("amount", Exact, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    _guard_events()


def _guard_events() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, action in (("kept", "DELETE"), ("unchanged", "UPDATE")):
            op.execute(_SQLITE_GUARD.format(name, action))
        return
    op.execute(_POSTGRES_GUARD)
    op.execute(
        "CREATE TRIGGER events_kept BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_are_kept()"
    )


def downgrade() -> None:
    for table in ("holdings", "fills", "orders", "events"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION events_are_kept")
