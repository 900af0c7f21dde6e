"""Opening the order store's database: SQLite in WAL mode by default, PostgreSQL in production, migrated on opening.

URLs are SQLAlchemy's: `sqlite:///data/orders.db`, `postgresql://user@host/orders` (psycopg 3). A path alone is a SQLite
file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from xetrade_core.errors import ConfigError, StoreUnavailable
from xetrade_core.telemetry import get_logger
from xetrade_core.trading.schema import REVISION

_log = get_logger("orders")
MIGRATIONS = Path(__file__).with_name("migrations")
BUSY_TIMEOUT_S = 30.0
#: so long PostgreSQL keeps the transaction of a process that has stopped in the middle of it, and with it its locks
STOPPED_TIMEOUT_S = 300.0
#: how a connection to a machine that is gone is found out: else a call waits for hours
_ALIVE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": round(BUSY_TIMEOUT_S * 1000),
}
#: any constant will do: two processes that open a new PostgreSQL database must not migrate it at the same time
_MIGRATION_LOCK = 7_305_918


def open_engine(url: str | Path) -> Engine:
    """The database, created and migrated to the newest schema. Raises ConfigError, StoreUnavailable."""
    parsed = _parse(url)
    engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    try:
        migrate(engine)
    except StoreUnavailable:
        engine.dispose()
        raise
    except (SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise StoreUnavailable(f"the order store {shown(engine)} cannot be opened: {first_line(error)}") from error
    return engine


def shown(engine: Engine) -> str:
    """The database's URL without its password."""
    return engine.url.render_as_string(hide_password=True)


def first_line(error: BaseException) -> str:
    """What the driver said, on one line and without the statement."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


def migrate(engine: Engine) -> None:
    """Bring the schema up to date; a no-op when it is. Several processes may do so at once. Raises StoreUnavailable for
    one of a newer version."""
    with engine.connect().execution_options(reading=True) as connection:
        known = inspect(connection).has_table("alembic_version")
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if revision == REVISION:
        return
    if revision is not None and revision > REVISION:
        raise StoreUnavailable(
            f"the order store {shown(engine)} was written by a newer version of XETrade (its schema is {revision}, and "
            f"this version knows {REVISION}): use the newer one"
        )
    if revision is not None:  # of a million orders, some thirty seconds
        _log.info("migrating the order store", store=shown(engine), revision=revision, to=REVISION)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))  # a migration may take its time
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def writing(connection: Connection, *, durable: bool) -> Iterator[None]:
    """A transaction that writes. Unless `durable`, its commit does not wait for the disk: the next durable one does."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    with connection.begin():
        if not sqlite and not durable:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        yield


def _parse(url: str | Path) -> URL:
    if isinstance(url, Path) or "://" not in url:
        return URL.create("sqlite", database=str(url))
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "the order store's URL cannot be read: like sqlite:///data/orders.db or postgresql://host/db"
        ) from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ConfigError.of("order store", f"{backend}://", "sqlite and postgresql are supported")
    if backend == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError.of("order store", "sqlite in memory", "orders must survive: give a file")
    return parsed.set(drivername="postgresql+psycopg") if backend == "postgresql" else parsed


def _postgresql(url: URL) -> Engine:
    """What waits for the lock of another process gives up, as with SQLite: that process may be dead on a machine that
    nobody has missed yet. What the URL itself says of the connection holds."""
    alive = {name: value for name, value in _ALIVE.items() if name not in url.query}
    engine = create_engine(url, isolation_level="READ COMMITTED", pool_pre_ping=True, connect_args=alive)

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {round(BUSY_TIMEOUT_S * 1000)}")
            cursor.execute(f"SET idle_in_transaction_session_timeout = {round(STOPPED_TIMEOUT_S * 1000)}")
        connection.commit()

    return engine


def _sqlite(url: URL) -> Engine:
    assert url.database is not None
    try:
        Path(url.database).expanduser().absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # a disk that is read-only, or not mounted
        raise StoreUnavailable(f"the order store {url.database} cannot be opened: {error}") from error
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        # a writer that began as a reader could not become one once another has written
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
