"""An order goes by the number of its first event, so that its events lie beside each other and at the end of an index.

The events stay what they are; each is written again once with that number beside it. A process of before that still
runs knows no such number, and what it wrote would be missed by all that goes by it: it is refused from then on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = (
    "client_id", "version", "state", "unsettled", "venue", "account", "symbol", "strategy", "venue_order_id",
    "created_ns", "updated_ns", "body",
)  # fmt: skip
_INDEXES = ("orders_unsettled", "orders_by_venue_id", "orders_by_update")
_NUMBERED = "(client_id IS NULL) = (order_seq IS NULL)"
_GUARD = (
    "CREATE TRIGGER events_{0} BEFORE {1} ON events BEGIN SELECT RAISE(ABORT, 'events are only ever appended'); END"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _sqlite()
    else:
        _postgresql()


def _sqlite() -> None:
    for name in _INDEXES:
        op.drop_index(name)
    op.rename_table("events", "events_0003")
    op.rename_table("orders", "orders_0003")
    op.create_table(
        "events",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("order_seq", sa.BigInteger),
        sa.Column("client_id", sa.String(31)),
        sa.Column("version", sa.Integer),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("order_seq", "version", name="events_of_an_order"),
        sa.CheckConstraint(_NUMBERED, name="events_have_their_order"),
    )
    op.create_table(
        "orders",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("client_id", sa.String(31), nullable=False),
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
        sa.UniqueConstraint("client_id", name="orders_client_id"),
    )
    op.execute(
        "INSERT INTO events SELECT e.seq, first.seq, e.client_id, e.version, e.kind, e.at_ns, e.body "
        "FROM events_0003 e LEFT JOIN events_0003 first ON first.client_id = e.client_id AND first.version = 1 "
        "ORDER BY e.seq"
    )
    op.execute(
        f"INSERT INTO orders SELECT e.seq, {', '.join(f'o.{name}' for name in _COLUMNS)} "
        "FROM orders_0003 o JOIN events_0003 e ON e.client_id = o.client_id AND e.version = 1 ORDER BY e.seq"
    )
    op.drop_table("orders_0003")
    op.drop_table("events_0003")
    only = sa.text("unsettled")
    op.create_index("orders_unsettled", "orders", ["unsettled"], sqlite_where=only)
    op.create_index("orders_by_venue_id", "orders", ["venue_order_id", "venue", "account"])
    op.create_index("orders_by_update", "orders", ["updated_ns"])
    for name, action in (("kept", "DELETE"), ("unchanged", "UPDATE")):
        op.execute(_GUARD.format(name, action))


def _postgresql() -> None:
    op.add_column("events", sa.Column("order_seq", sa.BigInteger))
    op.add_column("orders", sa.Column("seq", sa.BigInteger))
    op.execute("ALTER TABLE events DISABLE TRIGGER events_kept")
    op.execute(
        "UPDATE events e SET order_seq = first.seq FROM events first "
        "WHERE first.client_id = e.client_id AND first.version = 1"
    )
    op.execute("ALTER TABLE events ENABLE TRIGGER events_kept")
    op.execute("UPDATE orders o SET seq = e.seq FROM events e WHERE e.client_id = o.client_id AND e.version = 1")
    op.execute("DELETE FROM orders WHERE seq IS NULL")  # rows that no event stands for, which a rebuild removes
    op.drop_constraint("events_of_an_order", "events")
    op.create_unique_constraint("events_of_an_order", "events", ["order_seq", "version"])
    op.create_check_constraint("events_have_their_order", "events", _NUMBERED)
    op.drop_constraint("orders_pkey", "orders")
    op.create_primary_key("orders_pkey", "orders", ["seq"])
    op.create_unique_constraint("orders_client_id", "orders", ["client_id"])


def downgrade() -> None:
    raise NotImplementedError("an older version does not read this store: go back to a copy from before")
