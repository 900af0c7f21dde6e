"""Cross-venue orders: their entries, where they stand, and the ledger of what stayed unhedged."""

import sqlalchemy as sa
from alembic import op

from xetrade_core.trading.schema import Exact

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SQLITE_GUARD = (
    "CREATE TRIGGER {0}_{1} BEFORE {2} ON {0} BEGIN SELECT RAISE(ABORT, 'entries are only ever appended'); END"
)
_KEPT = ("cross_events", "cross_residuals")


def upgrade() -> None:
    op.create_table(
        "cross_sagas",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("over", sa.Boolean, nullable=False),
        sa.Column("created_ns", sa.BigInteger, nullable=False),
        sa.Column("updated_ns", sa.BigInteger, nullable=False),
        sa.Column("driver", sa.String(64)),
        sa.Column("driven_until_ns", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("cross_sagas_by_time", "cross_sagas", ["created_ns"])
    op.create_table(
        "cross_events",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "cross_residuals",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("currency", sa.String(32), nullable=False),
        sa.Column("amount", Exact, nullable=False),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("symbol", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("cross_residuals_by_currency", "cross_residuals", ["currency", "at_ns"])
    for table in _KEPT:
        _guard(table)


def _guard(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, action in (("kept", "DELETE"), ("unchanged", "UPDATE")):
            op.execute(_SQLITE_GUARD.format(table, name, action))
    else:
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION events_are_kept()"
        )


def downgrade() -> None:
    for table in ("cross_residuals", "cross_events", "cross_sagas"):
        op.drop_table(table)
