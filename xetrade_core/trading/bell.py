"""Whether the order store has changed, asked so cheaply that it can be asked many times a second.

SQLite counts the commits of other connections (`PRAGMA data_version`); PostgreSQL tells which transactions a statement
sees (`pg_current_snapshot`), which is the same as before exactly where nothing that writes has begun or ended since.
Either costs some microseconds and reads no table. A standby's snapshot does not tell, so there it may always have
changed.
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
"""

from __future__ import annotations

import asyncio
from threading import Lock
from typing import Any

from sqlalchemy.exc import DBAPIError

from xetrade_core.errors import StoreUnavailable
from xetrade_core.trading.database import first_line, shown
from xetrade_core.trading.reader import OrderReader

_OFTEN_S = 0.01
_SELDOM_S = 0.05  # a server has others to answer, and may be far away
_SNAPSHOT = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_current_snapshot()::text END"


class StoreBell:
    """Rings when something was committed to a store by anybody else. `every_s` is how often to ask."""

    def __init__(self, reader: OrderReader) -> None:
        self._engine = reader.engine
        self._embedded = reader.engine.dialect.name == "sqlite"
        self.every_s = _OFTEN_S if self._embedded else _SELDOM_S
        self._lock = Lock()  # a connection is not closed while it is asked
        self._connection: Any = None
        self._version: object = None

    async def rang(self) -> bool:
        """Whether there may be something new since it was last asked; the first time there is. Raises
        StoreUnavailable."""
        version = self._ask() if self._embedded else await asyncio.to_thread(self._ask)
        before, self._version = self._version, version
        return version is None or version != before

    def _ask(self) -> object:
        """What is the same as long as nobody commits; None where nothing is. A server's connection that was lost is
        opened again, once."""
        with self._lock:
            held = self._connection is not None
            try:
                return self._asked()
            except (DBAPIError, self._engine.dialect.dbapi.Error) as error:  # type: ignore[union-attr]
                if held and not self._embedded:
                    self._forget()
                    return None
                said = f"the order store {shown(self._engine)} does not answer: {first_line(error)}"
                raise StoreUnavailable(said) from error

    def _asked(self) -> object:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            if not self._embedded:
                self._connection.driver_connection.autocommit = True  # no transaction stays open in between
        cursor = self._connection.cursor()
        return cursor.execute("PRAGMA data_version" if self._embedded else _SNAPSHOT).fetchone()[0]

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._connection is not None:
                self._forget()

    def _forget(self) -> None:
        if not self._embedded:
            self._connection.invalidate()  # it is of another mode than the pool's
        self._connection.close()
        self._connection = None
