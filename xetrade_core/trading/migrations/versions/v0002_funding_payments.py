"""Fundings that accounts were paid or have paid, each once, by the venue's own id."""

import sqlalchemy as sa
from alembic import op

from xetrade_core.trading.schema import Exact

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "funding_payments",
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("account", sa.String(64), primary_key=True),
        sa.Column("symbol", sa.String(64), primary_key=True),
        sa.Column("payment_id", sa.String(128), primary_key=True),
        sa.Column("amount", Exact, nullable=False),
        sa.Column("currency", sa.String(32), nullable=False),
        sa.Column("rate", Exact),
        sa.Column("mark", Exact),
        sa.Column("at_ns", sa.BigInteger, nullable=False),
    )
    op.create_index("funding_payments_by_time", "funding_payments", ["at_ns"])


def downgrade() -> None:
    op.drop_table("funding_payments")
