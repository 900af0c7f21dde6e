"""Alembic's entry: runs the steps on the connection that `database.migrate` hands over."""

from alembic import context

from xetrade_core.trading.schema import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
